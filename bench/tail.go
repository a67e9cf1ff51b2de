package main

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

// tail compares what callers wait when there are many more than connections. The
// last column is the ratio to an ideal queue: first come, first served, with the
// holds that were measured and hand-overs that take no time.
func tail(p plan) error {
	const size, callers = 32, 400
	turn := max(10*p.turn, time.Second)
	rounds := 1
	if p.full {
		rounds = 3
		turn *= 2 // so that one cycle more or less is little
	}
	field, leave := p.field()
	defer leave()
	fmt.Fprintf(p.out, "Waits of %d callers for %d connections, milliseconds\n", callers, size)
	fmt.Fprintf(p.out, "%-14s %-14s %9s %8s %8s %8s %8s %15s %9s\n", "hold", "", "cycles/s", "p50", "p99", "p99.9", "max", "cycles/caller", "to ideal")
	for _, load := range []struct {
		name   string
		atOnce int // how many connections can be in use at the same time
		hold   func()
	}{
		{"sleep 0-1 ms", size, func() { time.Sleep(time.Duration(rand.Int64N(int64(time.Millisecond)))) }},
		{"sleep 500 µs", size, func() { time.Sleep(500 * time.Microsecond) }},
		{"busy 100 µs", min(size, runtime.GOMAXPROCS(0)), func() {
			for end := time.Now().Add(100 * time.Microsecond); time.Now().Before(end); {
			}
		}},
	} {
		seen := make([][]tailFigures, len(field))
		for range rounds {
			for i, candidate := range field {
				opened, err := candidate.open(size, size, &stub{})
				if err != nil {
					return err
				}
				if err := opened.fill(size); err != nil {
					return err
				}
				w, err := opened.waits(callers, turn, load.name, load.hold)
				opened.close()
				if err != nil {
					return fmt.Errorf("%s: %w", candidate.name, err)
				}
				ideal := idealWaits(w.holds, load.atOnce, callers)
				seen[i] = append(seen[i], tailFigures{
					float64(len(w.waits)) / turn.Seconds(), ms(w.waits, 0.5), ms(w.waits, 0.99), ms(w.waits, 0.999), ms(w.waits, 1),
					float64(w.least), float64(w.most), ms(w.waits, 0.99) / ms(ideal, 0.99),
				})
			}
		}
		for i, candidate := range field {
			var mid tailFigures
			for k := range mid {
				var values []float64
				for _, figures := range seen[i] {
					values = append(values, figures[k])
				}
				mid[k] = median(values)
			}
			fmt.Fprintf(p.out, "%-14s %-14s %9.0f %8.2f %8.2f %8.2f %8.2f %7.0f to %4.0f %9.2f\n", load.name, candidate.name,
				mid[0], mid[1], mid[2], mid[3], mid[4], mid[5], mid[6], mid[7])
		}
	}
	return nil
}

// tailFigures are those of a line: cycles in a second; the 50th, 99th and 99.9th
// percentile of the waits and the longest; cycles of the caller with the fewest and
// of that with the most; the 99th percentile's ratio to an ideal queue's.
type tailFigures [8]float64

// waited is what was measured.
type waited struct {
	waits, holds []time.Duration
	least, most  int // cycles of a caller
}

// waits measures for a turn, after half a turn in which the line forms: at first
// the callers that happen to run have the connections to themselves.
func waits(p peer, callers int, turn time.Duration, hold func()) (waited, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	each := make([]waited, callers)
	from := time.Now().Add(turn / 2)
	_, _, err := crowd(callers, turn/2+turn, func(caller int) error {
		mine, asked := &each[caller], time.Now()
		return p.cycle(ctx, func() {
			began := time.Now()
			hold()
			if began.After(from) {
				mine.waits = append(mine.waits, began.Sub(asked))
				mine.holds = append(mine.holds, time.Since(began))
			}
		})
	})
	if err != nil {
		return waited{}, err
	}
	return sum(each), nil
}

// sum is what all callers have waited.
func sum(each []waited) waited {
	sum := waited{least: len(each[0].waits)}
	for _, w := range each {
		sum.least, sum.most = min(sum.least, len(w.waits)), max(sum.most, len(w.waits))
		sum.waits = append(sum.waits, w.waits...)
		sum.holds = append(sum.holds, w.holds...)
	}
	slices.Sort(sum.waits)
	return sum
}

// idealWaits computes the waits of as many cycles in a queue without flaw: callers
// come back at once, connections go to who has waited longest.
func idealWaits(holds []time.Duration, size, callers int) []time.Duration {
	free := make(moments, size)    // when each connection is free, the first one on top
	line := make(moments, callers) // when each caller came back
	var out []time.Duration
	for i, hold := range holds {
		at := max(free[0], line[0])
		if i >= callers { // before that the line forms
			out = append(out, at-line[0])
		}
		free[0], line[0] = at+hold, at+hold
		heap.Fix(&free, 0)
		heap.Fix(&line, 0)
	}
	if out == nil {
		out = []time.Duration{1}
	}
	slices.Sort(out)
	return out
}

type moments []time.Duration

func (m moments) Len() int           { return len(m) }
func (m moments) Less(i, j int) bool { return m[i] < m[j] }
func (m moments) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *moments) Push(any)          {}
func (m *moments) Pop() any          { return nil }

// ms is a quantile of sorted durations in milliseconds.
func ms(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := min(int(q*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[i].Nanoseconds()) / 1e6
}
