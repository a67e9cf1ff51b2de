package akaritest

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one connection, both ends of it: the driver's and the server's.
//
// It does the work; faces.go has the interfaces of package driver and matrix.go
// combines them.
type conn struct {
	server *Server       // read only, as are the next three
	id     int           // from 1
	opened time.Time     //
	gone   chan struct{} // closed by end when the server has ended the session

	busy atomic.Uint32 // the Op under way, 0 for none
	fate atomic.Int32  // a fate; only grows, under mu, and is read anywhere

	// mu guards the following. Server.mu may be taken while it is held; nothing
	// waits and no user code runs under it.
	mu          sync.Mutex
	session     session
	stmts, rows int // open
}

// A fate is what has become of a connection.
type fate = int32

const (
	alive  fate = iota
	lost        // the server has ended it, and the client does not know
	broken      // the client knows
	closed      // the client has closed it
)

// ConnID returns the server's number for the connection a driver connection is,
// as sql.Conn.Raw shows it. A pool that wraps driver connections may hide it;
// the statement CONN tells it in any case.
func ConnID(driverConn any) (id int, ok bool) {
	c, ok := driverConn.(interface{ ID() int })
	if !ok {
		return 0, false
	}
	return c.ID(), true
}

// close closes the connection whatever else goes wrong in it. It counts as open
// until the call returns.
func (c *conn) close() error {
	call := Call{Op: OpClose, ConnID: c.id}
	defer c.leave(c.enter(&call))
	c.server.arrived(&call)
	if c.fate.Load() == closed {
		c.violate("Close of a closed connection")
		return errClosed
	}
	defer c.forget()
	defer c.end(closed)
	if err := c.server.before(context.Background(), c, &call); err != nil {
		return unlessNil(err)
	}
	c.end(closed)
	return unlessNil(c.server.after(context.Background(), c, &call))
}

// wrapped returns the connection with the interfaces of the server's profile.
func (c *conn) wrapped() driver.Conn {
	p := &c.server.profile
	if p.WrapConn != nil {
		full, _ := c.with(AllConn)
		return p.WrapConn(full.(FullConn))
	}
	dc, _ := c.with(p.Conn) // NewServer has checked
	return dc
}

// enter marks a call as under way; leave must get what it returns. Two at once
// are the pool's bug.
func (c *conn) enter(call *Call) (first bool) {
	if c.busy.CompareAndSwap(0, uint32(call.Op)) {
		return true
	}
	other := Op(c.busy.Load())
	c.violate(fmt.Sprintf("%s while %s is under way", call.Op, other))
	return false
}

func (c *conn) leave(first bool) {
	if first {
		c.busy.Store(0)
	}
}

// arrive is the way of a call to the server: it fails if the connection cannot
// be used, and makes the faults happen that come before the effect.
func (c *conn) arrive(ctx context.Context, call *Call) error {
	s := c.server
	s.arrived(call)
	if c.fate.Load() == closed {
		c.violate(fmt.Sprintf("%s after Close", call.Op))
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.fate.Load() == broken {
		return driver.ErrBadConn
	}
	if err := s.before(ctx, c, call); err != nil {
		return err
	}
	if err := s.thawed(ctx, c.gone); err != nil {
		c.cancelled()
		return err
	}
	return nil
}

// depart is the way back.
func (c *conn) depart(ctx context.Context, call *Call) error {
	return c.server.after(ctx, c, call)
}

// usableLocked is the last look before an effect: it fails if the server has
// ended the session, and then the client knows.
func (c *conn) usableLocked() error {
	switch c.fate.Load() {
	case alive:
		return nil
	case lost:
		c.endLocked(broken)
		return c.server.lostError()
	}
	return driver.ErrBadConn
}

// blockedLocked fails if rows are open that block the connection.
func (c *conn) blockedLocked() error {
	if c.rows > 0 && c.server.profile.RowsBlock {
		return ErrBusy
	}
	return nil
}

// cancelled notes that a call has ended because its context did. c may be nil:
// there is no connection yet.
func (c *conn) cancelled() {
	if c != nil && c.server.profile.CancelBreaks {
		c.end(broken)
	}
}

// end ends the session at the server and moves the connection on to fate f. It
// reports whether the session was alive.
func (c *conn) end(f fate) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.endLocked(f)
}

func (c *conn) endLocked(f fate) bool {
	was := c.fate.Load()
	if was == alive {
		c.clearLocked()
		s := c.server
		s.mu.Lock()
		s.sessions--
		s.mu.Unlock()
		close(c.gone)
	}
	if f > was {
		c.fate.Store(f)
	}
	return was == alive
}

// forget takes the connection off the server's books, with the statements and
// rows that its client did not close.
func (c *conn) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.server
	s.stmts.Add(int64(-c.stmts))
	s.rows.Add(int64(-c.rows))
	c.stmts, c.rows = 0, 0
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.id)
}

func (s *Server) lostError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == nil {
		return driver.ErrBadConn
	}
	return s.lost
}
