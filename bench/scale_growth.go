package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// growth shows whether what a caller pays grows with the pool.
//
//   - hand-over: all connections but one are lent, and callers queue for that one;
//   - time-out: all are lent, and a thousand callers wait in vain;
//   - opening: half of the connections are open and lent, and as many callers come
//     at once as are missing; opened is how many connections there were in the end,
//     those included that were too many;
//   - Stats: for whoever watches the pool.
func (p plan) growth(size int) error {
	rounds := min(p.rounds, 3)
	fmt.Fprintf(p.out, "What callers pay in a pool of some size; rounds: %d\n", rounds)
	fmt.Fprintf(p.out, "%11s %-14s %14s %14s %14s %14s %10s %12s\n", "connections", "", "hand-over, ns", "time-out, µs", "opening, µs", "all open, ms", "opened", "Stats, µs")
	for _, n := range p.sizes(size) {
		seen := make([][]paid, len(peers))
		for range rounds {
			for i, candidate := range peers {
				if candidate.kind != "pool" {
					continue // these open nothing, and have no time-out
				}
				queued, err := p.queueing(candidate.open, n)
				if err != nil {
					return fmt.Errorf("%s, queueing: %w", candidate.name, err)
				}
				opened, err := opening(candidate.open, n)
				if err != nil {
					return fmt.Errorf("%s, opening: %w", candidate.name, err)
				}
				opened.handOver, opened.timeOut, opened.stats = queued.handOver, queued.timeOut, queued.stats
				seen[i] = append(seen[i], opened)
			}
		}
		for i, rounds := range seen {
			if rounds == nil {
				continue
			}
			mid := func(of func(paid) float64) float64 {
				var values []float64
				for _, r := range rounds {
					values = append(values, of(r))
				}
				return median(values)
			}
			fmt.Fprintf(p.out, "%11d %-14s %14.0f %14.1f %14.1f %14.0f %10.0f %12.1f\n", n, peers[i].name,
				mid(func(r paid) float64 { return r.handOver }), mid(func(r paid) float64 { return r.timeOut }),
				mid(func(r paid) float64 { return r.opening }), mid(func(r paid) float64 { return r.allOpen }),
				mid(func(r paid) float64 { return r.opened }), mid(func(r paid) float64 { return r.stats }))
		}
	}
	return nil
}

// sizes are those of pools up to the largest.
func (p plan) sizes(largest int) []int {
	if p.full {
		return []int{largest / 1000, largest / 100, largest / 10, largest}
	}
	return []int{largest / 100, largest}
}

// paid is what growth shows. timeOut and opening are the processor's time for
// each caller.
type paid struct{ handOver, timeOut, opening, allOpen, opened, stats float64 }

// queueing measures a pool that is as large as it may be.
func (p plan) queueing(open func(size, warm int, s *stub) (peer, error), size int) (r paid, err error) {
	pool, err := open(size, size, &stub{})
	if err != nil {
		return paid{}, err
	}
	defer pool.close()
	if err := fill(pool, size); err != nil {
		return paid{}, err
	}
	r.stats = statsTime(pool)
	back := hoard(pool, size-1)
	defer func() { err = errors.Join(err, back()) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ns, err := perTurn(8, p.turn/2, func(int) error { return pool.cycle(ctx, nil) })
	if err != nil {
		return paid{}, err
	}
	r.handOver = ns
	last := hoard(pool, 1)
	defer func() { err = errors.Join(err, last()) }()
	runtime.GC()
	const thwarted = 1000
	used := processorTime()
	brief, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, _ = together(thwarted, func(int) error { return pool.cycle(brief, nil) })
	r.timeOut = float64((processorTime() - used).Microseconds()) / thwarted
	return r, nil
}

// opening measures a pool that is half as large as it may be. Connecting takes
// long enough that all attempts are under way at the same time.
func opening(open func(size, warm int, s *stub) (peer, error), size int) (r paid, err error) {
	s := &stub{}
	pool, err := open(size, 0, s) // nothing is kept ready, or the housekeeper would open some as well
	if err != nil {
		return paid{}, err
	}
	defer pool.close()
	if err := fill(pool, size/2); err != nil {
		return paid{}, err
	}
	back := hoard(pool, size/2)
	defer func() { err = errors.Join(err, back()) }()
	s.connect.Store(int64(50 * time.Millisecond))
	runtime.GC()
	began, used, missing := time.Now(), processorTime(), size-size/2
	rest := hoard(pool, missing)
	r.opening = float64((processorTime() - used).Nanoseconds()) / 1000 / float64(missing)
	r.allOpen = float64(time.Since(began).Microseconds()) / 1000
	r.opened = float64(s.opened.Load())
	return r, rest()
}

// statsTime is how long a look at the numbers takes, in microseconds.
func statsTime(pool peer) float64 {
	const looks = 20
	began := time.Now()
	for range looks {
		switch pool := pool.(type) {
		case akariPeer:
			pool.p.Stats()
		case sqlPeer:
			pool.db.Stats()
		case puddlePeer:
			pool.p.Stat()
		}
	}
	return float64(time.Since(began).Nanoseconds()) / 1000 / looks
}
