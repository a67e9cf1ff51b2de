package txn

import (
	"context"
	"errors"
	"runtime"
	"strings"

	"github.com/akaripool/akari"
)

// Begin opens a scope like Do, for code that cannot be put into a function, such as
// middleware and tests. It is ended by End, which must be deferred at once:
//
//	func save(ctx context.Context) (err error) {
//		ctx, sc, err := txn.Begin(ctx, pool)
//		if err != nil {
//			return err
//		}
//		defer sc.End(&err)
//		…
//	}
//
// The result must be named, as err here: End reads what the function returns, and puts
// there why there was no commit. Without a name it sees no error, and commits.
//
// If it fails Begin returns ctx as it was, and a nil Scope, whose End does nothing. Retry
// is refused: what is to be repeated must be a function.
func Begin(ctx context.Context, pool *akari.Pool, opts ...Option) (context.Context, *Scope, error) {
	var o options
	if err := o.read(opts); err != nil {
		return ctx, nil, err
	}
	if o.retry != nil {
		return ctx, nil, errors.New("txn: Retry works with Do and Get: Begin cannot repeat what follows it")
	}
	s, inside, err := enter(ctx, pool, &o, 1)
	if err != nil {
		return ctx, nil, err
	}
	var pc [1]uintptr
	if runtime.Callers(2, pc[:]) == 1 {
		frame, _ := runtime.CallersFrames(pc[:]).Next()
		s.from = frame.Entry
	}
	return inside, s, nil
}

// End ends the scope. err is the address of the function's named result: it commits if
// *err is nil, and else rolls back, as Do does, and
// puts what Do would return into *err. If the deferred call comes from a panic, or
// from runtime.Goexit (as of testing.T.FailNow), it rolls back whatever *err is. Only
// the first call does anything; a later one adds ErrCompleted.
func (s *Scope) End(err *error) {
	if s == nil {
		return
	}
	if s.unwinding() {
		failed := s.leave(errPanicked, true)
		if err != nil && *err == nil {
			*err = failed
		}
		return
	}
	var given error
	if err == nil {
		given = errors.New("txn: End needs the address of the error that the function returns")
		_ = s.leave(given, false)
		return
	}
	*err = s.leave(*err, false)
}

// unwinding reports whether the goroutine panics, or ends, in the function that has
// called Begin, or in what that has called: the runtime is on the stack between there
// and here. recover cannot tell of Goexit, nor of anything when End is called by
// another deferred function.
func (s *Scope) unwinding() bool {
	pcs := make([]uintptr, 64)
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs)
		frames := runtime.CallersFrames(pcs[:n])
		for {
			f, more := frames.Next()
			switch {
			case f.Entry == s.from && f.Entry != 0:
				return false
			case f.Function == "runtime.Goexit" || strings.HasPrefix(f.Function, "runtime.gopanic"):
				return true
			}
			if !more {
				break
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}
