package akaritest

import (
	"context"
	"database/sql/driver"
)

// The calls of a connection, whatever interface they come in by. Those that need
// the server have the same five steps: enter, arrive, effect, depart, leave.

func (c *conn) ping(ctx context.Context) error {
	call := Call{Op: OpPing, ConnID: c.id}
	defer c.leave(c.enter(&call))
	if err := c.arrive(ctx, &call); err != nil {
		return unlessNil(err)
	}
	if err := c.answer(); err != nil {
		return err
	}
	return unlessNil(c.depart(ctx, &call))
}

// answer is the effect of a call that changes nothing.
func (c *conn) answer() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usableLocked(); err != nil {
		return err
	}
	return c.blockedLocked()
}

func (c *conn) exec(ctx context.Context, call *Call) (driver.Result, error) {
	defer c.leave(c.enter(call))
	if err := c.arrive(ctx, call); err != nil {
		return nil, unlessNil(err)
	}
	out, err := c.run(ctx, call.Text, call.Args)
	if err := c.depart(ctx, call); err != nil {
		return nil, unlessNil(err)
	}
	if err != nil {
		return nil, err
	}
	return out.result(), nil
}

func (c *conn) query(ctx context.Context, call *Call) (driver.Rows, error) {
	defer c.leave(c.enter(call))
	if err := c.arrive(ctx, call); err != nil {
		return nil, unlessNil(err)
	}
	out, err := c.run(ctx, call.Text, call.Args)
	if err := c.depart(ctx, call); err != nil {
		return nil, unlessNil(err)
	}
	if err != nil {
		return nil, err
	}
	return c.openRows(ctx, call.Text, out.sets), nil
}

func (c *conn) prepare(ctx context.Context, text string) (driver.Stmt, error) {
	call := Call{Op: OpPrepare, ConnID: c.id, Text: text}
	defer c.leave(c.enter(&call))
	if err := c.arrive(ctx, &call); err != nil {
		return nil, unlessNil(err)
	}
	err := c.answer()
	if err == nil {
		err = c.parse(text)
	}
	if err := c.depart(ctx, &call); err != nil {
		return nil, unlessNil(err)
	}
	if err != nil {
		return nil, err
	}
	return c.openStmt(text), nil
}

func (c *conn) begin(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	call := Call{Op: OpBegin, ConnID: c.id}
	defer c.leave(c.enter(&call))
	if err := c.arrive(ctx, &call); err != nil {
		return nil, unlessNil(err)
	}
	t, err := c.beginTx(opts)
	if err := c.depart(ctx, &call); err != nil {
		return nil, unlessNil(err)
	}
	if err != nil {
		return nil, err
	}
	return &tx{conn: c, transaction: t}, nil
}

func (c *conn) beginTx(opts driver.TxOptions) (*transaction, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usableLocked(); err != nil {
		return nil, err
	}
	if err := c.blockedLocked(); err != nil {
		return nil, err
	}
	if err := c.beginLocked(opts); err != nil {
		return nil, err
	}
	return c.session.tx, nil
}

// resetSession does not need the server: what it does there, drivers send with
// the next statement.
func (c *conn) resetSession(ctx context.Context) error {
	call := Call{Op: OpReset, ConnID: c.id}
	defer c.leave(c.enter(&call))
	s := c.server
	s.arrived(&call)
	if c.fate.Load() == closed {
		c.violate("Reset after Close")
		return errClosed
	}
	if err := s.before(ctx, c, &call); err != nil {
		return unlessNil(err)
	}
	if err := c.reset(); err != nil {
		return err
	}
	return unlessNil(c.depart(ctx, &call))
}

func (c *conn) reset() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.server.profile
	switch c.fate.Load() {
	case alive:
		if p.ResetRefusesTx && c.session.tx != nil {
			return driver.ErrBadConn
		}
		if p.ResetClears {
			c.clearLocked()
		}
		return nil
	case lost:
		if !p.ResetChecks {
			return nil
		}
		c.endLocked(broken)
	}
	return driver.ErrBadConn
}

func (c *conn) isValid() bool {
	call := Call{Op: OpIsValid, ConnID: c.id}
	defer c.leave(c.enter(&call))
	ctx := context.Background()
	c.server.arrived(&call)
	if c.fate.Load() == closed {
		c.violate("IsValid after Close")
		return false
	}
	if unlessNil(c.server.before(ctx, c, &call)) != nil {
		return false
	}
	valid := c.fate.Load() < broken
	if unlessNil(c.depart(ctx, &call)) != nil {
		return false
	}
	return valid
}
