package load

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Printable puts � in place of what a terminal would obey or not show: control
// characters, and what is no UTF-8.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// short is a duration in three digits: 812ns, 12.3µs, 1.20ms, 3.00s.
func short(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= unit.size {
			v := float64(d) / float64(unit.size)
			switch {
			case v < 9.995:
				return strconv.FormatFloat(v, 'f', 2, 64) + unit.name
			case v < 99.95:
				return strconv.FormatFloat(v, 'f', 1, 64) + unit.name
			}
			return strconv.FormatFloat(v, 'f', 0, 64) + unit.name
		}
	}
	if d == 0 {
		return "0"
	}
	return strconv.FormatInt(int64(d), 10) + "ns"
}

// long is a duration as one would say it: 10s, 9.82s, 1m30s.
func long(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }

// count writes a number with its thousands apart: 83,214.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// number writes a rate: 5,667, or 4.25 where it is small.
func number(v float64) string {
	if v >= 100 || v == float64(int64(v)) {
		return count(int64(v + 0.5))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
