//go:build !race

package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"testing"
)

// guards are the limits of `make guard`: what a cycle of akari's may cost, in
// cycles of a peer. A limit is a quarter above what is usual, so that a cycle that
// has become half as expensive again fails. When the pool has become faster,
// tighten them: `go test -run Guard -v ./bench` prints what is measured.
//
// All run on one processor, since on several the same cycle costs many times as
// much where callers meet as where the machine is too busy for them to meet. A
// caller who holds a connection lets the others run, so that with more callers than
// connections every cycle is a wait and a hand-over.
var guards = []struct {
	what          string
	size, callers int
	hold          func()
	times         int // cycles of a round
	limits        map[string]float64
}{
	{"one caller", 8, 1, nil, 2000, map[string]float64{"mutex+LIFO": 4.8, "puddle": 1.1}},
	{"128 callers, 8 connections", 8, 128, runtime.Gosched, 1024, map[string]float64{"mutex+LIFO": 2.65, "puddle": 1.55}},
	{"8 callers, 1 connection", 1, 8, runtime.Gosched, 1024, map[string]float64{"mutex+LIFO": 2.05, "puddle": 1.25}},
}

// The peers have short turns, and the best of each counts: what disturbs a turn
// only ever adds to it. So where a limit is exceeded there are more turns before
// it is called a failure.
func TestGuardCycle(t *testing.T) {
	const least, most = 100, 600 // rounds
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, g := range guards {
		t.Run(g.what, func(t *testing.T) {
			names, pools, best := []string{}, []peer{}, []float64{}
			for _, p := range peers {
				if _, limited := g.limits[p.name]; limited || p.name == "akari" {
					names, pools, best = append(names, p.name), append(pools, opened(t, p.open, g.size)), append(best, math.Inf(1))
				}
			}
			if len(names) != 1+len(g.limits) {
				t.Fatalf("a limit names a peer that there is not; there are %v", names)
			}
			var exceeded string
			rounds := 0
			for rounds < least || exceeded != "" && rounds < most {
				rounds++
				for i, p := range pools {
					took, err := share(g.callers, g.times, func() error { return p.cycle(ctx, g.hold) })
					if err != nil {
						t.Fatalf("%s: %v", names[i], err)
					}
					best[i] = min(best[i], float64(took.Nanoseconds())/float64(g.times))
				}
				exceeded = ""
				for i, name := range names[1:] {
					if ratio, limit := best[0]/best[i+1], g.limits[name]; ratio > limit {
						exceeded += fmt.Sprintf(" %.2f times %s's, at most %g is allowed;", ratio, name, limit)
					}
				}
			}
			for i, name := range names[1:] {
				t.Logf("akari %.0f ns, %s %.0f ns: %.2f times, %d rounds", best[0], name, best[i+1], best[0]/best[i+1], rounds)
			}
			if exceeded != "" {
				t.Errorf("a cycle costs%s see guards in guard_test.go", exceeded)
			}
		})
	}
}

func TestGuardCycleAllocatesNothing(t *testing.T) {
	p := opened(t, openAkari, 8)
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { _ = p.cycle(ctx, nil) }); n != 0 {
		t.Errorf("borrowing and giving back allocates %v times, not at all is allowed", n)
	}
}

// Through a *sql.DB an operation allocates no more than without the pool.
func TestGuardDatabaseAllocates(t *testing.T) {
	ctx := t.Context()
	with, without := databaseOf(opened(t, openAkari, 8)), databaseOf(opened(t, openSQL, 8))
	for _, op := range operations {
		with, without := fewestAllocs(func() { _ = op.do(ctx, with) }), fewestAllocs(func() { _ = op.do(ctx, without) })
		t.Logf("%s: %v allocations, %v without the pool", op.name, with, without)
		if with > without {
			t.Errorf("%s allocates %v times, without the pool %v times", op.name, with, without)
		}
	}
}

// fewestAllocs is how often an operation allocates when nothing else happens, such
// as a collection of garbage that empties what is kept for reuse.
func fewestAllocs(do func()) float64 {
	fewest := math.Inf(1)
	for range 5 {
		fewest = min(fewest, testing.AllocsPerRun(500, do))
	}
	return fewest
}
