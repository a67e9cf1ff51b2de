package template

import (
	"context"
	"database/sql"
	"errors"
	"iter"
)

// ErrTooManyRows is the error of [One], [Opt] and [InsertReturning] for a second
// row.
var ErrTooManyRows = errors.New("more than one row")

// Query returns the rows of a query as values of T, nil if there are none; the
// package comment says how a row becomes a T. When it returns everything is
// closed, and outside of a transaction the connection is back in its pool.
func Query[T any, S Text](ctx context.Context, db DB, query S, args ...any) ([]T, error) {
	var all []T
	err := read(ctx, db, query, args, func(scan func(*T) error) (bool, error) {
		var zero T
		all = append(all, zero)
		return true, scan(&all[len(all)-1])
	})
	if err != nil {
		return nil, failed("Query", err)
	}
	return all, nil
}

// One returns the one row of a query. The error is [sql.ErrNoRows] if there is
// none, [ErrTooManyRows] if there are several.
func One[T any, S Text](ctx context.Context, db DB, query S, args ...any) (T, error) {
	v, found, err := atMostOne[T](ctx, db, query, args)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	if err != nil {
		var zero T
		return zero, failed("One", err)
	}
	return v, nil
}

// Opt returns the row of a query if there is one, and whether there is. The error
// is [ErrTooManyRows] if there are several.
func Opt[T any, S Text](ctx context.Context, db DB, query S, args ...any) (T, bool, error) {
	v, found, err := atMostOne[T](ctx, db, query, args)
	if err != nil {
		var zero T
		return zero, false, failed("Opt", err)
	}
	return v, found, nil
}

// Each returns the rows of a query one at a time, for results that are not to be
// in memory as a whole. The query is run when the loop begins, and anew for each
// loop. An error is the last thing that it yields.
//
//	for user, err := range template.Each[User](ctx, db, "SELECT * FROM users") {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// The rows hold a connection while the loop runs. They are closed when it ends,
// also by break, return, a panic or runtime.Goexit. With [iter.Pull] that is when
// stop is called.
func Each[T any, S Text](ctx context.Context, db DB, query S, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		stopped := false
		err := read(ctx, db, query, args, func(scan func(*T) error) (bool, error) {
			var v T
			if err := scan(&v); err != nil {
				return false, err
			}
			stopped = !yield(v, nil)
			return !stopped, nil
		})
		if err != nil && !stopped {
			var zero T
			yield(zero, failed("Each", err))
		}
	}
}

// atMostOne reads to the end: an error of the statement as a whole may come after
// its rows.
func atMostOne[T any, S Text](ctx context.Context, db DB, query S, args []any) (v T, found bool, err error) {
	err = read(ctx, db, query, args, func(scan func(*T) error) (bool, error) {
		if found {
			return false, ErrTooManyRows
		}
		found = true
		return true, scan(&v)
	})
	return v, found, err
}

// read runs a query and calls next for each row, until that says no or fails. The
// rows are closed when it returns, panics or ends the goroutine.
func read[T any, S Text](ctx context.Context, db DB, query S, args []any, next func(scan func(*T) error) (bool, error)) error {
	c, err := prepare(db, query, args)
	if err != nil {
		return err
	}
	rows, err := c.db.QueryContext(ctx, c.query, c.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	scan, err := scanning[T](rows, c.settings)
	if err != nil {
		return err
	}
	for rows.Next() {
		more, err := next(scan)
		if err != nil {
			return explain(err)
		}
		if !more {
			return nil
		}
	}
	return rows.Err()
}
