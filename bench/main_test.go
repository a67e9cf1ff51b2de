package main

import (
	"strings"
	"testing"
	"time"
)

func TestEachPartRuns(t *testing.T) {
	var out strings.Builder
	if err := (plan{out: &out, rounds: 1, turn: time.Millisecond}).run([]string{"borrow", "database", "spike"}); err != nil {
		t.Fatal(err)
	}
	for _, peer := range peers {
		if !strings.Contains(out.String(), peer.name) {
			t.Errorf("%s is missing in\n%s", peer.name, &out)
		}
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
