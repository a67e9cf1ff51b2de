package akari

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/akaripool/akari/internal/scope"
)

// Errors to test for with errors.Is. All but ErrOutcomeUnknown and ErrReleased
// arrive inside an [*AcquireError]; [Pool.Apply] returns ErrPoolClosed as it is.
var (
	// ErrAcquireTimeout: no connection became available within
	// Config.ConnectionTimeout or within the deadline of the caller's context.
	ErrAcquireTimeout = errors.New("akari: connection is not available, request timed out")

	// ErrPoolClosed: the pool was closed before or while the caller waited. Once
	// Close or Shutdown has returned, a DB's methods no longer ask the pool, and
	// say "sql: database is closed".
	ErrPoolClosed = errors.New("akari: the pool has been closed")

	// ErrPoolSuspended: the pool is suspended and Config.FailIfSuspended is set.
	ErrPoolSuspended = errors.New("akari: the pool is suspended")

	// ErrTooManyWaiters: Config.MaxWaiters callers were waiting already.
	ErrTooManyWaiters = errors.New("akari: too many callers are waiting for a connection")

	// ErrPoolLock: every connection was held by a caller that waited for one
	// more. See "Pool-lock" in the package documentation.
	ErrPoolLock = errors.New("akari: pool-lock, every connection is held by a caller that waits for another")

	// ErrOutcomeUnknown: the connection was lost while a statement, or a COMMIT,
	// was under way. The server may or may not have executed it; the pool never
	// repeats such a statement on its own. Statements within a transaction are
	// rolled back with it, and their error is the driver's. A statement that was
	// ended by its own context is not marked: its error is the context's, and it
	// may have been executed as well.
	ErrOutcomeUnknown = errors.New("akari: connection lost, outcome of the statement unknown")

	// ErrReleased: a *Conn was used after Release.
	ErrReleased = errors.New("akari: connection was released")
)

// AcquireError says why a caller got no connection, and what the pool looked
// like at that moment. Its text reads like HikariCP's:
//
//	orders - Connection is not available, request timed out after 2001ms (total=10, active=10, idle=0, waiting=7)
//
// errors.Is finds Reason, the last failure to open a connection, and
// context.DeadlineExceeded or context.Canceled where the caller's context ended.
type AcquireError struct {
	PoolName string

	// Reason is one of the sentinels above, context.DeadlineExceeded,
	// context.Canceled, an error that is txn.ErrNestingLimit or
	// txn.ErrOutsideScope, or the error with which the driver's ResetSession (a
	// hook in it, with pgx) refuses the caller.
	Reason error

	// Waited is the time since the caller asked.
	Waited time.Duration

	// State of the pool when the caller was sent away. Waiting does not count
	// the caller itself.
	Total, Active, Idle, Waiting int

	// Cause is the last failure to open a connection, or why one was found dead
	// since the last success; nil if there is neither. When the database is down
	// it says how. It is ErrPoolSuspended for a caller whose time ran out while
	// the pool was suspended.
	Cause error

	// Detail has more about it where there is more to say: with ErrPoolLock, who
	// holds what; after a time-out, connections that the caller's own goroutine
	// used last, and may hold still.
	Detail string
}

func (e *AcquireError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s - Connection is not available, ", e.PoolName)
	switch e.Reason {
	case ErrPoolClosed:
		b.WriteString("the pool has been closed")
	case ErrPoolSuspended:
		b.WriteString("the pool is suspended")
	case ErrTooManyWaiters:
		b.WriteString("too many callers are waiting")
	case ErrPoolLock:
		fmt.Fprintf(&b, "pool-lock after %dms: every connection is held by a caller that waits for another one", e.Waited.Milliseconds())
	default:
		switch {
		case e.Timeout():
			fmt.Fprintf(&b, "request timed out after %dms", e.Waited.Milliseconds())
		case errors.Is(e.Reason, scope.ErrNesting), errors.Is(e.Reason, scope.ErrOutside):
			b.WriteString(e.Reason.Error())
		case isContext(e.Reason):
			fmt.Fprintf(&b, "request was cancelled after %dms", e.Waited.Milliseconds())
		default:
			fmt.Fprintf(&b, "the driver's ResetSession refuses the caller: %v", e.Reason)
		}
	}
	fmt.Fprintf(&b, " (total=%d, active=%d, idle=%d, waiting=%d)", e.Total, e.Active, e.Idle, e.Waiting)
	if e.Detail != "" {
		b.WriteString("; " + e.Detail)
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	return b.String()
}

// Unwrap gives errors.Is and errors.As the reason and the cause, but for
// driver.ErrBadConn: database/sql would ask again.
func (e *AcquireError) Unwrap() []error {
	var found []error
	for _, err := range []error{e.Reason, e.Cause} {
		if err != nil && !isBadConn(err) {
			found = append(found, err)
		}
	}
	return found
}

// Is reports a deadline of the caller's context as ErrAcquireTimeout too.
func (e *AcquireError) Is(target error) bool {
	return target == ErrAcquireTimeout && e.Timeout()
}

// Timeout reports whether time ran out, the pool's or the caller's.
func (e *AcquireError) Timeout() bool {
	return e.Reason == ErrAcquireTimeout || isDeadline(e.Reason)
}

// InitError is what New and Open return when the first connection could not be
// made within Config.InitializationFailTimeout.
type InitError struct {
	PoolName string
	Cause    error
}

func (e *InitError) Error() string {
	return fmt.Sprintf("%s - Failed to initialize pool: %v", e.PoolName, e.Cause)
}

// Unwrap gives the failure to connect, or to set the connection up.
func (e *InitError) Unwrap() error { return e.Cause }

// ConfigError names one bad setting. Config.Validate joins all of them, and so
// does Pool.Apply.
type ConfigError struct {
	Field   string // name of the field in Config, or in Settings
	Value   any    // as it was given, or as a text shows it
	Problem string // what is wrong and what to do
}

func (e *ConfigError) Error() string { return e.in("Config") }

func (e *ConfigError) in(owner string) string {
	return fmt.Sprintf("akari: %s.%s is %v: %s", owner, e.Field, shown(e.Value), e.Problem)
}

// settingsError is a ConfigError for a user who has filled in Settings.
type settingsError struct{ *ConfigError }

func asSettings(e *ConfigError) error { return settingsError{e} }

func (e settingsError) Error() string { return e.in("Settings") }
func (e settingsError) Unwrap() error { return e.ConfigError }

// outcomeUnknown is the error of a statement whose connection was lost after
// the statement may have reached the server. It never is driver.ErrBadConn for
// errors.Is: database/sql would run the statement again.
type outcomeUnknown struct{ cause error }

func (e *outcomeUnknown) Error() string {
	return "akari: connection lost while the statement ran, it may or may not have been executed: " + e.cause.Error()
}

func (e *outcomeUnknown) Is(target error) bool { return target == ErrOutcomeUnknown }

// As and the chain below it stay open for everything but ErrBadConn.
func (e *outcomeUnknown) Unwrap() error {
	if isBadConn(e.cause) {
		return nil
	}
	return e.cause
}
