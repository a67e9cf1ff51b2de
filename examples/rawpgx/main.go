// Rawpgx: what pgx can and database/sql cannot, on a connection of the pool.
//
//	go run ./examples/rawpgx                      # starts a PostgreSQL of its own, if one is installed
//	go run ./examples/rawpgx -dsn postgres://user:password@localhost/db
//
// It replaces the table example_readings.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

func main() {
	demo.MainPostgres(func(ctx context.Context, dsn string) error {
		pool, err := akari.Open(ctx, "pgx", dsn, akari.Config{PoolName: "rawpgx", MaximumPoolSize: 4})
		if err != nil {
			return err
		}
		defer pool.Close()
		return run(ctx, pool, os.Stdout)
	})
}

func run(ctx context.Context, pool *akari.Pool, out io.Writer) error {
	if _, err := pool.DB().ExecContext(ctx, "DROP TABLE IF EXISTS example_readings"); err != nil {
		return err
	}
	if _, err := pool.DB().ExecContext(ctx, "CREATE TABLE example_readings (sensor INT NOT NULL, value INT NOT NULL)"); err != nil {
		return err
	}
	if err := copyIn(ctx, pool, out); err != nil {
		return err
	}
	if err := batch(ctx, pool, out); err != nil {
		return err
	}
	return listen(ctx, pool, out)
}

// copyIn loads rows with COPY, by far the fastest way.
func copyIn(ctx context.Context, pool *akari.Pool, out io.Writer) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return conn.Raw(func(driverConn any) error {
		rows := pgx.CopyFromSlice(10000, func(i int) ([]any, error) { return []any{i % 10, i}, nil })
		n, err := pgxOf(driverConn).CopyFrom(ctx, pgx.Identifier{"example_readings"}, []string{"sensor", "value"}, rows)
		fmt.Fprintln(out, "copied:", n)
		return err
	})
}

// batch sends several statements at once, inside a transaction of database/sql.
// A *sql.Conn needs akari.Raw: its own Raw method shows the pool's session.
func batch(ctx context.Context, pool *akari.Pool, out io.Writer) error {
	conn, err := pool.DB().Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	err = akari.Raw(conn, func(driverConn any) error {
		var b pgx.Batch
		for sensor := range 5 {
			b.Queue("DELETE FROM example_readings WHERE sensor = $1", sensor)
		}
		return pgxOf(driverConn).SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return err
	}
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM example_readings").Scan(&n); err != nil {
		return err
	}
	fmt.Fprintln(out, "left after the batch:", n)
	return tx.Commit()
}

// listen waits for a notification. The connection is its own all that time; when
// it is released the pool sees to it that it no longer listens.
func listen(ctx context.Context, pool *akari.Pool, out io.Writer) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return conn.Raw(func(driverConn any) error {
		c := pgxOf(driverConn)
		if _, err := c.Exec(ctx, "LISTEN example_news"); err != nil {
			return err
		}
		// Somebody else, on another connection.
		if _, err := pool.DB().ExecContext(ctx, "SELECT pg_notify('example_news', 'sensor 7 is hot')"); err != nil {
			return err
		}
		news, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "heard on %s: %s\n", news.Channel, news.Payload)
		return nil
	})
}

// pgxOf is pgx's own connection, which its driver for database/sql wraps.
func pgxOf(driverConn any) *pgx.Conn { return driverConn.(*stdlib.Conn).Conn() }
