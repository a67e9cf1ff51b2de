// Ent: a small shop with entgo.io/ent on a pool. Package shop is generated from
// shop/schema (go generate ./examples/ent/shop).
//
//	go run ./examples/ent
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
	"github.com/akaripool/akari/examples/ent/shop"
	"github.com/akaripool/akari/examples/ent/shop/customer"
	"github.com/akaripool/akari/examples/ent/shop/order"
	"github.com/akaripool/akari/examples/internal/demo"
	"golang.org/x/sync/errgroup"
)

func main() {
	demo.Main(func(ctx context.Context, driver, dsn string) error {
		pool, err := akari.Open(ctx, driver, dsn, akari.Config{PoolName: "ent", MaximumPoolSize: 4})
		if err != nil {
			return err
		}
		defer pool.Close()
		return run(ctx, pool.DB(), driver, os.Stdout)
	})
}

func run(ctx context.Context, db *sql.DB, driver string, out io.Writer) error {
	client, err := open(ctx, db, driver)
	if err != nil {
		return err
	}
	ada, err := client.Customer.Create().SetName("ada").Save(ctx)
	if err != nil {
		return err
	}
	grace, err := client.Customer.Create().SetName("grace").Save(ctx)
	if err != nil {
		return err
	}
	orders := []*shop.OrderCreate{
		client.Order.Create().SetCustomer(ada).SetItem("book").SetCents(3000),
		client.Order.Create().SetCustomer(ada).SetItem("pen").SetCents(250),
		client.Order.Create().SetCustomer(grace).SetItem("lamp").SetCents(4200),
	}
	for range 100 {
		orders = append(orders, client.Order.Create().SetCustomer(grace).SetItem("sticker").SetCents(5))
	}
	if err := client.Order.CreateBulk(orders...).Exec(ctx); err != nil { // one INSERT
		return err
	}
	dear := func(q *shop.OrderQuery) { q.Where(order.CentsGTE(100)).Order(order.ByItem()) }
	customers, err := client.Customer.Query().WithOrders(dear).Order(customer.ByName()).All(ctx)
	if err != nil {
		return err
	}
	for _, c := range customers {
		for _, o := range c.Edges.Orders {
			fmt.Fprintln(out, c.Name, "ordered", o.Item, o.Cents)
		}
	}

	// A transaction that fails: there is an Ada, so nothing of it is kept.
	err = inTx(ctx, client, func(tx *shop.Tx) error {
		if err := tx.Order.Create().SetCustomer(ada).SetItem("yacht").SetCents(1).Exec(ctx); err != nil {
			return err
		}
		return tx.Customer.Create().SetName("ada").Exec(ctx)
	})
	fmt.Fprintln(out, "second ada refused:", shop.IsConstraintError(err))

	// 20 goroutines, each with a transaction, on four connections: sixteen wait
	// for their turn.
	g, gctx := errgroup.WithContext(ctx)
	for range 20 {
		g.Go(func() error {
			return inTx(gctx, client, func(tx *shop.Tx) error {
				if err := tx.Customer.UpdateOne(ada).AddVisits(1).Exec(gctx); err != nil {
					return err
				}
				return tx.Order.Create().SetCustomer(ada).SetItem("gift").SetCents(0).Exec(gctx)
			})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}

	slow, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = client.ExecContext(slow, demo.SlowQuery(driver))
	fmt.Fprintln(out, "slow query stopped at its deadline:", err != nil && slow.Err() != nil)

	ada, err = client.Customer.Get(ctx, ada.ID)
	if err != nil {
		return err
	}
	var sum []struct{ Count, Sum int64 }
	err = ada.QueryOrders().Aggregate(shop.Count(), shop.Sum(order.FieldCents)).Scan(ctx, &sum)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "ada: %d visits, %d orders, %d cents\n", ada.Visits, sum[0].Count, sum[0].Sum)
	return nil
}
