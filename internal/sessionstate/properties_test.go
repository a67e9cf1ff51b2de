package sessionstate

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWhatStandsBeforeAStatementChangesNothing(t *testing.T) {
	prefixes := []string{" ", "\n", "\r\n\t", ";", "; ;\n", "-- it's a comment;\n", "/* it's \"a\" comment; */", "/**/", "/* a */ -- b\n /* c */"}
	eachText(func(d Dialect, text string, want Effect) {
		if strings.HasPrefix(text, byteOrderMark) {
			return // is one only at the very beginning
		}
		for _, p := range prefixes {
			if got := Classify(d, p+text); got != want {
				t.Errorf("%v: %q\n   is %v, want %v", d, p+text, got, want)
			}
		}
	})
}

func TestWhatStandsAfterAStatementChangesNothing(t *testing.T) {
	eachText(func(d Dialect, text string, want Effect) {
		if want&Opaque != 0 {
			return // most end within something
		}
		for _, s := range []string{"\n", "\n;", "\n;;", "\n-- c", "\n/* c */", "\n/* c */;\n"} {
			if got := Classify(d, text+s); got != want {
				t.Errorf("%v: %q\n   is %v, want %v", d, text+s, got, want)
			}
		}
	})
}

func TestCaseChangesNothing(t *testing.T) {
	flip := func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r ^ 0x20
		}
		return r
	}
	eachText(func(d Dialect, text string, want Effect) {
		if strings.Contains(text, "*M!") || strings.Contains(text, "*m!") || !isASCII(text) {
			return // the mark of MariaDB is a capital letter
		}
		for name, changed := range map[string]string{
			"upper": strings.ToUpper(text), "lower": strings.ToLower(text), "flipped": strings.Map(flip, text),
		} {
			if got := Classify(d, changed); got != want {
				t.Errorf("%v, %s: %q\n   is %v, want %v", d, name, changed, got, want)
			}
		}
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// closed reports whether text ends outside of literals and comments in every
// reading, and no later text can change that.
func closed(d Dialect, text string) bool {
	for i := range readings[d] {
		s := scanner{lexer: lexer{reading: &readings[d][i], text: text}}
		for s.step() {
		}
		if s.open || s.doubt {
			return false
		}
	}
	return true
}

func TestAStatementIsFoundAfterAnyOther(t *testing.T) {
	flagged := map[Dialect][]struct {
		text string
		want Effect
	}{
		PostgreSQL: {{"SET a = 1", Settings}, {"SELECT set_config('a', 'b', false)", Settings}, {"LISTEN x", Listen}, {"CREATE TEMP TABLE x (a int)", Temporary}, {"DO 'x'", Opaque}},
		MySQL:      {{"SET @a = 1", Variables}, {"USE x", Settings}, {"SELECT GET_LOCK('a', 1)", Locks}, {"SET autocommit = 0", Settings | TxBegin}},
		SQLite:     {{"PRAGMA a = 1", Settings}, {"ATTACH 'x' AS y", Temporary}, {"BEGIN", TxBegin}},
		Unknown:    {{"SET a = 1", Settings}, {"LISTEN x", Listen}, {"SELECT @a := 1", Variables}},
	}
	tried := 0
	eachText(func(d Dialect, text string, want Effect) {
		if !closed(d, text) || strings.HasPrefix(text, byteOrderMark) {
			return
		}
		for _, f := range flagged[d] {
			tried++
			for _, both := range []string{text + "\n; " + f.text, f.text + "; " + text} {
				got := Classify(d, both)
				if must := (want | f.want) &^ TxEnd; got&must != must {
					t.Errorf("%v: %q\n   is %v, want %v at least", d, both, got, must)
				}
			}
		}
	})
	if tried < 1000 {
		t.Errorf("only %d pairs were tried", tried)
	}
}

// unambiguous returns the texts of the specification that can be put into a literal
// without a backslash, which would make them ambiguous.
func unambiguous(d Dialect) (texts []string) {
	eachText(func(of Dialect, text string, _ Effect) {
		if of == d && utf8.ValidString(text) && !strings.ContainsAny(text, "\\\x00é") {
			texts = append(texts, text)
		}
	})
	return texts
}

func TestNothingInALiteralIsCode(t *testing.T) {
	double := func(q string) func(string) string {
		return func(s string) string { return q + strings.ReplaceAll(s, q, q+q) + q }
	}
	literals := map[Dialect]map[string]func(string) string{
		PostgreSQL: {
			"string": double("'"), "escape string": func(s string) string { return "E" + double("'")(s) },
			"dollars":    func(s string) string { return "$quote$" + s + "$quote$" },
			"identifier": double(`"`),
		},
		MySQL:   {"string": double("'"), "string or identifier": double(`"`), "identifier": double("`")},
		SQLite:  {"string": double("'"), "identifier": double(`"`), "identifier of MySQL": double("`")},
		Unknown: {"string": double("'")},
	}
	for d, kinds := range literals {
		for name, quote := range kinds {
			for _, text := range unambiguous(d) {
				for _, in := range []string{"SELECT %, 1 FROM t", "UPDATE t SET a = % WHERE b", "SELECT f(%)"} {
					q := strings.Replace(in, "%", quote(text), 1)
					if got := Classify(d, q); got != 0 {
						t.Errorf("%v, %s: %q is %v", d, name, q, got)
					}
				}
			}
		}
	}
}

func TestLettersInALiteralChangeNothing(t *testing.T) {
	const mark = "\x01"
	rows := map[Dialect][]string{
		PostgreSQL: {
			"SELECT * FROM t WHERE a = '\x01'", "SET app.tenant = '\x01'", "SET LOCAL app.tenant = '\x01'", "SELECT set_config('app.tenant', '\x01', true)", "SELECT set_config('app.tenant', '\x01', false)",
			"SELECT pg_advisory_lock(hashtext('\x01'))", "NOTIFY a, '\x01'", "PREPARE TRANSACTION '\x01'", "SELECT E'\x01', $$\x01$$, $a$\x01$a$", "COMMENT ON TABLE t IS '\x01'", "COPY t FROM '\x01'", "LOAD '\x01'",
		},
		MySQL:   {"SELECT '\x01', \"\x01\", `\x01`", "SET NAMES '\x01'", "SET @a = '\x01'", "SET GLOBAL a = '\x01'", "SELECT GET_LOCK('\x01', 1)", "PREPARE a FROM '\x01'", "SET PASSWORD = '\x01'"},
		SQLite:  {"SELECT '\x01', [\x01]", "ATTACH '\x01' AS a", "PRAGMA a = '\x01'", "PRAGMA table_info('\x01')"},
		Unknown: {"SELECT '\x01'", "SET a = '\x01'"},
	}
	for d, texts := range rows {
		for _, text := range texts {
			want := Classify(d, strings.ReplaceAll(text, mark, "x"))
			for _, letters := range []string{"", "tenant", "SET x = 1", "BEGIN", "on", "é", "true", "READ ONLY", "into temp"} {
				if got := Classify(d, strings.ReplaceAll(text, mark, letters)); got != want {
					t.Errorf("%v: %q with %q is %v, want %v", d, text, letters, got, want)
				}
			}
		}
	}
}

func TestNothingInACommentIsCode(t *testing.T) {
	for _, d := range []Dialect{PostgreSQL, MySQL, SQLite} {
		for _, text := range unambiguous(d) {
			if !strings.Contains(text, "/*") && !strings.Contains(text, "*/") {
				if q := "SELECT /* " + text + " */ 1"; Classify(d, q) != 0 {
					t.Errorf("%v: %q is %v", d, q, Classify(d, q))
				}
			}
			if !strings.ContainsAny(text, "\r\n") {
				if q := "SELECT 1 -- " + text + "\n+ 1"; Classify(d, q) != 0 {
					t.Errorf("%v: %q is %v", d, q, Classify(d, q))
				}
			}
		}
	}
}

func TestUnknownIsTheUnionOfAll(t *testing.T) {
	// Opaque to the dialect of the row since it does not have them at all.
	foreign := map[string]bool{"VACUUM": true, "SHOW x": true}
	eachText(func(d Dialect, text string, want Effect) {
		got := Classify(Unknown, text)
		if must := want &^ (TxEnd | Opaque); got&must != must {
			t.Errorf("%q is %v for %v, but %v for Unknown", text, want, d, got)
		}
		if want&Opaque != 0 && got&Lasting == 0 && !foreign[text] {
			t.Errorf("%q is %v for %v, but %v for Unknown", text, want, d, got)
		}
	})
}
