package main

import (
	"fmt"
	"time"
)

// spike has many callers come at once to a pool with few connections that are
// slow to open. Either rule alone is wrong: for short work it is best to have them
// wait for the connections there are, for long work to open one for each.
func spike(p plan) error {
	const size, connect = 50, 150 * time.Millisecond
	field, leave := p.field()
	defer leave()
	fmt.Fprintf(p.out, "Callers who come at once; at most %d connections, %v to open one; rounds: %d\n", size, connect, p.rounds)
	fmt.Fprintf(p.out, "%8s %6s %-12s %-14s %9s %12s\n", "callers", "warm", "hold", "", "all done", "connections")
	for _, c := range []struct {
		callers, warm int
		hold          time.Duration
	}{
		{50, 5, 2 * time.Millisecond}, {50, 5, 300 * time.Millisecond},
		{500, 5, 2 * time.Millisecond}, {500, 5, 300 * time.Millisecond},
		{50, 0, 2 * time.Millisecond}, {50, 0, 300 * time.Millisecond},
	} {
		for _, candidate := range field {
			if candidate.kind != "pool" {
				continue // these open nothing
			}
			var took, conns []float64
			for range p.rounds {
				s := &stub{}
				if c.warm == 0 {
					s.connect.Store(int64(connect))
				}
				pool, err := candidate.open(size, c.warm, s)
				if err != nil {
					return err
				}
				if err := pool.fill(c.warm); err != nil {
					return err
				}
				s.connect.Store(int64(connect))
				d, err := pool.rush(c.callers, c.hold)
				if err != nil {
					return fmt.Errorf("%s: %w", candidate.name, err)
				}
				took, conns = append(took, float64(d.Microseconds())/1000), append(conns, float64(s.opened.Load()))
				pool.close()
			}
			fmt.Fprintf(p.out, "%8d %6d %-12v %-14s %6.0f ms %12.0f\n", c.callers, c.warm, c.hold, candidate.name, median(took), median(conns))
		}
	}
	return nil
}
