package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/akaripool/akari"
)

// cold: everybody comes at once, and there is no connection yet.
var cold = Fault{
	ID:   "F5",
	Name: "500 callers at once on a cold pool",
	Measured: "connecting takes 100 ms longer than usual (delay in a proxy), pool of 50, " +
		"each caller's statement takes 20 ms; two of them write",
	Wanted:  "0 errors, at most 50 connections, everybody served in the time that 50 connections need",
	Peers:   onServers,
	sampled: closely,
	try: func(ctx context.Context, s *site, f *Figures) error {
		s.net.SetConnectDelay(100 * time.Millisecond)
		p, err := s.open(ctx, s.away(), openOptions{size: 50, akari: akari.Config{InitializationFailTimeout: akari.DontTry}})
		if err != nil {
			return err
		}
		t := newTally()
		start := time.Now()
		burst(ctx, t, 500, 20*time.Second, 25*time.Second, s.twoWrite(p, func(ctx context.Context, _ int) error {
			return p.exec(ctx, s.nap(20*time.Millisecond))
		}))
		f.Recovered = t.firstAfter(start)
		f.Dials = s.dials()
		t.into(f)
		return nil
	},
	tell: func(f Figures) string {
		return fmt.Sprintf("%s; first %s, half %s, last %s%s", bold(f.Dials > someMore || f.MaxAtServer > 50+leaving, thousands(f.Dials)+" connections"),
			sayTime(f.Recovered), sayTime(f.P50), sayTime(f.Max), sayAnyErrors(f))
	},
}

// nap is a statement that takes a time.
func (s *site) nap(d time.Duration) string {
	return fmt.Sprintf(s.peer.pick("SELECT pg_sleep(%g)", "DO SLEEP(%g)"), d.Seconds())
}

func sayAnyErrors(f Figures) string {
	if f.Errors.Total() == 0 {
		return ""
	}
	return "; " + sayNoErrors(f)
}
