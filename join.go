package akari

import (
	"context"
	"database/sql/driver"

	"github.com/akaripool/akari/internal/scope"
)

// use is what a use of a session begins with: its context, and what that says about
// scopes of package txn.
type use struct {
	ctx    context.Context // of this use, for calls that come without one
	in     *scope.Frame    // the scope it is in, nil for none
	joined *sharedTx       // the transaction in which its operations run, nil: they run on a connection of its own
	point  int             // the savepoint they belong to
	inner  bool            // database/sql has begun a transaction within the scope's
}

// useOf finds out what a context says.
func (p *Pool) useOf(ctx context.Context) use {
	u := use{ctx: ctx, in: scope.For(ctx, p)}
	if u.in != nil {
		u.joined, _ = u.in.Tx.(*sharedTx)
		u.point = u.in.Point
	}
	return u
}

// borrow borrows a connection of the session's own. For one in a scope it is counted
// as its task's.
func (s *session) borrow(ctx context.Context) (*entry, error) {
	var c claim
	var around *scope.Frame
	switch {
	case s.of != nil:
		c.o, _ = s.of.o.Owner.(*owner)
		around = s.of.o.Outer
	case s.in == nil:
		return s.p.acquire(ctx, gripFirm)
	case s.in.Over():
		return nil, errCompleted
	default:
		c.o, _ = s.in.Owner.(*owner)
		c.last = true
		around = s.in
	}
	c.depth = 1 + s.p.heldFrom(around)
	b := budget{ctx: ctx, now: s.p.now()}
	seat, err := s.p.reserve.take(&b, s.p, &c)
	if err != nil {
		return nil, s.p.sentAway(&b, err)
	}
	e, err := s.p.acquireWithin(&b, gripFirm)
	if err != nil {
		s.p.reserve.give(seat)
		return nil, err
	}
	s.seat = seat
	return e, nil
}

// heldFrom is how many connections the scopes from f outwards hold.
func (p *Pool) heldFrom(f *scope.Frame) int {
	n, last := 0, (*wire)(nil)
	for f = f.For(p); f != nil; f = f.Outer.For(p) {
		t, ok := f.Tx.(*sharedTx)
		if !ok || t.wire == last {
			continue
		}
		if t.host != nil {
			t = t.host
		}
		if t.holds.Load() {
			n++
			last = t.wire
		}
	}
	return n
}

// The methods below are a session's operations for one that has joined.

func (t *sharedTx) exec(ctx context.Context, s *session, query string, args []driver.NamedValue) (driver.Result, error) {
	on, err := t.enter(ctx, s)
	if err != nil {
		return nil, err
	}
	defer t.leave()
	res, err := on.ExecContext(ctx, query, args)
	return res, t.settle(err)
}

func (t *sharedTx) query(ctx context.Context, s *session, query string, args []driver.NamedValue) (driver.Rows, error) {
	on, err := t.enter(ctx, s)
	if err != nil {
		return nil, err
	}
	defer t.leave()
	rows, err := on.QueryContext(ctx, query, args)
	return t.got(rows, err)
}

// got settles a query.
func (t *sharedTx) got(rows driver.Rows, err error) (driver.Rows, error) {
	if err = t.settle(err); err != nil {
		return nil, err
	}
	return t.sharing(rows), nil
}

func (t *sharedTx) prepare(ctx context.Context, s *session, query string) (driver.Stmt, error) {
	on, err := t.enter(ctx, s)
	if err != nil {
		return nil, err
	}
	defer t.leave()
	st, err := on.prepareFor(ctx, s, query)
	return st, t.settle(err)
}

func (t *sharedTx) ping(ctx context.Context, s *session) error {
	on, err := t.enter(ctx, s)
	if err != nil {
		return err
	}
	defer t.leave()
	return t.settle(on.Ping(ctx))
}

func (t *sharedTx) raw(s *session, f func(driverConn any) error) error {
	on, err := t.enter(s.useContext(), s)
	if err != nil {
		return err
	}
	defer t.leave()
	on.used = true
	err = t.p.raw(on.e, f)
	if err == nil || t.p.judge(err) == troubleBroken {
		return t.settle(err)
	}
	_ = t.settle(nil) // it need not be the server's
	return err
}
