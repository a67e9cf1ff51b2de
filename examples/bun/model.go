package main

import (
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"
	_ "modernc.org/sqlite"
)

// Customer and Order are the shop's tables.
type Customer struct {
	bun.BaseModel `bun:"table:example_customers,alias:c"`

	ID     int64    `bun:",pk,autoincrement"`
	Name   string   `bun:"type:varchar(20),unique"`
	Visits int64    `bun:",notnull"`
	Orders []*Order `bun:"rel:has-many,join:id=customer_id"`
}

type Order struct {
	bun.BaseModel `bun:"table:example_orders,alias:o"`

	ID         int64  `bun:",pk,autoincrement"`
	CustomerID int64  `bun:",notnull"`
	Item       string `bun:"type:varchar(20),notnull"`
	Cents      int64  `bun:",notnull"`
}

// dialect is the SQL that bun is to write.
func dialect(driver string) schema.Dialect {
	switch {
	case demo.Postgres(driver):
		return pgdialect.New()
	case driver == demo.MySQL:
		return mysqldialect.New()
	}
	return sqlitedialect.New()
}
