package akari

import "time"

// ConnInfo identifies a physical connection in events.
type ConnInfo struct {
	ID        uint64 // counts from 1 in each pool
	BackendID uint64 // the server's own number for it (PostgreSQL's pid, MySQL's connection id), 0 if unknown
	Name      string // as in the log: driver type, ID and BackendID
}

// Trace is told what happens in a pool. Set the functions of interest; the
// others stay nil. Each may be called at any time from any goroutine, several at
// once, but never while the pool holds a lock: it may call the pool. Callers
// wait for it to return, so it must not block; as Close and Shutdown wait for
// what is under way, call them in a goroutine of your own. A panic in it is logged and
// otherwise ignored.
//
// New functions may be added in later versions.
type Trace struct {
	Opened     func(OpenedEvent)
	OpenFailed func(OpenFailedEvent)
	Closed     func(ClosedEvent)

	Acquired        func(AcquiredEvent)
	AcquireFailed   func(AcquireFailedEvent) // timed out, cancelled, refused, pool closed or pool-lock: see Err.Reason
	Released        func(ReleasedEvent)
	Validated       func(ValidatedEvent) // before a connection was handed out
	KeptAlive       func(ValidatedEvent) // while it was idle
	SessionReset    func(SessionResetEvent)
	LeakSuspected   func(LeakEvent)
	LeakReturned    func(LeakEvent)
	EvictRequested  func(EvictEvent)
	Suspended       func(PoolEvent)
	Resumed         func(PoolEvent)
	SettingsChanged func(SettingsEvent)
	Shutdown        func(PoolEvent)

	TransactionBegun func(TransactionEvent) // a scope of package txn has one; it may not have a connection yet
	TransactionEnded func(TransactionEvent) // its connection is back in the pool
}

// OpenedEvent tells that a connection joined the pool.
type OpenedEvent struct {
	PoolName string
	Conn     ConnInfo
	Took     time.Duration // connecting and setting up
}

// OpenFailedEvent tells that an attempt to open a connection failed.
type OpenFailedEvent struct {
	PoolName string
	Err      error
	Took     time.Duration
	Failures int           // in a row, this one included
	RetryIn  time.Duration // how long the pool waits before it tries again
}

// ClosedEvent tells that a connection left the pool. The driver's Close may
// still be under way.
type ClosedEvent struct {
	PoolName string
	Conn     ConnInfo
	Reason   CloseReason
	Age      time.Duration
	Uses     int64
}

// AcquiredEvent tells that a caller got a connection.
type AcquiredEvent struct {
	PoolName string
	Conn     ConnInfo
	Waited   time.Duration // 0 if a connection was idle
}

// AcquireFailedEvent tells that a caller was sent away without a connection.
type AcquireFailedEvent struct {
	PoolName string
	Err      *AcquireError
}

// ReleasedEvent tells that a caller gave its connection back.
type ReleasedEvent struct {
	PoolName string
	Conn     ConnInfo
	Held     time.Duration
}

// ValidatedEvent tells that a connection was checked.
type ValidatedEvent struct {
	PoolName string
	Conn     ConnInfo
	Took     time.Duration
	Err      error // nil if it is alive
}

// SessionResetEvent tells that the session of a returned connection was cleaned.
type SessionResetEvent struct {
	PoolName string
	Conn     ConnInfo
	Changed  string // what the borrower's statements may have changed, as "settings|temporary"
	Took     time.Duration
	Err      error // not nil: the connection is closed instead
}

// LeakEvent tells that a connection is held for longer than
// LeakDetectionThreshold, or that one reported as such has come back.
type LeakEvent struct {
	PoolName string
	Conn     ConnInfo
	Held     time.Duration
	Stack    string // of the borrower, as runtime.CallersFrames gives it
}

// EvictEvent tells that connections were marked to be closed.
type EvictEvent struct {
	PoolName string
	Reason   CloseReason
	Count    int
}

// SettingsEvent tells that live settings were changed.
type SettingsEvent struct {
	PoolName string
	From, To Settings
}

// PoolEvent concerns the pool as a whole.
type PoolEvent struct {
	PoolName string
}

// Tee returns a Trace that calls the functions of each of the given ones, in
// their order. nil is skipped.
func Tee(traces ...*Trace) *Trace {
	return &Trace{
		Opened:          tee(traces, func(t *Trace) func(OpenedEvent) { return t.Opened }),
		OpenFailed:      tee(traces, func(t *Trace) func(OpenFailedEvent) { return t.OpenFailed }),
		Closed:          tee(traces, func(t *Trace) func(ClosedEvent) { return t.Closed }),
		Acquired:        tee(traces, func(t *Trace) func(AcquiredEvent) { return t.Acquired }),
		AcquireFailed:   tee(traces, func(t *Trace) func(AcquireFailedEvent) { return t.AcquireFailed }),
		Released:        tee(traces, func(t *Trace) func(ReleasedEvent) { return t.Released }),
		Validated:       tee(traces, func(t *Trace) func(ValidatedEvent) { return t.Validated }),
		KeptAlive:       tee(traces, func(t *Trace) func(ValidatedEvent) { return t.KeptAlive }),
		SessionReset:    tee(traces, func(t *Trace) func(SessionResetEvent) { return t.SessionReset }),
		LeakSuspected:   tee(traces, func(t *Trace) func(LeakEvent) { return t.LeakSuspected }),
		LeakReturned:    tee(traces, func(t *Trace) func(LeakEvent) { return t.LeakReturned }),
		EvictRequested:  tee(traces, func(t *Trace) func(EvictEvent) { return t.EvictRequested }),
		Suspended:       tee(traces, func(t *Trace) func(PoolEvent) { return t.Suspended }),
		Resumed:         tee(traces, func(t *Trace) func(PoolEvent) { return t.Resumed }),
		SettingsChanged: tee(traces, func(t *Trace) func(SettingsEvent) { return t.SettingsChanged }),
		Shutdown:        tee(traces, func(t *Trace) func(PoolEvent) { return t.Shutdown }),

		TransactionBegun: tee(traces, func(t *Trace) func(TransactionEvent) { return t.TransactionBegun }),
		TransactionEnded: tee(traces, func(t *Trace) func(TransactionEvent) { return t.TransactionEnded }),
	}
}

func tee[E any](traces []*Trace, field func(*Trace) func(E)) func(E) {
	var fns []func(E)
	for _, t := range traces {
		if t == nil {
			continue
		}
		if f := field(t); f != nil {
			fns = append(fns, f)
		}
	}
	switch len(fns) {
	case 0:
		return nil
	case 1:
		return fns[0]
	}
	return func(e E) {
		for _, f := range fns {
			f(e)
		}
	}
}
