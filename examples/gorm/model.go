package main

import (
	"database/sql"

	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/glebarez/sqlite" // its driver, which it registers, is made of modernc.org/sqlite
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// Customer and Order are the shop's tables.
type Customer struct {
	ID     int64
	Name   string `gorm:"size:20;uniqueIndex"`
	Visits int64
	Orders []Order
}

type Order struct {
	ID         int64
	CustomerID int64
	Item       string `gorm:"size:20"`
	Cents      int64
}

// dialector hands gorm the pool's *sql.DB in place of a DSN.
func dialector(db *sql.DB, driver string) gorm.Dialector {
	switch {
	case demo.Postgres(driver):
		return postgres.New(postgres.Config{Conn: db})
	case driver == demo.MySQL:
		return mysql.New(mysql.Config{Conn: db})
	}
	return sqlite.Dialector{Conn: db}
}
