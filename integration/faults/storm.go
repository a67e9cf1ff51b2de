package faults

import (
	"context"
	"fmt"
	"time"
)

// stormTime is how long the storm lasts.
const stormTime = 2 * time.Second

// storm: callers give up all the time, in the middle of their statements.
var storm = Fault{
	ID:   "F8",
	Name: "200 callers with 5 ms of time for statements that take 10 ms",
	Measured: "for 2 s on a pool of 50; a fifth of the callers write; connections at the server sampled in pg_stat_activity or the process list every few milliseconds, " +
		"TCP connections counted by a proxy, those included that only cancel a statement",
	Wanted:  "never more than 50 connections at the server",
	Peers:   onServers,
	sampled: closely,
	try: func(ctx context.Context, s *site, f *Figures) error {
		p, err := s.openFull(ctx, 50)
		if err != nil {
			return err
		}
		before := s.dials()
		const takes = 10 * time.Millisecond
		c := newCrowd(ctx, 200, 5*time.Millisecond, 0, func(ctx context.Context, w int) error {
			if w%5 == 0 {
				return s.ledger.writeSlowly(ctx, p, s.peer, takes)
			}
			return p.exec(ctx, s.nap(takes))
		})
		pass(ctx, stormTime)
		f.Dials = s.dials() - before
		if !c.stop(5 * time.Second) {
			c.stuck(1)
		}
		over := time.Now()
		ok := until(ctx, 5*time.Second, func() bool {
			one, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			return s.ledger.write(one, p, s.peer) == nil
		})
		if f.Recovered = time.Since(over); !ok {
			f.Recovered = never
		}
		c.into(f)
		f.MaxTCP = s.net.Stats().MaxOpen
		return nil
	},
	tell: func(f Figures) string {
		return fmt.Sprintf("%s, %d TCP at once; %s dials/s; p99 %s, slowest %s; served %s after",
			bold(f.MaxAtServer > 50+leaving, fmt.Sprintf("at most %d at the server", f.MaxAtServer)), f.MaxTCP, thousands(int64(float64(f.Dials)/stormTime.Seconds())), sayTime(f.P99), sayTime(f.Max), sayTime(f.Recovered))
	},
}
