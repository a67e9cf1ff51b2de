package faults

import (
	"context"
	"fmt"
	"time"
)

// collapse: all connections are lost at once; connecting takes long, and the
// callers do not have much time. A connection that comes when the time of whoever
// waits has almost run out is of no use to him; if he gets it, his statement is
// cut off and the connection with it. So it can go on for ever; but a caller with
// more time must get through.
var collapse = Fault{
	ID:   "F20",
	Name: "All connections lost while connecting takes 350 ms and callers have 400 ms",
	Measured: "20 callers, two of whom write, 10 connections, statements of 150 ms; all connections reset at once; watched for 3 s; " +
		"then one more caller with 5 s of time",
	Wanted: "a caller with more time is served, whatever becomes of the others",
	Peers:  onServers,
	try: func(ctx context.Context, s *site, f *Figures) error {
		const size, workers = 10, 20
		p, err := s.openFull(ctx, size)
		if err != nil {
			return err
		}
		seen := newWell(workers)
		const takes = 150 * time.Millisecond
		c := newCrowd(ctx, workers, 400*time.Millisecond, time.Millisecond, seen.noting(func(ctx context.Context, w int) error {
			if w < writers {
				return s.ledger.writeSlowly(ctx, p, s.peer, takes)
			}
			return p.exec(ctx, s.nap(takes))
		}))
		defer c.stop(time.Second)
		pass(ctx, time.Second)
		s.net.SetConnectDelay(350 * time.Millisecond)
		before := s.dials()
		s.net.ResetAll()
		lost := time.Now()
		f.AllWell = seen.after(ctx, lost, 3*time.Second)
		f.Dials = s.dials() - before
		patient := newTally()
		burst(ctx, patient, 1, 5*time.Second, 6*time.Second, func(ctx context.Context, _ int) error {
			return s.ledger.writeSlowly(ctx, p, s.peer, takes)
		})
		if f.Recovered = never; patient.successes() == 1 {
			f.Recovered = patient.slowest()
		}
		c.stop(2 * time.Second)
		c.into(f)
		return nil
	},
	tell: func(f Figures) string {
		others := "the others well after " + sayTime(f.AllWell)
		if f.AllWell == never {
			others = "the others not well within 3 s"
		}
		return fmt.Sprintf("%s, %s; %s; %s dials",
			bold(f.Recovered == never, "the one with more time served after "+sayTime(f.Recovered)), others, sayErrors(f), thousands(f.Dials))
	},
}
