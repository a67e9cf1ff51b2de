package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/akaripool/akari/akaritest/faultproxy"
)

// holeTime is how long the network is a black hole.
const holeTime = 3 * time.Second

// blackHole: open connections are reset, new ones lead nowhere for a while.
func blackHole(id, name string, mode faultproxy.Arrival, watch time.Duration) Fault {
	return Fault{
		// The system has accepted some of which the proxy has not heard; the
		// server gets them when they are long closed.
		unheard: mode == faultproxy.Unanswered,

		ID:   id,
		Name: name,
		Measured: fmt.Sprintf("30 callers, two of whom write, without pause through a pool of 10, each call with 1 s of time, no other timeout set; "+
			"for 3 s new connections lead nowhere, then the network is fine again; watched for %v more", watch),
		Wanted: "all callers have success again within a second",
		Peers:  onServers,
		try: func(ctx context.Context, s *site, f *Figures) error {
			const size, workers = 10, 30
			p, err := s.openFull(ctx, size)
			if err != nil {
				return err
			}
			seen := newWell(workers)
			c := newCrowd(ctx, workers, time.Second, 5*time.Millisecond, seen.noting(s.twoWrite(p, func(ctx context.Context, _ int) error {
				var n int
				return p.get(ctx, &n, "SELECT COUNT(*) FROM other")
			})))
			defer c.stop(time.Second)
			pass(ctx, 300*time.Millisecond)

			if err := s.net.SetArrivals(mode); err != nil {
				return err
			}
			s.net.ResetAll()
			pass(ctx, holeTime)
			before := s.dials()
			if err := s.net.Heal(); err != nil {
				return err
			}
			healed := time.Now()
			f.AllWell = seen.after(ctx, healed, watch)
			f.Recovered = c.firstAfter(healed)
			f.Dials = s.dials() - before
			s.net.ResetAll() // what hangs still would do so for ever
			if !c.stop(3 * time.Second) {
				c.stuck(1)
			}
			c.into(f)
			return nil
		},
		tell: func(f Figures) string {
			if f.Recovered == never {
				return fmt.Sprintf("**does not recover** within %v; %s dials after the network was fine again", watch, thousands(f.Dials))
			}
			return fmt.Sprintf("first success %s after the network, %s",
				sayTime(f.Recovered), bold(f.AllWell > time.Second, "all callers well "+sayTime(f.AllWell)+" after"))
		},
	}
}

var (
	silence  = blackHole("F9", "New connections accepted and never answered for 3 s, existing ones reset", faultproxy.Silent, 4*time.Second)
	synsLost = blackHole("C25", "New connections' SYN dropped for 3 s, existing ones reset", faultproxy.Unanswered, 4*time.Second)
)

// stalledQuery: the network goes silent while statements are under way.
var stalledQuery = Fault{
	ID:   "C20",
	Name: "Network silent in the middle of statements",
	Measured: "10 writes of a second under way, each with 500 ms of time, on a pool of 10 when nothing passes any more on its connections; " +
		"500 ms later 10 more callers write, each with 2 s of time, while new connections work; late is a call that took 150 ms longer than its time",
	Wanted:  "nobody beyond his time; the next callers are served",
	Peers:   onServers,
	unheard: true,
	try: func(ctx context.Context, s *site, f *Figures) error {
		const size = 10
		p, err := s.openFull(ctx, size)
		if err != nil {
			return err
		}
		caught, next := newTally(), newTally()
		under := make(chan struct{})
		go func() {
			defer close(under)
			burst(ctx, caught, size, 500*time.Millisecond, 4*time.Second, func(ctx context.Context, _ int) error {
				return s.ledger.writeSlowly(ctx, p, s.peer, time.Second)
			})
		}()
		until(ctx, 300*time.Millisecond, func() bool { // or as many as there are on a busy machine
			n, err := s.atWork(ctx)
			return err == nil && n == size
		})
		s.net.Stall()
		pass(ctx, 500*time.Millisecond)
		burst(ctx, next, size, 2*time.Second, 3*time.Second, func(ctx context.Context, _ int) error {
			return s.ledger.write(ctx, p, s.peer)
		})
		<-under
		s.net.ResetAll()
		f.Late = caught.late(650*time.Millisecond) + caught.errors[classStuck]
		next.into(f)
		f.Caught = caught.errors
		f.Max, f.Recovered = caught.slowest(), next.slowest()
		return nil
	},
	tell: func(f Figures) string {
		return fmt.Sprintf("%s (%v); of the next 10 callers %s, slowest %s",
			bold(f.Late > 0, fmt.Sprintf("%d of 10 beyond their time", f.Late)), f.Caught, sayNoErrors(f), sayTime(f.Recovered))
	},
}
