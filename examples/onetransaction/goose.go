package main

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrate makes the table anew with goose. In a scope its transactions would be
// savepoints, and its statements part of the scope's transaction; MySQL cannot roll
// back what changes tables.
func migrate(ctx context.Context, db *sql.DB, driver string) error {
	for _, table := range []string{"example_customers", "example_goose"} {
		if _, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS "+table); err != nil {
			return err
		}
	}
	dialect, folder := goose.DialectSQLite3, "migrations/sqlite"
	switch {
	case demo.Postgres(driver):
		dialect, folder = goose.DialectPostgres, "migrations/postgres"
	case driver == demo.MySQL:
		dialect, folder = goose.DialectMySQL, "migrations/mysql"
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, db, files, goose.WithTableName("example_goose"))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}
