package main

import (
	"context"
	"database/sql"

	"github.com/akaripool/akari/examples/internal/demo"
)

// plain is database/sql by itself.
type plain struct {
	db     *sql.DB
	driver string
}

func (p plain) add(ctx context.Context, customer string) error {
	_, err := p.db.ExecContext(ctx, demo.Bind(p.driver, "INSERT INTO example_customers (name) VALUES (?)"), customer)
	return err
}

func (p plain) customers(ctx context.Context) (names []string, err error) {
	rows, err := p.db.QueryContext(ctx, "SELECT name FROM example_customers ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
