package integration

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/integration/servers"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"
)

// A test that kills or stops a server starts its own.
var (
	postgres = servers.Postgres(localdb.Options{MaxConnections: 200})
	mariadb  = servers.MariaDB(localdb.Options{MaxConnections: 200})
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m, postgres, mariadb)) }

// database is a driver and where it is to connect to.
type database struct {
	name, driver, dsn string
}

func (d database) postgres() bool { return d.driver != "mysql" && d.driver != "sqlite" }

// pgDatabases and allServers are the drivers on shared servers.
func pgDatabases(t testing.TB) []database {
	url := postgres.Get(t).URL()
	return []database{{"pgx", "pgx", url}, {"pq", "postgres", url}}
}

func allServers(t testing.TB) []database {
	return append(pgDatabases(t), database{"mysql", "mysql", mariadb.Get(t).MySQLDSN()})
}

// open makes a pool that is closed, and looked over, when the test ends.
func open(t testing.TB, d database, cfg akari.Config) *akari.Pool {
	t.Helper()
	if cfg.PoolName == "" {
		cfg.PoolName = d.name
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p, err := akari.Open(t.Context(), d.driver, d.dsn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		s := p.Stats()
		if s.Total != 0 || s.Acquired != s.Released || s.Opened != s.TotalClosed() {
			t.Errorf("after Close: %+v", s)
		}
	})
	return p
}

// plain opens the driver without the pool.
func plain(t testing.TB, d database) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func mustExec(t testing.TB, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func one[T any](t testing.TB, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, query string, args ...any) (v T) {
	t.Helper()
	if err := db.QueryRowContext(context.Background(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}
