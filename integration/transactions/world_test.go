// Package transactions has the acceptance cases of package txn: each runs on the fake
// server and on PostgreSQL (pgx, lib/pq), MariaDB and SQLite. The numbers in the
// comments are those of the list they come from: Spring's tests, those of Go's
// transaction managers, and users' reports.
package transactions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/integration/servers"
	"github.com/akaripool/akari/txn"
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"
)

var (
	postgres = servers.Postgres(localdb.Options{MaxConnections: 200})
	mariadb  = servers.MariaDB(localdb.Options{MaxConnections: 200})
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m, postgres, mariadb)) }

// errBoom is what functions fail with.
var errBoom = errors.New("boom")

// world is a case on one database: a pool, and a table of numbers.
type world struct {
	*testing.T
	name   string            // fake, pgx, pq, mysql or sqlite
	server *akaritest.Server // of the fake
	pool   *akari.Pool
	db     *sql.DB
	apart  *sql.DB // to look at the table from outside of the pool; the pool's own with the fake
	table  string
	log    *journal
}

// on is where cases run; a case that cannot apply to one leaves it out by except,
// which says why.
var on = []string{"fake", "pgx", "pq", "mysql", "sqlite"}

// but names databases that a case does not apply to, and why.
type but map[string]string

var tables atomic.Int64

// each runs a case on every database. Each ends with no connection in use and no
// goroutine left.
func each(t *testing.T, cfg akari.Config, except but, f func(w *world)) {
	t.Helper()
	for _, name := range on {
		t.Run(name, func(t *testing.T) {
			if why := except[name]; why != "" {
				t.Skip(why)
			}
			w := newWorld(t, name, cfg)
			before := runtime.NumGoroutine()
			f(w)
			w.atRest(before)
		})
	}
}

func newWorld(t *testing.T, name string, cfg akari.Config) *world {
	t.Helper()
	w := &world{T: t, name: name, table: fmt.Sprintf("numbers_%d", tables.Add(1)), log: &journal{}}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(w.log)
	}
	if cfg.MaximumPoolSize == 0 {
		cfg.MaximumPoolSize = 2
	}
	if cfg.ConnectionTimeout == 0 {
		cfg.ConnectionTimeout = 5 * time.Second
	}
	cfg.PoolName = name
	var err error
	switch name {
	case "fake":
		profile := akaritest.PgxLike
		w.server = akaritest.NewServer(profile)
		akaritest.Verify(t, w.server)
		cfg.SessionReset = akari.ResetOff
		w.pool, err = akari.New(t.Context(), w.server.Connector(), cfg)
	default:
		driver, dsn := w.where()
		w.pool, err = akari.Open(t.Context(), driver, dsn, cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.db, w.apart = w.pool.DB(), w.pool.DB()
	t.Cleanup(func() { w.pool.Close() })
	if name != "fake" {
		driver, dsn := w.where()
		if w.apart, err = sql.Open(driver, dsn); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.apart.Close() })
		w.must(w.apart.ExecContext(context.Background(), "CREATE TABLE "+w.table+" (id int PRIMARY KEY)"))
		w.apart.SetMaxIdleConns(0)
	}
	return w
}

// where is the driver and the data source name of a real database.
func (w *world) where() (driver, dsn string) {
	switch w.name {
	case "pgx":
		return "pgx", postgres.Get(w.T).URL()
	case "pq":
		return "postgres", postgres.Get(w.T).URL()
	case "mysql":
		return "mysql", mariadb.Get(w.T).MySQLDSN()
	}
	return "sqlite", "file:" + w.dir() + "/numbers.db?_pragma=busy_timeout(2000)&_pragma=journal_mode(WAL)"
}

var dirs sync.Map // of *testing.T to the folder of its SQLite database

func (w *world) dir() string {
	dir, ok := dirs.Load(w.T)
	if !ok {
		dir, _ = dirs.LoadOrStore(w.T, w.TempDir())
	}
	return dir.(string)
}

// atRest makes sure that nothing is left.
func (w *world) atRest(goroutines int) {
	w.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		s, n := w.pool.Stats(), runtime.NumGoroutine()
		if s.Active == 0 && s.Waiting == 0 && n <= goroutines {
			return
		}
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			w.Fatalf("active=%d, waiting=%d, %d goroutines, %d before\n%s", s.Active, s.Waiting, n, goroutines, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(time.Millisecond) // goroutines end on their own time
	}
}

func (w *world) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// insert adds a number through the pool's DB, in the scope of ctx.
func (w *world) insert(ctx context.Context, id int) error { return w.insertBy(ctx, w.db, id) }

// execer is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

func (w *world) insertBy(ctx context.Context, db execer, id int) error {
	_, err := db.ExecContext(ctx, w.insertText(id))
	return err
}

func (w *world) insertText(id int) string {
	if w.name == "fake" {
		return fmt.Sprintf("INSERT %d", id)
	}
	return fmt.Sprintf("INSERT INTO %s VALUES (%d)", w.table, id)
}

// has reports whether a number is there, as seen in the scope of ctx.
func (w *world) has(ctx context.Context, id int) bool {
	w.Helper()
	query := fmt.Sprintf("SELECT id FROM %s WHERE id = %d", w.table, id)
	if w.name == "fake" {
		query = fmt.Sprintf("SELECT %d", id)
	}
	var got int
	err := w.db.QueryRowContext(ctx, query).Scan(&got)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		w.Fatal(err)
	}
	return err == nil
}

// want makes sure that the table has these numbers, seen from outside, and no others
// up to 99.
func (w *world) want(ids ...int) {
	w.Helper()
	var got []int
	if w.name == "fake" {
		for i := range 100 {
			if w.has(context.Background(), i) {
				got = append(got, i)
			}
		}
	} else {
		rows, err := w.apart.QueryContext(context.Background(), "SELECT id FROM "+w.table+" ORDER BY id")
		w.must(nil, err)
		defer rows.Close()
		for rows.Next() {
			var id int
			w.must(nil, rows.Scan(&id))
			got = append(got, id)
		}
		w.must(nil, rows.Err())
	}
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		w.Fatalf("the table has %v, want %v", got, ids)
	}
}

// holds makes sure how many connections are in use. While the pool opens one, its
// numbers may be off for a moment.
func (w *world) holds(n int) {
	w.Helper()
	for deadline := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		got := w.pool.Stats().Active
		if got == n {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("%d connections in use, want %d", got, n)
		}
	}
}

// do is txn.Do on the world's pool.
func (w *world) do(ctx context.Context, f func(ctx context.Context) error, opts ...txn.Option) error {
	return txn.Do(ctx, w.pool, f, opts...)
}

// wantErr makes sure that err is all of these, as errors.Is finds them.
func (w *world) wantErr(err error, targets ...error) {
	w.Helper()
	if err == nil {
		w.Fatalf("no error, want %v", targets)
	}
	for _, target := range targets {
		if !errors.Is(err, target) {
			w.Fatalf("got %q, want %q", err, target)
		}
	}
}

// journal keeps what the pool logs.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, r.Message)
	return nil
}
