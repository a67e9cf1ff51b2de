package template

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

type copyFunc func(ctx context.Context, conn *sql.Conn, rows *CopyRows) (int64, error)

func (f copyFunc) setBatch(s *batchSettings) { s.copy = f }

// Copy sends the items by a protocol for many rows, such as PostgreSQL's COPY,
// which is faster still. The text must be INSERT INTO table (columns) VALUES
// (placeholders), and nothing else: table, columns and order are taken from it. db
// is a *sql.DB, or another one that has Conn, or a *sql.Conn; in a *sql.Tx there is
// no way to the driver's connection.
//
// f is called for each chunk with the connection that has the transaction. It
// copies all rows and returns how many it has written. With pgx:
//
//	template.Copy(func(ctx context.Context, conn *sql.Conn, rows *template.CopyRows) (n int64, err error) {
//		err = akari.Raw(conn, func(driverConn any) error {
//			c := driverConn.(*stdlib.Conn).Conn()
//			n, err = c.CopyFrom(ctx, pgx.Identifier(rows.Table), rows.Columns, rows)
//			return err
//		})
//		return n, err
//	})
//
// COPY takes values as the column's type only, where an INSERT converts them.
func Copy(f func(ctx context.Context, conn *sql.Conn, rows *CopyRows) (int64, error)) BatchOption {
	return copyFunc(f)
}

// CopyRows are the rows of a chunk for [Copy]. They are a CopyFromSource of pgx.
// Only the function given to Copy may use them, while it runs.
type CopyRows struct {
	Table   []string // the name, after that of the schema if there is one
	Columns []string

	ctx      context.Context
	batch    *batch
	next, to int // items still to come
	values   []any
	err      error
	index    int // of the item that err is about, or -1
}

// Next goes to the next row. It returns false at the end, after an error, and when
// the context has ended.
func (r *CopyRows) Next() bool {
	if r.err == nil {
		r.err = r.ctx.Err()
	}
	if r.err != nil || r.next == r.to {
		return false
	}
	args, err := r.batch.arguments(r.next)
	if err != nil {
		r.err, r.index = err, r.next
		return false
	}
	r.values = make([]any, len(r.batch.ins.order))
	for column, arg := range r.batch.ins.order {
		r.values[column] = args[arg]
	}
	r.next++
	return true
}

// Values returns the current row, a value for each of Columns.
func (r *CopyRows) Values() ([]any, error) { return r.values, r.err }

// Err returns the error that has ended the rows, nil at their end.
func (r *CopyRows) Err() error { return r.err }

// connect gets the connection for COPY.
func (b *batch) connect(ctx context.Context) (err error) {
	switch db := b.db.(type) {
	case *sql.Conn:
		b.conn = db
	case interface {
		Conn(context.Context) (*sql.Conn, error)
	}:
		b.conn, err = db.Conn(ctx)
	default:
		return fmt.Errorf("Copy needs a *sql.DB or a *sql.Conn: %T leads to no connection", b.db)
	}
	return err
}

var errNotCopied = errors.New("the function given to Copy has not read all rows")

// copyChunk has the user's function copy a chunk. index is the item that failed,
// or -1.
func (b *batch) copyChunk(ctx context.Context, lo, hi int) (count int64, index int, err error) {
	rows := &CopyRows{Table: b.ins.table, Columns: b.ins.columns, ctx: ctx, batch: b, next: lo, to: hi, index: -1}
	count, err = b.settings.copy(ctx, b.conn, rows)
	switch {
	case rows.err != nil:
		return 0, rows.index, rows.err
	case err != nil:
		return 0, -1, err
	case rows.next < hi:
		return 0, -1, errNotCopied
	}
	return count, -1, nil
}
