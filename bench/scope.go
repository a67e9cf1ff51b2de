package main

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/txn"
)

// executor is what runs statements: a *sql.Tx, or a *sql.DB with the context of a
// scope.
type executor interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

func statements(ctx context.Context, on executor, n int) error {
	for range n {
		if _, err := on.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// inTx runs statements in a transaction of database/sql's.
func inTx(ctx context.Context, db *sql.DB, n int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := statements(ctx, tx, n); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// inScope runs statements in a scope, as code does that knows nothing of it.
func inScope(ctx context.Context, pool *akari.Pool, n int) error {
	return txn.Do(ctx, pool, func(ctx context.Context) error { return statements(ctx, pool.DB(), n) })
}

// scopes compares transactions of package txn with those of database/sql, in a context
// without end, and in one that can end, as that of a request: then a scope has to
// look out for that. A ratio above 1 says that the scope does more in the same time.
// The cost of a statement is that of 97 more.
func scopes(p plan) error {
	const size = 32
	ctx := context.Background()
	pool, plain, done, err := sideBySide(ctx, size)
	if err != nil {
		return err
	}
	defer done()
	ways := []func(ctx context.Context, n int) error{
		func(ctx context.Context, n int) error { return inScope(ctx, pool, n) },
		func(ctx context.Context, n int) error { return inTx(ctx, pool.DB(), n) },
		func(ctx context.Context, n int) error { return inTx(ctx, plain, n) },
	}
	canEnd, cancel := context.WithCancel(ctx)
	defer cancel()
	callers := []int{1, 8, 128}
	fmt.Fprintf(p.out, "Transactions, %d connections, ns each; ratio: that of the scope to it; %s\n", size, times(p.rounds, p.turn))
	fmt.Fprintf(p.out, "%-26s %8s %10s %13s %7s %22s %7s\n", "", "callers", "txn.Do", "akari sql.Tx", "ratio", "database/sql's sql.Tx", "ratio")
	line := func(name string, n int, took [3][]float64) {
		ratio := func(i int) float64 {
			var r []float64
			for k := range took[0] {
				r = append(r, took[i][k]/took[0][k])
			}
			return median(r)
		}
		fmt.Fprintf(p.out, "%-26s %8d %10.0f %13.0f %7.2f %22.0f %7.2f\n", name, n, median(took[0]), median(took[1]), ratio(1), median(took[2]), ratio(2))
	}
	for _, n := range callers {
		var short, shortEnds, long, each [3][]float64
		err := inTurns(p.rounds, len(ways), func(i int) error {
			for _, c := range []struct {
				to         *[3][]float64
				ctx        context.Context
				statements int
			}{{&short, ctx, 3}, {&shortEnds, canEnd, 3}, {&long, ctx, 100}} {
				took, err := perTurn(n, p.turn, func(int) error { return ways[i](c.ctx, c.statements) })
				if err != nil {
					return err
				}
				c.to[i] = append(c.to[i], took)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i := range ways {
			for k := range short[i] {
				each[i] = append(each[i], (long[i][k]-short[i][k])/97)
			}
		}
		line("three statements", n, short)
		line("the same, context can end", n, shortEnds)
		line("one more statement", n, each)
	}
	return nil
}
