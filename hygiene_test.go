package akari_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// dirtyPool is a pool of one connection whose dialect has a ROLLBACK.
func dirtyPool(t *testing.T, profile akaritest.Profile, cfg akari.Config) *bench {
	cfg.MaximumPoolSize = 1
	cfg.IdleTimeout, cfg.MaxLifetime, cfg.KeepaliveTime = akari.Disabled, akari.Disabled, akari.Disabled
	cfg.Dialect = akari.DialectMySQL
	return newBench(t, profile, cfg)
}

func TestTransactionLeftOpenIsRolledBack(t *testing.T) {
	for _, mode := range []akari.SessionReset{akari.ResetDirty, akari.ResetAlways, akari.ResetOff} {
		within(t, func(t *testing.T) {
			var events collected[akari.SessionResetEvent]
			b := dirtyPool(t, akaritest.MySQLLike, akari.Config{SessionReset: mode, Trace: &akari.Trace{
				SessionReset: events.add,
			}})
			b.exec("BEGIN")
			b.exec("INSERT 1") // another borrower's, acknowledged
			settle(0)
			if !b.server.Has(1) {
				t.Fatalf("mode %v: an acknowledged write is lost in somebody else's transaction", mode)
			}
			if s := b.server.Stats(); s.Begun != 1 || s.RolledBack != 1 {
				t.Errorf("mode %v: %d begun, %d rolled back", mode, s.Begun, s.RolledBack)
			}
			resets := events.all()
			if len(resets) == 0 || resets[0].Changed != "begin" || b.Stats().SessionResets == 0 {
				t.Errorf("mode %v: events %v", mode, resets)
			}
		})
	}
}

func TestTransactionEndedByTextCostsNothing(t *testing.T) {
	within(t, func(t *testing.T) {
		b := dirtyPool(t, akaritest.MySQLLike, akari.Config{})
		c, err := b.DB().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []string{"BEGIN", "INSERT 1", "COMMIT"} {
			if _, err := c.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		before := b.server.Stats().Statements
		c.Close()
		settle(0)
		if n := b.server.Stats().Statements - before; n != 0 {
			t.Errorf("%d statements for the return of a clean connection", n)
		}
		if !b.server.Has(1) {
			t.Error("the commit is lost")
		}
	})
}

func TestCleanReturnCostsNoRoundTrip(t *testing.T) {
	within(t, func(t *testing.T) {
		b := dirtyPool(t, akaritest.PqLike, akari.Config{})
		b.server.Define("SELECT a FROM t", "GET a")
		b.server.Define("UPDATE t SET a = 1", "GET a")
		pings, statements := b.server.Calls(akaritest.OpPing), b.server.Stats().Statements
		for range 100 {
			b.exec("SELECT a FROM t")
			b.exec("UPDATE t SET a = 1")
			tx, err := b.DB().Begin()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec("SELECT a FROM t"); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		if n := b.server.Calls(akaritest.OpPing) - pings; n != 0 {
			t.Errorf("%d pings", n)
		}
		if n := b.server.Stats().Statements - statements; n != 300 {
			t.Errorf("%d statements for 300", n)
		}
	})
}

func TestChangedSessionThatCannotBeCleanedIsClosed(t *testing.T) {
	within(t, func(t *testing.T) {
		b := dirtyPool(t, akaritest.MySQLLike, akari.Config{})
		b.exec("SET tenant 42")
		if got := value[sql.NullString](t, b.DB(), "GET tenant"); got.Valid {
			t.Fatalf("the next borrower sees %q", got.String)
		}
		settle(0)
		if n := b.Stats().Closed[akari.CloseReset]; n == 0 {
			t.Fatal("how?")
		}
	})
}

func TestCleaningThatFailsOrHangsClosesTheConnection(t *testing.T) {
	for name, fault := range map[string]akaritest.Fault{
		"fails":                   {Err: errors.New("no")},
		"hangs":                   {Hang: true},
		"hangs, ignoring context": {Hang: true, IgnoreContext: true},
		"panics":                  {Panic: "boo"},
		"ends the goroutine":      {Goexit: true},
		"says ErrBadConn":         {Err: driver.ErrBadConn, Break: true},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := dirtyPool(t, akaritest.MySQLLike, akari.Config{ValidationTimeout: time.Second})
				b.exec("BEGIN")
				fault.Times = 1
				fault.Match = func(c akaritest.Call) bool { return c.Text == "ROLLBACK" }
				settle(0) // cleaned already; do it again with the fault
				in := b.server.Inject(akaritest.OpExec, fault)
				b.exec("BEGIN")
				b.exec("INSERT 1")
				if !b.server.Has(1) {
					t.Error("an acknowledged write is lost")
				}
				if in.Hits() != 1 {
					t.Fatal("nothing was injected")
				}
				if fault.IgnoreContext {
					b.most = 2
				}
				in.Release()
				settle(5 * time.Second)
				b.want(1, 0, 1, 0)
			})
		})
	}
}

func TestUserSaysWhichStatementsChangeTheSession(t *testing.T) {
	within(t, func(t *testing.T) {
		asked := map[string]int{}
		b := dirtyPool(t, akaritest.MySQLLike, akari.Config{ChangesSession: func(q string) bool {
			asked[q]++
			return contains(q, "become_tenant")
		}})
		b.server.Define("SELECT become_tenant(42)", "SET tenant 42")
		b.server.Define("SELECT 1", "GET one")
		for range 3 {
			b.exec("SELECT 1")
		}
		b.exec("SELECT become_tenant(42)")
		settle(0)
		if b.Stats().Closed[akari.CloseReset] != 1 {
			t.Error("the connection was not cleaned")
		}
		if asked["SELECT 1"] != 1 {
			t.Errorf("asked %d times about one text", asked["SELECT 1"])
		}
	})
}

func TestInitSQLRunsOnEveryConnection(t *testing.T) {
	within(t, func(t *testing.T) {
		var hooks atomic.Int32
		b := newBench(t, akaritest.Full, akari.Config{
			MaximumPoolSize: 3, ConnectionInitSQL: "SET lang ko",
			OnConnect: func(_ context.Context, dc any) error {
				if _, ok := akaritest.ConnID(dc); !ok {
					t.Errorf("OnConnect got a %T", dc)
				}
				hooks.Add(1)
				return nil
			},
		})
		b.want(3, 0, 3, 0)
		for _, c := range b.server.Conns() {
			if c.Vars["lang"] != "ko" {
				t.Errorf("connection %d was not initialised", c.ID)
			}
		}
		if n := hooks.Load(); n != 3 {
			t.Errorf("OnConnect was called %d times", n)
		}
	})
}
