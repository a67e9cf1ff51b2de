// Plain: database/sql by itself on a pool: prepared statements, NULLs, a
// connection of one's own, deadlines, and the driver's own connection.
//
//	go run ./examples/plain
//
// It replaces the table example_people. See quickstart for other databases.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/examples/internal/demo"
	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite"
)

const poolSize = 4

func main() {
	demo.Main(func(ctx context.Context, driver, dsn string) error {
		pool, err := akari.Open(ctx, driver, dsn, akari.Config{PoolName: "plain", MaximumPoolSize: poolSize})
		if err != nil {
			return err
		}
		defer pool.Close()
		if err := run(ctx, pool.DB(), driver, os.Stdout); err != nil {
			return err
		}
		return native(ctx, pool.DB(), os.Stdout)
	})
}

func run(ctx context.Context, db *sql.DB, driver string, out io.Writer) error {
	for _, ddl := range []string{
		"DROP TABLE IF EXISTS example_people",
		"CREATE TABLE example_people (id BIGINT PRIMARY KEY, name VARCHAR(20) NOT NULL, nick VARCHAR(20))",
	} {
		if _, err := db.ExecContext(ctx, ddl); err != nil {
			return err
		}
	}

	// A statement prepared once serves any number of goroutines: it is prepared
	// on each connection of the pool that it is used on, when it first is.
	insert, err := db.PrepareContext(ctx, demo.Bind(driver, "INSERT INTO example_people (id, name, nick) VALUES (?, ?, ?)"))
	if err != nil {
		return err
	}
	defer insert.Close()
	g, gctx := errgroup.WithContext(ctx)
	for id := range 20 { // five times as many as there are connections
		g.Go(func() error {
			nick := sql.Null[string]{V: fmt.Sprint("n", id), Valid: id%2 == 0} // NULL for odd numbers
			_, err := insert.ExecContext(gctx, id, fmt.Sprint("person ", id), nick)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}

	// Several rows, some with NULL.
	rows, err := db.QueryContext(ctx, demo.Bind(driver, "SELECT name, nick FROM example_people WHERE id >= ? ORDER BY id"), 17)
	if err != nil {
		return err
	}
	defer rows.Close() // an open result holds its connection
	for rows.Next() {
		var name string
		var nick sql.Null[string]
		if err := rows.Scan(&name, &nick); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: nick %q, known %t\n", name, nick.V, nick.Valid)
	}
	if err := rows.Err(); err != nil {
		return err
	}

	// No row is an error of its own, and costs no connection.
	var name string
	err = db.QueryRowContext(ctx, demo.Bind(driver, "SELECT name FROM example_people WHERE id = ?"), 99).Scan(&name)
	fmt.Fprintln(out, "number 99:", err)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}

	if err := ownConnections(ctx, db, out); err != nil {
		return err
	}

	// A statement is stopped at its deadline. Most drivers give up the connection
	// with it; the pool opens another one.
	slow, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = db.ExecContext(slow, demo.SlowQuery(driver))
	fmt.Fprintf(out, "slow query: failed %t, by its deadline %t\n", err != nil, errors.Is(slow.Err(), context.DeadlineExceeded))

	var n int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM example_people WHERE nick IS NULL").Scan(&n); err != nil {
		return err
	}
	fmt.Fprintln(out, n, "of 20 have no nick")
	return nil
}
