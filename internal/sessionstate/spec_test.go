package sessionstate

import "testing"

// group is a set of texts for which the answer is the same.
type group struct {
	name  string
	want  Effect
	texts []string
}

// specification holds what the package promises, per dialect. The tests of
// properties go over all of it, too.
var specification = map[Dialect][]group{
	PostgreSQL: concat(postgresKinds, postgresEffects, postgresOrdinary),
	MySQL:      concat(mysqlKinds, mysqlEffects, mysqlOrdinary),
	SQLite:     concat(nil, sqliteEffects, sqliteOrdinary),
	Unknown:    unknownEffects,
}

func concat(a, b, c []group) []group { return append(append(append([]group{}, a...), b...), c...) }

func TestSpecification(t *testing.T) {
	for d, groups := range specification {
		for _, g := range groups {
			t.Run(d.String()+"/"+g.name, func(t *testing.T) {
				for _, text := range g.texts {
					if got := Classify(d, text); got != g.want {
						t.Errorf("%q\n   is %v, want %v", text, got, g.want)
					}
				}
			})
		}
	}
}

// eachText calls f with every text of the specification.
func eachText(f func(d Dialect, text string, want Effect)) {
	for d, groups := range specification {
		for _, g := range groups {
			for _, text := range g.texts {
				f(d, text, g.want)
			}
		}
	}
}

func TestAnInvalidDialectIsUnknown(t *testing.T) {
	for _, text := range []string{"LISTEN x", "USE db", "ATTACH 'x' AS y", "SELECT 1"} {
		if got, want := Classify(200, text), Classify(Unknown, text); got != want {
			t.Errorf("%q is %v for dialect 200, %v for Unknown", text, got, want)
		}
	}
}

func TestEffectsHaveNamesForLogs(t *testing.T) {
	for _, c := range []struct {
		effect Effect
		want   string
	}{
		{0, "none"},
		{Settings, "settings"},
		{Settings | Temporary, "settings|temp tables"},
		{TxBegin | TxEnd | ReadOnlyTx, "begin|end|read-only"},
		{Locks | Listen | Prepared | Cursor | Variables | Opaque, "locks|listen|prepared|cursor|variables|opaque"},
		{Opaque | 1<<15, "opaque|invalid"},
	} {
		if got := c.effect.String(); got != c.want {
			t.Errorf("Effect(%d) is %q, want %q", uint16(c.effect), got, c.want)
		}
	}
	for d, want := range map[Dialect]string{
		Unknown: "unknown dialect", PostgreSQL: "PostgreSQL", MySQL: "MySQL", SQLite: "SQLite", 9: "invalid dialect",
	} {
		if got := d.String(); got != want {
			t.Errorf("Dialect(%d) is %q, want %q", uint8(d), got, want)
		}
	}
}

func TestLastingIsAllThatATransactionDoesNotTakeAlong(t *testing.T) {
	if all := Effect(1<<effects - 1); Lasting != all&^(TxBegin|TxEnd|ReadOnlyTx) {
		t.Errorf("Lasting is %v", Lasting)
	}
}

func TestWordsAreListedOnceAndFit(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range words {
		if seen[w.text] {
			t.Errorf("%q is listed twice", w.text)
		}
		seen[w.text] = true
		var f folded
		if got := f.lookUp(w.text); got != w.word {
			t.Errorf("%q is found as word %d, want %d", w.text, got, w.word)
		}
		if len(w.text) >= maxFolded {
			t.Errorf("%q does not fit", w.text)
		}
	}
}
