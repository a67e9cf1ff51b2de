package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/template"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// batchRows is how many rows are written, of seven columns.
const batchRows = 10_000

// item is a row that is written.
type item struct {
	id      int
	name    string
	email   string
	amount  int64
	rate    float64
	active  bool
	created time.Time
}

func (i item) values() []any {
	return []any{i.id, i.name, i.email, i.amount, i.rate, i.active, i.created}
}

var items = func() []item {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	all := make([]item, batchRows)
	for n := range all {
		all[n] = item{
			id: n + 1, name: fmt.Sprintf("name of item %d", n), email: fmt.Sprintf("item%d@example.com", n),
			amount: int64(n) * 7919, rate: float64(n) / 3, active: n%2 == 0, created: created.Add(time.Duration(n) * time.Second),
		}
	}
	return all
}()

// batchTarget is a server that is written to, and in which ways, the one to compare
// with first.
type batchTarget struct {
	name   string
	kind   localdb.Kind
	driver string
	insert string
	time   string // its type of time
	ways   []batchWay
}

type batchWay struct {
	name  string
	write func(ctx context.Context, db *sql.DB, insert string) error
}

var batchTargets = []batchTarget{
	{
		"PostgreSQL, pgx", localdb.Postgres, "pgx", "INSERT INTO items (id, name, email, amount, rate, active, created) VALUES ($1, $2, $3, $4, $5, $6, $7)", "timestamptz",
		[]batchWay{{"a prepared statement in a transaction", preparedLoop}, {"Batch", batchBy()}, {"Batch, Copy", batchBy(template.Copy(copyItems))}},
	},
	{
		"MariaDB, go-sql-driver", localdb.MariaDB, "mysql", "INSERT INTO items (id, name, email, amount, rate, active, created) VALUES (?, ?, ?, ?, ?, ?, ?)", "datetime",
		[]batchWay{{"a prepared statement in a transaction", preparedLoop}, {"Batch", batchBy()}, {"Batch, ChunkSize(1000)", batchBy(template.ChunkSize(1000))}},
	},
}

// preparedLoop is what a program without Batch does.
func preparedLoop(ctx context.Context, db *sql.DB, insert string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	stmt, err := tx.PrepareContext(ctx, insert)
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Close() }()
	for _, i := range items {
		if _, err := stmt.ExecContext(ctx, i.values()...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func batchBy(opts ...template.BatchOption) func(context.Context, *sql.DB, string) error {
	return func(ctx context.Context, db *sql.DB, insert string) error {
		_, err := template.Batch(ctx, db, insert, items, item.values, opts...)
		return err
	}
}

func copyItems(ctx context.Context, conn *sql.Conn, rows *template.CopyRows) (n int64, err error) {
	err = akari.Raw(conn, func(driverConn any) error {
		n, err = driverConn.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier(rows.Table), rows.Columns, rows)
		return err
	})
	return n, err
}

// batch compares template.Batch with a prepared statement, executed row by row, on
// databases that are started for it, through the pool. A ratio is how many times
// faster than that one a way is.
func batch(p plan) error {
	fmt.Fprintf(p.out, "Writing %d rows of 7 columns in a transaction, the server on the same processors; rows per second\n", batchRows)
	fmt.Fprintf(p.out, "%-42s %10s %8s\n", "", "rows/s", "ratio")
	for _, t := range batchTargets {
		if err := p.batchServer(t); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

// batchServer has the ways of one target write in turns, each to an empty table.
func (p plan) batchServer(t batchTarget) (err error) {
	ctx := context.Background()
	start, dsn := localdb.StartPostgres, (*localdb.Server).URL
	if t.kind == localdb.MariaDB {
		start, dsn = localdb.StartMariaDB, (*localdb.Server).MySQLDSN
	}
	server, err := start(ctx, localdb.Options{})
	var missing *localdb.NotInstalledError
	switch {
	case errors.As(err, &missing), errors.Is(err, errors.ErrUnsupported):
		fmt.Fprintf(p.out, "%v is left out: %v\n", t.kind, err)
		return nil
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	pool, err := akari.Open(ctx, t.driver, dsn(server), akari.Config{MaximumPoolSize: 2, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	db := pool.DB()
	if _, err := template.Exec(ctx, db, "CREATE TABLE items (id int PRIMARY KEY, name varchar(40), email varchar(40), amount bigint, rate double precision, active boolean, created "+t.time+")"); err != nil {
		return err
	}
	rates := make([][]float64, len(t.ways))
	for _, way := range t.ways { // to warm up
		if _, err := writeItems(ctx, db, t, way); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	for round := range p.rounds {
		for k := range t.ways {
			w := (k + round) % len(t.ways)
			rate, err := writeItems(ctx, db, t, t.ways[w])
			if err != nil {
				return fmt.Errorf("%s: %w", t.ways[w].name, err)
			}
			rates[w] = append(rates[w], rate)
		}
	}
	fmt.Fprintln(p.out, t.name)
	for w, way := range t.ways {
		fmt.Fprintf(p.out, "  %-40s %10.0f", way.name, median(rates[w]))
		if w > 0 {
			var ratios []float64
			for round, r := range rates[w] {
				ratios = append(ratios, r/rates[0][round])
			}
			fmt.Fprintf(p.out, " %8.2f", median(ratios))
		}
		fmt.Fprintln(p.out)
	}
	return nil
}

// writeItems empties the table, writes it in a way, and returns how many rows went
// in per second.
func writeItems(ctx context.Context, db *sql.DB, t batchTarget, way batchWay) (float64, error) {
	if _, err := template.Exec(ctx, db, "TRUNCATE TABLE items"); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := way.write(ctx, db, t.insert); err != nil {
		return 0, err
	}
	took := time.Since(began)
	n, err := template.One[int](ctx, db, "SELECT count(*) FROM items")
	if err == nil && n != batchRows {
		err = fmt.Errorf("%d rows were written", n)
	}
	return batchRows / took.Seconds(), err
}
