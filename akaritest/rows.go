package akaritest

import (
	"context"
	"database/sql/driver"
	"io"
	"math"
	"reflect"
)

// column describes one column of a result, for the ColumnType methods.
type column struct {
	name     string
	typeName string
	scan     reflect.Type
	nullable bool

	length           int64 // 0: not of variable length
	precision, scale int64 // 0, 0: not a decimal
}

func bigintColumn(name string) column {
	return column{name: name, typeName: "BIGINT", scan: reflect.TypeFor[int64]()}
}

func decimalColumn(name string) column {
	return column{name: name, typeName: "DECIMAL", scan: reflect.TypeFor[int64](), precision: 20}
}

func varcharColumn(name string) column {
	return column{name: name, typeName: "VARCHAR", scan: reflect.TypeFor[string](), length: 255, nullable: true}
}

func textColumn(name string) column {
	return column{name: name, typeName: "TEXT", scan: reflect.TypeFor[string](), length: math.MaxInt64}
}

func anyColumn(name string) column {
	return column{name: name, typeName: "ANY", scan: reflect.TypeFor[any](), nullable: true}
}

// resultSet is a result: either rows, or n generated ones that hold their
// number.
type resultSet struct {
	columns []column
	rows    [][]driver.Value
	numbers int
}

func (r *resultSet) len() int { return len(r.rows) + r.numbers }

func (r *resultSet) fill(i int, dest []driver.Value) {
	if r.numbers > 0 {
		dest[0] = int64(i + 1)
		return
	}
	copy(dest, r.rows[i])
}

// rows is the result of a query.
type rows struct {
	conn *conn           // read only, as are the next two
	ctx  context.Context // of the query: Next honours it, as drivers do
	text string

	// Used by one goroutine at a time, as driver.Rows is.
	sets []resultSet // the current one first
	next int         // row of the current set

	closed bool // guarded by conn.mu
}

// openRows hands a result to the client; from now on it counts as open.
func (c *conn) openRows(ctx context.Context, text string, sets []resultSet) driver.Rows {
	c.mu.Lock()
	c.rows++
	c.mu.Unlock()
	c.server.rows.Add(1)
	if len(sets) == 0 {
		sets = []resultSet{{}}
	}
	dr, _ := (&rows{conn: c, ctx: ctx, text: text, sets: sets}).with(c.server.profile.Rows) // NewServer has checked
	return dr
}

func (r *rows) columns() []string {
	names := make([]string, len(r.sets[0].columns))
	for i, column := range r.sets[0].columns {
		names[i] = column.name
	}
	return names
}

func (r *rows) nextRow(dest []driver.Value) error {
	return r.step(OpNext, func() error {
		set := &r.sets[0]
		if r.next >= set.len() {
			return io.EOF
		}
		set.fill(r.next, dest)
		r.next++
		return nil
	})
}

func (r *rows) nextSet() error {
	return r.step(OpNextSet, func() error {
		if len(r.sets) < 2 {
			return io.EOF
		}
		r.sets = r.sets[1:]
		r.next = 0
		return nil
	})
}

// step moves on in the result.
func (r *rows) step(op Op, effect func() error) error {
	c := r.conn
	call := Call{Op: op, ConnID: c.id, Text: r.text}
	defer c.leave(c.enter(&call))
	if r.isClosed() {
		c.violate(op.String() + " of closed rows")
		return errClosed
	}
	if err := c.arrive(r.ctx, &call); err != nil {
		return unlessNil(err)
	}
	c.mu.Lock()
	err := c.usableLocked()
	c.mu.Unlock()
	if err == nil {
		err = effect()
	}
	if err := c.depart(r.ctx, &call); err != nil {
		return unlessNil(err)
	}
	return err
}

func (r *rows) isClosed() bool {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	return r.closed
}

// close closes the rows whatever else goes wrong in it.
func (r *rows) close() error {
	c := r.conn
	call := Call{Op: OpRowsClose, ConnID: c.id, Text: r.text}
	defer c.leave(c.enter(&call))
	c.server.arrived(&call)
	if r.isClosed() {
		return nil // as io.Closer allows and drivers do
	}
	if c.fate.Load() == closed {
		c.violate("RowsClose after Close")
		return errClosed
	}
	defer r.forget()
	if err := c.server.before(context.Background(), c, &call); err != nil {
		return unlessNil(err)
	}
	r.forget()
	return unlessNil(c.depart(context.Background(), &call))
}

func (r *rows) forget() {
	c := r.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	if c.rows > 0 { // 0 after Close of the connection, which counted them off
		c.rows--
		c.server.rows.Add(-1)
	}
}
