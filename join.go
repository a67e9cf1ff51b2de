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

// borrow borrows a connection for the session.
func (s *session) borrow(ctx context.Context) (*entry, error) {
	switch {
	case s.of != nil:
		if why := firstOf(s.of.over, s.of.doomed); why != nil {
			return nil, &scope.Unexpected{Cause: why} // on another connection it would run outside of the transaction
		}
		return s.p.acquireFor(ctx, claim{o: s.of.o.Owner.(*owner)}, s.of.o.Outer, gripFirm)
	}
	if err := s.p.strays(s.ctx, s.in); err != nil {
		return nil, s.p.sentAway(&budget{ctx: ctx}, err)
	}
	if s.in != nil {
		return s.p.acquireInScope(ctx, s.in, gripFirm)
	}
	return s.p.acquire(ctx, gripFirm)
}

// acquireInScope lends a connection for use beside the transaction of a scope.
func (p *Pool) acquireInScope(ctx context.Context, in *scope.Frame, g grip) (*entry, error) {
	if in.Over() {
		return nil, errCompleted
	}
	return p.acquireFor(ctx, claim{o: in.Owner.(*owner), last: true}, in, g)
}

// acquireFor lends a connection to a task, which has the scopes from around outwards.
func (p *Pool) acquireFor(ctx context.Context, c claim, around *scope.Frame, g grip) (*entry, error) {
	c.depth = 1 + p.heldFrom(around)
	b := budget{ctx: ctx, now: p.now()}
	seat, err := p.reserve.take(&b, p, c)
	if err != nil {
		return nil, p.sentAway(&b, err)
	}
	seated := false
	defer func() {
		if !seated { // also if the driver ends the goroutine
			p.reserve.give(seat)
		}
	}()
	e, err := p.acquireWithin(&b, g)
	if err != nil {
		return nil, err
	}
	e.seat, seated = seat, true
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
	return res, t.executed(err)
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

// got settles a query. Its rows are known before, so that they are closed if the
// transaction has ended.
func (t *sharedTx) got(rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, t.executed(err)
	}
	rows = t.sharing(rows)
	return rows, t.executed(nil)
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
