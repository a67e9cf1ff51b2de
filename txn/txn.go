package txn

import (
	"context"
	"errors"
	"fmt"

	"github.com/akaripool/akari"
)

// Do calls fn in a scope. What fn does with the context it is given, through the
// pool's DB and any library on top of it, is done in the scope's transaction, which
// is committed if fn returns nil, and else rolled back. Do returns fn's error, or why
// there was no commit. If ctx has ended already fn is not called.
//
// If fn panics, or ends its goroutine, the transaction is rolled back, and the panic
// goes on. With Retry fn may be called several times.
//
// A scope that has begun a transaction holds no connection before its first statement,
// and none after its end: hooks (AfterCommit) run when it has been given back.
func Do(ctx context.Context, pool *akari.Pool, fn func(ctx context.Context) error, opts ...Option) error {
	var o options
	if err := o.read(opts); err != nil {
		return err
	}
	switch {
	case fn == nil:
		return errors.New("txn: Do needs a function")
	case o.hold:
		return errors.New("txn: Hold is for Bind")
	}
	if o.retry == nil {
		err, _ := once(ctx, pool, fn, &o, 1)
		return err
	}
	return o.retry.do(ctx, pool, fn, &o)
}

// Get is Do for a function that returns a value. The value is the zero value if Do
// would return an error, but for one of which a rule says that it commits, and an
// AfterCommitError.
func Get[T any](ctx context.Context, pool *akari.Pool, fn func(ctx context.Context) (T, error), opts ...Option) (T, error) {
	var v, none T
	if fn == nil {
		return none, errors.New("txn: Get needs a function")
	}
	committed := false
	err := Do(ctx, pool, func(ctx context.Context) (err error) {
		v, err = fn(ctx)
		return err
	}, append(opts[:len(opts):len(opts)], optionOf(func(o *options) { o.committed = &committed }))...)
	if err != nil && !committed {
		return none, err
	}
	return v, err
}

// once is one attempt. clean reports whether the database is certain to be as it was
// before, so that another attempt can be made.
func once(ctx context.Context, pool *akari.Pool, fn func(context.Context) error, o *options, attempt int) (err error, clean bool) {
	s, ctx, err := enter(ctx, pool, o, attempt)
	if err != nil {
		return err, s == nil || s.clean()
	}
	returned := false
	defer func() {
		if !returned { // it panicked, or its goroutine ends: that goes on
			_ = s.leave(errPanicked, true)
		}
	}()
	err = fn(ctx)
	returned = true
	err = s.leave(err, false)
	if o.committed != nil {
		*o.committed = s.kept
	}
	return err, s.clean()
}

// check refuses what cannot be a scope.
func check(ctx context.Context, pool *akari.Pool) error {
	switch {
	case ctx == nil:
		return errors.New("txn: a context is needed")
	case pool == nil:
		return errors.New("txn: a pool is needed")
	}
	return nil
}

var errRetryHere = fmt.Errorf("%w: only the scope that begins a transaction can be repeated: give Retry to that one, or set Retry.OrJoin", ErrIncompatible)
