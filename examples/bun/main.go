// Bun: a small shop with github.com/uptrace/bun on a pool.
//
//	go run ./examples/bun
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
	"github.com/uptrace/bun"
	"golang.org/x/sync/errgroup"
)

func main() {
	demo.Main(func(ctx context.Context, driver, dsn string) error {
		pool, err := akari.Open(ctx, driver, dsn, akari.Config{PoolName: "bun", MaximumPoolSize: 4})
		if err != nil {
			return err
		}
		defer pool.Close()
		return run(ctx, pool.DB(), driver, os.Stdout)
	})
}

func run(ctx context.Context, sqlDB *sql.DB, driver string, out io.Writer) error {
	db := bun.NewDB(sqlDB, dialect(driver))
	for _, model := range []any{(*Order)(nil), (*Customer)(nil)} {
		if _, err := db.NewDropTable().Model(model).IfExists().Exec(ctx); err != nil {
			return err
		}
	}
	for _, model := range []any{(*Customer)(nil), (*Order)(nil)} {
		if _, err := db.NewCreateTable().Model(model).Exec(ctx); err != nil {
			return err
		}
	}

	ada, grace := &Customer{Name: "ada"}, &Customer{Name: "grace"}
	for _, c := range []*Customer{ada, grace} {
		if _, err := db.NewInsert().Model(c).Exec(ctx); err != nil { // sets c.ID
			return err
		}
	}
	orders := []*Order{
		{CustomerID: ada.ID, Item: "book", Cents: 3000},
		{CustomerID: ada.ID, Item: "pen", Cents: 250},
		{CustomerID: grace.ID, Item: "lamp", Cents: 4200},
	}
	if _, err := db.NewInsert().Model(&orders).Exec(ctx); err != nil {
		return err
	}
	var customers []*Customer
	byItem := func(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("item") }
	if err := db.NewSelect().Model(&customers).Relation("Orders", byItem).Order("name").Scan(ctx); err != nil {
		return err
	}
	for _, c := range customers {
		for _, o := range c.Orders {
			fmt.Fprintln(out, c.Name, "ordered", o.Item, o.Cents)
		}
	}

	stickers := make([]*Order, 100)
	for i := range stickers {
		stickers[i] = &Order{CustomerID: grace.ID, Item: "sticker", Cents: 5}
	}
	if _, err := db.NewInsert().Model(&stickers).Exec(ctx); err != nil { // one INSERT
		return err
	}

	// A transaction that fails: there is an Ada, so nothing of it is kept.
	err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewInsert().Model(&Order{CustomerID: ada.ID, Item: "yacht", Cents: 1}).Exec(ctx); err != nil {
			return err
		}
		_, err := tx.NewInsert().Model(&Customer{Name: "ada"}).Exec(ctx)
		return err
	})
	fmt.Fprintln(out, "second ada refused:", err != nil)

	// 20 goroutines, each with a transaction, on four connections: sixteen wait
	// for their turn.
	g, gctx := errgroup.WithContext(ctx)
	for range 20 {
		g.Go(func() error {
			return db.RunInTx(gctx, nil, func(ctx context.Context, tx bun.Tx) error {
				if _, err := tx.NewUpdate().Model(ada).Set("visits = visits + 1").WherePK().Exec(ctx); err != nil {
					return err
				}
				_, err := tx.NewInsert().Model(&Order{CustomerID: ada.ID, Item: "gift"}).Exec(ctx)
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
	err = db.NewRaw(demo.SlowQuery(driver)).Scan(slow, &never)
	fmt.Fprintln(out, "slow query stopped at its deadline:", err != nil && slow.Err() != nil)

	var sum struct{ Visits, Orders, Cents int64 }
	err = db.NewSelect().Model((*Customer)(nil)).Join("JOIN example_orders AS o ON o.customer_id = c.id").Where("c.name = ?", "ada").
		ColumnExpr("c.visits, count(*) AS orders, CAST(sum(o.cents) AS DECIMAL) AS cents").Group("c.visits").Scan(ctx, &sum)
	fmt.Fprintf(out, "ada: %d visits, %d orders, %d cents\n", sum.Visits, sum.Orders, sum.Cents)
	return err
}
