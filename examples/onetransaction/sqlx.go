package main

import (
	"context"
	"database/sql"

	"github.com/jmoiron/sqlx"
)

type withSqlx struct{ db *sqlx.DB }

func openSqlx(db *sql.DB, driver string) withSqlx { return withSqlx{sqlx.NewDb(db, driver)} }

func (x withSqlx) add(ctx context.Context, customer string) error {
	_, err := x.db.NamedExecContext(ctx, "INSERT INTO example_customers (name) VALUES (:name)", struct{ Name string }{customer})
	return err
}

func (x withSqlx) customers(ctx context.Context) (names []string, err error) {
	err = x.db.SelectContext(ctx, &names, "SELECT name FROM example_customers ORDER BY name")
	return names, err
}
