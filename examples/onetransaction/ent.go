package main

import (
	"context"
	"database/sql"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/akaripool/akari/examples/ent/shop"
	"github.com/akaripool/akari/examples/ent/shop/customer"
	"github.com/akaripool/akari/examples/internal/demo"
)

// withEnt uses the package that ent has generated for its own example.
type withEnt struct{ client *shop.Client }

func openEnt(db *sql.DB, driver string) withEnt {
	d := dialect.SQLite
	switch {
	case demo.Postgres(driver):
		d = dialect.Postgres
	case driver == demo.MySQL:
		d = dialect.MySQL
	}
	return withEnt{shop.NewClient(shop.Driver(entsql.OpenDB(d, db)))}
}

func (e withEnt) add(ctx context.Context, customer string) error {
	return e.client.Customer.Create().SetName(customer).Exec(ctx)
}

func (e withEnt) customers(ctx context.Context) ([]string, error) {
	return e.client.Customer.Query().Order(customer.ByName()).Select(customer.FieldName).Strings(ctx)
}

func (e withEnt) inTx(ctx context.Context, f func(library) error) error {
	tx, err := e.client.Tx(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := f(withEnt{tx.Client()}); err != nil {
		return err
	}
	return tx.Commit()
}
