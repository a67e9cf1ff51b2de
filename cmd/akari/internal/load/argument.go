package load

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
)

// draw is where a worker's random values come from. It belongs to one goroutine.
type draw struct {
	*rand.Rand
	unique *atomic.Int64 // shared by all workers of a run
}

// argument makes the value of a parameter for one execution.
type argument func(d *draw) any

// placeholder is a parameter in the text of a script.
var placeholder = regexp.MustCompile(`(^|[^:A-Za-z0-9_]):(rand|text|unique)\b(?:\s*\(([^)]*)\))?`)

// bind replaces the placeholders in a piece of SQL by the parameters of the
// dialect, the first of which has the number after those in args.
func bind(d dialect, code string, args []argument) (string, []argument, error) {
	var b strings.Builder
	last := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(code, -1) {
		name, list := code[m[4]:m[5]], ""
		if m[6] >= 0 {
			list = code[m[6]:m[7]]
		}
		arg, err := newArgument(name, list, m[6] >= 0)
		if err != nil {
			return "", nil, err
		}
		args = append(args, arg)
		b.WriteString(code[last:m[3]])
		b.WriteString(d.parameter(len(args)))
		last = m[1]
	}
	b.WriteString(code[last:])
	return b.String(), args, nil
}

var (
	// call is what looks like a placeholder with arguments.
	call = regexp.MustCompile(`(?:^|[^:A-Za-z0-9_]):([A-Za-z_][A-Za-z0-9_]*)\s*\(`)

	// arraySlice is in PostgreSQL a part of an array, or what makes one: in
	// a[:f(1)] the colon is no placeholder's.
	arraySlice = regexp.MustCompile(`\[[^\[\]]*\]`)
)

// checkPlaceholders refuses what was meant for a placeholder, and would be sent
// as it is.
func checkPlaceholders(d dialect, code string) error {
	for d == postgres && arraySlice.MatchString(code) {
		code = arraySlice.ReplaceAllString(code, " ")
	}
	for _, m := range call.FindAllStringSubmatch(code, -1) {
		switch m[1] {
		case "rand", "text", "unique":
		default:
			return fmt.Errorf(":%s(…) is no placeholder; there are :rand(low,high), :text(length) and :unique", m[1])
		}
	}
	return nil
}

func newArgument(name, list string, listed bool) (argument, error) {
	switch name {
	case "rand":
		from, to, ok := strings.Cut(list, ",")
		low, err1 := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
		high, err2 := strconv.ParseInt(strings.TrimSpace(to), 10, 64)
		if !ok || err1 != nil || err2 != nil || high < low || high-low < 0 || high-low+1 <= 0 {
			return nil, fmt.Errorf(":rand(%s): write :rand(low,high) with two whole numbers, the smaller first", list)
		}
		return func(d *draw) any { return low + d.Int64N(high-low+1) }, nil
	case "text":
		n, err := strconv.Atoi(strings.TrimSpace(list))
		if err != nil || n < 1 || n > 1<<20 {
			return nil, fmt.Errorf(":text(%s): write :text(length) with a whole number from 1 to %d", list, 1<<20)
		}
		return func(d *draw) any { return letters(d, n) }, nil
	}
	if listed {
		return nil, fmt.Errorf(":unique takes no arguments")
	}
	return func(d *draw) any { return d.unique.Add(1) }, nil
}

// letters returns n random letters.
func letters(d *draw, n int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz"
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[d.IntN(len(alphabet))]
	}
	return string(b)
}
