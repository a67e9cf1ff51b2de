package akari_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// logBook keeps what a pool logs.
type logBook struct {
	mu    sync.Mutex
	lines []string
}

func (l *logBook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logBook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logBook) WithGroup(string) slog.Handler            { return l }
func (l *logBook) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Level.String() + " " + r.Message)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(" " + a.String())
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, b.String())
	return nil
}

// count returns how many lines contain text.
func (l *logBook) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// bench is a pool on a fake server.
type bench struct {
	*akari.Pool
	t      *testing.T
	server *akaritest.Server
	log    *logBook
	most   int // connections at once; 0: the maximum
}

// quietKeeping switches off what would open, close or ping connections by the
// clock, for tests of something else.
var quietKeeping = akari.Config{
	MinimumIdle:   akari.None,
	IdleTimeout:   akari.Disabled,
	MaxLifetime:   akari.Disabled,
	KeepaliveTime: akari.Disabled,
}

// newBench makes a pool that is closed, and whose server is looked over, when
// the test ends.
func newBench(t *testing.T, profile akaritest.Profile, cfg akari.Config) *bench {
	t.Helper()
	return newBenchOn(t, akaritest.NewServer(profile), cfg)
}

func newBenchOn(t *testing.T, server *akaritest.Server, cfg akari.Config) *bench {
	t.Helper()
	akaritest.Verify(t, server)
	b := &bench{t: t, server: server, log: &logBook{}}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(b.log)
	}
	if cfg.Dialect == akari.DialectAuto && cfg.SessionReset == akari.ResetDirty {
		cfg.SessionReset = akari.ResetOff // the fake's statements are in no dialect: each might change the session
	}
	if cfg.PoolName == "" {
		cfg.PoolName = "test"
	}
	p, err := akari.New(t.Context(), server.Connector(), akari.Unbounded(cfg))
	if err != nil {
		t.Fatal(err)
	}
	b.Pool = p
	t.Cleanup(func() {
		server.Heal()
		p.Close()
		b.checkBooks()
		if t.Failed() {
			t.Logf("log:\n%v", b.log)
		}
	})
	return b
}

// checkBooks compares the pool's counters with each other and with the server,
// at rest.
func (b *bench) checkBooks() {
	b.t.Helper()
	s, truth := b.Stats(), b.server.Stats()
	if s.Opened-s.TotalClosed() != int64(s.Total) {
		b.t.Errorf("opened %d, closed %d, but %d in the pool", s.Opened, s.TotalClosed(), s.Total)
	}
	if s.Acquired-s.Released != int64(s.Active) {
		b.t.Errorf("acquired %d, released %d, but %d in use", s.Acquired, s.Released, s.Active)
	}
	if s.Total != s.Active+s.Idle {
		b.t.Errorf("total %d is not active %d and idle %d", s.Total, s.Active, s.Idle)
	}
	if truth.Open != s.Total {
		b.t.Errorf("the server has %d connections, the pool %d", truth.Open, s.Total)
	}
	if most := max(b.most, s.MaximumPoolSize); truth.MaxOpen > most {
		b.t.Errorf("%d connections at once, the maximum is %d", truth.MaxOpen, most)
	}
}

// acquire borrows a connection or fails the test.
func (b *bench) acquire() *akari.Conn {
	b.t.Helper()
	c, err := b.Acquire(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// want checks the four numbers of the stats line, once all is quiet.
func (b *bench) want(total, active, idle, waiting int) {
	b.t.Helper()
	synctest.Wait()
	s := b.Stats()
	if s.Total != total || s.Active != active || s.Idle != idle || s.Waiting != waiting {
		b.t.Fatalf("total=%d, active=%d, idle=%d, waiting=%d; want %d, %d, %d, %d",
			s.Total, s.Active, s.Idle, s.Waiting, total, active, idle, waiting)
	}
}

// exec runs a statement through the facade or fails the test.
func (b *bench) exec(query string, args ...any) {
	b.t.Helper()
	if _, err := b.DB().ExecContext(b.t.Context(), query, args...); err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
}

// value runs a query for one value.
func value[T any](t *testing.T, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, query string, args ...any) (v T) {
	t.Helper()
	if err := q.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// acquireError takes an error for what Acquire must return.
func acquireError(t *testing.T, err error) *akari.AcquireError {
	t.Helper()
	var ae *akari.AcquireError
	if !errors.As(err, &ae) {
		t.Fatalf("got %v, want an *akari.AcquireError", err)
	}
	return ae
}

// within runs the rest of a test in a bubble of virtual time.
func within(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// settle lets virtual time pass.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func contains(s, part string) bool { return strings.Contains(s, part) }

// collected keeps events from any goroutine.
type collected[E any] struct {
	mu     sync.Mutex
	events []E
}

func (c *collected[E]) add(e E) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
}

func (c *collected[E]) all() []E {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]E(nil), c.events...)
}
