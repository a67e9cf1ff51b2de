package conformance

import (
	"fmt"
	"strings"
)

// Transcript is what was observed, a line for each observation.
type Transcript []string

func (t Transcript) String() string { return strings.Join(t, "\n") }

// Compare returns "" if two transcripts of a case are alike, but for the
// differences that are meant to be. Otherwise it shows both. Used is told the
// names of the differences it met; it may be nil.
func Compare(driver string, c Case, bare, pooled Transcript, used func(name string)) string {
	if same(driver, c, bare, pooled, used) {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: the bare driver (-) and the pool (+) differ:\n", c.Name)
	for _, l := range align(driver, c, bare, pooled) {
		b.WriteString(l)
		b.WriteByte('\n')
	}
	return b.String()
}

func same(driver string, c Case, bare, pooled Transcript, used func(string)) bool {
	for i := range max(len(bare), len(pooled)) {
		if i >= len(bare) || i >= len(pooled) {
			return false
		}
		if bare[i] == pooled[i] {
			continue
		}
		d := meant(driver, c, bare[i], pooled[i])
		if d == nil {
			return false
		}
		if used != nil {
			used(d.Name)
		}
		if d.Ends {
			return true
		}
	}
	return true
}

// align shows two transcripts one below the other, common lines once.
func align(driver string, c Case, a, b Transcript) []string {
	// longest[i][j] is how many lines a[i:] and b[j:] have in common.
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	alike := func(i, j int) bool { return a[i] == b[j] || meant(driver, c, a[i], b[j]) != nil }
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if alike(i, j) {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && alike(i, j):
			out = append(out, "  "+a[i])
			i++
			j++
		case j == len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1]:
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return out
}
