package akari

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// Conn is a connection borrowed with Acquire, for those who want the driver's
// own. It belongs to one goroutine at a time, and must be released.
type Conn struct {
	p *Pool

	mu    sync.Mutex // guards what follows; nothing else is taken while it is held
	e     *entry     // nil once released
	inRaw int        // calls of Raw that have not returned
	late  *entry     // released while there are such: the last one gives it back
}

// Acquire borrows a connection. It waits for one as long as
// Config.ConnectionTimeout and ctx allow; what it returns then is an
// [*AcquireError].
func (p *Pool) Acquire(ctx context.Context) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, p.sentAway(&budget{ctx: ctx}, err)
	}
	e, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &Conn{p: p, e: e}, nil
}

// Release gives the connection back. Releasing it twice, or from two goroutines
// at once, does no harm; while Raw runs it is given back when that returns.
func (c *Conn) Release() { c.release(0) }

// release gives the connection back, to be closed if there is a reason.
func (c *Conn) release(why CloseReason) {
	c.mu.Lock()
	e := c.e
	if c.e = nil; e != nil && why != 0 {
		e.doom.CompareAndSwap(0, uint32(why))
	}
	if c.inRaw > 0 && e != nil {
		c.late, e = e, nil
	}
	c.mu.Unlock()
	if e != nil {
		c.p.giveBack(e)
	}
}

// use is the connection for a call of Raw, nil once it was released.
func (c *Conn) use() *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.e != nil {
		c.inRaw++
	}
	return c.e
}

// used ends a call of Raw.
func (c *Conn) used() {
	c.mu.Lock()
	c.inRaw--
	var e *entry
	if c.inRaw == 0 {
		e, c.late = c.late, nil
	}
	c.mu.Unlock()
	if e != nil {
		c.p.giveBack(e)
	}
}

// String names the connection, without what its driver keeps.
func (c *Conn) String() string { return "akari.Conn(" + c.Info().Name + ")" }

// GoString is String.
func (c *Conn) GoString() string { return c.String() }

// Evict gives the connection back to be closed, for one that is known to be of
// no more use.
func (c *Conn) Evict() { c.release(CloseEvicted) }

// Info identifies the physical connection.
func (c *Conn) Info() ConnInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.e == nil {
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
	e := c.use()
	if e == nil {
		return ErrReleased
	}
	defer c.used()
	return c.p.raw(e, f)
}

// Raw calls f with the driver's own connection behind a *sql.Conn of a pool's
// DB. sql.Conn.Raw would show it the pool's session instead. See Conn.Raw.
func Raw(conn *sql.Conn, f func(driverConn any) error) error {
	return conn.Raw(func(driverConn any) error {
		s, ok := driverConn.(*session)
		if !ok {
			return fmt.Errorf("akari: Raw needs a connection of a pool's DB(), this one is a %T", driverConn)
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
