package akari_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// callerKey is where the context of a test's caller says who it is.
type callerKey struct{}

// noticing is a connection's ResetSession that notes whom it is called for.
type noticing struct {
	driver.SessionResetter
	callers *collected[any]
}

func (n noticing) ResetSession(ctx context.Context) error {
	n.callers.add(ctx.Value(callerKey{}))
	return n.SessionResetter.ResetSession(ctx)
}

// noticingPgx is PgxLike with a ResetSession like that.
func noticingPgx(callers *collected[any]) akaritest.Profile {
	p := akaritest.PgxLike
	p.WrapConn = func(c akaritest.FullConn) driver.Conn {
		return struct {
			driver.Conn
			driver.Pinger
			driver.ExecerContext
			driver.QueryerContext
			driver.ConnPrepareContext
			driver.ConnBeginTx
			driver.NamedValueChecker
			noticing
		}{c, c, c, c, c, c, c, noticing{c, callers}}
	}
	return p
}

func TestResetSessionIsCalledForEachLoanWithItsCallersContext(t *testing.T) {
	within(t, func(t *testing.T) {
		var callers collected[any]
		cfg := quietKeeping
		cfg.MaximumPoolSize = 1
		b := newBench(t, noticingPgx(&callers), cfg)
		n := 0
		use := func(what string, calls int, do func(context.Context) error) {
			t.Helper()
			n++
			before := len(callers.all())
			if err := do(context.WithValue(t.Context(), callerKey{}, n)); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			called := callers.all()[before:]
			if len(called) != calls || calls > 0 && called[len(called)-1] != n {
				t.Errorf("%s: ResetSession was called for %v, want %d calls, the last of them for %d", what, called, calls, n)
			}
		}
		exec := func(ctx context.Context) error { _, err := b.DB().ExecContext(ctx, "GET x"); return err }
		use("the first loan", 1, exec)
		use("the next", 1, exec)
		settle(time.Second)
		use("after a validation", 2, exec)
		use("after that", 1, exec)
		use("a transaction", 1, func(ctx context.Context) error {
			tx, err := b.DB().BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			must(t, tx, "GET x") // has another context, and is the same loan
			return tx.Commit()
		})
		use("Acquire", 1, func(ctx context.Context) error {
			c, err := b.Acquire(ctx)
			if err == nil {
				c.Release()
			}
			return err
		})
		conn := b.conn() // its own context is nobody's
		use("the first use of a Conn", 1, func(ctx context.Context) error { _, err := conn.ExecContext(ctx, "ECHO", 1); return err })
		use("its second", 0, func(ctx context.Context) error { return conn.PingContext(ctx) })
		conn.Close()
		b.Evict()
		settle(0)
		use("a new connection", 1, exec)
		b.want(1, 0, 1, 0)
	})
}

func TestConnectionWhoseResetFailsIsNotLent(t *testing.T) {
	for name, err := range map[string]error{"ErrBadConn": driver.ErrBadConn, "any other": errors.New("the hook failed")} {
		for _, first := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				within(t, func(t *testing.T) {
					b := newBench(t, akaritest.PgxLike, akari.Config{MaximumPoolSize: 1})
					if !first {
						b.exec("GET x")
					}
					in := b.server.Inject(akaritest.OpReset, akaritest.Fault{Times: 1, Err: err})
					if id := value[int](t, b.DB(), "CONN"); id != 2 || in.Hits() != 1 {
						t.Errorf("connection %d is lent after %d failures", id, in.Hits())
					}
					b.want(1, 0, 1, 0)
				})
			})
		}
	}
}
