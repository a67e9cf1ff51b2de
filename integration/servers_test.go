package integration

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"
)

// The servers that tests share. Each is started when a test first asks for it.
// A test that kills or stops one starts its own.
var (
	postgres = &shared{start: localdb.StartPostgres}
	mariadb  = &shared{start: localdb.StartMariaDB}
)

type shared struct {
	start func(context.Context, localdb.Options) (*localdb.Server, error)
	once  sync.Once
	srv   *localdb.Server
	err   error
}

func (s *shared) get(t testing.TB) *localdb.Server {
	t.Helper()
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.srv, s.err = s.start(ctx, localdb.Options{MaxConnections: 200})
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.srv
}

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	err := localdb.Install(ctx, os.Stderr)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = mysql.SetLogger(quietLogger{}) // it prints a line for each connection it finds dead
	code := m.Run()
	for _, s := range []*shared{postgres, mariadb} {
		if s.srv != nil {
			if err := s.srv.Close(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}
	os.Exit(code)
}

type quietLogger struct{}

func (quietLogger) Print(...any) {}

// database is a driver and where it is to connect to.
type database struct {
	name, driver, dsn string
}

func (d database) postgres() bool { return d.driver != "mysql" && d.driver != "sqlite" }

// pgDatabases and allServers are the drivers on shared servers.
func pgDatabases(t testing.TB) []database {
	url := postgres.get(t).URL()
	return []database{{"pgx", "pgx", url}, {"pq", "postgres", url}}
}

func allServers(t testing.TB) []database {
	return append(pgDatabases(t), database{"mysql", "mysql", mariadb.get(t).MySQLDSN()})
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
