package main

import (
	"context"
	"database/sql"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/akaripool/akari/examples/ent/shop"
	"github.com/akaripool/akari/examples/internal/demo"
	_ "modernc.org/sqlite"
)

// open gives ent the pool's *sql.DB and makes its tables anew.
func open(ctx context.Context, db *sql.DB, driver string) (*shop.Client, error) {
	client := shop.NewClient(shop.Driver(entsql.OpenDB(dialectOf(driver), db)))
	for _, table := range []string{"example_orders", "example_customers"} {
		if _, err := client.ExecContext(ctx, "DROP TABLE IF EXISTS "+table); err != nil {
			return nil, err
		}
	}
	return client, client.Schema.Create(ctx)
}

// dialectOf is the SQL that ent is to write.
func dialectOf(driver string) string {
	switch {
	case demo.Postgres(driver):
		return dialect.Postgres
	case driver == demo.MySQL:
		return dialect.MySQL
	}
	return dialect.SQLite
}

// inTx commits what f does, or rolls it back if f fails.
func inTx(ctx context.Context, client *shop.Client, f func(*shop.Tx) error) error {
	tx, err := client.Tx(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}
