// Command bench compares the pool with its peers: equal work, on a database that
// answers at once, so that what is measured is the pool.
//
//	go run ./bench                 everything, briefly
//	go run ./bench -full           the whole grid
//	go run ./bench borrow tail     parts: borrow, database, tail, spike
//
// The peers run in turns, round after round, since the speed of a machine changes;
// what is printed is the median of the rounds, and of ratios within a round.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"
)

// plan is how thorough a run is.
type plan struct {
	out    io.Writer
	full   bool
	rounds int
	turn   time.Duration
}

var parts = []struct {
	name string
	run  func(plan) error
}{
	{"borrow", borrow},
	{"database", database},
	{"tail", tail},
	{"spike", spike},
}

func main() {
	p := plan{out: os.Stdout}
	flag.BoolVar(&p.full, "full", false, "every size and every number of callers")
	flag.IntVar(&p.rounds, "rounds", 5, "how often each pool has its turn")
	flag.DurationVar(&p.turn, "turn", 100*time.Millisecond, "how long a turn takes")
	flag.Parse()
	if err := p.run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (p plan) run(wanted []string) error {
	if p.rounds < 1 || p.turn <= 0 {
		return fmt.Errorf("-rounds and -turn must be positive")
	}
	for _, w := range wanted {
		if !slices.ContainsFunc(parts, func(part struct {
			name string
			run  func(plan) error
		}) bool {
			return part.name == w
		}) {
			return fmt.Errorf("there is no part %q", w)
		}
	}
	fmt.Fprintf(p.out, "%s, %s/%s, %d processors; %d rounds of %v\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), p.rounds, p.turn)
	for _, part := range parts {
		if len(wanted) > 0 && !slices.Contains(wanted, part.name) {
			continue
		}
		fmt.Fprintln(p.out)
		if err := part.run(p); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
