package akari

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/akaripool/akari/internal/scope"
)

// Conn is a connection borrowed with Acquire, for those who want the driver's
// own. It belongs to one goroutine at a time, and must be released.
type Conn struct {
	p *Pool
	e *entry

	// state is released, once Release was called, plus rawCall for each call of
	// Raw that has not returned. Whoever makes it released alone gives the
	// connection back.
	state atomic.Int64
}

const (
	released = 1
	rawCall  = 2
)

// Acquire borrows a connection. It waits for one as long as
// Config.ConnectionTimeout and ctx allow; what it returns then is an
// [*AcquireError]. In a scope of package txn it is another one than the
// transaction's, and counts as one of the task's.
func (p *Pool) Acquire(ctx context.Context) (c *Conn, err error) {
	// Short enough to be inlined, so that the Conn of a caller that keeps it to
	// itself is on its stack.
	e, err := p.acquireConn(ctx)
	if err == nil {
		c = &Conn{p: p, e: e}
	}
	return c, err
}

// acquireConn is acquire, but for a context that has ended, or is in a scope.
func (p *Pool) acquireConn(ctx context.Context) (*entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, p.sentAway(&budget{ctx: ctx}, err)
	}
	f := scope.For(ctx, p)
	if err := p.strays(ctx, f); err != nil {
		return nil, p.sentAway(&budget{ctx: ctx}, err)
	}
	if f != nil {
		return p.acquireInScope(ctx, f, gripLoose)
	}
	return p.acquire(ctx, gripLoose)
}

// Release gives the connection back. Releasing it twice, or from two goroutines
// at once, does no harm; while Raw runs it is given back when that returns.
func (c *Conn) Release() { c.release(0) }

// release gives the connection back, to be closed if there is a reason.
func (c *Conn) release(why CloseReason) {
	for {
		s := c.state.Load()
		if s&released != 0 {
			return
		}
		if why != 0 {
			c.e.doom.CompareAndSwap(0, uint32(why))
		}
		if c.state.CompareAndSwap(s, s|released) {
			if s == 0 {
				c.p.giveBack(c.e)
			}
			return
		}
	}
}

// use begins a call of Raw. It reports false once the connection was released.
func (c *Conn) use() bool {
	for {
		s := c.state.Load()
		if s&released != 0 {
			return false
		}
		if c.state.CompareAndSwap(s, s+rawCall) {
			return true
		}
	}
}

// used ends a call of Raw; the last one gives back what was released meanwhile.
func (c *Conn) used() {
	if c.state.Add(-rawCall) == released {
		c.p.giveBack(c.e)
	}
}

// String names the connection, without what its driver keeps.
func (c *Conn) String() string { return "akari.Conn(" + c.Info().Name + ")" }

// GoString is String.
func (c *Conn) GoString() string { return c.String() }

// Evict gives the connection back to be closed, for one that is known to be of
// no more use.
func (c *Conn) Evict() { c.release(CloseEvicted) }

// Info identifies the physical connection. It is empty once the connection was
// released.
func (c *Conn) Info() ConnInfo {
	if c.state.Load()&released != 0 {
		return ConnInfo{}
	}
	return c.e.info()
}

// Raw calls f with the driver's own connection, a *stdlib.Conn of pgx for
// instance. f must not keep it, nor use it from several goroutines at once.
//
// The pool does not see what f does to the session, so the session is cleaned
// afterwards as after a statement that may have changed anything (see
// SessionReset), and statements that f prepared are forgotten. What f leaves in
// the driver itself, such as a handler of notices, is not undone. If f panics, or
// returns an error that says that the connection is lost, the connection is closed
// when it is released.
func (c *Conn) Raw(f func(driverConn any) error) error {
	if !c.use() {
		return ErrReleased
	}
	defer c.used()
	return c.p.raw(c.e, f)
}

// Raw calls f with the driver's own connection behind a *sql.Conn of a pool's
// DB. sql.Conn.Raw would show it the pool's session instead. See Conn.Raw.
func Raw(conn *sql.Conn, f func(driverConn any) error) error {
	return conn.Raw(func(driverConn any) error {
		s, ok := driverConn.(*session)
		if !ok {
			return fmt.Errorf("akari: Raw needs a connection of a pool's DB(), this one is a %T", driverConn)
		}
		if s.joined != nil {
			return s.joined.raw(s, f)
		}
		e, err := s.bind(s.useContext())
		if err != nil {
			return err
		}
		s.used = true
		return s.p.raw(e, f)
	})
}

// raw lends the driver's connection to f.
func (p *Pool) raw(e *entry, f func(driverConn any) error) error {
	if e.broken != nil {
		return e.broken
	}
	e.rawChanged(p)
	e.held(gripFirm)
	finished := false
	defer func() {
		if !finished {
			e.broken = errors.New("akari: the function given to Raw panicked")
		}
	}()
	err := f(e.conn)
	finished = true
	if e.tables { // at once, and once more at the end of the loan: f may have left a transaction open
		p.tableChanges.Add(1)
	}
	if err != nil && p.judge(err) == troubleBroken {
		e.broken = err
		p.suspect()
		p.reportBroken(e, err)
	}
	return err
}
