// Package scope is where the scopes of package txn and the sessions of a pool
// meet: in a context. A scope leaves a [Frame] there; a session looks for one when
// database/sql takes it into use, and runs its statements in the frame's
// transaction.
//
// What a transaction is, is the pool's business ([Tx], [Owner]); when to begin and
// end one is that of txn. Neither package can see into the other, and users see
// nothing of either.
package scope

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Frame is one scope in a context. It does not change, but for its end.
type Frame struct {
	Pool  any    // the *akari.Pool that it concerns
	Owner Owner  // whose connections are counted together
	Tx    Tx     // in which its statements run; nil: each by itself
	Point int    // the savepoint of Tx that they belong to, 0 for none
	Scope any    // what txn knows of it
	Outer *Frame // of the context it was made from, nil if there was none

	over atomic.Bool
}

// End says that the scope is over: statements with its context are refused from
// now on.
func (f *Frame) End() { f.over.Store(true) }

// Over reports whether the scope has ended.
func (f *Frame) Over() bool { return f.over.Load() }

type key struct{}

// inUse is set for good once there is a frame, so that programs without scopes pay
// nothing for the look into each context.
var inUse atomic.Bool

// Within reports whether f is other, or within it.
func (f *Frame) Within(other *Frame) bool {
	for ; f != nil; f = f.Outer {
		if f == other {
			return true
		}
	}
	return false
}

// With returns a context in the scope of f.
func With(ctx context.Context, f *Frame) context.Context {
	inUse.Store(true)
	return context.WithValue(ctx, key{}, f)
}

// Of returns the innermost frame of a context, nil if it has none.
func Of(ctx context.Context) *Frame {
	if !inUse.Load() {
		return nil
	}
	f, _ := ctx.Value(key{}).(*Frame)
	return f
}

// Detached reports whether a context has been taken out of its scopes, on purpose.
func Detached(ctx context.Context) bool {
	f, ok := ctx.Value(key{}).(*Frame)
	return ok && f == nil
}

// For returns the innermost frame of a context that concerns a pool, nil if it has
// none.
func For(ctx context.Context, pool any) *Frame {
	return Of(ctx).For(pool)
}

// For is f, or the next one outwards that concerns a pool, nil if there is none.
func (f *Frame) For(pool any) *Frame {
	for ; f != nil; f = f.Outer {
		if f.Pool == pool {
			return f
		}
	}
	return nil
}

// Owner stands for a task: the outermost scope and all in it. A pool counts the
// connections that each one holds.
type Owner interface {
	// Most is the largest number of connections that it has held at once.
	Most() int
}

// Options are what a transaction is begun with.
type Options struct {
	driver.TxOptions

	Outer *Frame // of the context that it is opened from
	Owner Owner

	// Joins makes what code in the transaction begins through database/sql a part
	// of it, without a savepoint.
	Joins bool

	// Bare asks for a connection that is kept, without a transaction.
	Bare bool

	// CommitTimeout bounds COMMIT and ROLLBACK, which the context does not.
	CommitTimeout time.Duration
}

// Tx is a transaction on one connection, which the sessions of several scopes
// share. It begins with the first statement, or with Begin. All methods may be
// called from any goroutine, and wait for the driver's call that is under way.
type Tx interface {
	// Begin borrows the connection and begins, if that has not happened yet.
	Begin(context.Context) error

	// Begun reports whether a connection is held.
	Begun() bool

	// Open marks a savepoint within another, or at 0, and returns its number. It
	// is sent with the first statement that follows.
	Open(ctx context.Context, outer int) (point int, err error)

	// Release ends a savepoint and keeps what was done since. If that can only
	// be rolled back it is, and the error is an [Unexpected].
	Release(point int) error

	// RollbackTo undoes what was done since a savepoint, and ends it.
	RollbackTo(point int) error

	// Mark has the transaction rolled back in the end, or to a savepoint if that
	// is what point is within.
	Mark(why error, point int)

	// Commit ends the transaction and gives the connection back. sent reports
	// whether there was a COMMIT. If it can only be rolled back it is, and the
	// error is an [Unexpected].
	Commit(context.Context) (sent bool, err error)

	// Rollback ends the transaction and gives the connection back. It does
	// nothing if that has ended already.
	Rollback() error

	// Doomed is why the transaction can only be rolled back, as far as is known;
	// nil if it can go on.
	Doomed() error

	// Held is for how long the connection was held.
	Held() time.Duration
}

// Errors that both packages return; txn shows them to users.
var (
	ErrCompleted  = errors.New("txn: the scope has ended")
	ErrBusy       = errors.New("txn: the transaction is busy")
	ErrUnexpected = errors.New("txn: the transaction was rolled back")
	ErrNesting    = errors.New("txn: the task holds as many connections as it may")
	ErrOutside    = errors.New("txn: the context is not that of the scope in whose function it is used")
	ErrEnded      = fmt.Errorf("%w: something in it has ended the transaction", ErrCompleted)
	ErrMismatch   = errors.New("txn: the transaction is not what is asked for")
)

// Unexpected is the error of a commit that was a rollback.
type Unexpected struct{ Cause error }

func (e *Unexpected) Error() string {
	if e.Cause == nil {
		return ErrUnexpected.Error()
	}
	return ErrUnexpected.Error() + ": " + e.Cause.Error()
}

// Unwrap gives errors.Is and errors.As the cause.
func (e *Unexpected) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrUnexpected}
	}
	return []error{ErrUnexpected, e.Cause}
}

// Pools is what the pool's package does for txn. It is set when that package is
// initialised.
var Pools struct {
	NewOwner func(pool any) Owner
	NewTx    func(ctx context.Context, pool any, o Options) Tx
	Report   func(pool any, e Event)
	Budget   func(pool any) *Budget

	// Enter notes that the goroutine is in the function of a scope, and Leave that
	// it is no more; Strays is an error if it is in one that the context is not
	// in. All where the pool wants to know (Config.StrictContext).
	Enter  func(f *Frame) (goroutine uintptr)
	Leave  func(f *Frame, goroutine uintptr)
	Strays func(ctx context.Context, pool any) error

	// Isolation is what a level means: the default is the pool's own.
	Isolation func(pool any, l driver.IsolationLevel) driver.IsolationLevel
}

// Event is what a pool is told about a scope, for its log, trace and counters.
type Event struct {
	Kind        Kind
	Name        string
	Propagation string
	Isolation   string
	ReadOnly    bool
	Depth       int // 1 for the outermost
	Attempt     int // 1 for the first
	Took        time.Duration
	Held        time.Duration // how long its connection was held
	Connections int           // the most that the task has held at once; with TaskDone
	Outcome     Outcome
	Err         error
}

// Kind is what happened.
type Kind uint8

// The kinds.
const (
	Begun     Kind = iota // a transaction's scope was entered
	Joined                // a scope joined the transaction there is
	Suspended             // a scope runs beside the transaction there is
	Ended                 // a transaction's scope was left
	Retried               // a transaction is tried again
	TaskDone              // the outermost scope was left
)

// Outcome is how a transaction ended.
type Outcome uint8

// The outcomes.
const (
	Unknown    Outcome = iota // nobody knows
	Committed                 // with a COMMIT
	Empty                     // committed without a statement: nothing was sent
	RolledBack                // as the program wanted
	Lost                      // rolled back though the program wanted to commit
	TimedOut                  // rolled back as its time, or context, had ended
)

func (o Outcome) String() string {
	switch o {
	case Committed:
		return "committed"
	case Empty:
		return "empty"
	case RolledBack:
		return "rolled back"
	case Lost:
		return "unexpectedly rolled back"
	case TimedOut:
		return "timed out"
	}
	return "unknown"
}
