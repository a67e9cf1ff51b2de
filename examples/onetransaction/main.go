// Onetransaction: gorm, bun, ent, sqlx, sqlc's output and plain database/sql in one
// transaction, on a pool of one connection. None of them knows of the others, or
// of package txn: they are given the pool's *sql.DB when the program starts, and a
// context with each call. On PostgreSQL the jobs of river are a part of it too.
// Goose makes the table.
//
//	go run ./examples/onetransaction
//
// It replaces the tables example_customers and example_goose, on PostgreSQL also
// the schema example_river. See quickstart for other databases.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/akaripool/akari/txn"
)

// oneConnection is for a pool in which nobody can go past a transaction: whoever
// tried would find no connection, and be told at once.
var oneConnection = akari.Config{PoolName: "onetransaction", MaximumPoolSize: 1, MaxConnectionsPerTask: 1}

func main() {
	demo.Main(func(ctx context.Context, driver, dsn string) error {
		pool, err := akari.Open(ctx, driver, dsn, oneConnection)
		if err != nil {
			return err
		}
		defer pool.Close()
		return run(ctx, pool, driver, os.Stdout)
	})
}

var errRain = errors.New("it rains")

func run(ctx context.Context, pool *akari.Pool, driver string, out io.Writer) error {
	if err := migrate(ctx, pool.DB(), driver); err != nil {
		return err
	}
	p, err := invite(ctx, pool.DB(), driver, out)
	if err != nil {
		return err
	}

	before := pool.Stats().Acquired
	if err := txn.Do(ctx, pool, func(ctx context.Context) error {
		return p.meet(ctx, 1)
	}); err != nil {
		return err
	}
	fmt.Fprintf(out, "Committed. A connection was lent %d time.\n", pool.Stats().Acquired-before)
	if err := p.look(ctx); err != nil {
		return err
	}

	before = pool.Stats().Acquired
	if err := txn.Do(ctx, pool, func(ctx context.Context) error {
		if err := p.meet(ctx, 2); err != nil {
			return err
		}
		return errRain
	}); !errors.Is(err, errRain) {
		return err
	}
	fmt.Fprintf(out, "Rolled back. A connection was lent %d time.\n", pool.Stats().Acquired-before)
	if err := p.look(ctx); err != nil {
		return err
	}

	s := pool.Stats()
	fmt.Fprintf(out, "Transactions: %d committed, %d rolled back. Connections: %d opened, %d at most for one task.\n",
		s.Transactions.Committed, s.Transactions.RolledBack, s.Opened, most(s))
	return nil
}

// most is the largest number of connections that a task has held at once.
func most(s akari.Stats) (n int) {
	for connections, tasks := range s.TaskConnections {
		if tasks > 0 {
			n = connections
		}
	}
	return n
}
