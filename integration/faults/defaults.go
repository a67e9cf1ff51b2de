package faults

import (
	"context"
	"fmt"
	"time"
)

// someMore than the fifty that a pool may have: connects that take long are
// tried a second time.
const someMore = 50 + 10

// defaults: what a pool does when only its size is set.
var defaults = Fault{
	ID:       "F18",
	Name:     "Default settings, 50 callers who think for 5 ms between statements",
	Measured: "only the maximum of 50 connections is set; short queries, and writes of two of the callers, for 2 s",
	Wanted:   "keeps what is open",
	Peers:    onServers,
	try: func(ctx context.Context, s *site, f *Figures) error {
		p, err := s.open(ctx, s.away(), openOptions{size: 50, defaultIdle: true})
		if err != nil {
			return err
		}
		c := newCrowd(ctx, 50, 10*time.Second, 5*time.Millisecond, s.twoWrite(p, func(ctx context.Context, _ int) error {
			return p.exec(ctx, "SELECT 1")
		}))
		pass(ctx, 2*time.Second)
		if !c.stop(10 * time.Second) {
			c.stuck(1)
		}
		f.Dials = s.dials()
		c.into(f)
		return nil
	},
	tell: func(f Figures) string {
		return fmt.Sprintf("%s statements, %s; p99 %s%s", thousands(f.Calls),
			bold(f.Dials > someMore, thousands(f.Dials)+" connections opened"), sayTime(f.P99), sayAnyErrors(f))
	},
}
