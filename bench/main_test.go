package main

import (
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEachPartRuns(t *testing.T) {
	var out strings.Builder
	wanted := []string{"borrow", "database", "spike"}
	kept := &results{printed: map[string]string{}}
	if err := (plan{out: &out, rounds: 1, turn: time.Millisecond, kept: kept}).run(wanted); err != nil {
		t.Fatal(err)
	}
	for _, peer := range peers {
		if !strings.Contains(out.String(), peer.name) {
			t.Errorf("%s is missing in\n%s", peer.name, &out)
		}
	}
	for name, printed := range kept.printed {
		if !strings.Contains(out.String(), printed) || len(printed) == 0 {
			t.Errorf("of %s was kept %q", name, printed)
		}
	}
	for _, c := range kept.charts {
		if len(c.lines) != len(peers) || len(c.lines[0].points) < 3 {
			t.Errorf("chart %s has the lines %v", c.name, c.lines)
		}
	}
	if len(kept.printed) != len(wanted) || len(kept.charts) < 2 {
		t.Errorf("%d parts and %d charts were kept, of %d parts and at least 2 charts", len(kept.printed), len(kept.charts), len(wanted))
	}
}

// Each contestant has one turn in a round, and begins rounds as often as others.
func TestContestantsTakeTurns(t *testing.T) {
	var order []int
	turn := func(i int) error {
		order = append(order, i)
		return nil
	}
	if err := inTurns(4, 3, turn); err != nil || !slices.Equal(order, []int{0, 1, 2, 1, 2, 0, 2, 0, 1, 0, 1, 2}) {
		t.Errorf("%v, %v", order, err)
	}
	failed := errors.New("failed")
	if err := inTurns(4, 3, func(i int) error { return map[int]error{2: failed}[i] }); err != failed {
		t.Errorf("got %v", err)
	}
}

// fixed is a pool whose cycles take what a list says, one turn after the other.
type fixed struct {
	subject
	ns []float64
}

func (*fixed) fill(int) error { return nil }
func (*fixed) close()         {}

func (f *fixed) perTurn(int, time.Duration) (float64, error) {
	ns := f.ns[0]
	f.ns = f.ns[1:]
	return ns, nil
}

// The ratio is the median of those within rounds, to the fastest other pool.
func TestRatiosOfCycles(t *testing.T) {
	var field []contender
	for _, f := range []struct {
		kind string
		ns   []float64
	}{
		{"pool", []float64{10, 100, 20}},
		{"pool", []float64{40, 200, 400}},
		{"pool", []float64{30, math.NaN(), 100}},
		{"building block", []float64{1, 1, 1}},
	} {
		field = append(field, contender{kind: f.kind, open: func(int, int, *stub) (subject, error) { return &fixed{ns: f.ns}, nil }})
	}
	c, err := plan{rounds: 3}.borrowAt(field, 8, 8)
	if err != nil || c.ratio != 3 || !slices.Equal(c.ns[:2], []float64{20, 200}) { // of 3, 2 and 5
		t.Errorf("%+v, %v", c, err)
	}
}

// Where callers are busy there is no ideal to compare with.
func TestBusyWaitsHaveNoRatio(t *testing.T) {
	field, leave := plan{out: io.Discard}.field()
	defer leave()
	for _, l := range loads {
		figures, err := l.waits(field, 2, 8, 1, 20*time.Millisecond)
		if err != nil || len(figures) != len(peers) {
			t.Fatalf("%s: %d lines, %v", l.name, len(figures), err)
		}
		for i, f := range figures {
			if f[0] <= 0 || math.IsNaN(f[7]) != l.busy {
				t.Errorf("%s, %s: %v", l.name, field[i].name, f)
			}
		}
	}
}

// What can no longer be printed ends a run.
func TestRunEndsIfItCannotBePrinted(t *testing.T) {
	out := &full{room: 10}
	err := plan{out: out, rounds: 1, turn: time.Millisecond}.run([]string{"database", "spike"})
	if err == nil || !strings.HasPrefix(err.Error(), "database is not printed: ") {
		t.Error(err)
	}
}

// full is a writer with little room.
type full struct{ room int }

func (f *full) Write(text []byte) (int, error) {
	if len(text) > f.room {
		return 0, errors.New("no space left")
	}
	f.room -= len(text)
	return len(text), nil
}

// In an ideal queue for one connection everybody waits for all others.
func TestIdealQueue(t *testing.T) {
	holds := make([]time.Duration, 100)
	for i := range holds {
		holds[i] = time.Millisecond
	}
	for _, w := range idealWaits(holds, 1, 10) {
		if w != 9*time.Millisecond {
			t.Fatalf("a wait of %v", w)
		}
	}
}
