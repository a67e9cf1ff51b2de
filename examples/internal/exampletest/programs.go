package exampletest

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/examples/internal/demo"
)

// PoolSize is how many connections examples get in tests, with and without the
// pool.
const PoolSize = 4

// Program is the run function of an example that needs no more than a *sql.DB.
type Program func(ctx context.Context, db *sql.DB, driver string, out io.Writer) error

// PoolProgram is one that uses the pool's own methods too.
type PoolProgram func(ctx context.Context, pool *akari.Pool, driver string, out io.Writer) error

// SameEverywhere runs a program on every database, with the bare driver and with
// the pool. It must print the same each time.
func SameEverywhere(t *testing.T, want string, program Program) {
	for _, name := range Drivers {
		t.Run(name+"/bare", func(t *testing.T) {
			db := NewDatabase(t, name).Bare(t, PoolSize)
			Expect(t, want, func(ctx context.Context, out io.Writer) error { return program(ctx, db, name, out) })
		})
		t.Run(name+"/pool", func(t *testing.T) {
			pool := NewDatabase(t, name).Open(t, akari.Config{})
			Expect(t, want, func(ctx context.Context, out io.Writer) error { return program(ctx, pool.DB(), name, out) })
		})
	}
}

// PoolEverywhere runs a program with the pool on every database.
func PoolEverywhere(t *testing.T, want string, cfg akari.Config, program PoolProgram) {
	for _, name := range Drivers {
		t.Run(name, func(t *testing.T) { OnPool(t, name, want, cfg, program) })
	}
}

// OnPool runs a program with the pool on a database of one driver.
func OnPool(t *testing.T, driver, want string, cfg akari.Config, program PoolProgram) {
	t.Helper()
	pool := NewDatabase(t, driver).Open(t, cfg)
	Expect(t, want, func(ctx context.Context, out io.Writer) error { return program(ctx, pool, driver, out) })
}

// Expect runs a program and compares what it prints.
func Expect(t *testing.T, want string, program func(context.Context, io.Writer) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out strings.Builder
	if err := program(ctx, &out); err != nil {
		t.Errorf("run: %v", err)
	}
	if got := out.String(); got != strings.TrimPrefix(want, "\n") {
		t.Errorf("it printed\n%s\nand not\n%s", got, strings.TrimPrefix(want, "\n"))
	}
}

// Open makes a pool of at most PoolSize connections on the database, unless cfg
// says otherwise. When the test ends it sees that the program has given back
// every connection, that there were never more than the maximum, and that
// Shutdown leaves none.
func (d *Database) Open(t testing.TB, cfg akari.Config) *akari.Pool {
	t.Helper()
	if cfg.MaximumPoolSize == 0 {
		cfg.MaximumPoolSize = PoolSize
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Most == 0 {
		d.Most = cfg.MaximumPoolSize
	}
	cfg.PoolName = t.Name()
	cfg.Trace = akari.Tee(cfg.Trace, d.limit(t))

	var pool *akari.Pool
	var err error
	if d.Driver == demo.SQLite {
		pool, err = akari.Open(t.Context(), d.Driver, d.DSN, cfg)
	} else {
		pool, err = akari.New(t.Context(), d.Connector(t), cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.inspect(t, pool) })
	return pool
}

// limit looks, each time a connection has been opened, whether SQLite has more
// of them than allowed. Those to a server are counted by their sockets.
func (d *Database) limit(t testing.TB) *akari.Trace {
	if d.Driver != demo.SQLite {
		return nil
	}
	return &akari.Trace{Opened: func(akari.OpenedEvent) {
		if n := d.Connections(t); n > d.Most {
			t.Errorf("%d connections to the file, at most %d allowed", n, d.Most)
		}
	}}
}

func (d *Database) inspect(t testing.TB, pool *akari.Pool) {
	t.Helper()
	// A transaction whose context has ended is rolled back in the background.
	Eventually(t, "no connection in use", func() bool { return pool.Stats().Active == 0 })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := pool.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if s := pool.Stats(); s.Total != 0 || s.Acquired == 0 || s.Acquired != s.Released || s.Opened != s.TotalClosed() || s.PoolLocks != 0 || s.OpenFailed != 0 {
		t.Errorf("after Shutdown: %+v", s)
	}
	if _, err := pool.Acquire(ctx); !errors.Is(err, akari.ErrPoolClosed) {
		t.Errorf("Acquire after Shutdown: %v", err)
	}
	Eventually(t, "no connection left at the server", func() bool { return d.Connections(t) == 0 })
	if d.Driver == demo.SQLite {
		return
	}
	// The server may be done with a connection before its Close has returned here.
	Eventually(t, "no socket left open", func() bool { left, _ := d.wire.counts(); return left == 0 })
	switch _, peak := d.wire.counts(); {
	case peak == 0 || peak > d.Most:
		t.Errorf("%d sockets open at once, at most %d allowed", peak, d.Most)
	}
}
