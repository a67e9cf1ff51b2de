package main

import (
	"context"
	"database/sql/driver"
	"io"
	"sync/atomic"
	"time"
)

// stub is a driver whose database is a loop-back to nowhere: connecting takes as
// long as it is told to, everything else no time, so that what is measured is the
// pool. It has the interfaces that today's drivers have.
type stub struct {
	connect atomic.Int64 // how long it takes, in nanoseconds
	opened  atomic.Int64 // connections so far
	open    atomic.Int64
}

func (s *stub) Connect(ctx context.Context) (driver.Conn, error) {
	if d := time.Duration(s.connect.Load()); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.opened.Add(1)
	s.open.Add(1)
	return &stubConn{s: s}, nil
}

func (s *stub) Driver() driver.Driver { return stubDriver{} }

type stubDriver struct{}

func (stubDriver) Open(string) (driver.Conn, error) { return nil, driver.ErrSkip }

type stubConn struct{ s *stub }

func (c *stubConn) Close() error {
	c.s.open.Add(-1)
	return nil
}

func (c *stubConn) Prepare(string) (driver.Stmt, error)         { return stubStmt{}, nil }
func (c *stubConn) Begin() (driver.Tx, error)                   { return stubTx{}, nil }
func (c *stubConn) Ping(context.Context) error                  { return nil }
func (c *stubConn) ResetSession(context.Context) error          { return nil }
func (c *stubConn) IsValid() bool                               { return true }
func (c *stubConn) CheckNamedValue(nv *driver.NamedValue) error { return nil }

func (c *stubConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return stubTx{}, nil
}

func (c *stubConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func (c *stubConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &stubRows{}, nil
}

type stubStmt struct{}

func (stubStmt) Close() error                               { return nil }
func (stubStmt) NumInput() int                              { return -1 }
func (stubStmt) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(1), nil }
func (stubStmt) Query([]driver.Value) (driver.Rows, error)  { return &stubRows{}, nil }

type stubTx struct{}

func (stubTx) Commit() error   { return nil }
func (stubTx) Rollback() error { return nil }

// stubRows is one row with the number 1.
type stubRows struct{ read bool }

func (*stubRows) Columns() []string { return []string{"n"} }
func (*stubRows) Close() error      { return nil }

func (r *stubRows) Next(dest []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read = true
	dest[0] = int64(1)
	return nil
}
