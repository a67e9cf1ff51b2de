// Sqlx: a small shop with github.com/jmoiron/sqlx on a pool.
//
//	go run ./examples/sqlx
//
// It replaces the tables example_customers and example_orders. See quickstart for
// other databases.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite"
)

type order struct {
	Customer string
	Item     string
	Cents    int64
}

const addOrders = "INSERT INTO example_orders (customer, item, cents) VALUES (:customer, :item, :cents)"

func main() {
	demo.Main(func(ctx context.Context, driver, dsn string) error {
		pool, err := akari.Open(ctx, driver, dsn, akari.Config{PoolName: "sqlx", MaximumPoolSize: 4})
		if err != nil {
			return err
		}
		defer pool.Close()
		return run(ctx, pool.DB(), driver, os.Stdout)
	})
}

func run(ctx context.Context, sqlDB *sql.DB, driver string, out io.Writer) error {
	// The driver's name tells sqlx how placeholders are written.
	db := sqlx.NewDb(sqlDB, driver)
	for _, statement := range []string{
		"DROP TABLE IF EXISTS example_orders",
		"DROP TABLE IF EXISTS example_customers",
		"CREATE TABLE example_customers (name VARCHAR(20) PRIMARY KEY, visits INT NOT NULL)",
		"CREATE TABLE example_orders (customer VARCHAR(20) NOT NULL REFERENCES example_customers (name), item VARCHAR(20) NOT NULL, cents BIGINT NOT NULL)",
		"INSERT INTO example_customers VALUES ('ada', 0), ('grace', 0)",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}

	// Named parameters. A slice makes one INSERT of several rows.
	orders := []order{{"ada", "book", 3000}, {"ada", "pen", 250}, {"grace", "lamp", 4200}}
	for range 100 {
		orders = append(orders, order{"grace", "sticker", 5})
	}
	if _, err := db.NamedExecContext(ctx, addOrders, orders); err != nil {
		return err
	}
	var found []order
	if err := db.SelectContext(ctx, &found, db.Rebind(`SELECT o.customer, o.item, o.cents FROM example_orders o
		JOIN example_customers c ON c.name = o.customer WHERE o.cents >= ? ORDER BY o.item`), 100); err != nil {
		return err
	}
	for _, o := range found {
		fmt.Fprintln(out, o.Customer, "ordered", o.Item, o.Cents)
	}

	// A transaction that fails: there is an Ada, so nothing of it is kept.
	err := inTx(ctx, db, func(tx *sqlx.Tx) error {
		if _, err := tx.NamedExecContext(ctx, addOrders, order{"ada", "yacht", 1}); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO example_customers VALUES ('ada', 0)")
		return err
	})
	fmt.Fprintln(out, "second ada refused:", err != nil)

	// 20 goroutines, each with a transaction, on four connections: sixteen wait
	// for their turn.
	g, gctx := errgroup.WithContext(ctx)
	for range 20 {
		g.Go(func() error {
			return inTx(gctx, db, func(tx *sqlx.Tx) error {
				if _, err := tx.ExecContext(gctx, tx.Rebind("UPDATE example_customers SET visits = visits + 1 WHERE name = ?"), "ada"); err != nil {
					return err
				}
				_, err := tx.NamedExecContext(gctx, addOrders, order{"ada", "gift", 0})
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}

	slow, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	var never []string
	err = db.SelectContext(slow, &never, demo.SlowQuery(driver))
	fmt.Fprintln(out, "slow query stopped at its deadline:", err != nil && slow.Err() != nil)

	var ada struct{ Visits, Orders, Cents int64 }
	err = db.GetContext(ctx, &ada, `SELECT c.visits, count(*) AS orders, CAST(sum(o.cents) AS DECIMAL) AS cents FROM example_customers c
		JOIN example_orders o ON o.customer = c.name WHERE c.name = 'ada' GROUP BY c.visits`)
	fmt.Fprintf(out, "ada: %d visits, %d orders, %d cents\n", ada.Visits, ada.Orders, ada.Cents)
	return err
}
