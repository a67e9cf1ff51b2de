package main

import (
	"testing"
	"time"
)

func TestEachComparisonRuns(t *testing.T) {
	if err := run(1, 5*time.Millisecond); err != nil {
		t.Fatal(err)
	}
}
