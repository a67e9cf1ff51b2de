package template_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
)

// scripted is a driver with results of any columns, which akaritest's language has
// no words for. A text that was not given a result is an error; of what is executed
// every row counts.
type scripted struct {
	results map[string]result

	mu   sync.Mutex
	sent []sent
}

type result struct {
	columns []string
	rows    [][]driver.Value
	err     error // after the rows
}

type sent struct {
	text string
	args []driver.Value
}

// table makes a result.
func table(columns string, rows ...[]driver.Value) result {
	return result{columns: strings.Fields(columns), rows: rows}
}

func row(values ...driver.Value) []driver.Value { return values }

// script opens a database with one result, whatever the text.
func script(t testing.TB, r result) *sql.DB {
	db := sql.OpenDB(&scripted{results: map[string]result{"": r}})
	t.Cleanup(func() {
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("%d connections are in use at the end", n)
		}
		db.Close()
	})
	return db
}

func (s *scripted) Connect(context.Context) (driver.Conn, error) { return scriptedConn{s}, nil }
func (s *scripted) Driver() driver.Driver                        { return s }
func (s *scripted) Open(string) (driver.Conn, error)             { return scriptedConn{s}, nil }

type scriptedConn struct{ s *scripted }

func (c scriptedConn) Prepare(text string) (driver.Stmt, error) {
	return nil, fmt.Errorf("scripted prepares nothing: %s", text)
}
func (c scriptedConn) Close() error              { return nil }
func (c scriptedConn) Begin() (driver.Tx, error) { return scriptedTx{}, nil }

type scriptedTx struct{}

func (scriptedTx) Commit() error   { return nil }
func (scriptedTx) Rollback() error { return nil }

func (c scriptedConn) note(text string, args []driver.NamedValue) (result, bool) {
	values := make([]driver.Value, len(args))
	for i, a := range args {
		values[i] = a.Value
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.sent = append(c.s.sent, sent{text, values})
	r, ok := c.s.results[text]
	if !ok {
		r, ok = c.s.results[""]
	}
	return r, ok
}

func (c scriptedConn) QueryContext(_ context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	r, ok := c.note(text, args)
	if !ok {
		return nil, fmt.Errorf("scripted knows no %q", text)
	}
	return &scriptedRows{r: r}, nil
}

func (c scriptedConn) ExecContext(_ context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	r, ok := c.note(text, args)
	if !ok {
		return nil, fmt.Errorf("scripted knows no %q", text)
	}
	if r.err != nil {
		return nil, r.err
	}
	return driver.RowsAffected(len(r.rows)), nil
}

type scriptedRows struct {
	r    result
	next int
}

func (r *scriptedRows) Columns() []string { return r.r.columns }
func (r *scriptedRows) Close() error      { return nil }

func (r *scriptedRows) Next(dest []driver.Value) error {
	if r.next == len(r.r.rows) {
		if r.r.err != nil {
			return r.r.err
		}
		return io.EOF
	}
	copy(dest, r.r.rows[r.next])
	r.next++
	return nil
}
