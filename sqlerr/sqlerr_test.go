package sqlerr_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/akaripool/akari/sqlerr"
	"github.com/akaripool/akari/sqlerr/testdata/sqlite"
)

// predicates are those that say whether an error is of one class.
var predicates = map[sqlerr.Class]func(error) bool{
	sqlerr.Duplicate: sqlerr.IsDuplicate, sqlerr.ForeignKey: sqlerr.IsForeignKey, sqlerr.NotNull: sqlerr.IsNotNull, sqlerr.Check: sqlerr.IsCheck,
	sqlerr.Deadlock: sqlerr.IsDeadlock, sqlerr.Serialization: sqlerr.IsSerialization, sqlerr.LockTimeout: sqlerr.IsLockTimeout,
	sqlerr.Cancelled: sqlerr.IsCancelled, sqlerr.ReadOnly: sqlerr.IsReadOnly, sqlerr.ConnectionLost: sqlerr.IsConnectionLost,
	sqlerr.TooManyConnections: sqlerr.IsTooManyConnections, sqlerr.Syntax: sqlerr.IsSyntax, sqlerr.Undefined: sqlerr.IsUndefined,
}

// mean checks that an error is of one class and no other.
func mean(t *testing.T, err error, want sqlerr.Class, retryable bool) {
	t.Helper()
	if got := sqlerr.Of(err); got != want {
		t.Errorf("%v is %v, want %v", err, got, want)
	}
	for class, is := range predicates {
		if is(err) != (class == want) {
			t.Errorf("%v: the predicate of %v says %v", err, class, is(err))
		}
	}
	constraint := want >= sqlerr.Duplicate && want <= sqlerr.Constraint
	if sqlerr.IsConstraint(err) != constraint {
		t.Errorf("%v: IsConstraint says %v", err, !constraint)
	}
	if sqlerr.IsRetryable(err) != retryable {
		t.Errorf("%v: IsRetryable says %v", err, !retryable)
	}
}

const again = true

// known are errors that mean something.
var known = []struct {
	class     sqlerr.Class
	retryable bool
	errs      [][]error
}{
	{sqlerr.Duplicate, false, [][]error{{
		pg("23505"), my(1062, "23000", "Duplicate entry"), my(1586, "23000", ""), my(1022, "23000", ""), my(1169, "23000", ""), my(1859, "23000", ""),
		ms(2627, "Violation of UNIQUE KEY"), ms(2601, ""),
	}, lite(2067, "UNIQUE constraint failed: t.a"), lite(1555, ""), lite(2579, ""), ora(1)}},
	{sqlerr.ForeignKey, false, [][]error{{
		pg("23503"), pg("23001"), my(1451, "23000", ""), my(1452, "23000", ""), my(1216, "23000", ""), my(1217, "23000", ""),
		ms(547, `The INSERT statement conflicted with the FOREIGN KEY constraint "CHECK_parent".`),
		ms(547, `The DELETE statement conflicted with the REFERENCE constraint "fk".`),
	}, lite(787, "FOREIGN KEY constraint failed"), ora(2291), ora(2292)}},
	{sqlerr.NotNull, false, [][]error{{pg("23502"), my(1048, "23000", ""), my(1364, "HY000", ""), ms(515, "")}, lite(1299, ""), ora(1400), ora(1407)}},
	{sqlerr.Check, false, [][]error{{
		pg("23514"), my(3819, "HY000", ""), my(4025, "23000", "CONSTRAINT `c` failed"),
		ms(547, `The INSERT statement conflicted with the CHECK constraint "REFERENCE".`),
	}, lite(275, ""), ora(2290)}},
	{sqlerr.Constraint, false, [][]error{
		{pg("23P01"), pg("23000"), my(1557, "23000", ""), ms(547, "Die Anweisung ist mit einer Einschränkung nicht vereinbar.")},
		lite(19, ""), lite(1811, "no, says the trigger"),
	}},
	{sqlerr.Deadlock, again, [][]error{{pg("40P01"), my(1213, "40001", ""), my(1614, "XA102", ""), ms(1205, "")}, ora(60)}},
	{sqlerr.Serialization, again, [][]error{{
		pg("40001"), my(1020, "HY000", "Record has changed since last read in table 't'"), my(3101, "40000", ""),
		my(1180, "HY000", "Got error 149 - 'Lock deadlock; Retry transaction' during COMMIT"),
		my(1644, "40001", "SIGNAL"), ms(3960, ""), ms(41302, ""), ms(41305, ""), ms(41325, ""), ms(41301, ""),
	}, lite(517, ""), ora(8177)}},
	{sqlerr.LockTimeout, again, [][]error{{my(1205, "HY000", "")}, lite(5, "database is locked"), lite(261, ""), lite(773, ""), lite(262, "")}},
	{sqlerr.LockTimeout, false, [][]error{
		{pg("55P03"), my(3572, "HY000", ""), ms(1222, "")}, lite(6, "database table is locked"), lite(518, ""), ora(54), ora(30006), ora(4021), ora(2049),
	}},
	{sqlerr.Cancelled, false, [][]error{
		{pg("57014"), my(3024, "HY000", ""), my(1317, "70100", ""), my(1969, "70100", ""), context.Canceled, context.DeadlineExceeded},
		lite(9, "interrupted"), ora(1013),
	}},
	{sqlerr.ReadOnly, false, [][]error{{
		pg("25006"), my(1792, "25006", ""), my(1836, "HY000", ""), my(1874, "HY000", ""), my(1036, "HY000", ""), ms(3906, ""),
		my(1290, "HY000", "The MySQL server is running with the --super-read-only option so it cannot execute this statement"),
	}, lite(8, "attempt to write a readonly database"), lite(1032, ""), lite(1544, ""), ora(1456), ora(16000)}},
	{sqlerr.ConnectionLost, false, [][]error{{
		pg("08006"), pg("08P01"), pg("57P01"), pg("57P02"), pg("57P03"), pg("57P04"), pg("57P05"), pg("25P03"), pg("25P04"),
		my(1053, "08S01", ""), my(1927, "70100", ""), my(3169, "HY000", ""), my(2006, "HY000", ""), my(2013, "HY000", ""), my(2055, "HY000", ""),
		my(4031, "HY000", "The client was disconnected by the server because of inactivity."), my(1047, "08S01", "not ready"),
		ms(596, ""), ms(40613, ""), driver.ErrBadConn, badConn{},
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, os.ErrDeadlineExceeded, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED,
		&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, &net.OpError{Op: "dial", Err: errors.New("no")}, &net.DNSError{},
		errors.New("invalid connection"), errors.New("conn closed"),
	}, ora(3113), ora(3114), ora(3135), ora(28), ora(2399)}},
	{sqlerr.TooManyConnections, false, [][]error{
		{pg("53300"), my(1040, "08004", ""), my(1203, "42000", ""), my(1226, "42000", ""), ms(17809, "")}, ora(18), ora(20), ora(12519),
	}},
	{sqlerr.Syntax, false, [][]error{
		{pg("42601"), my(1064, "42000", ""), my(1149, "42000", ""), ms(102, "")},
		lite(1, `near "SELEC": syntax error`), lite(1, "incomplete input"), lite(1, `unrecognized token: "§"`), ora(900), ora(933),
	}},
	{sqlerr.Undefined, false, [][]error{
		{pg("42P01"), pg("42703"), pg("42883"), pg("3D000"), my(1146, "42S02", ""), my(1054, "42S22", ""), my(1305, "42000", ""), ms(208, "")},
		lite(1, "no such table: t"), lite(1, "no such column: syntax error"), ora(942), ora(904),
	}},
}

// badConn is like the error of go-mssqldb that says by a method what it is.
type badConn struct{}

func (badConn) Error() string        { return "bad" }
func (badConn) Is(target error) bool { return target == driver.ErrBadConn }

// each calls f with every error that means something.
func each(f func(err error, class sqlerr.Class, retryable bool)) {
	for _, k := range known {
		for _, err := range slices.Concat(k.errs...) {
			f(err, k.class, k.retryable)
		}
	}
}

func TestEveryErrorIsOfOneClass(t *testing.T) {
	seen := map[sqlerr.Class]bool{}
	each(func(err error, class sqlerr.Class, retryable bool) {
		seen[class] = true
		mean(t, err, class, retryable)
	})
	for class := range predicates {
		if !seen[class] {
			t.Errorf("no error of class %v", class)
		}
	}
}

func TestOtherErrorsAreOfNone(t *testing.T) {
	for _, err := range slices.Concat([]error{
		nil, errors.New("no"), sql.ErrNoRows, sql.ErrTxDone, sql.ErrConnDone, driver.ErrSkip, syscall.ENOENT,
		pg(""), pg("22P02"), pg("40003"), pg("25P02"), pg("XX000"), pg("0A000"), pg("53100"), pg("42501"),
		my(1105, "HY000", ""), my(1180, "HY000", "Got error 28 - 'No space left on device' during COMMIT"), my(0, "", ""),
		my(1290, "HY000", "The MariaDB server is running with the --secure-file-priv option so it cannot execute this statement"),
		my(4025, "HY000", "AUTOEXTEND_SIZE should be between 4096M and 4M"), my(4031, "HY000", "Referenced trigger 't' does not exist"),
		ms(2, ""), &sqlite.Other{},
		// Not of databases, though they have what looks like a code.
		httpError(520), httpError(5), &chatError{1, "busy"}, &lineError{1062},
	}, lite(1, "cannot start a transaction within a transaction"), lite(13, "database or disk is full"), lite(10, ""), ora(12154)) {
		mean(t, err, sqlerr.Unknown, false)
	}
}

type httpError int

func (e httpError) Error() string { return fmt.Sprintf("status (%d)", int(e)) }
func (e httpError) Code() int     { return int(e) }

type chatError struct {
	ErrCode int
	ErrMsg  string
}

func (e *chatError) Error() string { return e.ErrMsg }

type lineError struct{ Number int }

func (e *lineError) Error() string { return "line" }

// wrappers put an error into another one.
var wrappers = map[string]func(error) error{
	"%w":                  func(err error) error { return fmt.Errorf("inserting: %w", err) },
	"two of them":         func(err error) error { return fmt.Errorf("a: %w", fmt.Errorf("b: %w", err)) },
	"%w %w, the first":    func(err error) error { return fmt.Errorf("%w: %w", err, errors.New("no")) },
	"%w %w, the second":   func(err error) error { return fmt.Errorf("%w: %w", errors.New("no"), err) },
	"joined, the first":   func(err error) error { return errors.Join(err, errors.New("no")) },
	"joined, the second":  func(err error) error { return errors.Join(errors.New("no"), err) },
	"joined and wrapped":  func(err error) error { return fmt.Errorf("x: %w", errors.Join(errors.New("no"), err)) },
	"joined in joined":    func(err error) error { return errors.Join(errors.New("no"), errors.Join(errors.New("no"), err)) },
	"beside a circle":     func(err error) error { c := &circle{}; c.next = c; return errors.Join(c, err) },
	"beside nils":         func(err error) error { return nils{nil, err, nil} },
	"in a type by value":  func(err error) error { return byValue{[]string{"uncomparable"}, err} },
	"beside one that has": func(err error) error { return errors.Join((*pgError)(nil), err) },
}

type circle struct{ next error }

func (c *circle) Error() string { return "circle" }
func (c *circle) Unwrap() error { return c.next }

type nils []error

func (nils) Error() string     { return "nils" }
func (n nils) Unwrap() []error { return n }

type byValue struct {
	path []string
	err  error
}

func (byValue) Error() string   { return "by value" }
func (e byValue) Unwrap() error { return e.err }

func TestWrappingHidesNothing(t *testing.T) {
	for name, wrap := range wrappers {
		t.Run(name, func(t *testing.T) {
			each(func(err error, class sqlerr.Class, retryable bool) { mean(t, wrap(err), class, retryable) })
		})
	}
}

func TestCodeIsThatOfTheFirstErrorThatHasOne(t *testing.T) {
	for _, c := range []struct {
		err    error
		state  string
		number int
		server sqlerr.Server
	}{
		{nil, "", 0, sqlerr.UnknownServer},
		{io.EOF, "", 0, sqlerr.UnknownServer},
		{pg("23505"), "23505", 0, sqlerr.PostgreSQL},
		{my(1062, "23000", ""), "23000", 1062, sqlerr.MySQL},
		{my(1062, "", ""), "", 1062, sqlerr.MySQL},
		{lite(517, "")[0], "", 517, sqlerr.SQLite},
		{lite(517, "")[1], "", 517, sqlerr.SQLite},
		{lite(517, "")[2], "", 517, sqlerr.SQLite},
		{mattnError{Code: 5}, "", 5, sqlerr.SQLite},
		{ms(2627, ""), "", 2627, sqlerr.SQLServer},
		{ora(1)[0], "", 1, sqlerr.Oracle},
		{ora(1)[1], "", 1, sqlerr.Oracle},
		{httpError(404), "", 0, sqlerr.UnknownServer},
		{fmt.Errorf("x: %w", errors.Join(io.EOF, pg(""), pg("40001"), pg("23505"))), "40001", 0, sqlerr.PostgreSQL},
		{errors.Join(my(1213, "40001", ""), my(1062, "23000", "")), "40001", 1213, sqlerr.MySQL},
		{errors.Join(my(1213, "", ""), my(1062, "23000", "")), "23000", 1213, sqlerr.MySQL},
		{&numbered{1213, "40001"}, "40001", 1213, sqlerr.MySQL},
		{&stated{"40001", my(1213, "40001", "")}, "40001", 1213, sqlerr.MySQL}, // a wrapper that passes the state on
		{&converted{"57014"}, "57014", 0, sqlerr.PostgreSQL},
	} {
		state, number := sqlerr.Code(c.err)
		if server := sqlerr.ServerOf(c.err); state != c.state || number != c.number || server != c.server {
			t.Errorf("%v has %q, %d of %v, want %q, %d of %v", c.err, state, number, server, c.state, c.number, c.server)
		}
	}
}

type stated struct {
	state string
	err   error
}

func (e *stated) Error() string    { return e.err.Error() }
func (e *stated) SQLState() string { return e.state }
func (e *stated) Unwrap() error    { return e.err }

// numbered has MySQL's number in a field, and its state by a method.
type numbered struct {
	Number uint32
	state  string
}

func (e *numbered) Error() string    { return "numbered" }
func (e *numbered) SQLState() string { return e.state }

// converted is an error that has a code only for errors.As.
type converted struct{ state string }

func (*converted) Error() string { return "converted" }

func (e *converted) As(target any) bool {
	s, ok := target.(*interface{ SQLState() string })
	if ok {
		*s = &pgError{e.state}
	}
	return ok
}

func TestJoinedErrorIsOfAllItsClasses(t *testing.T) {
	err := errors.Join(errors.New("no"), pg("23503"), io.EOF, pg("23505"))
	if !sqlerr.IsForeignKey(err) || !sqlerr.IsConnectionLost(err) || !sqlerr.IsDuplicate(err) || sqlerr.IsCheck(err) {
		t.Errorf("a part of %v is not seen", err)
	}
	if c := sqlerr.Of(err); c != sqlerr.ForeignKey {
		t.Errorf("the first is %v", c)
	}
	if c := sqlerr.Of(errors.Join(io.EOF, pg("23505"))); c != sqlerr.ConnectionLost {
		t.Errorf("the first is %v", c)
	}
}

// TestTransactionIsNotRunAgain where it may have been committed, or where there
// is no time for it.
func TestTransactionIsNotRunAgain(t *testing.T) {
	deadlock := my(1213, "40001", "")
	for _, other := range []error{io.EOF, driver.ErrBadConn, pg("57P01"), context.Canceled, fmt.Errorf("x: %w", context.DeadlineExceeded)} {
		for _, err := range []error{errors.Join(deadlock, other), errors.Join(other, deadlock)} {
			if sqlerr.IsRetryable(err) || !sqlerr.IsDeadlock(err) {
				t.Errorf("%v: retryable %v, deadlock %v", err, sqlerr.IsRetryable(err), sqlerr.IsDeadlock(err))
			}
		}
	}
	for _, other := range []error{sql.ErrTxDone, pg("25P02"), pg("57014"), pg("23505")} {
		if err := errors.Join(deadlock, other); !sqlerr.IsRetryable(err) {
			t.Errorf("%v is not retryable", err)
		}
	}
}

// TestCallerWhoGaveUpHasNotLostTheConnection, whatever the driver has done to it;
// but what the server, or the driver, says of it counts.
func TestCallerWhoGaveUpHasNotLostTheConnection(t *testing.T) {
	read := &net.OpError{Op: "read", Err: net.ErrClosed}
	for _, err := range []error{
		fmt.Errorf("timeout: %w", context.DeadlineExceeded), errors.Join(context.Canceled, io.EOF), errors.Join(read, context.Canceled),
		&net.OpError{Op: "dial", Err: dialTimeout{}},
	} {
		mean(t, err, sqlerr.Cancelled, false)
	}
	err := errors.Join(context.Canceled, pg("57P01"))
	if !sqlerr.IsConnectionLost(err) || !sqlerr.IsCancelled(err) {
		t.Errorf("a part of %v is not seen", err)
	}
	if err := errors.Join(pg("57014"), io.EOF); !sqlerr.IsConnectionLost(err) {
		t.Errorf("%v: the server's time-out is not a context", err)
	}
}

// dialTimeout is like the error of a dial of package net.
type dialTimeout struct{}

func (dialTimeout) Error() string        { return "i/o timeout" }
func (dialTimeout) Is(target error) bool { return target == context.DeadlineExceeded }

func TestHostileErrorsDoNoHarm(t *testing.T) {
	wide := &everywhere{}
	wide.next = []error{wide, wide, wide}
	long := &everywhere{next: make([]error, 1_000_000)}
	for i := range long.next {
		long.next[i] = long
	}
	two := &circle{}
	two.next = fmt.Errorf("x: %w", two)
	for name, err := range map[string]error{
		"a circle": two, "circles": wide, "many circles": long, "an endless chain": endless(0), "panics": panics{}, "panics, in a join": errors.Join(panics{}),
		"nil PgError": (*pgError)(nil), "nil MySQLError": (*mysqlError)(nil), "nil modernc": (*sqlite.Modernc)(nil), "nil ncruces": (*sqlite.Ncruces)(nil),
		"nil mattn": (*mattnError)(nil), "nil mssql": (*mssqlError)(nil), "nil godror": (*oraErr)(nil), "nil go-ora": (*OracleError)(nil),
		"nil circle": (*circle)(nil), "wrapped nil": fmt.Errorf("x: %w", (*pgError)(nil)), "a function": function(nil), "embedded nil": &embeds{},
	} {
		t.Run(name, func(t *testing.T) {
			if c := sqlerr.Of(err); c != sqlerr.Unknown {
				t.Errorf("it is %v", c)
			}
			for class, is := range predicates {
				if is(err) {
					t.Errorf("it is %v", class)
				}
			}
			if state, number := sqlerr.Code(err); state != "" || number != 0 || sqlerr.ServerOf(err) != sqlerr.UnknownServer {
				t.Errorf("it has a code: %q, %d", state, number)
			}
		})
	}
}

type everywhere struct{ next []error }

func (e *everywhere) Error() string   { return "everywhere" }
func (e *everywhere) Unwrap() []error { return e.next }

type endless int

func (endless) Error() string   { return "endless" }
func (e endless) Unwrap() error { return e + 1 }

type panics struct{}

func (panics) Error() string    { panic("Error") }
func (panics) SQLState() string { panic("SQLState") }
func (panics) Is(error) bool    { panic("Is") }
func (panics) As(any) bool      { panic("As") }
func (panics) Unwrap() error    { panic("Unwrap") }

type function func()

func (function) Error() string { return "function" }

type embeds struct{ *mysqlError }

func (*embeds) Error() string { return "embeds" }

func TestClassesAndServersHaveNames(t *testing.T) {
	for got, want := range map[fmt.Stringer]string{
		sqlerr.Unknown: "unknown", sqlerr.ForeignKey: "foreign key", sqlerr.LockTimeout: "lock timeout", sqlerr.Undefined: "undefined",
		sqlerr.Class(99): "Class(99)", sqlerr.UnknownServer: "unknown", sqlerr.SQLServer: "SQL Server", sqlerr.Oracle: "Oracle", sqlerr.Server(9): "Server(9)",
	} {
		if got.String() != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func BenchmarkPredicate(b *testing.B) {
	for name, err := range map[string]error{
		"nil": nil, "PgError": pg("23505"), "MySQLError": fmt.Errorf("x: %w", my(1213, "40001", "")), "EOF": &net.OpError{Op: "read", Err: io.EOF}, "other": errors.New("no"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sqlerr.IsRetryable(err)
			}
		})
	}
}
