package main

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// Every contestant reads the right rows from a real server. What is missing is
// installed, as for the tests of the other modules.
func TestRealDatabases(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("localdb starts servers on Linux only")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if err := localdb.Install(ctx, os.Stderr, localdb.Postgres, localdb.MariaDB); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := (plan{out: &out, rounds: 1, turn: 2 * time.Millisecond}).run([]string{"real"}); err != nil {
		t.Fatal(err)
	}
	lines := slices.Collect(strings.Lines(out.String()))
	for _, target := range targets {
		at := slices.Index(lines, target.name+"\n")
		if at < 0 {
			t.Fatalf("%s is missing in\n%s", target.name, &out)
		}
		for range 2 { // numbers of callers
			for _, c := range target.contestants {
				at++
				if !strings.HasPrefix(lines[at], "  "+c.name+" ") {
					t.Errorf("%s: the line of %s is %q", target.name, c.name, lines[at])
				}
			}
		}
	}
}

func TestServersThatAreNotInstalledAreLeftOut(t *testing.T) {
	nowhere := t.TempDir()
	t.Setenv("AKARI_POSTGRES_BIN", nowhere)
	t.Setenv("AKARI_MARIADB_BIN", nowhere)
	var out strings.Builder
	if err := (plan{out: &out, rounds: 1, turn: time.Millisecond}).run([]string{"real"}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []localdb.Kind{localdb.Postgres, localdb.MariaDB} {
		if !strings.Contains(out.String(), kind.String()+" is left out: ") {
			t.Errorf("not a word of %v in\n%s", kind, &out)
		}
	}
}

func TestAWrongRowIsAnError(t *testing.T) {
	wrong := reader{read: func(_ context.Context, id int) (row, error) {
		r := table[id-1]
		r.amount++
		return r, nil
	}}
	if _, err := readFor(t.Context(), wrong, 2, 10*time.Millisecond); err == nil || !strings.Contains(err.Error(), "asked for") {
		t.Errorf("a wrong row was taken: %v", err)
	}
}

// All reads are counted, each with its wait, and all the time they took.
func TestReadsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := reader{read: func(_ context.Context, id int) (row, error) {
			time.Sleep(2 * time.Millisecond)
			return table[id-1], nil
		}}
		turn, err := readFor(t.Context(), slow, 4, 19*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if turn.rate() != 2000 || turn.p50() != 2 || turn.p99() != 2 {
			t.Errorf("4 callers, 2 ms each: %v reads/s, %v and %v ms", turn.rate(), turn.p50(), turn.p99())
		}
	})
}

// The ratios are above 1 where akari, the first, does better.
func TestRatiosOfReads(t *testing.T) {
	wait := func(d time.Duration, n int) readTurn {
		return readTurn{took: time.Second, waits: slices.Repeat([]time.Duration{d}, n)}
	}
	var out strings.Builder
	plan{out: &out}.showReads(target{contestants: []contestant{{name: "akari"}, {name: "other"}}}, 8,
		[][]readTurn{{wait(time.Millisecond, 300)}, {wait(4*time.Millisecond, 100)}})
	if got := strings.Fields(out.String()); !slices.Equal(got, strings.Fields("akari 8 300 1.00 1.00 other 8 100 4.00 4.00 3.00 4.00")) {
		t.Errorf("%q", got)
	}
}
