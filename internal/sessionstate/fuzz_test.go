package sessionstate

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzClassify(f *testing.F) {
	eachText(func(d Dialect, text string, _ Effect) { f.Add(uint8(d), text) })
	f.Fuzz(func(t *testing.T, dialect uint8, text string) {
		d := Dialect(dialect) % dialects
		e := Classify(d, text)
		if e>>effects != 0 {
			t.Fatalf("%q: invalid effect %v", text, e)
		}
		if e&Opaque != 0 && e&TxEnd != 0 {
			t.Fatalf("%q: promises an end and is opaque", text)
		}
		if again := Classify(d, text); again != e {
			t.Fatalf("%q: %v, then %v", text, e, again)
		}
		nothingHides(t, d, text)
		nothingEscapes(t, d, text)
	})
}

// nothingHides: whatever stands before a statement, it is found, unless what
// stands before ends within a literal or comment.
func nothingHides(t *testing.T, d Dialect, text string) {
	statement, want := "SET a = 1", Settings
	if d == SQLite {
		statement = "PRAGMA a = 1"
	}
	for i := range readings[d] {
		r := &readings[d][i]
		if d == Unknown && r.dialect == SQLite {
			continue // has no SET
		}
		s := scanner{lexer: lexer{reading: r, text: text}}
		steps := 1
		for s.step() {
			steps++
		}
		if steps > len(text)+1 {
			t.Fatalf("%q: %d tokens in %d bytes", text, steps, len(text))
		}
		if s.open || s.doubt {
			continue
		}
		whole := text + "\n;" + statement
		if got := read(whole, r); got&want == 0 || got&s.result()&^TxEnd != s.result()&^TxEnd {
			t.Fatalf("%v, %+v: %q is %v, its beginning %v", d, *r, whole, got, s.result())
		}
	}
	// Nor does it if a literal is open: then it is found behind its end.
	if r := &readings[d][0]; !strings.ContainsAny(text, "\\[") {
		for _, after := range []string{"'", `"`, "`", "]", "*/", "\n"} {
			whole := text + after + "\n;" + statement
			s := scanner{lexer: lexer{reading: r, text: text + after}}
			for s.step() {
			}
			if !s.open && !s.doubt && Classify(d, whole)&(want|Opaque) == 0 {
				t.Fatalf("%v: %q is %v", d, whole, Classify(d, whole))
			}
		}
	}
}

// nothingEscapes: a text quoted by the rules is no code, so that data in
// statements raises no alarm.
func nothingEscapes(t *testing.T, d Dialect, text string) {
	if !utf8.ValidString(text) || strings.ContainsAny(text, "\\\x00") {
		return
	}
	q := "SELECT '" + strings.ReplaceAll(text, "'", "''") + "', 1"
	if e := Classify(d, q); e != 0 {
		t.Fatalf("%v: %q is %v", d, q, e)
	}
	if d != Unknown && !strings.Contains(text, "*/") && !strings.Contains(text, "/*") {
		q := "SELECT 1 /* " + text + " */"
		if e := Classify(d, q); e != 0 {
			t.Fatalf("%v: %q is %v", d, q, e)
		}
	}
}
