package main

import (
	"context"
	"database/sql"
	"io"

	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/akaripool/akari/examples/sqlc/mysql"
	"github.com/akaripool/akari/examples/sqlc/postgres"
	"github.com/akaripool/akari/examples/sqlc/sqlite"
	_ "modernc.org/sqlite"
)

//go:generate go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate

// queries is what the three generated types *Queries have in common, so that one
// program can use each of them. A program with one kind of database has no need
// of it.
type queries[Q, Order, Total any] interface {
	AddCustomer(ctx context.Context, name string) error
	AddOrder(ctx context.Context, customer, item string, cents int64) error
	Orders(ctx context.Context, cents int64) ([]Order, error)
	Visit(ctx context.Context, name string) error
	Total(ctx context.Context, name string) (Total, error)
	WithTx(*sql.Tx) Q
	Close() error
}

type orderRow interface {
	sqlite.OrdersRow | postgres.OrdersRow | mysql.OrdersRow
}

type totalRow interface {
	sqlite.TotalRow | postgres.TotalRow | mysql.TotalRow
}

// prepared runs the shop with the queries for the driver's SQL, all of them
// prepared.
func prepared(ctx context.Context, db *sql.DB, driver string, out io.Writer) error {
	switch {
	case demo.Postgres(driver):
		q, err := postgres.Prepare(ctx, db)
		if err != nil {
			return err
		}
		return shop(ctx, db, q, driver, out)
	case driver == demo.MySQL:
		q, err := mysql.Prepare(ctx, db)
		if err != nil {
			return err
		}
		return shop(ctx, db, q, driver, out)
	}
	q, err := sqlite.Prepare(ctx, db)
	if err != nil {
		return err
	}
	return shop(ctx, db, q, driver, out)
}

// inTx commits what f does, or rolls it back if f fails.
func inTx[Q interface{ WithTx(*sql.Tx) Q }](ctx context.Context, db *sql.DB, q Q, f func(Q) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := f(q.WithTx(tx)); err != nil {
		return err
	}
	return tx.Commit()
}
