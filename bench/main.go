// Command bench compares the pool with its peers: equal work, on a database that
// answers at once, so that what is measured is the pool.
//
//	go run ./bench                 everything, briefly
//	go run ./bench -full           the whole grid
//	go run ./bench borrow tail     parts: borrow, database, tail, spike, scale, real
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
// what is printed is the median of the rounds, and of ratios within a round.
package main

import (
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
	{"tail", tail},
	{"spike", spike},
	{"scale", scale},
	{"real", realDatabases},
}

func main() {
	p := plan{out: os.Stdout}
	flag.BoolVar(&p.full, "full", false, "every size and every number of callers")
	flag.BoolVar(&p.jvm, "jvm", true, "HikariCP as well, if there is a JVM with it")
	flag.IntVar(&p.rounds, "rounds", 5, "how often each pool has its turn")
	flag.DurationVar(&p.turn, "turn", 100*time.Millisecond, "how long a turn takes")
	write := flag.String("write", "", "document to put the results into, between its marks")
	flag.Parse()
	if err := p.report(*write, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// report runs the wanted parts, all for none, and writes a document if one is
// named.
func (p plan) report(path string, wanted []string) error {
	var names []string
	for _, part := range parts {
		names = append(names, part.name)
	}
	if path != "" { // what is wrong with it is said before the measuring
		if _, err := readDocument(path, names); err != nil {
			return err
		}
	}
	command := strings.Join(append([]string{"go run ./bench"}, os.Args[1:]...), " ")
	about := fmt.Sprintf("%s; %s; %s, `%s`: %d rounds of %v.", machine(), versions(),
		time.Now().UTC().Format(time.DateOnly), command, p.rounds, p.turn)
	fmt.Fprintln(p.out, about)
	p.kept = &results{printed: map[string]string{}}
	if err := p.run(wanted); err != nil || path == "" {
		return err
	}
	return p.kept.write(path, names, about)
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
	out := p.out
	for _, part := range parts {
		if len(wanted) > 0 && !slices.Contains(wanted, part.name) {
			continue
		}
		fmt.Fprintln(out)
		var printed strings.Builder
		p.out = io.MultiWriter(out, &printed)
		if err := part.run(p); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if p.kept != nil {
			p.kept.printed[part.name] = printed.String()
		}
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
