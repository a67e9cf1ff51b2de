package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"testing"

	"github.com/akaripool/akari"
	"github.com/lib/pq"
)

// Middleware for tracing or metrics puts a connection of its own around that of
// the driver, and few show what is inside.

// embedding is the most common form: it has no method that shows what is inside,
// and lets nothing through but what driver.Conn demands.
type embedding struct{ driver.Conn }

// hiding keeps the driver's connection where nobody finds it.
type hiding struct{ conn func() driver.Conn }

func (h hiding) Prepare(query string) (driver.Stmt, error) { return h.conn().Prepare(query) }
func (h hiding) Close() error                              { return h.conn().Close() }
func (h hiding) Begin() (driver.Tx, error)                 { return h.conn().Begin() }

// wrapping is a connector of middleware.
type wrapping struct {
	driver.Connector
	wrap func(driver.Conn) driver.Conn
}

func (w wrapping) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := w.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return w.wrap(c), nil
}

func embed(c driver.Conn) driver.Conn { return &embedding{c} }
func hide(c driver.Conn) driver.Conn  { return hiding{func() driver.Conn { return c }} }

func wrappedPostgres(t testing.TB, wrap func(driver.Conn) driver.Conn) map[string]driver.Connector {
	t.Helper()
	pqConnector, err := pq.NewConnector(pqDatabase(t).dsn)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]driver.Connector{
		"pgx": wrapping{pgxConnector(t), wrap},
		"pq":  wrapping{pqConnector, wrap},
	}
}

// sessionDefaults are those of Config that the pool must know the server for.
var sessionDefaults = []struct {
	field       string
	cfg         akari.Config
	query, want string
}{
	{"ReadOnly", akari.Config{ReadOnly: true}, "SHOW transaction_read_only", "on"},
	{"TransactionIsolation", akari.Config{TransactionIsolation: sql.LevelSerializable}, "SHOW transaction_isolation", "serializable"},
	{"Schema", akari.Config{Schema: "pg_catalog"}, "SHOW search_path", "pg_catalog"},
}

func TestWrappedDriverIsRecognised(t *testing.T) {
	for name, c := range wrappedPostgres(t, embed) {
		for _, s := range sessionDefaults {
			t.Run(name+"/"+s.field, func(t *testing.T) {
				p, err := overConnector(t, c, s.cfg)
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if got := one[string](t, p.DB(), s.query); got != s.want {
						t.Errorf("%s: %s, want %s", s.query, got, s.want)
					}
					mustExec(t, p.DB(), "SET search_path = public")
					mustExec(t, p.DB(), "SET default_transaction_read_only = off")
				}
			})
		}
	}
}

// TestWhatCannotBeSetIsRefused where the driver cannot be recognised: a pool that
// is thought to be read-only, and is not, would be worse than none.
func TestWhatCannotBeSetIsRefused(t *testing.T) {
	for name, c := range wrappedPostgres(t, hide) {
		for _, s := range sessionDefaults {
			t.Run(name+"/"+s.field, func(t *testing.T) {
				_, err := overConnector(t, c, s.cfg)
				if bad, ok := errors.AsType[*akari.ConfigError](err); !ok || bad.Field != s.field {
					t.Errorf("New says %v", err)
				}
			})
			t.Run(name+"/"+s.field+" with Dialect", func(t *testing.T) {
				s.cfg.Dialect = akari.DialectPostgreSQL
				p, err := overConnector(t, c, s.cfg)
				if err != nil {
					t.Fatal(err)
				}
				if got := one[string](t, p.DB(), s.query); got != s.want {
					t.Errorf("%s: %s, want %s", s.query, got, s.want)
				}
			})
		}
	}
}

func TestSessionBehindAHidingWrapperDoesNotReachTheNextBorrower(t *testing.T) {
	for name, c := range wrappedPostgres(t, hide) {
		t.Run(name, func(t *testing.T) {
			p, err := overConnector(t, c, akari.Config{})
			if err != nil {
				t.Fatal(err)
			}
			fresh := one[string](t, p.DB(), "SHOW search_path")
			mustExec(t, p.DB(), "SET search_path = pg_catalog")
			if got := one[string](t, p.DB(), "SHOW search_path"); got != fresh {
				t.Errorf("search_path is %s", got)
			}
		})
	}
}

func TestDialectThatContradictsTheDriverIsRefused(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			wrong := akari.DialectMySQL
			if !d.postgres() {
				wrong = akari.DialectPostgreSQL
			}
			p, err := akari.Open(t.Context(), d.driver, d.dsn, akari.Config{Dialect: wrong, Logger: slog.New(slog.DiscardHandler)})
			if bad, ok := errors.AsType[*akari.ConfigError](err); !ok || bad.Field != "Dialect" {
				t.Errorf("Open says %v", err)
			}
			if err == nil {
				p.Close()
			}
		})
	}
}
