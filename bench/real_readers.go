package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	_ "github.com/go-sql-driver/mysql" // a driver of the targets
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq" // a driver of the targets
)

// target is a driver, with its options, on a server, and who reads through it,
// akari first.
type target struct {
	name        string
	kind        localdb.Kind
	driver      string
	options     string // added to the data source name
	contestants []contestant
}

type contestant struct {
	name string
	open func(ctx context.Context, t target, dsn string) (reader, error)
}

// reader is a contestant that is ready.
type reader struct {
	read  func(ctx context.Context, id int) (row, error)
	close func()
}

// The drivers and pgxpool are as they are by default but for the number of
// connections, which is also what serves them best here: pgx keeps prepared
// statements by itself, pgxpool resets nothing and pings what was idle for a
// second. Where a driver has an option that spares round trips there is a target
// with it; and one where the program prepares the statement itself, once, which
// spares them as well.
var targets = []target{
	{"PostgreSQL, pgx", localdb.Postgres, "pgx", "", []contestant{
		{"akari", texts(akariDB)}, {"database/sql", texts(plainDB)}, {"pgxpool", openPgxpool},
	}},
	{"PostgreSQL, pgx without database/sql", localdb.Postgres, "pgx", "", []contestant{
		{"akari (Acquire, Raw; SessionReset off)", openAkariPgx}, {"pgxpool", openPgxpool},
	}},
	{"PostgreSQL, lib/pq", localdb.Postgres, "postgres", "", throughDB},
	{"PostgreSQL, lib/pq, binary_parameters=yes", localdb.Postgres, "postgres", "&binary_parameters=yes", throughDB},
	{"PostgreSQL, lib/pq, a *sql.Stmt", localdb.Postgres, "postgres", "", throughStmt},
	{"MariaDB, go-sql-driver", localdb.MariaDB, "mysql", "", throughDB},
	{"MariaDB, go-sql-driver, interpolateParams=true", localdb.MariaDB, "mysql", "?interpolateParams=true", throughDB},
	{"MariaDB, go-sql-driver, a *sql.Stmt", localdb.MariaDB, "mysql", "", throughStmt},
}

var (
	throughDB   = []contestant{{"akari", texts(akariDB)}, {"database/sql", texts(plainDB)}}
	throughStmt = []contestant{{"akari", statement(akariDB)}, {"database/sql", statement(plainDB)}}
)

func (t target) dsn(s *localdb.Server) string {
	if t.kind == localdb.MariaDB {
		return s.MySQLDSN() + t.options
	}
	return s.URL() + t.options
}

// query reads a row.
func (t target) query() string {
	if t.kind == localdb.MariaDB {
		return "SELECT name, amount FROM accounts WHERE id = ?"
	}
	return "SELECT name, amount FROM accounts WHERE id = $1"
}

// openDB opens what is a *sql.DB in the end.
type openDB func(ctx context.Context, t target, dsn string) (*sql.DB, func(), error)

// akariDB has everything on that is on by default.
func akariDB(ctx context.Context, t target, dsn string) (*sql.DB, func(), error) {
	p, err := openPool(ctx, t, dsn, akari.ResetDirty)
	if err != nil {
		return nil, nil, err
	}
	return p.DB(), func() { _ = p.Close() }, nil
}

func openPool(ctx context.Context, t target, dsn string, reset akari.SessionReset) (*akari.Pool, error) {
	return akari.Open(ctx, t.driver, dsn, akari.Config{
		MaximumPoolSize: realSize, SessionReset: reset, Logger: slog.New(slog.DiscardHandler),
	})
}

func plainDB(_ context.Context, t target, dsn string) (*sql.DB, func(), error) {
	db, err := sql.Open(t.driver, dsn)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(realSize)
	db.SetMaxIdleConns(realSize)
	return db, func() { _ = db.Close() }, nil
}

// texts reads with a text and a parameter, as programs mostly do.
func texts(open openDB) func(context.Context, target, string) (reader, error) {
	return func(ctx context.Context, t target, dsn string) (reader, error) {
		db, closeDB, err := open(ctx, t, dsn)
		if err != nil {
			return reader{}, err
		}
		query := t.query()
		return reader{close: closeDB, read: func(ctx context.Context, id int) (row, error) {
			r := row{id: id}
			err := db.QueryRowContext(ctx, query, id).Scan(&r.name, &r.amount)
			return r, err
		}}, nil
	}
}

// statement reads with a statement that was prepared once.
func statement(open openDB) func(context.Context, target, string) (reader, error) {
	return func(ctx context.Context, t target, dsn string) (reader, error) {
		db, closeDB, err := open(ctx, t, dsn)
		if err != nil {
			return reader{}, err
		}
		stmt, err := db.PrepareContext(ctx, t.query())
		if err != nil {
			closeDB()
			return reader{}, err
		}
		return reader{
			close: func() {
				_ = stmt.Close()
				closeDB()
			},
			read: func(ctx context.Context, id int) (row, error) {
				r := row{id: id}
				err := stmt.QueryRowContext(ctx, id).Scan(&r.name, &r.amount)
				return r, err
			},
		}, nil
	}
}

// openPgxpool is used by its own interface, without database/sql.
func openPgxpool(ctx context.Context, t target, dsn string) (reader, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return reader{}, err
	}
	cfg.MaxConns, cfg.MinConns = realSize, realSize
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return reader{}, err
	}
	query := t.query()
	return reader{close: pool.Close, read: func(ctx context.Context, id int) (row, error) {
		r := row{id: id}
		err := pool.QueryRow(ctx, query, id).Scan(&r.name, &r.amount)
		return r, err
	}}, nil
}

// openAkariPgx lends the connection of pgx itself. SessionReset is off: the pool
// cannot see what is done to it, and would clean it each time, as pgxpool does not.
func openAkariPgx(ctx context.Context, t target, dsn string) (reader, error) {
	p, err := openPool(ctx, t, dsn, akari.ResetOff)
	if err != nil {
		return reader{}, err
	}
	query := t.query()
	return reader{close: func() { _ = p.Close() }, read: func(ctx context.Context, id int) (row, error) {
		r := row{id: id}
		c, err := p.Acquire(ctx)
		if err != nil {
			return r, err
		}
		defer c.Release()
		err = c.Raw(func(driverConn any) error {
			conn, ok := driverConn.(*stdlib.Conn)
			if !ok {
				return fmt.Errorf("a %T in place of pgx's connection", driverConn)
			}
			return conn.Conn().QueryRow(ctx, query, id).Scan(&r.name, &r.amount)
		})
		return r, err
	}}, nil
}
