package faults

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheTableReplacesOnlyWhatStandsBetweenTheMarks(t *testing.T) {
	f := Fault{ID: "F0", Name: "a | b", Peers: []Peer{AkariPgx, SQLPgx, SQLPq, PgxPoolPeer}, Measured: "so", Wanted: "nothing"}
	r := Report{
		Facts: []string{"Date: today"},
		Rows:  []Row{{f, map[Peer]string{AkariPgx: "fine", SQLPgx: "bad", SQLPq: "worse", PgxPoolPeer: "so so"}}},
	}
	file := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(file, []byte("before\n"+beginMark+"\nold\n"+endMark+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time finds what the first has written
		if err := r.WriteInto(file); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := "before\n" + beginMark + "\n\n- Date: today\n\n" +
		"| fault | database/sql | pgxpool | akari | how measured |\n|---|---|---|---|---|\n" +
		"| **F0** a \\| b.<br>Wanted: nothing | pgx: bad<br>lib/pq: worse | so so | pgx: fine | so |\n\n" + endMark + "\nafter\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwanted\n%s", got, want)
	}
}

func TestADocumentWithoutMarksIsLeftAlone(t *testing.T) {
	for _, text := range []string{"", "text", beginMark, endMark + beginMark} {
		if got, err := between(text, "table"); err == nil {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestEveryFaultCanBeTriedAndTold(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range All() {
		if seen[f.ID] || f.ID == "" || f.Name == "" || f.Measured == "" || f.Wanted == "" || f.try == nil || f.tell == nil {
			t.Errorf("%s %q is not complete, or there twice", f.ID, f.Name)
		}
		seen[f.ID] = true
		if !slices.ContainsFunc(f.Peers, func(p Peer) bool { return p.Pool == Akari }) {
			t.Errorf("%s is not tried on akari", f.ID)
		}
	}
}

// The table's reader, and TestMeasuredFaultsKeepWhatIsPromised, go by the bold
// marks.
func TestWhatMissesTheWantedStandsInBold(t *testing.T) {
	good := Figures{Calls: 20, OK: 20, Tried: 15, InVain: 1, Explained: 1}
	bad := Figures{
		Calls: 20, Errors: Errors{"unwanted": 20}, P50: time.Second, Max: time.Minute, Late: 1, Dials: 10_000, Recovered: never, AllWell: never, MaxAtServer: 60,
		InVain: 1, Leaks: []string{"x"}, Tried: 1, Wrong: 1, Inversions: 0.5, Ledger: Audit{Doubled: 1, Missing: 1},
	}
	for _, f := range All() {
		if text := f.Tell(good); strings.Contains(text, "**") {
			t.Errorf("%s is as wanted, and told %q", f.ID, text)
		}
		ledger := bad.Ledger
		if !f.tellsLedger {
			bad.Ledger = Audit{}
		}
		if text := f.Tell(bad); !strings.Contains(text, "**") {
			t.Errorf("%s is not as wanted, and told %q", f.ID, text)
		}
		bad.Ledger = ledger
		if text := f.Tell(Figures{Calls: 20, OK: 20, Ledger: Audit{Missing: 1}}); !strings.Contains(text, "**") {
			t.Errorf("%s lost an acknowledged row, and told %q", f.ID, text)
		}
	}
}

func TestErrorsAreListedByFrequency(t *testing.T) {
	e := Errors{"a": 1, "b": 1234, "c": 5}
	if got, want := e.String(), "1,234 b, 5 c, 1 a"; got != want {
		t.Errorf("%q, wanted %q", got, want)
	}
	if e.Total() != 1240 || e.Except("b", "x") != 6 {
		t.Errorf("total %d, others than b %d", e.Total(), e.Except("b", "x"))
	}
	if !strings.Contains(Errors{}.String(), "none") {
		t.Error("no errors are not called none")
	}
}
