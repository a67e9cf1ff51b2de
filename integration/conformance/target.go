package conformance

import (
	"database/sql"
	"time"
)

// Target is a database to examine, as a program sees it.
type Target struct {
	Driver  string // for Difference.Driver
	DB      *sql.DB
	Dialect *Dialect

	// Features are those that the target has beside those of its dialect.
	Features Feature

	// Conns is how many connections the target has at most.
	Conns int

	// Restless: connections are replaced after each use.
	Restless bool

	// Fragile: a statement that is sent while rows are open confuses the driver
	// so much that they cannot be read on, and database/sql that it waits for
	// ever. (So it is with pgx, which answers driver.ErrBadConn.)
	Fragile bool

	// Patience bounds a case. One that takes longer hangs.
	Patience time.Duration

	// Skip are cases that cannot be compared, with the reason.
	Skip map[string]string

	// Raw shows the driver's own connection: sql.Conn.Raw, or akari.Raw.
	Raw func(*sql.Conn, func(driverConn any) error) error

	// Reopen makes another handle of the same kind on the same database, for
	// cases that close it. Nil if that cannot be.
	Reopen func() (*sql.DB, error)

	// Kill makes the server end all connections of the target, and returns
	// when they are gone. Nil if that cannot be.
	Kill func() error

	// Settle waits until everything that goes on in the background is done. Nil
	// where it cannot be known; cases poll then.
	Settle func()

	// Transactions tells what the server knows of the open ones. Nil if that
	// cannot be asked.
	Transactions func() string

	// Values are arguments of the driver's own, beside those every driver gets.
	Values []Value

	// Hide replaces what is different in each run in texts.
	Hide func(string) string
}

// features are those of the dialect and of the target.
func (t *Target) features() Feature {
	f := t.Dialect.Features | t.Features
	if t.Kill != nil {
		f |= Killable
	}
	if t.Reopen != nil {
		f |= Reopenable
	}
	return f
}

// Takes reports whether a case can be run on the target.
func (t *Target) Takes(c Case) bool {
	if _, skip := t.Skip[c.Name]; skip {
		return false
	}
	if t.Restless && (c.Numbered || c.Needs.Has(Sleeps)) {
		return false // those that end a statement in time do not allow for connecting
	}
	return t.features().Has(c.Needs) && c.Conns <= t.Conns
}
