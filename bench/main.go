// Command bench compares the pool with its peers: equal work, on a database that
// answers at once, so that what is measured is the pool.
//
//	go run ./bench                 everything, briefly
//	go run ./bench -full           the whole grid
//	go run ./bench borrow tail     parts: borrow, database, scope, tail, spike, scale, real, batch
//	go run ./bench -full -write docs/performance.md
//	                               what is printed goes between the document's marks
//	                               for it, charts beside the document
//
// HikariCP takes part where there are a JDK (11 or later) and its jars: those of
// Debian's libhikaricp-java, or what HIKARI_CLASSPATH lists. It runs in a JVM, one
// for each part, has its turns among those of the others, and is warmed up before
// it is measured. Its callers are threads, so more than 1024 are not tried. Where it
// is missing it is left out, with a line that says why; -jvm=false leaves it out.
//
// The peers run in turns, round after round, since the speed of a machine changes;
// what is printed is the median of the rounds, and of ratios within a round. Each
// begins a round in its turn.
//
// A document is not written if a contestant is missing on this machine, unless
// -partial says so, and only if it has marks for what is measured.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// plan is how thorough a run is.
type plan struct {
	out    io.Writer
	full   bool
	jvm    bool // HikariCP as well
	rounds int
	turn   time.Duration
	kept   *results // nil: nothing is kept
}

// results are what the parts of a run have printed, by their names, and charts of
// it.
type results struct {
	printed map[string]string
	charts  []chart
}

// draw hands over charts of what a part has measured.
func (p plan) draw(charts ...chart) {
	if p.kept != nil {
		p.kept.charts = append(p.kept.charts, charts...)
	}
}

var parts = []struct {
	name string
	run  func(plan) error
}{
	{"borrow", borrow},
	{"database", database},
	{"scope", scopes},
	{"tail", tail},
	{"spike", spike},
	{"scale", scale},
	{"real", realDatabases},
	{"batch", batch},
}

func main() {
	o, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err = fmt.Print(usage())
	case err == nil:
		err = o.carryOut(os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// partNames are the parts that there are.
func partNames() []string {
	var names []string
	for _, part := range parts {
		names = append(names, part.name)
	}
	return names
}

// run runs the wanted parts, all for none. It ends early if what they print cannot
// be printed.
func (p plan) run(wanted []string) error {
	out := p.out
	for _, part := range parts {
		if len(wanted) > 0 && !slices.Contains(wanted, part.name) {
			continue
		}
		var printed strings.Builder
		watched := &watchedWriter{to: io.MultiWriter(out, &printed)}
		p.out = watched
		fmt.Fprintln(out)
		if err := part.run(p); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if watched.err != nil {
			return fmt.Errorf("%s is not printed: %w", part.name, watched.err)
		}
		if p.kept != nil {
			p.kept.printed[part.name] = printed.String()
		}
	}
	return nil
}

// watchedWriter remembers that something could not be written.
type watchedWriter struct {
	to  io.Writer
	err error // the first one
}

func (w *watchedWriter) Write(text []byte) (int, error) {
	n, err := w.to.Write(text)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// inTurns gives each of n contestants its turn in every round. Each begins a round
// in its turn, so that none has the place in a round that is best, or worst.
func inTurns(rounds, n int, turn func(i int) error) error {
	for round := range rounds {
		for k := range n {
			if err := turn((k + round) % n); err != nil {
				return err
			}
		}
	}
	return nil
}

// times says how often something was measured, for the headings of tables.
func times(rounds int, each time.Duration) string {
	if rounds == 1 {
		return fmt.Sprintf("1 round of %v", each)
	}
	return fmt.Sprintf("%d rounds of %v", rounds, each)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
