package main

import (
	"context"
	"database/sql"

	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/glebarez/sqlite" // its driver, which it registers, is made of modernc.org/sqlite
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

type withGorm struct{ db *gorm.DB }

type gormCustomer struct {
	ID     int64
	Name   string
	Visits int64
}

// TableName is for gorm.
func (gormCustomer) TableName() string { return "example_customers" }

func openGorm(db *sql.DB, driver string) (withGorm, error) {
	var d gorm.Dialector = sqlite.Dialector{Conn: db}
	switch {
	case demo.Postgres(driver):
		d = postgres.New(postgres.Config{Conn: db})
	case driver == demo.MySQL:
		d = mysql.New(mysql.Config{Conn: db})
	}
	g, err := gorm.Open(d, &gorm.Config{Logger: logger.Discard})
	return withGorm{g}, err
}

func (g withGorm) add(ctx context.Context, customer string) error {
	return g.db.WithContext(ctx).Create(&gormCustomer{Name: customer}).Error
}

func (g withGorm) customers(ctx context.Context) (names []string, err error) {
	err = g.db.WithContext(ctx).Model(&gormCustomer{}).Order("name").Pluck("name", &names).Error
	return names, err
}

func (g withGorm) inTx(ctx context.Context, f func(library) error) error {
	return g.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return f(withGorm{tx}) })
}
