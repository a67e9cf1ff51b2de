package akaritest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Fault is something that goes wrong in a driver call, and when. The zero
// value of the first group of fields means every call.
//
// What happens, happens in the order of the fields: the call is delayed, then
// it hangs, then the connection breaks, then the call ends in one of the four
// bad ways. A fault that only delays or hangs lets the call go on.
type Fault struct {
	// Skip lets that many calls pass first: Skip 2 and Times 1 is the third call.
	Skip int

	// Times is the number of calls to hit. 0 is every call until Release.
	Times int

	// Match, if set, chooses the calls that count. It may be called by several
	// goroutines at once. It may ask the server for its numbers; it must not
	// block.
	Match func(Call) bool

	// After moves the fault behind the effect: the server has done the work,
	// and the reply is late, lost, or replaced by the error. With OpConnect and
	// Err the caller gets a connection and an error.
	After bool

	// Delay makes the call take that much longer.
	Delay time.Duration

	// Hang makes the call wait until Release.
	Hang bool

	// IgnoreContext: a delayed or hanging call does not end when its context
	// does. Otherwise it returns the error of its context.
	IgnoreContext bool

	// Break ends the connection, and its client knows: IsValid is false, later
	// calls fail with driver.ErrBadConn.
	Break bool

	// Err is returned by the call. With OpIsValid any error means false.
	// OpClose, OpRowsClose and OpStmtClose close all the same.
	Err error

	// Nothing makes Connect, Prepare, Exec, Query and Begin return nil and no
	// error; the others return no error. Without After the server does nothing
	// either.
	Nothing bool

	// Panic is the value to panic with.
	Panic any

	// Goexit ends the calling goroutine with runtime.Goexit.
	Goexit bool
}

func (f Fault) check() error {
	if f.Skip < 0 || f.Times < 0 || f.Delay < 0 {
		return errors.New("Skip, Times and Delay cannot be negative")
	}
	ends := 0
	for _, set := range []bool{f.Err != nil, f.Nothing, f.Panic != nil, f.Goexit} {
		if set {
			ends++
		}
	}
	if ends > 1 {
		return errors.New("Err, Nothing, Panic and Goexit exclude one another: inject several faults")
	}
	if ends == 0 && f.Delay == 0 && !f.Hang && !f.Break {
		return errors.New("nothing would happen: set Delay, Hang, Break, Err, Nothing, Panic or Goexit")
	}
	return nil
}

// Injection is a fault at work, see [Server.Inject].
type Injection struct {
	server *Server
	ops    Op
	fault  Fault

	matched  atomic.Int64
	hits     atomic.Int64
	struck   chan struct{} // closed at the first hit
	released chan struct{} // closed by Release
	first    sync.Once     // closes struck
	once     sync.Once     // closes released
}

// Inject makes calls go wrong from now on, until the fault has hit as often as
// it should or is released. Several faults may be at work on one call; they
// happen in the order they were injected, until one ends the call.
//
// It panics if the fault makes no sense.
func (s *Server) Inject(ops Op, f Fault) *Injection {
	if ops == 0 || ops&^OpAny != 0 {
		panic(fmt.Sprintf("akaritest: Inject: %v is not a set of calls", ops))
	}
	if err := f.check(); err != nil {
		panic("akaritest: Inject: " + err.Error())
	}
	i := &Injection{
		server: s, ops: ops, fault: f,
		struck: make(chan struct{}), released: make(chan struct{}),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var faults []*Injection
	if old := s.faults.Load(); old != nil {
		faults = append(faults, *old...)
	}
	faults = append(faults, i)
	s.faults.Store(&faults)
	return i
}

// Release ends the fault: calls that hang or are delayed go on (to the error,
// if the fault has one), later ones are not hit.
func (i *Injection) Release() {
	i.once.Do(func() {
		close(i.released)
		s := i.server
		s.mu.Lock()
		defer s.mu.Unlock()
		faults := slices.Clone(*s.faults.Load())
		faults = slices.DeleteFunc(faults, func(other *Injection) bool { return other == i })
		if len(faults) == 0 {
			s.faults.Store(nil)
			return
		}
		s.faults.Store(&faults)
	})
}

// Hits returns the number of calls the fault has hit, those that hang included.
func (i *Injection) Hits() int { return int(i.hits.Load()) }

// Struck is closed when the fault hits for the first time. Outside synctest
// bubbles it tells that a call hangs now.
func (i *Injection) Struck() <-chan struct{} { return i.struck }

// errNothing stands for "return nil and no error".
var errNothing = errors.New("akaritest: return nothing")

// unlessNil turns errNothing into nil.
func unlessNil(err error) error {
	if err == errNothing {
		return nil
	}
	return err
}

// before makes the faults happen that come before the effect of a call; c is
// nil with OpConnect.
func (s *Server) before(ctx context.Context, c *conn, call *Call) error {
	if faults := s.faults.Load(); faults != nil {
		return strike(ctx, *faults, c, call, false)
	}
	return nil
}

// after makes the faults happen that come after the effect of a call.
func (s *Server) after(ctx context.Context, c *conn, call *Call) error {
	if faults := s.faults.Load(); faults != nil {
		return strike(ctx, *faults, c, call, true)
	}
	return nil
}

func strike(ctx context.Context, faults []*Injection, c *conn, call *Call, after bool) error {
	for _, i := range faults {
		if i.fault.After == after && i.claims(call) {
			if err := i.happen(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// claims reports whether the fault hits this call, and counts.
func (i *Injection) claims(call *Call) bool {
	f := &i.fault
	if i.ops&call.Op == 0 || f.Match != nil && !f.Match(*call) {
		return false
	}
	select {
	case <-i.released:
		return false
	default:
	}
	n := i.matched.Add(1)
	if n <= int64(f.Skip) || f.Times > 0 && n > int64(f.Skip+f.Times) {
		return false
	}
	i.hits.Add(1)
	i.first.Do(func() { close(i.struck) })
	return true
}

func (i *Injection) happen(ctx context.Context, c *conn) error {
	f := &i.fault
	if err := i.wait(ctx); err != nil {
		c.cancelled()
		return err
	}
	if f.Break && c != nil {
		c.end(broken)
	}
	switch {
	case f.Nothing:
		return errNothing
	case f.Panic != nil:
		panic(f.Panic)
	case f.Goexit:
		runtime.Goexit()
	}
	return f.Err
}

// wait delays and hangs.
func (i *Injection) wait(ctx context.Context) error {
	f := &i.fault
	done := ctx.Done()
	if f.IgnoreContext {
		done = nil
	}
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-i.released:
		case <-done:
			return ctx.Err()
		}
	}
	if f.Hang {
		select {
		case <-i.released:
		case <-done:
			return ctx.Err()
		}
	}
	return nil
}
