package txn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/internal/scope"
	"github.com/akaripool/akari/sqlerr"
)

// Retry is the option with which Do calls its function again when the database could
// not serialize the transaction, or rolled it back to end a deadlock, and so on
// (sqlerr.IsRetryable), be it at a statement or at the commit. It repeats the whole
// transaction, in a new scope with a new context, and only if it is certain that
// nothing of the last attempt is in the database: never after ErrCommitUnknown. The
// function must not do anything outside of the database but through AfterCommit,
// whose functions of failed attempts are dropped. What RequiresNew scopes within have
// committed stays, and is done again.
//
// Only for a scope that begins its transaction; see OrJoin. The zero value of each field means its
// default.
type Retry struct {
	// Attempts is how often the function is called, the first call included.
	// Defaults to 3.
	Attempts int

	// Base and Max bound the pause before an attempt: it is a random time up to
	// Base, up to twice that before the next one, and so on, but never more than
	// Max. If the deadline of the context would pass in it there is no further
	// attempt. Default to 5 ms and 250 ms.
	Base, Max time.Duration

	// ConnectionLost repeats transactions whose connection was lost before the
	// COMMIT as well: the server has rolled them back, or will.
	ConnectionLost bool

	// OrJoin lets a scope that joins a transaction, or runs without, do so without
	// being repeated, where it would be refused: for a service that is called by
	// itself and by others. Only the outermost one can be repeated.
	OrJoin bool

	// If decides in place of the rules above which errors are worth another
	// attempt.
	If func(error) bool
}

func (r Retry) apply(o *options) {
	switch {
	case r.Attempts < 0 || r.Base < 0 || r.Max < 0:
		o.bad = append(o.bad, errors.New("txn: the fields of Retry must not be negative"))
	case r.Max > 0 && r.Base > r.Max:
		o.bad = append(o.bad, fmt.Errorf("txn: Retry.Base (%v) is greater than Retry.Max (%v)", r.Base, r.Max))
	}
	r.Attempts = orDefault(r.Attempts, 3)
	r.Base = orDefault(r.Base, 5*time.Millisecond)
	r.Max = max(orDefault(r.Max, 250*time.Millisecond), r.Base)
	o.retry = &r
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// RetryError is the error of the last attempt, when all of them have failed, or there
// was no time, or no budget, for another.
//
// The budget is the pool's, so that retries do not make an overloaded server's trouble
// worse: ten to begin with and one more for each ten transactions that commit.
type RetryError struct {
	Attempts int
	Why      string // there was no further one
	Err      error
}

func (e *RetryError) Error() string {
	return fmt.Sprintf("txn: given up after %d attempts (%s): %v", e.Attempts, e.Why, e.Err)
}

// Unwrap gives the error of the last attempt.
func (e *RetryError) Unwrap() error { return e.Err }

// do makes attempts.
func (r *Retry) do(ctx context.Context, pool *akari.Pool, fn func(context.Context) error, o *options) error {
	for attempt := 1; ; attempt++ {
		err, clean := once(ctx, pool, fn, o, attempt)
		switch {
		case err == nil:
			return nil
		case !clean || ctx.Err() != nil || !r.worth(err):
			return err
		case attempt >= r.Attempts:
			return &RetryError{attempt, "no more are allowed", err}
		case !scope.Pools.Budget(pool).Spend():
			return &RetryError{attempt, "the pool's budget for retries is used up", err}
		}
		if !r.pause(ctx, attempt) {
			return &RetryError{attempt, "the context leaves no time for another", err}
		}
		scope.Pools.Report(pool, scope.Event{Kind: scope.Retried, Name: o.name, Attempt: attempt + 1, Err: err})
	}
}

// worth reports whether another attempt may end differently.
func (r *Retry) worth(err error) bool {
	switch {
	case errors.Is(err, ErrCommitUnknown): // of a RequiresNew scope within: it may be there
		return false
	case r.If != nil:
		return r.If(err)
	case sqlerr.IsRetryable(err):
		return true
	}
	return r.ConnectionLost && sqlerr.IsConnectionLost(err)
}

// pause waits before the attempt that follows; false if there is no time for it.
func (r *Retry) pause(ctx context.Context, attempt int) bool {
	most := r.Max
	if shift := attempt - 1; shift < 30 && r.Base<<shift < r.Max {
		most = r.Base << shift
	}
	d := time.Duration(rand.Int64N(int64(most) + 1))
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
