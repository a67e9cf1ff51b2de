package faults

import (
	"context"
	"fmt"
	"time"
)

// frozen: the server stops answering for a while and keeps its connections.
var frozen = Fault{
	ID:   "F2",
	Name: "Server frozen (SIGSTOP) for 5 s",
	Measured: "50 callers, two of whom write, without pause through a pool of 20, each call with 500 ms of time; " +
		"late is a call that took more than 650 ms",
	Wanted:  "no caller beyond its time",
	Peers:   onServers,
	unheard: true,
	try: func(ctx context.Context, s *site, f *Figures) error {
		const size, workers = 20, 50
		const patience, allowed = 500 * time.Millisecond, 650 * time.Millisecond
		p, err := s.openFull(ctx, size)
		if err != nil {
			return err
		}
		seen := newWell(workers)
		c := newCrowd(ctx, workers, patience, time.Millisecond, seen.noting(func(ctx context.Context, w int) error {
			if w < writers {
				return s.ledger.write(ctx, p, s.peer)
			}
			var n int
			return p.get(ctx, &n, "SELECT COUNT(*) FROM other")
		}))
		defer c.stop(time.Second)
		pass(ctx, 300*time.Millisecond)

		s.later(func(context.Context) error { return s.Resume() })
		before := s.dials()
		if err := s.Pause(); err != nil {
			return err
		}
		pass(ctx, 5*time.Second)
		f.Dials = s.dials() - before
		thawed := time.Now()
		if err := s.Resume(); err != nil {
			return err
		}
		f.AllWell = seen.after(ctx, thawed, 10*time.Second)
		f.Recovered = c.firstAfter(thawed)
		if !c.stop(2 * time.Second) {
			c.stuck(1)
		}
		c.into(f)
		f.Late = c.late(allowed)
		return nil
	},
	tell: func(f Figures) string {
		return fmt.Sprintf("slowest call %s, %s; %s dials meanwhile; all callers well %s after",
			sayTime(f.Max), bold(f.Late > 0, thousands(f.Late)+" late"), thousands(f.Dials), sayTime(f.AllWell))
	},
}
