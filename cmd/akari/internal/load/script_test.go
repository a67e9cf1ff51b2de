package load

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
)

// described lists the steps of a script, one a line.
func described(s *Script) string {
	var b strings.Builder
	for _, st := range s.Steps {
		verb := [...]string{"exec", "query", "begin", "commit", "rollback"}[st.verb]
		fmt.Fprintf(&b, "%s | %s | %s | %d\n", verb, st.Name, strings.Join(strings.Fields(st.SQL), " "), len(st.args))
	}
	return b.String()
}

func TestScriptIsReadAsDocumented(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		d                dialect
	}{
		{"semicolons end statements, the last needs none", "SELECT 1;\n\n update t\nset a = 1", `
query | SELECT 1 | SELECT 1 | 0
exec | update t set a = 1 | update t set a = 1 | 0
`, sqlite},
		{"without semicolons each line is a statement", "SELECT 1\n\n-- name: two\nSELECT ';'\n   \nDELETE FROM t", `
query | SELECT 1 | SELECT 1 | 0
query | two | SELECT ';' | 0
exec | DELETE FROM t | DELETE FROM t | 0
`, sqlite},
		{"comments may name a statement, anywhere in it", "-- first of all\n-- name:  look up \nSELECT 1; -- the end\nSELECT 2 -- name: after\n;-- name: nothing\n;", `
query | look up | SELECT 1 | 0
query | after | SELECT 2 | 0
`, sqlite},
		{"parameters are the driver's", "SELECT :rand(1,10), :text(5) WHERE ':rand(1,2)' = a::text AND b = :unique", `
query | SELECT $1, $2 WHERE ':rand(1,2)' = a::t… | SELECT $1, $2 WHERE ':rand(1,2)' = a::text AND b = $3 | 3
`, postgres},
		{"parameters after a string go on counting", "SELECT :rand(1,1), 'x', :rand(2,2);", `
query | SELECT $1, 'x', $2 | SELECT $1, 'x', $2 | 2
`, postgres},
		{"parameters of other drivers are question marks", "INSERT INTO t VALUES (:unique)", `
exec | INSERT INTO t VALUES (?) | INSERT INTO t VALUES (?) | 1
`, mysql},
		{"a cast is no parameter", "SELECT a::text, b::rand(1,2), x:y", `
query | SELECT a::text, b::rand(1,2), x:y | SELECT a::text, b::rand(1,2), x:y | 0
`, postgres},
		{"colons of PostgreSQL are no placeholders", "SELECT a[:f(1)], a[b['x'] :f(a[:g(1)])], a[lower(b):upper(b)], a ::numeric(5,2), f(b := :rand(1,2), c :=g(1)), a[:rand(1,2)]", `
query | SELECT a[:f(1)], a[b['x'] :f(a[:g(1)])]… | SELECT a[:f(1)], a[b['x'] :f(a[:g(1)])], a[lower(b):upper(b)], a ::numeric(5,2), f(b := $1, c :=g(1)), a[$2] | 2
`, postgres},
		{"what stands in quotes and comments is no placeholder", "SELECT ':nope(1)' /* :nope(1) */; -- :nope(1) 'x", `
query | SELECT ':nope(1)' /* :nope(1) */ | SELECT ':nope(1)' /* :nope(1) */ | 0
`, sqlite},
		{"a name cannot command the terminal", "-- name: \x1b[2J\nSELECT 1", `
query | �[2J | SELECT 1 | 0
`, sqlite},
		{"transactions", "Begin work;\nINSERT INTO t VALUES (1) RETURNING id;\n SAVEPOINT a; ROLLBACK TO a; end;START TRANSACTION;ROLLBACK;", `
begin | Begin work | Begin work | 0
query | INSERT INTO t VALUES (1) RETURNING id | INSERT INTO t VALUES (1) RETURNING id | 0
exec | SAVEPOINT a | SAVEPOINT a | 0
exec | ROLLBACK TO a | ROLLBACK TO a | 0
commit | end | end | 0
begin | START TRANSACTION | START TRANSACTION | 0
rollback | ROLLBACK | ROLLBACK | 0
`, sqlite},
		{"hints stay", "/*+ hint */ SELECT 1; (SELECT 2) UNION SELECT 3; with a as (select 1) select 2; 'returning'", `
query | /*+ hint */ SELECT 1 | /*+ hint */ SELECT 1 | 0
query | (SELECT 2) UNION SELECT 3 | (SELECT 2) UNION SELECT 3 | 0
query | with a as (select 1) select 2 | with a as (select 1) select 2 | 0
exec | 'returning' | 'returning' | 0
`, sqlite},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := parseScript(c.d, "my.sql", c.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := "\n" + described(s); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestScriptErrorsSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "my.sql: there is no statement in it",
		" -- only\n/* comments */ ; ;": "my.sql: there is no statement in it",
		"SELECT 1;\nCOMMIT;":           `my.sql: "COMMIT" ends a transaction that has not begun`,
		"BEGIN; BEGIN; COMMIT;":        `my.sql: "BEGIN" begins a transaction inside of another`,
		"BEGIN;\nSELECT 1;":            "my.sql: the last transaction has no COMMIT or ROLLBACK",
		"SELECT 1;\n\n-- x\nSELECT\n :rand(5,1);":                "my.sql:4: :rand(5,1): write :rand(low,high) with two whole numbers, the smaller first",
		"SELECT 1\nSELECT :rand":                                 "my.sql:2: :rand(): write :rand(low,high) with two whole numbers, the smaller first",
		"SELECT :text(0)":                                        "my.sql:1: :text(0): write :text(length) with a whole number from 1 to 1048576",
		"SELECT :unique(1)":                                      "my.sql:1: :unique takes no arguments",
		"SELECT :rand(-9223372036854775808,9223372036854775807)": "my.sql:1: :rand(-9223372036854775808,9223372036854775807): write :rand(low,high) with two whole numbers, the smaller first",
		"SELECT 1;\nBEGIN ISOLATION LEVEL SERIALIZABLE; COMMIT":  "my.sql:2: write BEGIN without anything after it; how transactions are begun is said in the settings of pool and driver",
	} {
		_, err := parseScript(sqlite, "my.sql", text)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

func TestPlaceholdersAreNotMistyped(t *testing.T) {
	for _, d := range []dialect{sqlite, postgres, mysql} {
		for text, word := range map[string]string{
			"SELECT 1;\nselect :nope(3);":                   "nope",
			"SELECT 1;\nSELECT (:Rand(1,2));":               "Rand",
			"SELECT 1;\nSELECT 'x', :texts (5), :rand(1,2)": "texts",
		} {
			_, err := parseScript(d, "my.sql", text)
			if want := "my.sql:2: :" + word + "(…) is no placeholder; there are :rand(low,high), :text(length) and :unique"; err == nil || err.Error() != want {
				t.Errorf("dialect %d: %q: %v\nwant %s", d, text, err, want)
			}
		}
	}
}

func TestWhatIsNeverClosedIsAnErrorOfTheFile(t *testing.T) {
	for _, c := range []struct {
		d          dialect
		text, want string // where, what, and how it begins
	}{
		{sqlite, "SELECT 1;\n\nSELECT\n 'abc; -- x\n SELECT 2;", "4: a quote is never closed: what begins with 'abc;"},
		{sqlite, "SELECT 1\nSELECT \"a", "2: a quote is never closed: what begins with \"a"},
		{mysql, "SELECT `a", "1: a quote is never closed: what begins with `a"},
		{mysql, `SELECT 'a\';`, `1: a quote is never closed: what begins with 'a\';`},
		{postgres, `SELECT E'a\'`, `1: a quote is never closed: what begins with 'a\'`},
		{postgres, "\nSELECT $x$ $$ 'b", "2: a quote is never closed: what begins with $x$"},
		{postgres, "SELECT /* /* */ 1", "1: a comment is never closed: what begins with /*"},
		{sqlite, "SELECT 1; /* the end", "1: a comment is never closed: what begins with /*"},
	} {
		_, err := parseScript(c.d, "my.sql", c.text)
		if want := "my.sql:" + c.want + " runs to the end of the file"; err == nil || err.Error() != want {
			t.Errorf("dialect %d: %q: %v\nwant %s", c.d, c.text, err, want)
		}
	}
	for _, d := range []dialect{sqlite, postgres, mysql} {
		if _, err := parseScript(d, "my.sql", "SELECT 'it''s', \"a\" -- it's\n/* ' */"); err != nil {
			t.Errorf("dialect %d: %v", d, err)
		}
	}
}

func TestBuiltInWorkloadsAreGoodScripts(t *testing.T) {
	for name := range builtIn {
		for _, d := range []dialect{sqlite, postgres, mysql} {
			s, tables, err := (&Plan{Workload: name, Rows: 7}).script(d)
			if err != nil || !tables {
				t.Fatalf("%s: %v, needs tables: %v", name, err, tables)
			}
			for _, st := range s.Steps {
				if strings.ContainsAny(st.SQL, "{:") {
					t.Errorf("%s: %q has something left to fill in", name, st.SQL)
				}
			}
		}
	}
}

func TestArgumentsKeepToTheirBounds(t *testing.T) {
	s, err := parseScript(sqlite, "x", "SELECT :rand(-2,3), :rand(7,7), :text(4), :unique")
	if err != nil {
		t.Fatal(err)
	}
	var unique atomic.Int64
	unique.Store(100)
	d := &draw{rand.New(rand.NewPCG(1, 2)), &unique}
	args := s.Steps[0].args
	seen := map[int64]int{}
	for i := range int64(2000) {
		seen[args[0](d).(int64)]++
		if v := args[1](d).(int64); v != 7 {
			t.Fatalf(":rand(7,7) gave %d", v)
		}
		if v := args[2](d).(string); len(v) != 4 || strings.Trim(v, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Fatalf(":text(4) gave %q", v)
		}
		if v := args[3](d).(int64); v != 101+i {
			t.Fatalf(":unique gave %d after %d", v, 100+i)
		}
	}
	for v := int64(-2); v <= 3; v++ {
		if seen[v] < 200 {
			t.Errorf(":rand(-2,3) gave %d only %d times of 2000", v, seen[v])
		}
	}
	if len(seen) != 6 {
		t.Errorf(":rand(-2,3) gave %v", seen)
	}
}
