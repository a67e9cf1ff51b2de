package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// row is a row of the table that is read.
type row struct {
	id     int
	name   string
	amount int64
}

// table is what the table holds.
var table = func() []row {
	rows := make([]row, 10000)
	for i := range rows {
		rows[i] = row{id: i + 1, name: fmt.Sprintf("row %d", i+1), amount: int64(i+1) * 7919}
	}
	return rows
}()

// startTable starts a server with the table on it.
func startTable(ctx context.Context, kind localdb.Kind) (*localdb.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	start, driver, dsn, analyse := localdb.StartPostgres, "pgx", (*localdb.Server).URL, "VACUUM ANALYZE accounts"
	if kind == localdb.MariaDB {
		start, driver, dsn, analyse = localdb.StartMariaDB, "mysql", (*localdb.Server).MySQLDSN, "ANALYZE TABLE accounts"
	}
	server, err := start(ctx, localdb.Options{})
	if err != nil {
		return nil, err
	}
	if err := writeTable(ctx, driver, dsn(server), analyse); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return server, nil
}

func writeTable(ctx context.Context, driver, dsn, analyse string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	values := make([]string, len(table))
	for i, r := range table {
		values[i] = fmt.Sprintf("(%d, '%s', %d)", r.id, r.name, r.amount)
	}
	for _, statement := range []string{
		"CREATE TABLE accounts (id int PRIMARY KEY, name varchar(40) NOT NULL, amount bigint NOT NULL)",
		"INSERT INTO accounts VALUES " + strings.Join(values, ", "),
		analyse, // or the server may do so in the middle of a turn
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
