package akaritest_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/akaripool/akari/akaritest"
)

// has answers which optional interfaces a connection really has.
func has(c driver.Conn) (set akaritest.ConnInterfaces) {
	for face, ok := range map[akaritest.ConnInterfaces]bool{
		akaritest.Pinger:                is[driver.Pinger](c),
		akaritest.ExecerContext:         is[driver.ExecerContext](c),
		akaritest.Execer:                is[driver.Execer](c),
		akaritest.QueryerContext:        is[driver.QueryerContext](c),
		akaritest.Queryer:               is[driver.Queryer](c),
		akaritest.ConnPrepareContext:    is[driver.ConnPrepareContext](c),
		akaritest.ConnBeginTx:           is[driver.ConnBeginTx](c),
		akaritest.SessionResetter:       is[driver.SessionResetter](c),
		akaritest.Validator:             is[driver.Validator](c),
		akaritest.ConnNamedValueChecker: is[driver.NamedValueChecker](c),
	} {
		if ok {
			set |= face
		}
	}
	return set
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

func TestConnHasExactlyTheInterfacesOfItsProfile(t *testing.T) {
	for _, want := range akaritest.ConnMatrix() {
		server := akaritest.NewServer(akaritest.Profile{Conn: want})
		c := connect(t, server)
		if got := has(c); got != want {
			t.Errorf("asked for %v, got %v", want, got)
		}
		if id, ok := akaritest.ConnID(c); !ok || id != 1 {
			t.Errorf("%v: ConnID = %d, %v", want, id, ok)
		}
	}
}

// What ConnMatrix says of itself: any four interfaces in all combinations, and
// with them any fewer.
func TestConnMatrixCoversFourInterfaces(t *testing.T) {
	matrix := akaritest.ConnMatrix()
	for a := range 10 {
		for b := range a {
			for c := range b {
				for d := range c {
					seen := make(map[akaritest.ConnInterfaces]bool)
					four := akaritest.ConnInterfaces(1<<a | 1<<b | 1<<c | 1<<d)
					for _, combo := range matrix {
						seen[combo&four] = true
					}
					if len(seen) != 16 {
						t.Errorf("%v: %d of 16 combinations", four, len(seen))
					}
				}
			}
		}
	}
}

func TestStmtHasExactlyTheInterfacesOfItsProfile(t *testing.T) {
	for want := range akaritest.AllStmt + 1 {
		server := akaritest.NewServer(akaritest.Profile{Stmt: want})
		stmt, err := connect(t, server).Prepare("NOP")
		if err != nil {
			t.Fatal(err)
		}
		var got akaritest.StmtInterfaces
		for i, ok := range []bool{
			is[driver.StmtExecContext](stmt), is[driver.StmtQueryContext](stmt),
			is[driver.NamedValueChecker](stmt), is[driver.ColumnConverter](stmt),
		} {
			if ok {
				got |= 1 << i
			}
		}
		if got != want {
			t.Errorf("asked for %v, got %v", want, got)
		}
	}
}

func TestRowsHaveExactlyTheInterfacesOfTheirProfile(t *testing.T) {
	for want := range akaritest.AllRows + 1 {
		server := akaritest.NewServer(akaritest.Profile{Conn: akaritest.AllConn, Rows: want})
		rows, err := connect(t, server).(driver.QueryerContext).QueryContext(context.Background(), "CONN", nil)
		if err != nil {
			t.Fatal(err)
		}
		var got akaritest.RowsInterfaces
		for i, ok := range []bool{
			is[driver.RowsNextResultSet](rows), is[driver.RowsColumnTypeScanType](rows),
			is[driver.RowsColumnTypeDatabaseTypeName](rows), is[driver.RowsColumnTypeLength](rows),
			is[driver.RowsColumnTypeNullable](rows), is[driver.RowsColumnTypePrecisionScale](rows),
		} {
			if ok {
				got |= 1 << i
			}
		}
		if got != want {
			t.Errorf("asked for %v, got %v", want, got)
		}
	}
}

func TestCombinationThatIsNotCompiledIn(t *testing.T) {
	var missing akaritest.ConnInterfaces
	for slices.Contains(akaritest.ConnMatrix(), missing) {
		missing++
	}
	value := panicOf(func() { akaritest.NewServer(akaritest.Profile{Conn: missing}) })
	if text := fmt.Sprint(value); !strings.Contains(text, missing.String()) || !strings.Contains(text, "WrapConn") {
		t.Errorf("panic %q should name the interfaces and the way out", text)
	}

	p := akaritest.Profile{WrapConn: func(c akaritest.FullConn) driver.Conn {
		return struct {
			driver.Conn
			driver.Pinger
			driver.Queryer
		}{c, c, c}
	}}
	server := akaritest.NewServer(p)
	c := connect(t, server)
	if got, want := has(c), akaritest.Pinger|akaritest.Queryer; got != want {
		t.Errorf("WrapConn: got %v, want %v", got, want)
	}
	if err := c.(driver.Pinger).Ping(context.Background()); err != nil || server.Calls(akaritest.OpPing) != 1 {
		t.Errorf("Ping: %v, %d calls", err, server.Calls(akaritest.OpPing))
	}
}

func TestUnknownBitsAreRefused(t *testing.T) {
	for _, p := range []akaritest.Profile{
		{Conn: akaritest.AllConn + 1}, {Stmt: akaritest.AllStmt + 1}, {Rows: akaritest.AllRows + 1},
	} {
		if panicOf(func() { akaritest.NewServer(p) }) == nil {
			t.Errorf("%v %v %v: no panic", p.Conn, p.Stmt, p.Rows)
		}
	}
}

func TestDriverContext(t *testing.T) {
	if d := akaritest.NewServer(akaritest.PqLike).Driver(); is[driver.DriverContext](d) {
		t.Error("PqLike has DriverContext")
	}
	server := akaritest.NewServer(akaritest.PgxLike)
	connector, err := server.Driver().(driver.DriverContext).OpenConnector("any name")
	if err != nil || connector.Driver() != server.Driver() {
		t.Errorf("OpenConnector: %v, %v", connector, err)
	}
}

func TestSetsNameTheirMembers(t *testing.T) {
	for got, want := range map[string]string{
		(akaritest.Pinger | akaritest.Validator).String():                 "Pinger|Validator",
		akaritest.ConnInterfaces(0).String():                              "none",
		akaritest.StmtExecContext.String():                                "StmtExecContext",
		(akaritest.NextResultSet | akaritest.ColumnTypeNullable).String(): "NextResultSet|ColumnTypeNullable",
		(akaritest.OpExec | akaritest.OpQuery).String():                   "Exec|Query",
		(akaritest.OpAny + 1).String():                                    "0x10000",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
