package load

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/akaripool/akari"
	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lib/pq"
)

func TestErrorsAreSortedIntoClasses(t *testing.T) {
	acquire := func(reason error) error { return fmt.Errorf("step: %w", &akari.AcquireError{Reason: reason}) }
	for _, c := range []struct {
		err         error
		class, code string
	}{
		{acquire(akari.ErrAcquireTimeout), classTimeout, ""},
		{acquire(context.DeadlineExceeded), classTimeout, ""},
		{acquire(context.Canceled), classCancelled, ""},
		{acquire(akari.ErrPoolLock), classPoolLock, ""},
		{acquire(akari.ErrTooManyWaiters), classRefused, ""},
		{acquire(akari.ErrPoolSuspended), classRefused, ""},
		{acquire(akari.ErrPoolClosed), classRefused, ""},
		// The reason counts, not what happened to another connection before.
		{&akari.AcquireError{Reason: akari.ErrAcquireTimeout, Cause: syscall.ECONNREFUSED}, classTimeout, ""},
		{akari.ErrOutcomeUnknown, classLost, ""},
		{driver.ErrBadConn, classLost, ""},
		{sql.ErrConnDone, classLost, ""},
		{mysqldriver.ErrInvalidConn, classLost, ""},
		{io.ErrUnexpectedEOF, classLost, ""},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, classLost, ""},
		{&pgconn.PgError{Code: "57P01"}, classLost, "SQLSTATE 57P01"},
		{&pgconn.PgError{Code: "08006"}, classLost, "SQLSTATE 08006"},
		{context.Canceled, classCancelled, ""},
		{&pgconn.PgError{Code: "23505"}, classConstraint, "SQLSTATE 23505"},
		{&pq.Error{Code: "23503"}, classConstraint, "SQLSTATE 23503"},
		{&mysqldriver.MySQLError{Number: 1062, SQLState: [5]byte{'2', '3', '0', '0', '0'}}, classConstraint, "MySQL 1062"},
		{&mysqldriver.MySQLError{Number: 3819, SQLState: [5]byte{'H', 'Y', '0', '0', '0'}}, classConstraint, "MySQL 3819"},
		{&mysqldriver.MySQLError{Number: 1213, SQLState: [5]byte{'4', '0', '0', '0', '1'}}, classOther, "MySQL 1213"},
		{&pgconn.PgError{Code: "40001"}, classOther, "SQLSTATE 40001"},
		{&pgconn.PgError{Code: "57014"}, classOther, "SQLSTATE 57014"},
		{errors.New("what is that"), classOther, ""},
	} {
		if class, code := classify(c.err); class != c.class || code != c.code {
			t.Errorf("%T %v: %q, %q, want %q, %q", c.err, c.err, class, code, c.class, c.code)
		}
	}
}

func TestSQLiteErrorsAreSortedIntoClasses(t *testing.T) {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, c := range []struct{ text, class, code string }{
		{"CREATE TABLE t (a INTEGER UNIQUE)", "", ""},
		{"INSERT INTO t VALUES (1)", "", ""},
		{"INSERT INTO t VALUES (1)", classConstraint, "SQLite 2067"},
		{"SELECT * FROM nothing", classOther, "SQLite 1"},
	} {
		_, err := db.Exec(c.text)
		if err == nil {
			if c.class != "" {
				t.Errorf("%s succeeded", c.text)
			}
			continue
		}
		if class, code := classify(err); class != c.class || code != c.code {
			t.Errorf("%s: %q, %q, want %q, %q", c.text, class, code, c.class, c.code)
		}
	}
	if _, err := db.Exec("CREATE TABLE t (a INTEGER)"); !isDuplicateTable(err) {
		t.Errorf("%v is not taken for a table that is there already", err)
	}
}
