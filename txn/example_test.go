package txn_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// open is a pool on a fake database with a table of numbers; yours is
//
//	akari.Open(ctx, "pgx", dsn, akari.Config{})
func open() *akari.Pool {
	server := akaritest.NewServer(akaritest.PgxLike)
	pool, err := akari.New(context.Background(), server.Connector(), akari.Config{SessionReset: akari.ResetOff, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	return pool
}

func insert(ctx context.Context, pool *akari.Pool, id int) error {
	_, err := pool.DB().ExecContext(ctx, "INSERT ?", id)
	return err
}

func count(pool *akari.Pool) (n int) {
	if err := pool.DB().QueryRow("COUNT").Scan(&n); err != nil {
		panic(err)
	}
	return n
}

func ExampleDo() {
	pool := open()
	defer pool.Close()

	err := txn.Do(context.Background(), pool, func(ctx context.Context) error {
		if err := insert(ctx, pool, 1); err != nil {
			return err
		}
		return insert(ctx, pool, 2)
	}, txn.Name("Numbers.AddTwo"))
	fmt.Println(err, count(pool))

	err = txn.Do(context.Background(), pool, func(ctx context.Context) error {
		if err := insert(ctx, pool, 3); err != nil {
			return err
		}
		return errors.New("on second thoughts")
	})
	fmt.Println(err, count(pool))
	// Output:
	// <nil> 2
	// on second thoughts 2
}

// An error that is not passed on rolls back all the same, unless it is that of a
// Nested scope.
func ExampleDo_nested() {
	pool := open()
	defer pool.Close()
	failing := func(ctx context.Context) error {
		_ = insert(ctx, pool, 2)
		return errors.New("no")
	}

	err := txn.Do(context.Background(), pool, func(ctx context.Context) error {
		_ = insert(ctx, pool, 1)
		_ = txn.Do(ctx, pool, failing)
		return nil
	})
	fmt.Println(errors.Is(err, txn.ErrUnexpectedRollback), count(pool))

	err = txn.Do(context.Background(), pool, func(ctx context.Context) error {
		_ = insert(ctx, pool, 1)
		_ = txn.Do(ctx, pool, failing, txn.Nested)
		return nil
	})
	fmt.Println(err, count(pool))
	// Output:
	// true 0
	// <nil> 1
}

func ExampleGet() {
	pool := open()
	defer pool.Close()

	n, err := txn.Get(context.Background(), pool, func(ctx context.Context) (n int, err error) {
		if err := insert(ctx, pool, 7); err != nil {
			return 0, err
		}
		err = pool.DB().QueryRowContext(ctx, "COUNT").Scan(&n)
		return n, err
	})
	fmt.Println(n, err)
	// Output: 1 <nil>
}

func ExampleBegin() {
	pool := open()
	defer pool.Close()

	save := func(ctx context.Context) (err error) {
		ctx, sc, err := txn.Begin(ctx, pool)
		if err != nil {
			return err
		}
		defer sc.End(&err)
		return insert(ctx, pool, 1)
	}
	fmt.Println(save(context.Background()), count(pool))
	// Output: <nil> 1
}

// What is to happen only if the transaction is committed.
func ExampleAfterCommit() {
	pool := open()
	defer pool.Close()

	_ = txn.Do(context.Background(), pool, func(ctx context.Context) error {
		if err := insert(ctx, pool, 1); err != nil {
			return err
		}
		return txn.AfterCommit(ctx, func(context.Context) error {
			fmt.Println("published, with", pool.Stats().Active, "connections in use")
			return nil
		})
	})
	// Output: published, with 0 connections in use
}

// What conflicts with others is done once more.
func ExampleRetry() {
	pool := open()
	defer pool.Close()

	attempts := 0
	err := txn.Do(context.Background(), pool, func(ctx context.Context) error {
		if attempts++; attempts == 1 {
			_, err := pool.DB().ExecContext(ctx, "FAIL 40001 could not serialize access")
			return err
		}
		return insert(ctx, pool, 1)
	}, txn.Retry{Attempts: 5})
	fmt.Println(err, "after", attempts, "attempts")
	// Output: <nil> after 2 attempts
}

// A goroutine that goes on when the scope has ended.
func ExampleDetach() {
	pool := open()
	defer pool.Close()

	done := make(chan error)
	_ = txn.Do(context.Background(), pool, func(ctx context.Context) error {
		ended := make(chan struct{})
		_ = txn.AfterCompletion(ctx, func(context.Context, txn.Status) { close(ended) })
		go func() {
			<-ended
			fmt.Println(errors.Is(insert(ctx, pool, 1), txn.ErrCompleted))
			done <- insert(txn.Detach(ctx), pool, 2)
		}()
		return nil
	})
	fmt.Println(<-done, count(pool))
	// Output:
	// true
	// <nil> 1
}

// Do returns an error though the transaction is committed.
func ExampleAfterCommitError() {
	pool := open()
	defer pool.Close()

	err := txn.Do(context.Background(), pool, func(ctx context.Context) error {
		if err := insert(ctx, pool, 1); err != nil {
			return err
		}
		return txn.AfterCommit(ctx, func(context.Context) error { return errors.New("the bus is full") })
	})
	var after *txn.AfterCommitError
	fmt.Println(errors.As(err, &after), after.Errs, count(pool))
	// Output: true [the bus is full] 1
}
