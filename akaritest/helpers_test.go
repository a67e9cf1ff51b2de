package akaritest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/akaripool/akari/akaritest"
)

// open returns plain database/sql on a new server; the test fails if something
// of it is left.
func open(t *testing.T, p akaritest.Profile) (*akaritest.Server, *sql.DB) {
	t.Helper()
	server := akaritest.NewServer(p)
	akaritest.Verify(t, server)
	db := sql.OpenDB(server.Connector())
	t.Cleanup(func() {
		server.Heal()
		db.Close()
	})
	return server, db
}

// connect opens a connection without a pool; it is closed after the test.
func connect(tb testing.TB, server *akaritest.Server) driver.Conn {
	tb.Helper()
	c, err := server.Connector().Connect(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// single takes one connection out of the pool for the test.
func single(t *testing.T, db *sql.DB) *sql.Conn {
	t.Helper()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// runner is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type runner interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

func exec(t *testing.T, r runner, text string, args ...any) {
	t.Helper()
	if _, err := r.ExecContext(context.Background(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func execErr(r runner, text string, args ...any) error {
	_, err := r.ExecContext(context.Background(), text, args...)
	return err
}

// lines returns the rows of all result sets, the values of a row joined by
// blanks; NULL is <nil>.
func lines(t *testing.T, r runner, text string, args ...any) []string {
	t.Helper()
	rows, err := r.QueryContext(context.Background(), text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	var got []string
	for {
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		values := make([]any, len(columns))
		dest := make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(dest...); err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintln(values...)
			got = append(got, line[:len(line)-1])
		}
		if !rows.NextResultSet() {
			break
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return got
}

func connID(t *testing.T, r runner) string {
	t.Helper()
	return lines(t, r, "CONN")[0]
}

// sqlState returns the SQLSTATE of an error, in either shape.
func sqlState(err error) string {
	var pg interface{ SQLState() string }
	if errors.As(err, &pg) {
		return pg.SQLState()
	}
	if my, ok := errors.AsType[*akaritest.MySQLError](err); ok {
		return string(my.SQLState[:])
	}
	return ""
}

func wantState(t *testing.T, err error, state string) {
	t.Helper()
	if got := sqlState(err); got != state {
		t.Errorf("error %v, want SQLSTATE %s", err, state)
	}
}

func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error %v, want %v", err, target)
	}
}

// panicOf returns what f panics with.
func panicOf(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}
