package txn

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/internal/scope"
	"github.com/akaripool/akari/sqlerr"
)

// role is what a scope is to its transaction.
type role uint8

const (
	outside role = iota // it has none
	owner               // it has begun it
	nested              // it has a savepoint in it
	joined              // it is a part of what is around it
)

// Scope is what Begin returns.
type Scope struct {
	pool    *akari.Pool
	o       *options
	role    role
	t       *transaction    // nil for one outside
	tr      transaction     // what t points to in its owner
	frame   *scope.Frame    // nil for what stands for a hook's
	fr      scope.Frame     // what frame points to
	outer   *scope.Frame    // the one of the pool around it, nil if it is the outermost
	caller  context.Context // that it was entered with
	ctx     context.Context // that its function gets, but for the frame
	inside  context.Context // that its function gets
	cancel  context.CancelFunc
	attempt int
	began   time.Time
	from    uintptr // the function that has called Begin
	by      uintptr // what Pools.Enter has returned

	mu    sync.Mutex // guards what follows; nothing else is taken while it is held
	mark  error      // SetRollbackOnly's cause
	ended bool

	kept    bool          // what its function did is kept, or will be if what is around it is
	outcome scope.Outcome // of an owner that has ended
}

// transaction is what the scopes of one transaction have in common.
type transaction struct {
	tx    scope.Tx
	root  *Scope
	hooks hooks
}

// enter opens a scope.
func enter(ctx context.Context, pool *akari.Pool, o *options, attempt int) (*Scope, context.Context, error) {
	if err := check(ctx, pool); err != nil {
		return nil, nil, err
	}
	if ctx.Err() != nil {
		return nil, nil, o.named(fmt.Errorf("txn: the scope is not entered, as its context has ended: %w", context.Cause(ctx)))
	}
	if err := scope.Pools.Strays(ctx, pool); err != nil {
		return nil, nil, o.named(err)
	}
	s := &Scope{pool: pool, o: o, caller: ctx, attempt: attempt, began: time.Now()}
	s.fr.Pool, s.fr.Scope, s.fr.Outer = pool, s, scope.Of(ctx)
	s.frame = &s.fr
	s.outer = s.frame.Outer.For(pool)
	if s.outer != nil {
		if s.outer.Over() {
			return nil, nil, o.named(fmt.Errorf("%w: its context is used to enter another; see Detach", ErrCompleted))
		}
		s.frame.Owner = s.outer.Owner
	} else {
		s.frame.Owner = scope.Pools.NewOwner(pool)
	}
	if err := s.choose(); err != nil {
		return nil, nil, o.named(err)
	}
	s.ctx, s.cancel = o.within(ctx)
	if err := s.open(); err != nil {
		err = s.timely(err)
		s.close()
		return nil, nil, o.named(err)
	}
	s.by = scope.Pools.Enter(s.frame)
	s.inside = scope.With(s.ctx, s.frame)
	return s, s.inside, nil
}

// around is the transaction of the scope around, nil if there is none.
func (s *Scope) around() *transaction {
	if s.outer == nil {
		return nil
	}
	return s.outer.Scope.(*Scope).t
}

// choose finds out what the scope is to be.
func (s *Scope) choose() error {
	t := s.around()
	switch p := s.o.propagation; {
	case p == RequiresNew, t == nil && (p == Required || p == Nested):
		s.role = owner
		return nil
	case p == NotSupported, t == nil && (p == Supports || p == Never):
		if s.o.retry != nil && !s.o.retry.OrJoin {
			return errRetryHere
		}
		return nil
	case p == Never:
		return ErrTxExists
	case t == nil:
		return ErrNoTx
	case p == Nested:
		s.role = nested
	default:
		s.role = joined
	}
	s.t = t
	if s.o.retry != nil && !s.o.retry.OrJoin {
		return errRetryHere
	}
	return s.fits(t.root.o)
}

// fits makes sure that the transaction there is, is what the scope asks for. Supports
// and Mandatory ask for nothing: what they run in is for others to say.
func (s *Scope) fits(has *options) error {
	level := scope.Pools.Isolation(s.pool, driver.IsolationLevel(has.isolation))
	switch {
	case s.o.lenient:
	case s.o.isolation != sql.LevelDefault && driver.IsolationLevel(s.o.isolation) != level:
		return fmt.Errorf("%w: the scope asks for isolation %v, the transaction that it would join has %v; see Lenient, RequiresNew", ErrIncompatible, s.o.isolation, sql.IsolationLevel(level))
	case has.readOnly && !s.o.readOnly && s.o.propagation != Supports && s.o.propagation != Mandatory:
		return fmt.Errorf("%w: the transaction that the scope would join is ReadOnly: if it only reads give it ReadOnly too (or Lenient), else RequiresNew", ErrIncompatible)
	}
	return nil
}

// open makes the frame what the role says.
func (s *Scope) open() (err error) {
	f := s.frame
	switch s.role {
	case outside:
		if s.outer != nil && s.around() == nil {
			f.Tx, f.Point = s.outer.Tx, s.outer.Point // a connection that Bind keeps
		}
	case owner:
		f.Tx = scope.Pools.NewTx(s.ctx, s.pool, scope.Options{
			TxOptions:     driver.TxOptions{Isolation: driver.IsolationLevel(s.o.isolation), ReadOnly: s.o.readOnly},
			Outer:         f.Outer,
			Owner:         f.Owner,
			Joins:         s.o.joinBegin,
			CommitTimeout: s.o.commitTimeout,
		})
		s.tr.tx, s.tr.root, s.t = f.Tx, s, &s.tr
		s.report(scope.Begun, nil)
		if s.o.eager {
			if err := f.Tx.Begin(s.ctx); err != nil {
				s.outcome = scope.RolledBack
				s.report(scope.Ended, err)
				return err
			}
		}
		return nil
	case nested:
		f.Tx = s.t.tx
		if f.Point, err = f.Tx.Open(s.ctx, s.outer.Point); err != nil {
			return err
		}
	case joined:
		f.Tx, f.Point = s.t.tx, s.outer.Point
	}
	if s.role == outside && s.around() != nil {
		s.report(scope.Suspended, nil)
	} else {
		s.report(scope.Joined, nil)
	}
	return nil
}

// leave closes the scope when its function has returned err, or did not return.
func (s *Scope) leave(err error, panicked bool) error {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return withCause(err, ErrCompleted)
	}
	s.ended = true
	mark := s.mark
	s.mu.Unlock()
	scope.Pools.Leave(s.frame, s.by)
	defer s.close()
	judged := false
	defer func() {
		if !judged { // a rule panicked: that goes on
			_ = s.settle(errPanicked, false, mark)
		}
	}()
	commit := !panicked && s.o.commits(err)
	judged = true
	return s.settle(err, commit, mark)
}

// settle ends what the scope has begun.
func (s *Scope) settle(err error, commit bool, mark error) error {
	switch s.role {
	case owner:
		return s.leaveOwner(err, commit, mark)
	case nested:
		return s.leaveNested(err, commit, mark)
	case joined:
		return s.leaveJoined(err, commit, mark)
	}
	s.kept = true
	return s.timely(err)
}

// close is the end of the scope: its context leads nowhere from now on.
func (s *Scope) close() {
	s.frame.End()
	if s.cancel != nil {
		s.cancel()
	}
	if s.outer == nil {
		s.report(scope.TaskDone, nil)
	}
}

func (s *Scope) leaveJoined(err error, commit bool, mark error) error {
	s.frame.End()
	s.kept = true
	switch {
	case mark != nil:
		s.t.tx.Mark(mark, s.frame.Point)
		s.kept = false
	case !commit && !s.o.softJoin:
		err = s.timely(err)
		s.t.tx.Mark(err, s.frame.Point)
		s.kept = false
	case err == nil && s.o.failEarly:
		if why := s.t.tx.Doomed(); why != nil {
			s.kept = false
			return s.o.named(&scope.Unexpected{Cause: why})
		}
	}
	return err
}

func (s *Scope) leaveNested(err error, commit bool, mark error) error {
	s.frame.End()
	point := s.frame.Point
	var dead error
	if commit && s.ctx.Err() != nil {
		dead = context.Cause(s.ctx)
	}
	if !commit || mark != nil || dead != nil {
		failed := s.t.tx.RollbackTo(point)
		s.t.hooks.undone(point, firstError(err, mark, dead))
		return withCause(s.timely(err), s.o.named(withCause(dead, failed)))
	}
	released := s.t.tx.Release(point)
	if released != nil {
		s.t.hooks.undone(point, released)
		return withCause(err, s.o.named(released))
	}
	s.kept = true
	return err
}

func (s *Scope) leaveOwner(err error, commit bool, mark error) error {
	t, tx := s.t, s.t.tx
	settled := false
	defer func() {
		if !settled { // a hook panicked
			s.frame.End()
			_ = s.rollBack(errPanicked)
		}
	}()
	cause := firstError(err, mark)
	if commit && mark == nil {
		if tx.Doomed() == nil {
			if failed := t.hooks.beforeCommit(s.inside); failed != nil {
				settled = true
				s.frame.End()
				return withCause(err, s.o.named(withCause(failed, s.rollBack(failed))))
			}
		}
		settled = true
		s.frame.End()
		return s.commit(err)
	}
	settled = true
	s.frame.End()
	return withCause(s.timely(err), s.o.named(s.rollBack(cause)))
}

// commit ends the transaction of a function that has returned nil, or an error that
// commits.
func (s *Scope) commit(err error) error {
	tx := s.t.tx
	sent, failed := tx.Commit(s.ctx)
	switch {
	case failed == nil && sent:
		s.outcome = scope.Committed
	case failed == nil:
		s.outcome = scope.Empty
	case errors.Is(failed, ErrCommitUnknown), errors.Is(failed, scope.ErrEnded): // see rollBack
		s.outcome = scope.Unknown
	case s.ctx.Err() != nil:
		s.outcome = scope.TimedOut
	default:
		s.outcome = scope.Lost
	}
	s.report(scope.Ended, failed)
	if failed != nil {
		return withCause(err, s.o.named(withCause(failed, s.t.hooks.after(s.status(), failed))))
	}
	s.kept = true
	scope.Pools.Budget(s.pool).Earn()
	return withCause(err, s.o.named(s.t.hooks.after(StatusCommitted, nil)))
}

// rollBack ends the transaction of a function whose work is not to be kept.
func (s *Scope) rollBack(cause error) error {
	failed := s.t.tx.Rollback()
	s.outcome = scope.RolledBack
	switch {
	case errors.Is(failed, scope.ErrEnded): // what was done is committed, perhaps
		s.outcome = scope.Unknown
	case s.ctx.Err() != nil:
		s.outcome = scope.TimedOut
	}
	s.report(scope.Ended, cause)
	return withCause(failed, s.t.hooks.after(s.status(), cause))
}

// timely adds that the scope's own time has passed to an error that comes of that:
// database/sql does not tell ends of a context apart, and lib/pq passes on what the
// server says of a cancelled statement.
func (s *Scope) timely(err error) error {
	switch {
	case err == nil || s.ctx.Err() == nil || context.Cause(s.ctx) != ErrTimeout || errors.Is(err, ErrTimeout):
	case errors.Is(err, context.DeadlineExceeded), sqlerr.IsCancelled(err):
		return withCause(err, s.o.named(ErrTimeout))
	}
	return err
}

// clean reports whether the transaction is certain to have left nothing behind.
func (s *Scope) clean() bool {
	return s.role == owner && !s.kept && s.outcome != scope.Unknown
}

func (s *Scope) status() Status {
	switch s.outcome {
	case scope.Committed, scope.Empty:
		return StatusCommitted
	case scope.Unknown:
		return StatusUnknown
	}
	return StatusRolledBack
}

// after is the context for what follows the end of the transaction: the caller's,
// without a transaction, not even one that this one was beside.
func (s *Scope) after() context.Context {
	if s.around() == nil {
		return s.caller
	}
	return scope.With(s.caller, &scope.Frame{Pool: s.pool, Owner: s.frame.Owner, Scope: &Scope{pool: s.pool, o: s.o}, Outer: s.frame.Outer})
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// report tells the pool, for its log, trace and counters.
func (s *Scope) report(what scope.Kind, err error) {
	e := scope.Event{
		Kind: what, Name: s.o.name, Propagation: s.o.propagation.String(), Isolation: s.o.isolation.String(), ReadOnly: s.o.readOnly,
		Depth: s.depth(), Attempt: s.attempt, Outcome: s.outcome, Err: err,
	}
	switch what {
	case scope.Ended:
		e.Took, e.Held = time.Since(s.began), s.t.tx.Held()
	case scope.TaskDone:
		e.Connections = s.frame.Owner.Most()
	}
	scope.Pools.Report(s.pool, e)
}

// depth is how many scopes of the pool there are, this one included.
func (s *Scope) depth() int {
	n := 1
	for f := s.outer; f != nil; f = f.Outer.For(s.pool) {
		n++
	}
	return n
}
