package akari

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// The pool's own statements, run on a driver connection without database/sql.

// execText runs a statement without arguments, in whichever way the driver
// offers.
func execText(ctx context.Context, conn driver.Conn, query string) error {
	err := driver.ErrSkip
	switch c := conn.(type) {
	case driver.ExecerContext:
		_, err = c.ExecContext(ctx, query, nil)
	case driver.Execer:
		_, err = c.Exec(query, nil)
	}
	if err != driver.ErrSkip {
		return err
	}
	stmt, err := prepareOn(ctx, conn, query)
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Close() }()
	if s, ok := stmt.(driver.StmtExecContext); ok {
		_, err = s.ExecContext(ctx, nil)
	} else {
		_, err = stmt.Exec(nil)
	}
	return err
}

// queryText runs a query and calls row for each row. The only arguments are
// those that tell pgx how to send it.
func queryText(ctx context.Context, conn driver.Conn, query string, row func([]driver.Value) error, args ...driver.NamedValue) error {
	var rows driver.Rows
	err := driver.ErrSkip
	switch c := conn.(type) {
	case driver.QueryerContext:
		rows, err = c.QueryContext(ctx, query, args)
	case driver.Queryer:
		rows, err = c.Query(query, nil)
	}
	if err == driver.ErrSkip {
		var stmt driver.Stmt
		if stmt, err = prepareOn(ctx, conn, query); err != nil {
			return err
		}
		defer func() { _ = stmt.Close() }()
		if s, ok := stmt.(driver.StmtQueryContext); ok {
			rows, err = s.QueryContext(ctx, nil)
		} else {
			rows, err = stmt.Query(nil)
		}
	}
	if err != nil {
		return err
	}
	values := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return rows.Close()
		case err != nil:
			_ = rows.Close()
			return err
		}
		if err := row(values); err != nil {
			_ = rows.Close()
			return err
		}
	}
}

// queryTextRow runs a query for one row and returns its values as text.
func queryTextRow(ctx context.Context, conn driver.Conn, query string, args ...driver.NamedValue) (out []string, err error) {
	err = queryText(ctx, conn, query, func(values []driver.Value) error {
		if out != nil {
			return nil
		}
		out = make([]string, len(values))
		for i, v := range values {
			out[i] = textOf(v)
		}
		return nil
	}, args...)
	if err == nil && out == nil {
		err = errors.New("no row")
	}
	return out, err
}

// textOf is a value as text, "" for NULL.
func textOf(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case string:
		return v
	}
	return fmt.Sprint(v)
}

func prepareOn(ctx context.Context, conn driver.Conn, query string) (driver.Stmt, error) {
	if c, ok := conn.(driver.ConnPrepareContext); ok {
		return c.PrepareContext(ctx, query)
	}
	return conn.Prepare(query)
}
