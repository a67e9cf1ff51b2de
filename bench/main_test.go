package main

import (
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

func TestUnknownPartsAreRefused(t *testing.T) {
	if err := (plan{out: new(strings.Builder), rounds: 1, turn: 1}).run([]string{"borow"}); err == nil {
		t.Error("a part that there is not was run")
	}
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
