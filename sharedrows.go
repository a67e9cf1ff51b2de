package akari

import (
	"database/sql/driver"
	"fmt"
	"io"
	"reflect"

	"github.com/akaripool/akari/internal/scope"
)

// sharedRows are rows read on a connection that other sessions use as well: each call
// of the driver has its turn. Like watchedRows it has all optional interfaces.
type sharedRows struct {
	watchedRows
	t     *sharedTx
	by    uintptr // the goroutine that has sent the query
	point int     // the savepoint they were read at
	gone  bool    // closed, by whoever reads them or by the end of the transaction
}

// sharing returns the rows of a query of t.
func (t *sharedTx) sharing(rows driver.Rows) driver.Rows {
	r := &sharedRows{watchedRows{Rows: rows}, t, callerID(), t.innermost(), false}
	if t.rows == nil {
		t.rows = map[*sharedRows]struct{}{}
	}
	t.rows[r] = struct{}{}
	return r
}

// shut closes the rows; called by whoever has the wire.
func (r *sharedRows) shut() error {
	if r.gone {
		return nil
	}
	r.gone = true
	delete(r.t.rows, r)
	r.t.moved()
	if s := r.t.s; s.e != nil && !s.ended {
		return r.Rows.Close()
	}
	if w, ok := r.Rows.(*watchedRows); ok { // the connection went with a panic of the driver, and may be closing
		w.watch.end()
	}
	return nil
}

// Close closes the rows, if the end of their transaction has not.
func (r *sharedRows) Close() error {
	t := r.t
	t.seize()
	defer t.unlock()
	if r.gone {
		return nil
	}
	err := r.shut()
	if t.holds.Load() {
		return t.settle(err)
	}
	return notBadConn(err)
}

// Next reads a row.
func (r *sharedRows) Next(dest []driver.Value) error {
	return r.read(func() error { return r.Rows.Next(dest) })
}

// NextResultSet goes to the next result.
func (r *sharedRows) NextResultSet() error {
	return r.read(r.watchedRows.NextResultSet)
}

var errRowsEnded = fmt.Errorf("%w: rows are closed at the end of the scope, or transaction, in which they were opened", scope.ErrCompleted)

func (r *sharedRows) read(next func() error) error {
	t := r.t
	t.seize()
	defer t.unlock()
	if r.gone {
		return firstOf(t.over, t.doomed, errRowsEnded)
	}
	err := next()
	if err == nil || err == io.EOF {
		return err
	}
	return t.settle(err)
}

// HasNextResultSet reports whether there is another result.
func (r *sharedRows) HasNextResultSet() (more bool) {
	r.look(func() { more = r.watchedRows.HasNextResultSet() })
	return more
}

// Columns returns the names of the columns.
func (r *sharedRows) Columns() (names []string) {
	r.look(func() { names = r.Rows.Columns() })
	return names
}

// ColumnTypeScanType returns what a column can be scanned into.
func (r *sharedRows) ColumnTypeScanType(i int) (t reflect.Type) {
	r.look(func() { t = r.watchedRows.ColumnTypeScanType(i) })
	return t
}

// ColumnTypeDatabaseTypeName returns the server's name for a column's type.
func (r *sharedRows) ColumnTypeDatabaseTypeName(i int) (name string) {
	r.look(func() { name = r.watchedRows.ColumnTypeDatabaseTypeName(i) })
	return name
}

// ColumnTypeLength returns the length of a column's type.
func (r *sharedRows) ColumnTypeLength(i int) (n int64, ok bool) {
	r.look(func() { n, ok = r.watchedRows.ColumnTypeLength(i) })
	return n, ok
}

// ColumnTypeNullable reports whether a column may be NULL.
func (r *sharedRows) ColumnTypeNullable(i int) (nullable, ok bool) {
	r.look(func() { nullable, ok = r.watchedRows.ColumnTypeNullable(i) })
	return nullable, ok
}

// ColumnTypePrecisionScale returns the size of a decimal type.
func (r *sharedRows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	r.look(func() { precision, scale, ok = r.watchedRows.ColumnTypePrecisionScale(i) })
	return precision, scale, ok
}

// look asks the driver's rows about themselves, which some do by way of the
// connection.
func (r *sharedRows) look(ask func()) {
	r.t.seize()
	defer r.t.unlock()
	ask()
}
