// Gorm: a small shop with gorm.io/gorm on a pool, with and without its cache of
// prepared statements.
//
//	go run ./examples/gorm
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
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
)

func main() {
	demo.Main(func(ctx context.Context, driver, dsn string) error {
		pool, err := akari.Open(ctx, driver, dsn, akari.Config{PoolName: "gorm", MaximumPoolSize: 4})
		if err != nil {
			return err
		}
		defer pool.Close()
		return run(ctx, pool.DB(), driver, true, os.Stdout)
	})
}

func run(ctx context.Context, sqlDB *sql.DB, driver string, prepare bool, out io.Writer) error {
	db, err := gorm.Open(dialector(sqlDB, driver), &gorm.Config{
		PrepareStmt:    prepare,
		NamingStrategy: schema.NamingStrategy{TablePrefix: "example_"},
		Logger:         logger.Discard, // some statements below are meant to fail
	})
	if err != nil {
		return err
	}
	if cache, ok := db.ConnPool.(*gorm.PreparedStmtDB); ok {
		defer cache.Close()
	}
	db = db.WithContext(ctx)
	if err := db.Migrator().DropTable(&Order{}, &Customer{}); err != nil {
		return err
	}
	if err := db.AutoMigrate(&Customer{}, &Order{}); err != nil {
		return err
	}

	// Customers with their orders: one call, one transaction, two INSERTs.
	if err := db.Create([]*Customer{
		{Name: "ada", Orders: []Order{{Item: "book", Cents: 3000}, {Item: "pen", Cents: 250}}},
		{Name: "grace", Orders: []Order{{Item: "lamp", Cents: 4200}}},
	}).Error; err != nil {
		return err
	}
	var customers []Customer
	if err := db.Preload("Orders", func(db *gorm.DB) *gorm.DB { return db.Order("item") }).Order("name").Find(&customers).Error; err != nil {
		return err
	}
	for _, c := range customers {
		for _, o := range c.Orders {
			fmt.Fprintln(out, c.Name, "ordered", o.Item, o.Cents)
		}
	}
	ada, grace := customers[0], customers[1]

	stickers := make([]Order, 100)
	for i := range stickers {
		stickers[i] = Order{CustomerID: grace.ID, Item: "sticker", Cents: 5}
	}
	if err := db.CreateInBatches(stickers, 40).Error; err != nil {
		return err
	}

	// A transaction that fails: there is an Ada, so nothing of it is kept.
	err = db.Transaction(func(tx *gorm.DB) error {
		if err := tx.Create(&Order{CustomerID: ada.ID, Item: "yacht", Cents: 1}).Error; err != nil {
			return err
		}
		return tx.Create(&Customer{Name: "ada"}).Error
	})
	fmt.Fprintln(out, "second ada refused:", err != nil)

	// 20 goroutines, each with a transaction, on four connections: sixteen wait
	// for their turn.
	g, gctx := errgroup.WithContext(ctx)
	for range 20 {
		g.Go(func() error {
			return db.WithContext(gctx).Transaction(func(tx *gorm.DB) error {
				if err := tx.Model(&ada).UpdateColumn("visits", gorm.Expr("visits + 1")).Error; err != nil {
					return err
				}
				return tx.Create(&Order{CustomerID: ada.ID, Item: "gift"}).Error
			})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}

	slow, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	var never []string
	err = db.WithContext(slow).Raw(demo.SlowQuery(driver)).Scan(&never).Error
	fmt.Fprintln(out, "slow query stopped at its deadline:", err != nil && slow.Err() != nil)

	var sum struct{ Visits, Orders, Cents int64 }
	err = db.Model(&Customer{}).Joins("JOIN example_orders o ON o.customer_id = example_customers.id").Where("name = ?", "ada").
		Select("visits, count(*) AS orders, CAST(sum(cents) AS DECIMAL) AS cents").Group("visits").Scan(&sum).Error
	fmt.Fprintf(out, "ada: %d visits, %d orders, %d cents\n", sum.Visits, sum.Orders, sum.Cents)
	return err
}
