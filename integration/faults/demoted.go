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
	try: func(ctx context.Context, s *site, f *Figures) error {
		const size, workers = 10, 20
		next, err := s.lab.node(ctx, place{kind: s.peer.kind(), second: true})
		if err == nil {
			err = errors.Join(next.do(ctx, dropLedger, ledgerTable), next.warm(ctx))
		}
		if err != nil {
			return err
		}
		s.before = countSteady(ctx) // the second server is not to be counted
		p, err := s.openFull(ctx, size)
		if err != nil {
			return err
		}
		seen := newWell(workers)
		c := newCrowd(ctx, workers, 5*time.Second, time.Millisecond, func(ctx context.Context, w int) error {
			err := s.ledger.write(ctx, p, s.peer)
			if err == nil {
				seen.note(w)
			}
			return err
		})
		defer c.stop(time.Second)
		pass(ctx, 300*time.Millisecond)

		before := s.dials()
		if err := s.net.SetTarget(next.Addr()); err != nil {
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
		f.Ledger, err = s.ledger.audit(ctx, s.admin, next.admin)
		return err
	},
	tell: func(f Figures) string {
		if f.AllWell == never {
			return fmt.Sprintf("**stays with the old one** (watched for 3 s): %s%s", sayErrors(f), sayLedger(f.Ledger))
		}
		return fmt.Sprintf("%s; all callers well after %s, %s dials%s", sayErrors(f), sayTime(f.AllWell), thousands(f.Dials), sayLedger(f.Ledger))
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
	Measured: "ten times, by BeginTx and by the text of a statement; connections opened afterwards are counted",
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
		return fmt.Sprintf("%v; %s connections replaced", f.Errors, thousands(f.Dials))
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
