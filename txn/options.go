package txn

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Option is one thing that can be said about a scope: a [Propagation], [ReadOnly],
// [Eager] and so on, or what [Isolation], [Timeout], [Name], [CommitOn] and
// [RollbackIf] return, or a [Retry]. Of two that contradict each other the later
// one counts; of rules for errors the first one that fits.
type Option interface{ apply(*options) }

// Propagation says what a scope does about the transaction there is. The words are
// Spring's.
type Propagation uint8

// The propagations. "There is a transaction" means: the context is that of a scope
// of the same pool with one.
const (
	// Required joins the transaction there is, or begins one. The default.
	Required Propagation = iota

	// RequiresNew begins a transaction of its own, on another connection, beside
	// the one there is, which goes on when it has ended. Neither one's end
	// changes the other. See "Pool-lock" in the package's documentation.
	RequiresNew

	// Nested sets a savepoint in the transaction there is, so that what the scope
	// does can be undone by itself; without one it begins a transaction.
	Nested

	// Supports joins the transaction there is, and else runs without.
	Supports

	// NotSupported runs without a transaction, beside the one there is: each
	// statement by itself, on a connection that it holds for as long as it runs.
	NotSupported

	// Mandatory joins the transaction there is, and fails with ErrNoTx if there
	// is none: for code that must not run on its own.
	Mandatory

	// Never runs without a transaction, and fails with ErrTxExists if there is
	// one.
	Never

	propagations
)

// String is the constant's name.
func (p Propagation) String() string {
	if p >= propagations {
		return fmt.Sprintf("Propagation(%d)", uint8(p))
	}
	return [propagations]string{"Required", "RequiresNew", "Nested", "Supports", "NotSupported", "Mandatory", "Never"}[p]
}

func (p Propagation) apply(o *options) { o.propagation = p }

// setting is an option that a function sets. It is a pointer, so that options can be
// compared.
type setting struct{ set func(*options) }

func (s *setting) apply(o *options) { s.set(o) }

func optionOf(set func(*options)) Option { return &setting{set} }

// Options that are either given or not.
var (
	// ReadOnly begins a transaction that the server lets write nothing (PostgreSQL,
	// MySQL; SQLite does not know it). It is no protection against code that
	// wants to write. A scope without it does not join a read-only transaction, but for
	// Supports and Mandatory. In one that joins a transaction that writes it changes
	// nothing.
	ReadOnly = optionOf(func(o *options) { o.readOnly = true })

	// Eager borrows the connection and begins when the scope is entered, and not
	// with its first statement. Then a failure to begin is an error of Do, and
	// the function is not called; and the snapshot of a REPEATABLE READ
	// transaction is of PostgreSQL's first statement all the same.
	Eager = optionOf(func(o *options) { o.eager = true })

	// Lenient joins a transaction whose isolation level is another than the one
	// asked for, or which is read-only where this scope is not, as Spring does
	// by default.
	Lenient = optionOf(func(o *options) { o.lenient = true })

	// SoftJoin has the error of a scope that has joined say nothing about the
	// transaction: what is around it decides. Without it the transaction is
	// rolled back in the end, even if the error is not passed on.
	SoftJoin = optionOf(func(o *options) { o.softJoin = true })

	// FailEarly has a scope that has joined a transaction return
	// ErrUnexpectedRollback as soon as that can only be rolled back; without it
	// the outermost one does.
	FailEarly = optionOf(func(o *options) { o.failEarly = true })

	// JoinBegin makes transactions that code in the scope begins through
	// database/sql (sql.DB.BeginTx, gorm's and bun's own) a plain part of the
	// scope's, where they are savepoints otherwise. It saves two round trips
	// each; one that is rolled back has the scope rolled back.
	JoinBegin = optionOf(func(o *options) { o.joinBegin = true })

	// Hold has Bind keep its connection between statements.
	Hold = optionOf(func(o *options) { o.hold = true })
)

// Isolation asks for an isolation level. It concerns transactions that the scope begins;
// one that it would join must have it, be it as akari.Config.TransactionIsolation. A level
// that the server does not have is refused when the transaction begins; SQLite's drivers
// pay it no attention.
func Isolation(level sql.IsolationLevel) Option {
	return optionOf(func(o *options) {
		o.isolation = level
		if level < sql.LevelDefault || level > sql.LevelLinearizable {
			o.bad = append(o.bad, fmt.Errorf("txn: there is no isolation level %d", level))
		}
	})
}

// Timeout ends the transaction after a time, measured from the entry of the scope:
// it is rolled back and its connection goes back to the pool at once, or as soon as
// the statement that runs is over, whatever the function is doing. In a scope that
// joins, the context of the scope ends. Not for scopes without a transaction, where
// only the context ends.
func Timeout(d time.Duration) Option {
	return optionOf(func(o *options) {
		o.timeout = d
		if d <= 0 {
			o.bad = append(o.bad, fmt.Errorf("txn: Timeout(%v) must be positive; leave it out for none", d))
		}
	})
}

// CommitTimeout bounds COMMIT and ROLLBACK, which the context of the scope does not.
// If a COMMIT takes longer its outcome is unknown. Defaults to 5 s.
func CommitTimeout(d time.Duration) Option {
	return optionOf(func(o *options) {
		o.commitTimeout = d
		if d <= 0 {
			o.bad = append(o.bad, fmt.Errorf("txn: CommitTimeout(%v) must be positive; leave it out for 5s", d))
		}
	})
}

// Name names the scope, as "UserService.Save", for log, trace and errors.
func Name(name string) Option { return optionOf(func(o *options) { o.name = name }) }

// CommitOn has the transaction committed although the function returns one of these
// errors, as errors.Is finds them; the error is returned all the same. Of several
// rules the first that fits decides; without one every error rolls back.
func CommitOn(errs ...error) Option {
	return optionOf(func(o *options) {
		if len(errs) == 0 || slices.Contains(errs, nil) {
			o.bad = append(o.bad, errors.New("txn: CommitOn needs errors; nil commits anyway"))
		}
		o.rules = append(o.rules, rule{commit: true, fits: func(err error) bool {
			for _, e := range errs {
				if errors.Is(err, e) {
					return true
				}
			}
			return false
		}})
	})
}

// CommitIf is CommitOn for errors that a function knows.
func CommitIf(fits func(error) bool) Option {
	return optionOf(func(o *options) { o.rules = append(o.rules, rule{true, fits}) })
}

// RollbackIf has the transaction rolled back if the function knows the error: to
// make exceptions from CommitOn or CommitIf, before which it must stand.
func RollbackIf(fits func(error) bool) Option {
	return optionOf(func(o *options) { o.rules = append(o.rules, rule{false, fits}) })
}

// rule says what an error means for the transaction.
type rule struct {
	commit bool
	fits   func(error) bool
}

// options is what the options of a scope say.
type options struct {
	propagation   Propagation
	readOnly      bool
	isolation     sql.IsolationLevel
	timeout       time.Duration
	commitTimeout time.Duration
	name          string
	rules         []rule
	retry         *Retry
	eager         bool
	lenient       bool
	softJoin      bool
	failEarly     bool
	joinBegin     bool
	hold          bool
	committed     *bool   // set if what the function did is kept
	bad           []error // what is wrong with them
}

const defaultCommitTimeout = 5 * time.Second

func (o *options) read(opts []Option) error {
	o.commitTimeout = defaultCommitTimeout
	for _, opt := range opts {
		if opt == nil {
			o.bad = append(o.bad, errors.New("txn: an Option is nil"))
			continue
		}
		opt.apply(o)
	}
	if o.propagation >= propagations {
		o.bad = append(o.bad, fmt.Errorf("txn: there is no %v", o.propagation))
	}
	for _, r := range o.rules {
		if r.fits == nil {
			o.bad = append(o.bad, errors.New("txn: CommitIf and RollbackIf need a function"))
		}
	}
	return errors.Join(o.bad...)
}

// commits reports whether the transaction of a function that has returned err is to
// be committed.
func (o *options) commits(err error) bool {
	if err == nil {
		return true
	}
	for _, r := range o.rules {
		if r.fits(err) {
			return r.commit
		}
	}
	return false
}

// within returns a context that ends with the scope's time, if it has one.
func (o *options) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.timeout <= 0 {
		return ctx, nil
	}
	return context.WithTimeoutCause(ctx, o.timeout, ErrTimeout)
}
