package faults

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari"
)

// outage is how long the killed server stays away before it is started again.
const outage = 1500 * time.Millisecond

// restarted: the server is killed under load and started again; the callers
// have more time than that takes.
var restarted = Fault{
	ID:   "F1",
	Name: "Server killed (-9) and restarted",
	Measured: "50 callers write without pause through a pool of 20, each call with 20 s of time; " +
		"all processes of the server get SIGKILL, 1.5 s later it is started again",
	Wanted: "errors for statements in flight only; tens of dials while it is down",
	Peers:  onServers,
	try: func(ctx context.Context, s *site, f *Figures) error {
		return killAndRestart(ctx, s, f, 20*time.Second)
	},
	tell: func(f Figures) string {
		return fmt.Sprintf("%s; %s; all callers well %s after the server",
			bold(f.Errors.Total() > inFlight, sayErrors(f)), sayDialsWhileDown(f), sayTime(f.AllWell))
	},
}

// impatient: the same, but the callers' time is shorter than the outage.
var impatient = Fault{
	ID:       "F1b",
	Name:     "The same, for callers with less time than the outage lasts",
	Measured: "as F1, each call with 400 ms of time",
	Wanted:   "whoever waits in vain learns why no connection can be had",
	Peers:    onServers,
	try: func(ctx context.Context, s *site, f *Figures) error {
		return killAndRestart(ctx, s, f, 400*time.Millisecond)
	},
	tell: func(f Figures) string {
		told := "**nobody is told to have waited in vain**"
		if f.InVain > 0 {
			told = bold(f.Explained < f.InVain,
				fmt.Sprintf("of %s who waited in vain %s were told why no connection could be had", thousands(f.InVain), thousands(f.Explained)))
		}
		return fmt.Sprintf("%s; %s; %s", sayErrors(f), told, sayDialsWhileDown(f))
	},
}

// inFlight is how many statements can be under way.
const inFlight = 20

func sayDialsWhileDown(f Figures) string {
	return bold(f.Dials > 100, thousands(f.Dials)+" dials while down")
}

func killAndRestart(ctx context.Context, s *site, f *Figures, patience time.Duration) error {
	const size, workers = inFlight, 50
	p, err := s.openFull(ctx, size)
	if err != nil {
		return err
	}
	seen := newWell(workers)
	var down atomic.Bool
	inVain, explained := newCounter(), newCounter()
	c := newCrowd(ctx, workers, patience, time.Millisecond, func(ctx context.Context, w int) error {
		already := down.Load()
		err := s.ledger.write(ctx, p, s.peer)
		if err == nil {
			seen.note(w)
		}
		if already && down.Load() && classOf(err) == classWaited {
			inVain.add()
			var away *akari.AcquireError
			if errors.As(err, &away) && away.Cause != nil {
				explained.add()
			}
		}
		return err
	})
	defer c.stop(time.Second)
	pass(ctx, 300*time.Millisecond)

	s.later(func(ctx context.Context) error {
		if len(s.Pids()) > 0 {
			return nil
		}
		return s.Start(ctx)
	})
	before, killed := s.dials(), time.Now()
	if err := s.Kill(); err != nil {
		return err
	}
	down.Store(true)
	pass(ctx, outage)
	down.Store(false)
	if err := s.Start(ctx); err != nil {
		return err
	}
	ready := time.Now()
	f.Outage = ready.Sub(killed)
	f.Dials = s.dials() - before
	f.AllWell = seen.after(ctx, ready, 10*time.Second)
	f.Recovered = c.firstAfter(ready)
	if !c.stop(patience + 2*time.Second) {
		c.stuck(1)
	}
	c.into(f)
	f.InVain, f.Explained = inVain.value(), explained.value()
	return nil
}
