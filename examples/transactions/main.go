// Transactions: a service as those know it who come from Spring's @Transactional:
// methods that say what transaction they want, repositories that are only given a
// context, and nobody who passes a transaction around.
//
//	go run ./examples/transactions
//
// It replaces the tables example_stock, example_orders, example_vouchers and
// example_audit. See quickstart for other databases.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/akaripool/akari/txn"
	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite"
)

func main() {
	demo.Main(func(ctx context.Context, driver, dsn string) error {
		pool, err := akari.Open(ctx, driver, dsn, akari.Config{PoolName: "transactions", MaximumPoolSize: 4})
		if err != nil {
			return err
		}
		defer pool.Close()
		return run(ctx, pool, driver, os.Stdout)
	})
}

func run(ctx context.Context, pool *akari.Pool, driver string, out io.Writer) error {
	db := pool.DB()
	for _, ddl := range []string{
		"DROP TABLE IF EXISTS example_stock",
		"DROP TABLE IF EXISTS example_orders",
		"DROP TABLE IF EXISTS example_vouchers",
		"DROP TABLE IF EXISTS example_audit",
		"CREATE TABLE example_stock (item VARCHAR(20) PRIMARY KEY, pieces BIGINT NOT NULL)",
		"CREATE TABLE example_orders (customer VARCHAR(20) NOT NULL, item VARCHAR(20) NOT NULL, pieces BIGINT NOT NULL)",
		"CREATE TABLE example_vouchers (customer VARCHAR(20) PRIMARY KEY)",
		"CREATE TABLE example_audit (entry VARCHAR(80) NOT NULL)",
		"INSERT INTO example_stock VALUES ('lamps', 20)",
	} {
		if _, err := db.ExecContext(ctx, ddl); err != nil {
			return err
		}
	}
	s := &shop{
		pool:     pool,
		stock:    stock{db, driver},
		orders:   orders{db, driver},
		vouchers: vouchers{db, driver},
		audit:    audit{pool, driver},
		publish:  func(message string) { fmt.Fprintln(out, "  published:", message) },
	}
	d := &day{s, driver, out}
	for _, scene := range []func(context.Context) error{d.orders, d.swallowed, d.deliveries, d.requests, d.goroutine} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}

// day is what happens in the shop.
type day struct {
	shop   *shop
	driver string
	out    io.Writer
}

// orders are placed, each in a transaction.
func (d *day) orders(ctx context.Context) error {
	for _, o := range []order{{"ada", "lamps", 3}, {"ada", "lamps", 2}, {"grace", "lamps", 100}} {
		fmt.Fprintln(d.out, o)
		err := d.shop.place(ctx, o)
		if err != nil && !errors.Is(err, errSoldOut) {
			return err
		}
		fmt.Fprintln(d.out, "  sold out:", err != nil)
		if err := d.look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// swallowed is an error that is not passed on. The order is a part of the
// transaction, so there is nothing that could be committed.
func (d *day) swallowed(ctx context.Context) error {
	fmt.Fprintln(d.out, "an order that fails, and nobody says so")
	err := txn.Do(ctx, d.shop.pool, func(ctx context.Context) error {
		_ = d.shop.place(ctx, order{"grace", "lamps", 100})
		return nil
	})
	fmt.Fprintf(d.out, "  unexpected rollback: %t, because it was sold out: %t\n",
		errors.Is(err, txn.ErrUnexpectedRollback), errors.Is(err, errSoldOut))
	return d.look(ctx)
}

// deliveries come two at a time. Each reads how many pieces there are, and writes how
// many there are now. One of them would be lost, but the database refuses to
// serialize the second, and it is tried again.
func (d *day) deliveries(ctx context.Context) error {
	fmt.Fprintln(d.out, "two deliveries of 10 lamps at a time")
	met := make(chan struct{})
	g, gctx := errgroup.WithContext(ctx)
	for range 2 {
		first := true
		g.Go(func() error {
			return d.shop.recount(gctx, "lamps", func(pieces int64) int64 {
				// Both have read before one writes. With SQLite, where the
				// second transaction begins when the first has ended, there
				// is nothing to be repeated.
				if first && d.driver != demo.SQLite {
					select {
					case met <- struct{}{}:
					case <-met:
					case <-gctx.Done():
					}
				}
				first = false
				return pieces + 10
			})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "  tried again:", d.shop.pool.Stats().TransactionRetries)
	return d.look(ctx)
}

// requests are transactions by the middleware. The second one fails when its order
// has been placed already.
func (d *day) requests(ctx context.Context) error {
	handler := transactional(d.shop.pool, d.shop.handle)
	for _, form := range []string{"customer=linus&pieces=1&card=good", "customer=linus&pieces=2&card=expired"} {
		fmt.Fprintln(d.out, "request:", form)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/orders?"+form, nil))
		fmt.Fprintf(d.out, "  answer: %d %s", w.Code, w.Body)
		if err := d.look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// goroutine goes on when the transaction that has started it has ended.
func (d *day) goroutine(ctx context.Context) error {
	fmt.Fprintln(d.out, "a goroutine that outlives the transaction")
	var g errgroup.Group
	ended := make(chan struct{})
	err := txn.Do(ctx, d.shop.pool, func(ctx context.Context) error {
		g.Go(func() error {
			<-ended
			_, err := d.shop.stock.pieces(ctx, "lamps")
			fmt.Fprintln(d.out, "  its context is of no use any more:", errors.Is(err, txn.ErrCompleted))
			// What the goroutine is started with in earnest, in place of ctx.
			n, err := d.shop.stock.pieces(txn.Detach(ctx), "lamps")
			fmt.Fprintln(d.out, "  detached it sees", n, "lamps")
			return err
		})
		return d.shop.place(ctx, order{"alan", "lamps", 1})
	})
	close(ended)
	if err := errors.Join(err, g.Wait()); err != nil {
		return err
	}
	return d.look(ctx)
}

// look says what is in the database.
func (d *day) look(ctx context.Context) error {
	var rows [4]int64
	for i, query := range [len(rows)]string{
		"SELECT count(*) FROM example_orders",
		"SELECT pieces FROM example_stock",
		"SELECT count(*) FROM example_vouchers",
		"SELECT count(*) FROM example_audit",
	} {
		if err := d.shop.pool.DB().QueryRowContext(ctx, query).Scan(&rows[i]); err != nil {
			return err
		}
	}
	fmt.Fprintf(d.out, "  %d orders, %d lamps left, %d vouchers, %d entries in the audit\n", rows[0], rows[1], rows[2], rows[3])
	return nil
}
