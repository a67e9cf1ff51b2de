package main

import (
	"context"
	"database/sql"

	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
)

type withBun struct{ db bun.IDB }

type bunCustomer struct {
	bun.BaseModel `bun:"table:example_customers"`

	ID     int64 `bun:",pk,autoincrement"`
	Name   string
	Visits int64
}

func openBun(db *sql.DB, driver string) withBun {
	switch {
	case demo.Postgres(driver):
		return withBun{bun.NewDB(db, pgdialect.New())}
	case driver == demo.MySQL:
		return withBun{bun.NewDB(db, mysqldialect.New())}
	}
	return withBun{bun.NewDB(db, sqlitedialect.New())}
}

func (b withBun) add(ctx context.Context, customer string) error {
	_, err := b.db.NewInsert().Model(&bunCustomer{Name: customer}).Exec(ctx)
	return err
}

func (b withBun) customers(ctx context.Context) (names []string, err error) {
	err = b.db.NewSelect().Model((*bunCustomer)(nil)).Column("name").Order("name").Scan(ctx, &names)
	return names, err
}

func (b withBun) inTx(ctx context.Context, f func(library) error) error {
	return b.db.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error { return f(withBun{tx}) })
}
