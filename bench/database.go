package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

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
	own, err := openSQL(size, size, &stub{})
	if err != nil {
		return err
	}
	defer own.close()
	pool, err := akari.New(context.Background(), &stub{}, akari.Config{
		MaximumPoolSize: size, SessionReset: akari.ResetOff, Logger: slog.New(slog.DiscardHandler), // database/sql resets nothing
	})
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	if err := fill(akariPeer{pool}, size); err != nil {
		return err
	}
	callers := []int{1, 8, 128}
	if p.full {
		callers = []int{1, 2, 8, 32, 128, 1024}
	}
	fmt.Fprintf(p.out, "Through a *sql.DB, %d connections, ns per operation; ratio: database/sql to akari\n", size)
	fmt.Fprintf(p.out, "%-26s %8s %13s %13s %8s\n", "", "callers", "akari", "database/sql", "ratio")
	for _, op := range operations {
		for _, n := range callers {
			var mine, theirs, ratios []float64
			for range p.rounds {
				a, err := perOperation(pool.DB(), op.do, n, p.turn)
				if err != nil {
					return err
				}
				b, err := perOperation(own.(sqlPeer).db, op.do, n, p.turn)
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

func perOperation(db *sql.DB, do func(context.Context, *sql.DB) error, callers int, turn time.Duration) (ns float64, err error) {
	ctx := context.Background()
	var over atomic.Bool
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	began := time.Now()
	for range callers {
		all.Go(func() {
			n := int64(0)
			for !over.Load() {
				if err := do(ctx, db); err != nil {
					failed.Store(&err)
					break
				}
				n++
			}
			done.Add(n)
		})
	}
	time.Sleep(turn)
	over.Store(true)
	took := time.Since(began)
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(took.Nanoseconds()) / float64(max(done.Load(), 1)), nil
}
