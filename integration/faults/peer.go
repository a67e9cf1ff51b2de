package faults

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the drivers of the peers
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"
)

// Peer is a pool together with a driver.
type Peer struct {
	Pool   string // Akari, DatabaseSQL or PgxPool
	Driver string // "pgx", "pq", "mysql" or "sqlite"
}

// The pools.
const (
	Akari       = "akari"
	DatabaseSQL = "database/sql"
	PgxPool     = "pgxpool"
)

// The peers, akari's first.
var (
	AkariPgx    = Peer{Akari, "pgx"}
	AkariPq     = Peer{Akari, "pq"}
	AkariMySQL  = Peer{Akari, "mysql"}
	AkariSQLite = Peer{Akari, "sqlite"}
	SQLPgx      = Peer{DatabaseSQL, "pgx"}
	SQLPq       = Peer{DatabaseSQL, "pq"}
	SQLMySQL    = Peer{DatabaseSQL, "mysql"}
	SQLSQLite   = Peer{DatabaseSQL, "sqlite"}
	PgxPoolPeer = Peer{PgxPool, "pgx"}
)

var (
	onPostgres = []Peer{AkariPgx, AkariPq, SQLPgx, SQLPq, PgxPoolPeer}
	onMariaDB  = []Peer{AkariMySQL, SQLMySQL}
	onServers  = append(append([]Peer(nil), onPostgres...), onMariaDB...)
	onSQLite   = []Peer{AkariSQLite, SQLSQLite}
	everywhere = append(append([]Peer(nil), onServers...), onSQLite...)
)

func (p Peer) String() string {
	if p.Pool == PgxPool {
		return p.Pool
	}
	return p.Pool + "+" + p.Driver
}

// postgres reports whether the peer's server is PostgreSQL.
func (p Peer) postgres() bool { return p.Driver == "pgx" || p.Driver == "pq" }

// onFile reports whether the peer has a file in place of a server.
func (p Peer) onFile() bool { return p.Driver == "sqlite" }

// kind is the server of a peer that has one.
func (p Peer) kind() localdb.Kind {
	if p.postgres() {
		return localdb.Postgres
	}
	return localdb.MariaDB
}

// pick chooses the text for the peer's server.
func (p Peer) pick(postgres, others string) string {
	if p.postgres() {
		return postgres
	}
	return others
}

// registered is the name of the driver in database/sql.
func (p Peer) registered() string {
	if p.Driver == "pq" {
		return "postgres"
	}
	return p.Driver
}

// openOptions say how a pool is to be. The size is all that the peers are told,
// unless a fault is about another setting.
type openOptions struct {
	size        int
	defaultIdle bool         // database/sql: leave the number of idle connections at its default
	akari       akari.Config // what is set besides the size
}

// open makes the peer's pool on a data source.
func (p Peer) open(ctx context.Context, dsn string, o openOptions) (pool, error) {
	switch p.Pool {
	case Akari:
		cfg := o.akari
		cfg.MaximumPoolSize = o.size
		cfg.Logger = slog.New(slog.DiscardHandler)
		ap, err := akari.Open(ctx, p.registered(), dsn, cfg)
		if err != nil {
			return nil, err
		}
		return &sqlPool{db: ap.DB(), akari: ap}, nil
	case DatabaseSQL:
		db, err := sql.Open(p.registered(), dsn)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(o.size)
		if !o.defaultIdle {
			db.SetMaxIdleConns(o.size)
		}
		return &sqlPool{db: db}, nil
	case PgxPool:
		cfg, err := pgxpool.ParseConfig(dsn)
		if err != nil {
			return nil, err
		}
		cfg.MaxConns = int32(o.size)
		xp, err := pgxpool.NewWithConfig(ctx, cfg)
		if err != nil {
			return nil, err
		}
		return &pgxPool{pool: xp}, nil
	}
	return nil, fmt.Errorf("faults: no such pool: %s", p.Pool)
}
