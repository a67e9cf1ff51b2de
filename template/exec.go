package template

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Exec runs a statement and returns how many rows it has affected, by the count of
// the server: MySQL does not count rows that an UPDATE leaves as they are.
func Exec[S Text](ctx context.Context, db DB, query S, args ...any) (int64, error) {
	return execute(ctx, "Exec", db, query, args, sql.Result.RowsAffected)
}

// InsertID runs an INSERT and returns the key that the server has generated, for
// MySQL, MariaDB and SQLite. For an INSERT of several rows that is the first key
// with MySQL and MariaDB, the last with SQLite. PostgreSQL does not tell: use
// [InsertReturning], which MariaDB and SQLite have too.
func InsertID[S Text](ctx context.Context, db DB, query S, args ...any) (int64, error) {
	d := With(db).(configured)
	if d.settings.dialect == PostgreSQL || d.settings.dialect == 0 && dialectOf(d.DB) == PostgreSQL {
		return 0, failed("InsertID", errors.New("PostgreSQL does not tell the last key: use InsertReturning"))
	}
	return execute(ctx, "InsertID", db, query, args, sql.Result.LastInsertId)
}

// execute runs a statement and returns one of the numbers of its result.
func execute[S Text](ctx context.Context, function string, db DB, query S, args []any, number func(sql.Result) (int64, error)) (int64, error) {
	c, err := prepare(db, query, args)
	if err != nil {
		return 0, failed(function, err)
	}
	result, err := c.db.ExecContext(ctx, c.query, c.args...)
	if err != nil {
		return 0, failed(function, err)
	}
	n, err := number(result)
	if err != nil {
		return 0, failed(function, fmt.Errorf("the statement was executed, but the driver does not tell: %w", err))
	}
	return n, nil
}

// InsertReturning runs an INSERT … RETURNING, or an UPDATE or DELETE that returns
// its row, and returns that row as a T. PostgreSQL, SQLite (3.35) and MariaDB
// (10.5; not for UPDATE) have it; for MySQL there is [InsertID]. The error is
// [sql.ErrNoRows] if there is no row, as after ON CONFLICT DO NOTHING, and
// [ErrTooManyRows] for several, which have been written then: [Query] returns
// them all. A text without RETURNING is refused, before it is sent.
func InsertReturning[T any, S Text](ctx context.Context, db DB, query S, args ...any) (T, error) {
	var zero T
	c, err := prepare(db, query, args)
	if err != nil {
		return zero, failed("InsertReturning", err)
	}
	d, _ := c.dialect()
	if !hasWord(d, c.query, "RETURNING") {
		return zero, failed("InsertReturning", errors.New("the text has no RETURNING: use Exec, or InsertID for MySQL"))
	}
	v, found, err := atMostOne[T](ctx, With(c.db, asIs(c.settings)), c.query, c.args)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	if err != nil {
		return zero, failed("InsertReturning", err)
	}
	return v, nil
}

// asIs hands settings on.
type asIs settings

func (a asIs) set(s *settings) { *s = settings(a) }
