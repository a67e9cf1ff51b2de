package sessionstate

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Pieces that, repeated, would take a careless scanner a time that grows with
// the square of the length, or its stack.
var (
	// openers begin something whose end must be looked for.
	openers = map[Dialect][]string{
		PostgreSQL: {"/*", "/*/", "--\r", "'", "E'", "E''\n", `"`, "$", "$a", "$a$", "$a$$b$", "$a$ $aa$ ", "(", "set_config(", ";"},
		MySQL:      {"/*", "/**/", "/*!", "/*+'", "#\r", "'", `\'`, "`", "$", "$a$", "[", "[]", "]]"},
		SQLite:     {"/*", "'", "[", "$", "$x(", "::", "#a::"},
	}
	others = []string{
		"*/", "/*!40101", "/*M!", "--", "--\n", "-", "#", "' ", `'\`, `\`, `e'\''`, `""`, `"\`, "``", "]", "$1", "$1$", "$é", ":", ":a", ":a::", "@", "@@", "@a(",
		")", "set_config(a,b,true)", "set_config('", ";;SET ", "SET ", "SET @a=1,", "SET STATEMENT FOR ", "EXPLAIN ", "FOR ",
		"1", "1e", "1e+", "1.", ".", "1e1", "0x", "a", "A.", "a ", "_", "é", "\xff", "\x00", "\ufeff", "U&\"", "U&'", "n'", "pg_temp_", "default_transaction_read_only=",
		" ", "\n", ",", "=", ":=", "=>", "READ ", "READ ONLY ", "INTO TEMP ", "CREATE TEMP TABLE x;",
	}
	hostile = slices.Concat(openers[PostgreSQL], openers[MySQL], openers[SQLite], others)
)

// A pass over 1 MiB takes some 10 ms, with the race detector some 100 ms; the
// square of the length would be minutes, even if fast instructions look for the
// ends.
func TestTimeGrowsWithTheLengthOnly(t *testing.T) {
	const limit = 5 * time.Second
	check := func(d Dialect, piece string, size int) {
		text := "SELECT " + strings.Repeat(piece, size/len(piece))
		// A busy machine may be slow once, the square is slow each time.
		var took time.Duration
		for range 3 {
			start := time.Now()
			Classify(d, text)
			if took = time.Since(start); took <= limit {
				return
			}
		}
		t.Errorf("%v: %d bytes of %q took %v", d, len(text), piece, took)
	}
	for d, pieces := range openers {
		for _, piece := range pieces {
			check(d, piece, 1<<20)
		}
		for _, piece := range hostile {
			check(d, piece, 1<<17)
		}
	}
}

// Each token must use up at least a byte, or there would be no end.
func TestEachStepMovesOn(t *testing.T) {
	for _, piece := range hostile {
		for _, head := range []string{"", "SELECT ", "SET LOCAL ", "SELECT set_config(", `SELECT '\', [`, "CREATE TEMP TABLE "} {
			text := head + strings.Repeat(piece, 50)
			for i := range readings[Unknown] {
				s := scanner{lexer: lexer{reading: &readings[Unknown][i], text: text}}
				steps := 1
				for s.step() {
					if steps++; steps > len(text)+1 {
						t.Fatalf("%q in %+v: still reading after %d tokens", text, readings[Unknown][i], steps)
					}
				}
			}
		}
	}
}

func TestNoAllocation(t *testing.T) {
	if n := testing.AllocsPerRun(5, func() {
		eachText(func(d Dialect, text string, _ Effect) { Classify(d, text) })
	}); n != 0 {
		t.Errorf("the specification takes %v allocations", n)
	}
	for _, piece := range hostile {
		text := strings.Repeat(piece, 100)
		if n := testing.AllocsPerRun(1, func() { Classify(Unknown, text) }); n != 0 {
			t.Errorf("%q, repeated, takes %v allocations", piece, n)
		}
	}
}
