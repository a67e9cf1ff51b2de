package main

import (
	"container/heap"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// load is what callers do with a connection that they have.
type load struct {
	name string
	busy bool // they keep a processor busy
	hold func()
}

var loads = []load{
	{"sleep 0-1 ms", false, func() { time.Sleep(time.Duration(rand.Int64N(int64(time.Millisecond)))) }},
	{"sleep 500 µs", false, func() { time.Sleep(500 * time.Microsecond) }},
	{"busy 100 µs", true, func() {
		for end := time.Now().Add(100 * time.Microsecond); time.Now().Before(end); {
		}
	}},
}

// tail compares what callers wait when there are many more than connections. The
// last column is the ratio to an ideal queue: first come, first served, with the
// holds that were measured and hand-overs that take no time. There is none where
// holders are busy: a hold then lasts for as long as the scheduler has its caller
// wait for a processor, which is part of the wait of all others.
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
	fmt.Fprintf(p.out, "Waits of %d callers for %d connections, milliseconds; %s\n", callers, size, times(rounds, turn))
	fmt.Fprintf(p.out, "%-14s %-14s %9s %8s %8s %8s %8s %15s %9s\n", "hold", "", "cycles/s", "p50", "p99", "p99.9", "max", "cycles/caller", "to ideal")
	for _, l := range loads {
		figures, err := l.waits(field, size, callers, rounds, turn)
		if err != nil {
			return err
		}
		for i, f := range figures {
			fmt.Fprintf(p.out, "%-14s %-14s %9.0f %8.2f %8.2f %8.2f %8.2f %7.0f to %4.0f %9s\n", l.name, field[i].name,
				f[0], f[1], f[2], f[3], f[4], f[5], f[6], number(f[7], 2))
		}
	}
	return nil
}

// waits measures all who take part: the medians of their rounds.
func (l load) waits(field []contender, size, callers, rounds int, turn time.Duration) ([]tailFigures, error) {
	seen := make([][]tailFigures, len(field))
	err := inTurns(rounds, len(field), func(i int) error {
		opened, err := field[i].open(size, size, &stub{})
		if err != nil {
			return err
		}
		defer opened.close()
		if err := opened.fill(size); err != nil {
			return err
		}
		w, err := opened.waits(callers, turn, l.name, l.hold)
		if err != nil {
			return fmt.Errorf("%s: %w", field[i].name, err)
		}
		toIdeal := math.NaN()
		if !l.busy {
			toIdeal = ms(w.waits, 0.99) / ms(idealWaits(w.holds, size, callers), 0.99)
		}
		seen[i] = append(seen[i], tailFigures{
			float64(len(w.waits)) / turn.Seconds(), ms(w.waits, 0.5), ms(w.waits, 0.99), ms(w.waits, 0.999), ms(w.waits, 1),
			float64(w.least), float64(w.most), toIdeal,
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	mid := make([]tailFigures, len(field))
	for i := range mid {
		for k := range mid[i] {
			var values []float64
			for _, figures := range seen[i] {
				values = append(values, figures[k])
			}
			mid[i][k] = median(values)
		}
	}
	return mid, nil
}

// tailFigures are those of a line: cycles in a second; the 50th, 99th and 99.9th
// percentile of the waits and the longest; cycles of the caller with the fewest and
// of that with the most; the 99th percentile's ratio to an ideal queue's, NaN for
// none.
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
