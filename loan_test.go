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

func TestConnectionThatCannotBeResetIsReplaced(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.PgxLike, akari.Config{MaximumPoolSize: 1})
		b.exec("GET x")
		in := b.server.Inject(akaritest.OpReset, akaritest.Fault{Times: 1, Err: driver.ErrBadConn})
		if id := value[int](t, b.DB(), "CONN"); id != 2 || in.Hits() != 1 {
			t.Errorf("connection %d is lent after %d failures", id, in.Hits())
		}
		b.want(1, 0, 1, 0)
	})
}

// A hook of pgx that wants something of the caller's context does not find it.
func TestCallerWhomResetSessionRefusesIsSentAway(t *testing.T) {
	boo := errors.New("no tenant in the context")
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.PgxLike, akari.Config{MaximumPoolSize: 4, MinimumIdle: 4})
		b.want(4, 0, 4, 0)
		in := b.server.Inject(akaritest.OpReset, akaritest.Fault{Err: boo})
		for i := range 10 {
			_, err := b.DB().ExecContext(t.Context(), "GET x")
			if acquire := (*akari.AcquireError)(nil); !errors.As(err, &acquire) || acquire.Reason != boo || acquire.Waited > time.Second {
				t.Errorf("%v", err)
			}
			if in.Hits() != i+1 {
				t.Errorf("ResetSession was called %d times for %d callers", in.Hits(), i+1)
			}
			settle(0)
		}
		if s := b.Stats(); s.Opened != 4 || s.Total != 4 || s.AcquireRejected != 10 {
			t.Errorf("%d connections opened, %d there, %d callers refused", s.Opened, s.Total, s.AcquireRejected)
		}
		settle(time.Hour) // keepalive has no caller's context either
		if s := b.Stats(); s.ValidationFailures != 0 {
			t.Errorf("%d connections were found dead", s.ValidationFailures)
		}
	})
}

func TestResetSessionThatAlwaysFailsIsNoStorm(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.PgxLike, akari.Config{MaximumPoolSize: 10})
		b.server.Inject(akaritest.OpReset, akaritest.Fault{Err: driver.ErrBadConn})
		failed := 0
		for start := time.Now(); time.Since(start) < time.Second; failed++ {
			if _, err := b.DB().ExecContext(t.Context(), "GET x"); err == nil || errors.Is(err, driver.ErrBadConn) {
				t.Fatalf("%v", err)
			}
		}
		if n := b.Stats().Opened; n > 30 {
			t.Errorf("%d connections were opened in a second, for %d callers", n, failed)
		}
	})
}

// The end of a caller's time says nothing about other connections.
func TestResetSessionCutOffByItsCallerRaisesNoSuspicion(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.PgxLike, akari.Config{MaximumPoolSize: 10, MinimumIdle: 10})
		b.want(10, 0, 10, 0)
		b.server.Inject(akaritest.OpReset, akaritest.Fault{Times: 1, Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := b.DB().ExecContext(ctx, "GET x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		settle(0)
		if s := b.Stats(); s.Validations != 0 || s.Closed[akari.CloseDead] != 0 {
			t.Errorf("%d connections were asked, %d found dead", s.Validations, s.Closed[akari.CloseDead])
		}
	})
}
