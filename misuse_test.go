package akari_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// What callers do that they should not, or that they may, at the worst moment.

// 38: the context of a caller ends at each stage of its work.
func TestContextEndsAtEachStage(t *testing.T) {
	slow := func(b *bench, op akaritest.Op) {
		b.server.Inject(op, akaritest.Fault{Hang: true, Times: 1})
	}
	for name, work := range map[string]func(ctx context.Context, b *bench) error{
		"while it waits": func(ctx context.Context, b *bench) error {
			defer b.acquire().Release()
			_, err := b.DB().ExecContext(ctx, "INSERT 1")
			return err
		},
		"while the pool asks the server": func(ctx context.Context, b *bench) error {
			settle(time.Second)
			slow(b, akaritest.OpPing)
			_, err := b.DB().ExecContext(ctx, "INSERT 1")
			return err
		},
		"in the middle of a statement": func(ctx context.Context, b *bench) error {
			slow(b, akaritest.OpExec)
			_, err := b.DB().ExecContext(ctx, "INSERT 1")
			return err
		},
		"in the middle of a query": func(ctx context.Context, b *bench) error {
			slow(b, akaritest.OpQuery)
			_, err := b.DB().QueryContext(ctx, "ROWS 1")
			return err
		},
		"while it prepares": func(ctx context.Context, b *bench) error {
			slow(b, akaritest.OpPrepare)
			_, err := b.DB().PrepareContext(ctx, "ROWS ?")
			return err
		},
		"while it begins": func(ctx context.Context, b *bench) error {
			slow(b, akaritest.OpBegin)
			_, err := b.DB().BeginTx(ctx, nil)
			return err
		},
		"between rows": func(ctx context.Context, b *bench) error {
			rows, err := b.DB().QueryContext(ctx, "ROWS 1000")
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				time.Sleep(100 * time.Millisecond)
			}
			return rows.Err()
		},
		"in a transaction": func(ctx context.Context, b *bench) error {
			tx, err := b.DB().BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT 1"); err != nil {
				return err
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if err := tx.Commit(); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, sql.ErrTxDone) {
				return fmt.Errorf("commit: %w", err)
			}
			return ctx.Err()
		},
	} {
		for _, profile := range []akaritest.Profile{akaritest.PgxLike, akaritest.PqLike, akaritest.MySQLLike, akaritest.SQLiteLike, akaritest.MattnLike} {
			t.Run(name+"/"+profile.Name, func(t *testing.T) {
				within(t, func(t *testing.T) {
					b := newBench(t, profile, akari.Config{MaximumPoolSize: 1})
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					err := work(ctx, b)
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got %v", err)
					}
					if b.server.Has(1) {
						t.Error("a cancelled insert is committed")
					}
					b.server.Heal()
					settle(time.Second)
					b.want(1, 0, 1, 0)
					b.exec("INSERT 2")
					if !b.server.Has(2) {
						t.Error("the next borrower's write is lost")
					}
				})
			})
		}
	}
}

// 39: a deadline that has passed costs the pool nothing.
func TestDeadContextTouchesNothing(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.PgxLike, akari.Config{MaximumPoolSize: 1})
		settle(time.Hour) // so idle that the pool would ask
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		pings := b.server.Calls(akaritest.OpPing | akaritest.OpReset)
		for range 10 {
			if _, err := b.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Acquire: %v", err)
			}
			if _, err := b.DB().ExecContext(ctx, "INSERT 1"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Exec: %v", err)
			}
		}
		if n := b.server.Calls(akaritest.OpPing|akaritest.OpReset) - pings; n != 0 {
			t.Errorf("%d calls of the driver", n)
		}
		b.want(1, 0, 1, 0)
	})
}

// 41: rows left open hold their connection, as with database/sql, and closing
// the transaction or the sql.Conn closes them.
func TestRowsLeftOpen(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.SQLiteLike, akari.Config{MaximumPoolSize: 1})
		tx, err := b.DB().Begin()
		if err != nil {
			t.Fatal(err)
		}
		rows, err := tx.Query("ROWS 10")
		if err != nil {
			t.Fatal(err)
		}
		rows.Next()
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		b.want(1, 0, 1, 0)
		if rows.Next() {
			t.Error("rows go on after the commit")
		}
		if n := b.server.Stats().Rows; n != 0 {
			t.Errorf("%d results are open", n)
		}
	})
}

// 43: a caller panics, or its goroutine ends, while it holds a connection.
func TestCallerThatEndsWhileItHoldsAConnection(t *testing.T) {
	for name, end := range map[string]func(){"panics": func() { panic("boo") }, "ends its goroutine": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1})
				var wg sync.WaitGroup
				wg.Add(1)
				go func() {
					defer wg.Done()
					defer func() { recover() }()
					c := b.acquire()
					defer c.Release()
					end()
				}()
				wg.Wait()
				b.want(1, 0, 1, 0)

				wg.Add(1)
				go func() {
					defer wg.Done()
					defer func() { recover() }()
					tx, _ := b.DB().BeginTx(t.Context(), nil)
					defer tx.Rollback()
					tx.Exec("INSERT 1")
					end()
				}()
				wg.Wait()
				b.want(1, 0, 1, 0)
				if b.server.Has(1) {
					t.Error("committed")
				}
			})
		})
	}
}

// 46: connections held across a resize, an eviction, a suspension and a
// shutdown stay good until they are returned.
func TestHeldAcrossEverythingAnOperatorDoes(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 4})
		b.most = 4
		b.want(4, 0, 4, 0)
		tx, err := b.DB().Begin()
		if err != nil {
			t.Fatal(err)
		}
		insert := func(id int) {
			t.Helper()
			if _, err := tx.Exec(fmt.Sprintf("INSERT %d", id)); err != nil {
				t.Fatal(err)
			}
		}
		b.Evict()
		settle(time.Second)
		insert(1)
		s := b.Settings()
		s.MaximumPoolSize = 1
		if err := b.Apply(s); err != nil {
			t.Fatal(err)
		}
		settle(time.Second)
		insert(2)
		b.Suspend()
		insert(3)
		b.Resume()
		settle(time.Hour)
		insert(4)
		b.Close()
		insert(5)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if n := len(b.server.Committed()); n != 5 {
			t.Errorf("%d rows of 5", n)
		}
		b.want(0, 0, 0, 0)
	})
}

// 53: resize up and down, suspend and resume, all under load: no error.
func TestOperatorAtWorkUnderLoad(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 10})
		b.most = 10
		end := time.Now().Add(20 * time.Second)
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				for time.Now().Before(end) {
					if _, err := b.DB().ExecContext(t.Context(), "SLEEP 3ms"); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for i := 0; time.Now().Before(end); i++ {
			s := b.Settings()
			s.MaximumPoolSize = 1 + i*7%10
			if err := b.Apply(s); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
			b.Suspend()
			time.Sleep(20 * time.Millisecond)
			b.Resume()
		}
		wg.Wait()
		settle(time.Second)
		if s := b.Stats(); s.Total > s.MaximumPoolSize {
			t.Errorf("%d connections of %d", s.Total, s.MaximumPoolSize)
		}
	})
}

// 35: an ErrBadConn is one however it is wrapped, and MustEvict and DoNotEvict
// are heard before the pool's own rules.
func TestErrorsThatMeanTheConnectionIsLost(t *testing.T) {
	pgErr := func(code string) error { return &akaritest.Error{Code: code, Message: "x"} }
	myErr := func(n uint16) error { return &akaritest.MySQLError{Number: n, Message: "x"} }
	for _, c := range []struct {
		name string
		err  error
		lost bool
	}{
		{"ErrBadConn", driver.ErrBadConn, true},
		{"a wrapped ErrBadConn", fmt.Errorf("x: %w", driver.ErrBadConn), true},
		{"a joined ErrBadConn", errors.Join(errors.New("x"), driver.ErrBadConn), true},
		{"connection exception 08006", pgErr("08006"), true},
		{"any of class 08", pgErr("08P99"), true},
		{"admin shutdown", pgErr("57P01"), true},
		{"crash shutdown", pgErr("57P02"), true},
		{"cannot connect now", pgErr("57P03"), true},
		{"feature not supported", pgErr("0A000"), true},
		{"SQL-92 disconnect", pgErr("01002"), true},
		{"Sybase", pgErr("JZ0C0"), true},
		{"Sybase too", pgErr("JZ0C1"), true},
		{"idle in transaction time-out", pgErr("25P03"), true},
		{"Redshift", myErr(0), false},
		{"MySQL killed", myErr(1927), true},
		{"MySQL shutdown", myErr(1053), true},
		{"MySQL proxies", myErr(1105), true},
		{"a wrapped SQLSTATE", fmt.Errorf("x: %w", pgErr("08003")), true},
		{"statement time-out", pgErr("57014"), false},
		{"duplicate key", pgErr("23505"), false},
		{"deadlock", pgErr("40P01"), false},
		{"lock time-out", pgErr("55P03"), false},
		{"disk full", pgErr("53100"), false},
		{"syntax", pgErr("42601"), false},
		{"MySQL duplicate key", myErr(1062), false},
		{"MySQL deadlock", myErr(1213), false},
		{"MariaDB statement time-out", myErr(1969), false},
		{"something else", errors.New("boo"), false},
		{"the caller's context", context.DeadlineExceeded, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize = 1
				b := newBench(t, akaritest.SQLiteLike, cfg)
				b.server.Inject(akaritest.OpExec, akaritest.Fault{Err: c.err, Times: 1})
				_, err := b.DB().ExecContext(t.Context(), "GET x")
				if err == nil {
					t.Fatal("no error")
				}
				lost := 0
				if c.lost {
					lost = 1
				}
				b.want(1-lost, 0, 1-lost, 0)
			})
		})
	}
}

func TestAdjudicateIsHeardFirst(t *testing.T) {
	broken, fine := &akaritest.Error{Code: "08999"}, &akaritest.Error{Code: "23505"}
	for _, c := range []struct {
		err     error
		verdict akari.Verdict
		left    int
	}{
		{broken, akari.Continue, 4}, {broken, akari.DoNotEvict, 5}, {broken, akari.MustEvict, 4},
		{fine, akari.Continue, 5}, {fine, akari.DoNotEvict, 5}, {fine, akari.MustEvict, 4},
	} {
		within(t, func(t *testing.T) {
			cfg := quietKeeping
			cfg.MaximumPoolSize = 5
			cfg.Adjudicate = func(error) akari.Verdict { return c.verdict }
			b := newBench(t, akaritest.Full, cfg)
			var held []*akari.Conn
			for range 5 {
				held = append(held, b.acquire())
			}
			for _, h := range held {
				h.Release()
			}
			b.server.Inject(akaritest.OpExec, akaritest.Fault{Err: c.err, Times: 1})
			if _, err := b.DB().Exec("GET x"); !errors.Is(err, c.err) {
				t.Errorf("got %v", err)
			}
			b.want(c.left, 0, c.left, 0)
		})
	}
}

func TestDemotedServerIsLeft(t *testing.T) {
	for name, refused := range map[string]error{
		"PostgreSQL": &akaritest.Error{Code: "25006", Message: "cannot execute INSERT in a read-only transaction"},
		"MySQL":      &akaritest.MySQLError{Number: 1290, Message: "running with the --read-only option"},
		"MySQL 1836": &akaritest.MySQLError{Number: 1836, Message: "Running in read-only mode"},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, akaritest.PqLike, akari.Config{MaximumPoolSize: 5})
				b.want(5, 0, 5, 0)
				in := b.server.Inject(akaritest.OpExec, akaritest.Fault{Err: refused, Match: func(c akaritest.Call) bool { return c.ConnID <= 5 }})
				failed := 0
				for i := range 100 {
					if _, err := b.DB().Exec(fmt.Sprintf("INSERT %d", i)); err != nil {
						failed++
					}
					settle(10 * time.Millisecond)
				}
				if failed != 1 {
					t.Errorf("%d writes failed", failed)
				}
				if n := b.Stats().Closed[akari.CloseReadOnly]; n != 5 {
					t.Errorf("%d connections were replaced", n)
				}
				in.Release()

				// The user's own read-only transactions say nothing about the server.
				b.server.Inject(akaritest.OpExec, akaritest.Fault{Err: refused})
				for range 10 {
					tx, err := b.DB().BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
					if err != nil {
						t.Fatal(err)
					}
					tx.Exec("INSERT 1")
					tx.Rollback()
					settle(time.Second)
				}
				if n := b.Stats().Closed[akari.CloseReadOnly]; n != 5 {
					t.Errorf("%d connections were replaced for the user's own transactions", n-5)
				}
			})
		})
	}
}

// A pool that is meant for a replica does not replace its connections for each
// stray write.
func TestReadOnlyServerIsNotLeftAgainAndAgain(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.PqLike, akari.Config{MaximumPoolSize: 5})
		b.want(5, 0, 5, 0)
		b.server.Inject(akaritest.OpExec, akaritest.Fault{Err: &akaritest.Error{Code: "25006"}})
		for range 600 {
			b.DB().Exec("INSERT 1")
			time.Sleep(100 * time.Millisecond)
		}
		s := b.Stats()
		if n := s.Opened; n > 5*20 {
			t.Errorf("%d connections in a minute", n)
		}
		t.Logf("%d connections opened for 600 refused writes in a minute", s.Opened)
	})
}

func TestNothingOfATransactionRunsOnceTheDriverHasPanickedInIt(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize = 2
		b := newBench(t, akaritest.PgxLike, cfg)
		tx, err := b.DB().BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), "INSERT 1"); err != nil {
			t.Fatal(err)
		}
		b.server.Inject(akaritest.OpExec, akaritest.Fault{Panic: "a Valuer panics", Times: 1})
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _ = tx.ExecContext(t.Context(), "INSERT 2")
		}()
		if _, err := tx.ExecContext(t.Context(), "INSERT 3"); !errors.Is(err, driver.ErrBadConn) {
			t.Errorf("the next statement: %v", err)
		}
		if err := tx.Commit(); err == nil {
			t.Error("Commit succeeded")
		}
		if ids := b.server.Committed(); len(ids) != 0 {
			t.Errorf("%v took effect", ids)
		}
		b.exec("INSERT 4")
		if ids := b.server.Committed(); len(ids) != 1 {
			t.Errorf("%v took effect", ids)
		}
		if s := b.Stats(); s.Active != 0 {
			t.Errorf("%d connections in use", s.Active)
		}
	})
}
