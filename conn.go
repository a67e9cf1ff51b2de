package akari

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/akaripool/akari/internal/sessionstate"
)

// Conn is a connection borrowed with Acquire, for those who want the driver's
// own. It belongs to one goroutine at a time, and must be released.
type Conn struct {
	p *Pool
	e atomic.Pointer[entry] // nil once released
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
	c := &Conn{p: p}
	c.e.Store(e)
	return c, nil
}

// Release gives the connection back. Releasing it twice, or from two goroutines
// at once, does no harm.
func (c *Conn) Release() {
	if e := c.e.Swap(nil); e != nil {
		c.p.giveBack(e)
	}
}

// Evict gives the connection back to be closed, for one that is known to be of
// no more use.
func (c *Conn) Evict() {
	if e := c.e.Swap(nil); e != nil {
		e.doom.CompareAndSwap(0, uint32(CloseEvicted))
		c.p.giveBack(e)
	}
}

// Info identifies the physical connection.
func (c *Conn) Info() ConnInfo {
	if e := c.e.Load(); e != nil {
		return e.info()
	}
	return ConnInfo{}
}

// Raw calls f with the driver's own connection, a *stdlib.Conn of pgx for
// instance. f must not keep it, nor use it from several goroutines at once.
//
// The pool does not see what f does to the session, so the session is cleaned
// afterwards as after a statement that may have changed anything (see
// SessionReset). If f panics, or returns an error that says that the connection
// is lost, the connection is closed when it is released.
func (c *Conn) Raw(f func(driverConn any) error) error {
	e := c.e.Load()
	if e == nil {
		return ErrReleased
	}
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
	e.changed |= sessionstate.Opaque
	e.held(gripFirm)
	finished := false
	defer func() {
		if !finished {
			e.broken = errors.New("akari: the function given to Raw panicked")
		}
	}()
	err := f(e.conn)
	finished = true
	if err != nil && p.judge(err) == troubleBroken {
		e.broken = err
		p.suspect()
		p.reportBroken(e, err)
	}
	return err
}
