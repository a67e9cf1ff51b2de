// Quickstart: open a pool, use it as a *sql.DB, look at its numbers, shut it
// down.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -driver pgx -dsn postgres://user:password@localhost/db
//	go run ./examples/quickstart -driver mysql -dsn 'user:password@tcp(localhost:3306)/db'
//
// It replaces the table example_accounts.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/examples/internal/demo"
	_ "modernc.org/sqlite"
)

func main() {
	demo.Main(func(ctx context.Context, driver, dsn string) error {
		// Where a program has sql.Open(driver, dsn) it now has akari.Open. The
		// zero Config is good for a start.
		pool, err := akari.Open(ctx, driver, dsn, akari.Config{
			PoolName:        "quickstart",
			MaximumPoolSize: 4,
		})
		if err != nil {
			return err
		}
		return run(ctx, pool, driver, os.Stdout)
	})
}

func run(ctx context.Context, pool *akari.Pool, driver string, out io.Writer) (err error) {
	// Shutdown waits for connections in use, but not for ever.
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if e := pool.Shutdown(ctx); err == nil {
			err = e
		}
	}()

	// This is an ordinary *sql.DB, and what follows is ordinary database/sql.
	db := pool.DB()
	for _, ddl := range []string{
		"DROP TABLE IF EXISTS example_accounts",
		"CREATE TABLE example_accounts (owner VARCHAR(20) PRIMARY KEY, cents BIGINT NOT NULL)",
	} {
		if _, err := db.ExecContext(ctx, ddl); err != nil {
			return err
		}
	}
	insert := demo.Bind(driver, "INSERT INTO example_accounts (owner, cents) VALUES (?, ?)")
	for _, owner := range []string{"ada", "grace"} {
		if _, err := db.ExecContext(ctx, insert, owner, 10000); err != nil {
			return err
		}
	}

	// A transaction holds one connection of the pool until Commit or Rollback.
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	move := demo.Bind(driver, "UPDATE example_accounts SET cents = cents + ? WHERE owner = ?")
	if _, err := tx.ExecContext(ctx, move, -2500, "ada"); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, move, 2500, "grace"); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}

	// Rows hold a connection too, until they are read to the end or closed.
	rows, err := db.QueryContext(ctx, "SELECT owner, cents FROM example_accounts ORDER BY owner")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var owner string
		var cents int64
		if err := rows.Scan(&owner, &cents); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s has %d cents\n", owner, cents)
	}
	if err := rows.Err(); err != nil {
		return err
	}

	// The pool's own numbers. (Those of db.Stats() do not count connections.)
	s := pool.Stats()
	fmt.Fprintf(out, "lent %d times, given back %d times, %d of %d in use\n", s.Acquired, s.Released, s.Active, s.MaximumPoolSize)
	return nil
}
