package faults

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// demoted: the server takes no writes any more, and the name leads to another
// one that does.
var demoted = Fault{
	ID:   "F14",
	Name: "Primary demoted to read-only; the name leads to the new one",
	Measured: "20 callers write without pause through a pool of 10; default_transaction_read_only or read_only is set on the server, " +
		"a proxy leads new connections to a second one; watched for 3 s",
	Wanted: "all callers write to the new primary within a second",
	Peers:  onServers,
	second: true,
	try: func(ctx context.Context, s *site, f *Figures) error {
		const size, workers = 10, 20
		p, err := s.openFull(ctx, size)
		if err != nil {
			return err
		}
		seen := newWell(workers)
		c := newCrowd(ctx, workers, 5*time.Second, time.Millisecond, seen.noting(func(ctx context.Context, _ int) error {
			return s.ledger.write(ctx, p, s.peer)
		}))
		defer c.stop(time.Second)
		pass(ctx, 300*time.Millisecond)

		before := s.dials()
		if err := s.net.SetTarget(s.next.Addr()); err != nil {
			return err
		}
		if err := s.demote(ctx); err != nil {
			return err
		}
		inForce := time.Now()
		f.AllWell = seen.after(ctx, inForce, 3*time.Second)
		f.Recovered = c.firstAfter(inForce)
		f.Dials = s.dials() - before
		if !c.stop(6 * time.Second) {
			c.stuck(1)
		}
		c.into(f)
		return nil
	},
	tell: func(f Figures) string {
		if f.AllWell == never {
			return "**stays with the old one** (watched for 3 s): " + sayErrors(f)
		}
		return fmt.Sprintf("%s; %s, %s dials",
			sayErrors(f), bold(f.AllWell > time.Second, "all callers well after "+sayTime(f.AllWell)), thousands(f.Dials))
	},
}

// demote makes the server read-only and returns when that is in force.
func (s *site) demote(ctx context.Context) error {
	if !s.peer.postgres() {
		s.laterDo("SET GLOBAL read_only = 0")
		return s.do(ctx, "SET GLOBAL read_only = 1")
	}
	s.later(func(ctx context.Context) error {
		err := s.do(ctx, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
		return errors.Join(err, s.becomes(ctx, "off"))
	})
	if err := s.do(ctx, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	return s.becomes(ctx, "on")
}

// becomes waits until PostgreSQL's new connections are read-only by default, or
// not.
func (s *site) becomes(ctx context.Context, want string) error {
	if !until(ctx, 5*time.Second, func() bool {
		var state string
		err := s.admin.QueryRowContext(ctx, "SHOW default_transaction_read_only").Scan(&state)
		return err == nil && state == want
	}) {
		return fmt.Errorf("default_transaction_read_only does not become %q", want)
	}
	return nil
}

// ownReadOnly: a borrower asks for a read-only transaction and then tries to
// write. That is no demotion.
var ownReadOnly = Fault{
	ID:       "F14b",
	Name:     "A borrower writes in a read-only transaction of his own",
	Measured: "ten times, by BeginTx and by the text of a statement, each time followed by another borrower's write; connections opened afterwards are counted",
	Wanted:   "his error, and not one connection replaced",
	Peers:    onServers,
	try: func(ctx context.Context, s *site, f *Figures) error {
		p, err := s.openFull(ctx, 5)
		if err != nil {
			return err
		}
		before := s.dials()
		t := newTally()
		for range 10 {
			for _, text := range []bool{false, true} {
				_ = t.call(func() error { return s.writeReadOnly(ctx, p, text) })
				_ = t.call(func() error { return s.ledger.write(ctx, p, s.peer) })
			}
		}
		if err := fill(ctx, p, 5); err != nil {
			return err
		}
		f.Dials = s.dials() - before
		t.into(f)
		return nil
	},
	tell: func(f Figures) string {
		return fmt.Sprintf("%s; %s", bold(f.Errors.Except("25006", "1792") > 0, f.Errors.String()),
			bold(f.Dials > 0, thousands(f.Dials)+" connections replaced"))
	},
}

func (s *site) writeReadOnly(ctx context.Context, p pool, text bool) error {
	if !text {
		tx, err := p.begin(ctx, true)
		if err != nil {
			return err
		}
		defer func() { _ = tx.rollback() }()
		return s.ledger.writeIn(ctx, tx, s.peer)
	}
	h, err := p.hold(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = h.release() }()
	if err := h.exec(ctx, "START TRANSACTION READ ONLY"); err != nil {
		return err
	}
	err = s.ledger.writeIn(ctx, h, s.peer)
	if e := h.exec(ctx, "ROLLBACK"); err == nil {
		err = e
	}
	return err
}
