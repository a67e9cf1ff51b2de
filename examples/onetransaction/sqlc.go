package main

import (
	"context"
	"database/sql"

	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/akaripool/akari/examples/onetransaction/queries/mysql"
	"github.com/akaripool/akari/examples/onetransaction/queries/postgres"
	"github.com/akaripool/akari/examples/onetransaction/queries/sqlite"
)

//go:generate go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate

// withSqlc uses what sqlc has generated, in one package for each kind of database.
type withSqlc struct{ queries }

type queries interface {
	AddCustomer(ctx context.Context, name string) error
	Customers(ctx context.Context) ([]string, error)
}

func openSqlc(db *sql.DB, driver string) withSqlc {
	switch {
	case demo.Postgres(driver):
		return withSqlc{postgres.New(db)}
	case driver == demo.MySQL:
		return withSqlc{mysql.New(db)}
	}
	return withSqlc{sqlite.New(db)}
}

func (c withSqlc) add(ctx context.Context, customer string) error {
	return c.AddCustomer(ctx, customer)
}

func (c withSqlc) customers(ctx context.Context) ([]string, error) { return c.Customers(ctx) }
