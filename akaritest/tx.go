package akaritest

import "context"

// tx is the driver's handle of a transaction. The transaction may end without
// it, by the statements COMMIT and ROLLBACK or with the connection.
type tx struct {
	conn        *conn        // read only
	transaction *transaction // read only
	ended       bool         // by this handle; guarded by conn.mu
}

func (t *tx) Commit() error   { return t.finish(OpCommit, t.conn.commitLocked) }
func (t *tx) Rollback() error { return t.finish(OpRollback, t.conn.rollbackLocked) }

func (t *tx) finish(op Op, effect func() error) error {
	c := t.conn
	call := Call{Op: op, ConnID: c.id}
	defer c.leave(c.enter(&call))
	ctx := context.Background()
	if err := c.arrive(ctx, &call); err != nil {
		return unlessNil(err)
	}
	err := t.settle(op, effect)
	if err := c.depart(ctx, &call); err != nil {
		return unlessNil(err)
	}
	return err
}

// settle runs the effect, which needs conn.mu, once.
func (t *tx) settle(op Op, effect func() error) error {
	c := t.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usableLocked(); err != nil {
		return err
	}
	if t.ended {
		c.violate(op.String() + " of a transaction that has ended")
		return errClosed
	}
	t.ended = true
	if c.session.tx != t.transaction {
		return nil
	}
	return effect()
}
