package akari

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"

	"github.com/akaripool/akari/internal/scope"
)

// point is a savepoint of a shared transaction: a nested scope's, or that of a
// transaction which code within begins through database/sql.
type point struct {
	id   int  // counts from 1 in each transaction, and is never used again
	sent bool // the server knows of it: it is told with the first statement that follows

	// of is the goroutine that has begun it through database/sql, 0 for a scope's.
	// Statements by it may come with the context of what is around: gorm's hooks,
	// say. Those of others would be undone with a point that they know nothing of.
	of uintptr

	// ctx is that of database/sql's transaction, nil for a scope's point. When it
	// ends database/sql rolls back, but in a goroutine of its own, and tells the
	// program before that is done.
	ctx context.Context
}

func (p point) name() string { return "akari_" + strconv.Itoa(p.id) }

// onTop makes sure that what is done at a savepoint does not happen within another
// one, which somebody else may roll back.
func (t *sharedTx) onTop(id int) error {
	for i := len(t.points) - 1; i >= 0; i-- {
		top := &t.points[i]
		if top.id == id {
			return nil
		}
		switch {
		case top.of == 0:
			return errOtherScope
		case top.of != callerID() && top.of != unknownCaller:
			return &otherGoroutine{errOtherScope} // it is begun and ended by a library, mostly
		}
	}
	if id != 0 {
		return errUndone
	}
	return nil
}

// endLate rolls back to savepoints, from the i-th on, of transactions whose contexts
// have ended, so that what follows is not undone with them.
func (t *sharedTx) endLate(i int) {
	for ; i < len(t.points) && t.over == nil && t.doomed == nil; i++ {
		if ctx := t.points[i].ctx; ctx != nil && ctx.Err() != nil {
			_ = t.undo(i)
		}
	}
}

// innermost is the number of the last savepoint that the server knows of.
func (t *sharedTx) innermost() int {
	for i := len(t.points) - 1; i >= 0; i-- {
		if t.points[i].sent {
			return t.points[i].id
		}
	}
	return 0
}

func (t *sharedTx) index(id int) int {
	for i, p := range t.points {
		if p.id == id {
			return i
		}
	}
	return -1
}

// push opens a savepoint, and returns its number.
func (t *sharedTx) push(p point) int {
	t.last++
	p.id = t.last
	t.points = append(t.points, p)
	return p.id
}

// sendPoints tells the server of savepoints that it does not know of. After an error
// PostgreSQL would refuse them: then the statement is sent, to be refused itself, or
// to be a ROLLBACK TO.
func (t *sharedTx) sendPoints(ctx context.Context) error {
	if t.failed.err != nil {
		return nil
	}
	for i := range t.points {
		p := &t.points[i]
		if p.sent {
			continue
		}
		if err := t.say(ctx, t.words().savepoint+p.name()); err != nil {
			return err
		}
		p.sent = true
	}
	return nil
}

// say sends a statement of the transaction's own. It fails if the transaction is lost,
// be it before, or after the statement has succeeded: what follows would be sent on
// another connection, outside of it.
func (t *sharedTx) say(ctx context.Context, text string) error {
	if t.doomed == nil {
		_, err := t.s.ExecContext(ctx, text, nil)
		if err == driver.ErrSkip { // the driver, SQL Server's say, has everything prepared
			var st driver.Stmt
			if st, err = t.s.prepareFor(ctx, t.s, text); err == nil {
				_, err = st.(driver.StmtExecContext).ExecContext(ctx, nil)
				_ = st.Close()
			}
		}
		if err = t.settle(err); err != nil {
			return err
		}
	}
	if t.doomed != nil {
		return &scope.Unexpected{Cause: t.doomed}
	}
	return nil
}

// sayBound is say within CommitTimeout, whatever has become of the scope's context.
func (t *sharedTx) sayBound(text string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), t.o.CommitTimeout)
	defer cancel()
	return t.say(ctx, text)
}

// savepointWords are the dialect's.
type savepointWords struct{ savepoint, rollback, release string }

func (t *sharedTx) words() savepointWords {
	if e := t.s.e; e != nil && e.caps.profile.name == "mssql" {
		return savepointWords{"SAVE TRANSACTION ", "ROLLBACK TRANSACTION ", ""}
	}
	return savepointWords{"SAVEPOINT ", "ROLLBACK TO ", "RELEASE SAVEPOINT "} // as PostgreSQL, MySQL and SQLite have it
}

// Open implements scope.Tx.
func (t *sharedTx) Open(ctx context.Context, outer int) (int, error) {
	if err := t.lock(ctx); err != nil {
		return 0, err
	}
	err := t.take(ctx, func() error {
		if t.over != nil {
			return t.over
		}
		t.endLate(0)
		if why := firstOf(t.doomed, t.failed.err, t.marks.since(0)); why != nil {
			return &scope.Unexpected{Cause: why}
		}
		return t.onTop(outer)
	})
	if err != nil {
		return 0, err
	}
	defer t.leave()
	return t.push(point{}), nil
}

// Release implements scope.Tx.
func (t *sharedTx) Release(id int) error {
	t.seize()
	defer t.unlock()
	return t.release(id)
}

func (t *sharedTx) release(id int) error {
	i := t.index(id)
	switch {
	case t.over != nil:
		return t.over
	case t.doomed != nil:
		return &scope.Unexpected{Cause: t.doomed}
	case i < 0:
		return errUndone
	}
	t.endLate(i + 1)
	if t.doomed != nil {
		return &scope.Unexpected{Cause: t.doomed}
	}
	why := t.leftOpen(i + 1)
	if t.failed.err != nil && t.failed.point >= id {
		why = t.failed.err
	}
	if mark := t.marks.since(id); mark != nil {
		why = mark
	}
	if why != nil {
		return &scope.Unexpected{Cause: firstOf(t.undo(i), why)}
	}
	p := t.points[i]
	t.closeRows(p.id)
	t.points = t.points[:i]
	t.moved()
	w := t.words().release
	if !p.sent || w == "" {
		return nil
	}
	err := t.sayBound(w + p.name())
	if err != nil && t.doomed == nil { // or it would be kept, though its owner is told otherwise
		t.lose(fmt.Errorf("txn: a savepoint could not be released: %w", err))
	}
	return err
}

// leftOpen is an error if savepoints from i on are still open, whose owners have not
// ended them.
func (t *sharedTx) leftOpen(i int) error {
	switch {
	case i >= len(t.points):
		return nil
	case t.points[i].of == 0:
		return errOtherScope
	}
	return errLeftOpen
}

// RollbackTo implements scope.Tx.
func (t *sharedTx) RollbackTo(id int) error {
	t.seize()
	defer t.unlock()
	if i := t.index(id); i >= 0 && t.over == nil && t.doomed == nil {
		return t.undo(i)
	}
	return nil // it is undone with what is around it
}

// undo rolls back to a savepoint and ends it. If that fails nobody knows what is
// left of the transaction: all of it is rolled back.
func (t *sharedTx) undo(i int) error {
	p := t.points[i]
	t.closeRows(p.id)
	t.points = t.points[:i]
	t.moved()
	if t.failed.point >= p.id {
		t.failed = setback{}
		t.publish()
	}
	t.marks.undo(p.id)
	if !p.sent {
		return nil
	}
	w := t.words()
	err := t.sayBound(w.rollback + p.name())
	if err == nil && w.release != "" {
		err = t.sayBound(w.release + p.name())
	}
	if err != nil && t.doomed == nil {
		t.lose(fmt.Errorf("txn: a savepoint could not be rolled back to: %w", err))
	}
	return err
}

// joinedTx is what database/sql gets for a transaction that is begun in a scope: a
// savepoint, or, where scopes are told to join, nothing.
type joinedTx struct {
	s     *session
	t     *sharedTx
	id    int // of the savepoint; 0: it joins
	outer int // of the one around it
}

// open begins a transaction within the transaction.
func (t *sharedTx) open(ctx context.Context, s *session, o driver.TxOptions) (driver.Tx, error) {
	switch {
	case s.inner:
		return nil, errTxOpen
	case t.o.Bare:
		return t.openGuest(ctx, s, o)
	}
	if o.Isolation != 0 && o.Isolation != t.p.isolation(t.o.Isolation) {
		return nil, fmt.Errorf("%w: a transaction begun within it asks for isolation %v, and it has %v: leave that out, or begin it beside the scope's with txn.RequiresNew", scope.ErrMismatch,
			sql.IsolationLevel(o.Isolation), sql.IsolationLevel(t.p.isolation(t.o.Isolation)))
	}
	if err := t.p.strays(ctx, s.in); err != nil {
		return nil, err
	}
	if err := t.lock(ctx); err != nil {
		return nil, err
	}
	err := t.take(ctx, func() error {
		switch {
		case t.over != nil:
			return t.over
		case s.in.Over():
			return errCompleted
		}
		t.endLate(0)
		if why := firstOf(t.doomed, t.failed.err); why != nil {
			return &scope.Unexpected{Cause: why}
		}
		return t.onTop(s.point)
	})
	if err != nil {
		return nil, err
	}
	defer t.leave()
	j := &joinedTx{s: s, t: t, outer: s.point}
	if !t.o.Joins {
		j.id = t.push(point{of: callerID(), ctx: ctx})
		s.point = j.id
	}
	s.inner = true
	return j, nil
}

// guestTx is what database/sql gets for a transaction on a connection that is kept.
type guestTx struct {
	s *session
	t *sharedTx
}

// openGuest begins a transaction on the connection that is kept.
func (t *sharedTx) openGuest(ctx context.Context, s *session, o driver.TxOptions) (driver.Tx, error) {
	if s.in.Over() {
		return nil, errCompleted
	}
	g := t.newGuest(ctx, scope.Options{TxOptions: o, Outer: t.o.Outer, Owner: t.o.Owner, CommitTimeout: t.o.CommitTimeout})
	if err := g.Begin(ctx); err != nil {
		return nil, err
	}
	s.joined, s.inner = g, true
	return &guestTx{s, g}, nil
}

// Commit ends the transaction.
func (x *guestTx) Commit() error {
	x.end()
	_, err := x.t.Commit(context.WithoutCancel(x.t.ctx))
	return err
}

// Rollback ends the transaction.
func (x *guestTx) Rollback() error {
	x.end()
	return x.t.Rollback()
}

func (x *guestTx) end() { x.s.joined, x.s.inner = x.t.host, false }

// Commit keeps what was done.
func (j *joinedTx) Commit() error {
	j.end()
	if j.id == 0 {
		return nil
	}
	return j.t.Release(j.id)
}

// Rollback undoes it, or, where there is no savepoint, makes the scope do so.
func (j *joinedTx) Rollback() error {
	j.end()
	if j.id == 0 {
		j.t.Mark(errInnerRollback, j.outer)
		return nil
	}
	return j.t.RollbackTo(j.id)
}

var errInnerRollback = errors.New("txn: a transaction that joined it was rolled back")

func (j *joinedTx) end() { j.s.inner, j.s.point = false, j.outer }
