package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/akaripool/akari"
)

// text is a statement that does nothing.
const text = "SELECT 1"

var operations = []struct {
	name string
	do   func(context.Context, *sql.DB) error
}{
	{"Exec", func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, text)
		return err
	}},
	{"Query and Scan", func(ctx context.Context, db *sql.DB) error {
		var n int
		return db.QueryRowContext(ctx, text).Scan(&n)
	}},
	{"Conn, a statement, Close", func(ctx context.Context, db *sql.DB) error {
		c, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_, err = c.ExecContext(ctx, text)
		return err
	}},
	{"Begin, Exec, Commit", func(ctx context.Context, db *sql.DB) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, text); err != nil {
			_ = tx.Rollback()
			return err
		}
		return tx.Commit()
	}},
}

// database compares operations of a *sql.DB, the pool's and one of database/sql's
// own, over the same driver. A ratio above 1 says that akari does more in the same
// time.
func database(p plan) error {
	const size = 32
	ctx := context.Background()
	pool, plain, done, err := sideBySide(ctx, size)
	if err != nil {
		return err
	}
	defer done()
	callers := []int{1, 8, 128}
	if p.full {
		callers = []int{1, 2, 8, 32, 128, 1024}
	}
	fmt.Fprintf(p.out, "Through a *sql.DB, %d connections, ns per operation; ratio: database/sql to akari; %s\n", size, times(p.rounds, p.turn))
	fmt.Fprintf(p.out, "%-26s %8s %13s %13s %8s\n", "", "callers", "akari", "database/sql", "ratio")
	for _, op := range operations {
		for _, n := range callers {
			var mine, theirs, ratios []float64
			for range p.rounds {
				a, err := perTurn(n, p.turn, func(int) error { return op.do(ctx, pool.DB()) })
				if err != nil {
					return err
				}
				b, err := perTurn(n, p.turn, func(int) error { return op.do(ctx, plain) })
				if err != nil {
					return err
				}
				mine, theirs, ratios = append(mine, a), append(theirs, b), append(ratios, b/a)
			}
			fmt.Fprintf(p.out, "%-26s %8d %13.0f %13.0f %8.2f\n", op.name, n, median(mine), median(theirs), median(ratios))
		}
	}
	return nil
}

// sideBySide opens a pool, filled, and a *sql.DB of database/sql's own, of the same size
// over the same driver.
func sideBySide(ctx context.Context, size int) (pool *akari.Pool, plain *sql.DB, done func(), err error) {
	own, err := openSQL(size, size, &stub{})
	if err != nil {
		return nil, nil, nil, err
	}
	pool, err = akari.New(ctx, &stub{}, akari.Config{
		MaximumPoolSize: size, SessionReset: akari.ResetOff, Logger: slog.New(slog.DiscardHandler), // database/sql resets nothing
	})
	if err != nil {
		own.close()
		return nil, nil, nil, err
	}
	done = func() {
		_ = pool.Close()
		own.close()
	}
	if err := fill(akariPeer{pool}, size); err != nil {
		done()
		return nil, nil, nil, err
	}
	return pool, own.(sqlPeer).db, done, nil
}
