package txn

import (
	"context"
	"errors"
	"fmt"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/internal/scope"
)

// Errors to test for with errors.Is. Where the function of a scope has returned an
// error, that is found too, and comes first in the text.
var (
	// ErrNoTx: Mandatory, or a hook, and there is no transaction in the context.
	ErrNoTx = errors.New("txn: there is no transaction in the context")

	// ErrTxExists: Never, and there is a transaction in the context.
	ErrTxExists = errors.New("txn: there is a transaction in the context")

	// ErrUnexpectedRollback: the scope was to be committed and was rolled back: a
	// scope that had joined has failed, or asked for it with SetRollbackOnly, and
	// its error was not passed on; or the server has undone the transaction after
	// an error that was not passed on. errors.Is finds that error as well.
	// Statements that can no longer be of use are refused with it.
	ErrUnexpectedRollback = scope.ErrUnexpected

	// ErrIncompatible: the transaction there is has another isolation level than
	// the scope asks for, or is read-only and the scope is not; or a statement's
	// text begins or ends a transaction inside of a scope. See Lenient.
	ErrIncompatible = scope.ErrMismatch

	// ErrCompleted: the scope of the context has ended. See Detach.
	ErrCompleted = scope.ErrCompleted

	// ErrScopeBusy: the transaction is used in a way that does not nest, mostly
	// by two goroutines: a nested scope is open elsewhere, or rows are, and the
	// driver can have one result at a time.
	ErrScopeBusy = scope.ErrBusy

	// ErrTimeout: the scope's Timeout has passed. It is context.DeadlineExceeded
	// too.
	ErrTimeout error = timeoutError{}

	// ErrCommitUnknown: nobody knows whether the transaction was committed, as
	// the connection was lost, or CommitTimeout has passed, during the COMMIT. It
	// is never tried again.
	ErrCommitUnknown = akari.ErrOutcomeUnknown

	// ErrOutsideScope: code that a scope's function has called uses a context that is
	// not the scope's, such as context.Background(), and akari.Config.StrictContext
	// is set. Pass the context on, or take it out of the scope with Detach.
	ErrOutsideScope = scope.ErrOutside

	// ErrNestingLimit: the task holds as many connections as it may, see
	// akari.Config.MaxConnectionsPerTask. It is known at once, and waits for
	// nothing.
	ErrNestingLimit = scope.ErrNesting
)

type timeoutError struct{}

func (timeoutError) Error() string        { return "txn: the scope's time has passed" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// errPanicked is the cause that hooks are told of.
var errPanicked = errors.New("txn: the function of the scope panicked, or its goroutine was ended")

// AfterCommitError says that the transaction is committed, but that functions given
// to AfterCommit have failed. All of them were called.
type AfterCommitError struct{ Errs []error }

func (e *AfterCommitError) Error() string {
	return "txn: committed, but what was to follow has failed: " + errors.Join(e.Errs...).Error()
}

// Unwrap gives errors.Is and errors.As the errors.
func (e *AfterCommitError) Unwrap() []error { return e.Errs }

// scopeError adds the scope's name to an error of package txn.
type scopeError struct {
	name string
	err  error
}

func (e *scopeError) Error() string { return fmt.Sprintf("%v (scope %s)", e.err, e.name) }
func (e *scopeError) Unwrap() error { return e.err }

// named adds the name of the scope, if it has one.
func (o *options) named(err error) error {
	if err == nil || o.name == "" {
		return err
	}
	return &scopeError{o.name, err}
}

// withCause adds what has become of the transaction to the function's error, which
// stays the first.
func withCause(err, more error) error {
	switch {
	case more == nil:
		return err
	case err == nil:
		return more
	}
	return fmt.Errorf("%w; %w", err, more)
}
