package faults

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// pooler: PgBouncer gives each transaction another connection to the server.
var pooler = Fault{
	ID:   "F15",
	Name: "PgBouncer in transaction mode",
	Measured: "8 callers on 2 connections to the server, two of whom write, 2 s of queries of 50 texts, every fourth without parameters, " +
		"drivers in their default settings; each answer is checked",
	Wanted: "no wrong answer, no error",
	Peers:  onPostgres,
	try: func(ctx context.Context, s *site, f *Figures) error {
		bouncer, err := s.bouncer(ctx)
		if err != nil {
			return err
		}
		p, err := s.open(ctx, bouncer.URL(), openOptions{size: 8})
		if err != nil {
			return err
		}
		wrong := newCounter()
		var asked atomic.Int64
		c := newCrowd(ctx, 8, 5*time.Second, 0, s.twoWrite(p, func(ctx context.Context, _ int) error {
			n := asked.Add(1)
			text, arg := n%50*1000, n%997
			query, args := fmt.Sprintf("SELECT $1::int + %d", text), []any{arg}
			if n%4 == 0 {
				query, args, arg = fmt.Sprintf("SELECT 1 + %d", text), nil, 1
			}
			var sum int64
			if err := p.get(ctx, &sum, query, args...); err != nil {
				return err
			}
			if sum != arg+text {
				wrong.add()
			}
			return nil
		}))
		pass(ctx, 2*time.Second)
		if !c.stop(6 * time.Second) {
			c.stuck(1)
		}
		c.into(f)
		f.Wrong = wrong.value()
		return nil
	},
	tell: func(f Figures) string {
		if f.Wrong > 0 {
			return fmt.Sprintf("**%s answers wrong**, without an error, of %s; %s", thousands(f.Wrong), thousands(f.OK), sayErrors(f))
		}
		return "no wrong answer; " + sayNoErrors(f)
	},
}

// bouncer starts a PgBouncer in front of the site's server.
func (s *site) bouncer(ctx context.Context) (*localdb.Server, error) {
	b, err := localdb.StartPgBouncer(ctx, s.Server, localdb.Options{Settings: map[string]string{"default_pool_size": "2"}})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, b.Close)
	return b, nil
}
