package txn

import (
	"context"
	"fmt"
	"sync"

	"github.com/akaripool/akari/internal/scope"
)

// Status is how a transaction ended.
type Status uint8

// The statuses.
const (
	StatusUnknown   Status = iota // the outcome of the COMMIT was not learnt
	StatusCommitted               // also of one in which there was no statement
	StatusRolledBack
)

// String is the status in words.
func (s Status) String() string {
	switch s {
	case StatusCommitted:
		return "committed"
	case StatusRolledBack:
		return "rolled back"
	}
	return "unknown"
}

// BeforeCommit has f called before the transaction of ctx is committed, in that
// transaction: what it returns, if not nil, rolls back. Functions are called in the
// order in which they were registered, also those that one of them registers. It
// fails with ErrNoTx if ctx is in no transaction.
func BeforeCommit(ctx context.Context, f func(ctx context.Context) error) error {
	return register(ctx, hook{before: f})
}

// AfterCommit has f called once the transaction of ctx is committed and its
// connection is back in the pool: the place for what is to happen only if the
// database has it, such as a message to others. Its context is that with which the
// scope was entered, in no transaction, so that statements in f are transactions of
// their own.
//
// All functions are called, in the order in which they were registered. What they
// return becomes an AfterCommitError of the scope. f is not called if the
// transaction, or the savepoint of a Nested scope in which it was registered, is
// rolled back, nor if the process ends in between: then nobody knows of it. What must
// not be lost belongs into a table (an outbox), in the transaction.
//
// If ctx is in no transaction f is called at once, and its error returned.
func AfterCommit(ctx context.Context, f func(ctx context.Context) error) error {
	if s := of(ctx); f != nil && (s == nil || s.t == nil) {
		return f(ctx)
	}
	return register(ctx, hook{after: f})
}

// AfterRollback has f called, with the cause, once the transaction of ctx, or the
// savepoint of the Nested scope that ctx is in, has been rolled back: with the
// context of AfterCommit's. It fails with ErrNoTx if ctx is in no transaction.
func AfterRollback(ctx context.Context, f func(ctx context.Context, cause error)) error {
	return register(ctx, hook{undone: f})
}

// AfterCompletion has f called when the transaction of ctx has ended, whichever way,
// after all others. It fails with ErrNoTx if ctx is in no transaction.
func AfterCompletion(ctx context.Context, f func(ctx context.Context, s Status)) error {
	return register(ctx, hook{completed: f})
}

// hook is a function that was registered; one of these.
type hook struct {
	before    func(context.Context) error
	after     func(context.Context) error
	undone    func(context.Context, error)
	completed func(context.Context, Status)

	point int // the savepoint it was registered at
	ctx   func() context.Context
}

func (h *hook) set() bool {
	return h.before != nil || h.after != nil || h.undone != nil || h.completed != nil
}

// hooks are those of a transaction.
type hooks struct {
	mu     sync.Mutex // guards what follows; nothing else is taken while it is held
	list   []hook
	closed bool // the transaction has ended, or is about to
}

func register(ctx context.Context, h hook) error {
	if !h.set() {
		return fmt.Errorf("txn: a hook needs a function")
	}
	f := scope.Of(ctx)
	s := of(ctx)
	switch {
	case s == nil || s.t == nil:
		return ErrNoTx
	}
	h.point = f.Point
	h.ctx = s.t.root.after
	return s.t.hooks.add(f, h)
}

// add looks whether the scope is over under the lock, as those of a savepoint are
// dropped once it is.
func (l *hooks) add(f *scope.Frame, h hook) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || f.Over() {
		return ErrCompleted
	}
	l.list = append(l.list, h)
	return nil
}

// beforeCommit calls those that come before, until there are no new ones.
func (l *hooks) beforeCommit(ctx context.Context) error {
	for i := 0; ; i++ {
		l.mu.Lock()
		if i >= len(l.list) {
			l.mu.Unlock()
			return nil
		}
		before := l.list[i].before
		l.mu.Unlock()
		if before == nil {
			continue
		}
		if err := before(ctx); err != nil {
			return err
		}
	}
}

// undone drops those of a savepoint that was rolled back.
func (l *hooks) undone(point int, cause error) {
	l.mu.Lock()
	var dropped []hook
	kept := l.list[:0:0]
	for _, h := range l.list {
		if h.point >= point {
			dropped = append(dropped, h)
		} else {
			kept = append(kept, h)
		}
	}
	l.list = kept
	l.mu.Unlock()
	_ = follow(dropped, StatusRolledBack, cause)
}

// after calls those that come after the end of the transaction. The error is of
// those for a commit.
func (l *hooks) after(status Status, cause error) error {
	l.mu.Lock()
	l.closed = true
	list := l.list
	l.mu.Unlock()
	return follow(list, status, cause)
}

// follow calls functions for what has become of what they were registered in.
func follow(list []hook, status Status, cause error) error {
	var calls calls
	for _, h := range list {
		switch {
		case status == StatusCommitted && h.after != nil:
			calls.do(func() error { return h.after(h.ctx()) })
		case status == StatusRolledBack && h.undone != nil:
			calls.do(func() error { h.undone(h.ctx(), cause); return nil })
		}
	}
	for _, h := range list {
		if h.completed != nil {
			calls.do(func() error { h.completed(h.ctx(), status); return nil })
		}
	}
	calls.end()
	if calls.errs != nil {
		return &AfterCommitError{calls.errs}
	}
	return nil
}

// calls calls functions, all of them, also if some panic.
type calls struct {
	errs     []error
	panicked any
}

func (c *calls) do(f func() error) {
	defer func() {
		if r := recover(); r != nil && c.panicked == nil {
			c.panicked = r
		}
	}()
	if err := f(); err != nil {
		c.errs = append(c.errs, err)
	}
}

// end lets the first panic go on.
func (c *calls) end() {
	if c.panicked != nil {
		panic(c.panicked)
	}
}
