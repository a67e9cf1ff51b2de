package akari_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// rest makes sure that no connection is in use, or granted to a task.
func (b *bench) rest() {
	b.t.Helper()
	synctest.Wait()
	if u, f, g, w := akari.ReserveState(b.Pool); u != 0 || f != 0 || g != 0 || w != 0 {
		b.t.Errorf("reserve at rest: used %d, first %d, further %d, waiting %d", u, f, g, w)
	}
	if a := b.Stats().Active; a != 0 {
		b.t.Errorf("at rest %d connections are in use", a)
	}
}

// recovered calls f and returns what it panicked with.
func recovered(f func()) (r any) {
	defer func() { r = recover() }()
	f()
	return nil
}

func small() akari.Config {
	c := quietKeeping
	c.MaximumPoolSize = 4
	return c
}

func TestRuleThatPanicsRollsBack(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, small())
		r := recovered(func() {
			_ = txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
				_, _ = b.DB().ExecContext(ctx, "INSERT 1")
				return errors.New("boom")
			}, txn.CommitIf(func(error) bool { panic("rule") }))
		})
		if r != "rule" || b.server.Has(1) {
			t.Errorf("recovered %v, committed: %t", r, b.server.Has(1))
		}
		b.rest()
	})
}

func TestSeatComesBackWhenIsValidEndsTheGoroutine(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, small())
		b.server.Inject(akaritest.OpIsValid, akaritest.Fault{Times: 1, Goexit: true})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
				_, err := b.DB().ExecContext(ctx, "INSERT 1")
				return err
			})
		}()
		<-done
		b.rest()
	})
}

func TestSeatComesBackWhateverTheDriverDoes(t *testing.T) {
	for _, op := range []akaritest.Op{akaritest.OpReset, akaritest.OpPing, akaritest.OpBegin, akaritest.OpExec, akaritest.OpCommit, akaritest.OpRollback, akaritest.OpConnect, akaritest.OpClose, akaritest.OpStmtClose, akaritest.OpIsValid} {
		for _, how := range []akaritest.Fault{{Goexit: true}, {Panic: "p"}, {Goexit: true, After: true}, {Panic: "p", After: true}} {
			for _, fail := range []bool{false, true} {
				t.Run(op.String(), func(t *testing.T) {
					within(t, func(t *testing.T) {
						b := newBench(t, akaritest.Full, small())
						b.exec("NOP")
						time.Sleep(time.Hour)
						how.Times = 1
						b.server.Inject(op, how)
						done := make(chan struct{})
						go func() {
							defer close(done)
							recovered(func() {
								_ = txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
									_, err := b.DB().ExecContext(ctx, "INSERT 1")
									if fail {
										return errors.New("x")
									}
									return err
								})
							})
						}()
						<-done
						time.Sleep(time.Minute)
						b.rest()
					})
				})
			}
		}
	}
}

func TestSavepointsWorkWithDriversThatPrepareAll(t *testing.T) {
	for _, pr := range akaritest.Profiles() {
		t.Run(pr.Name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, pr, small())
				err := txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
					return txn.Do(ctx, b.Pool, func(ctx context.Context) error {
						_, err := b.DB().ExecContext(ctx, "INSERT 1")
						return err
					}, txn.Nested)
				})
				if err != nil {
					t.Error(err)
				}
				b.rest()
			})
		})
	}
}

func TestCommitByTextIsRefusedOnAConnectionThatIsKept(t *testing.T) {
	within(t, func(t *testing.T) {
		for _, hold := range []bool{false, true} {
			cfg := small()
			cfg.Dialect = akari.DialectPostgreSQL
			b := newBench(t, akaritest.Full, cfg)
			var opts []txn.Option
			if hold {
				opts = append(opts, txn.Hold)
			}
			ctx, end, err := txn.Bind(context.Background(), b.Pool, opts...)
			if err != nil {
				t.Fatal(err)
			}
			err = txn.Do(ctx, b.Pool, func(ctx context.Context) error {
				if _, err := b.DB().ExecContext(ctx, "INSERT 1"); err != nil {
					t.Error(err)
				}
				_, err := b.DB().ExecContext(ctx, "COMMIT")
				return err
			})
			end()
			if !errors.Is(err, txn.ErrIncompatible) {
				t.Errorf("hold %v: %v", hold, err)
			}
			if n := value[int](t, b.DB(), "COUNT"); n != 0 {
				t.Errorf("hold %v: %d rows", hold, n)
			}
			b.rest()
		}
	})
}

// tracing is a driver wrapper like otelsql, or pgx with a tracer: it is given the context.
type tracing struct {
	driver.Connector
	told func(ctx context.Context)
}
type tracingConn struct {
	akFull
	told func(ctx context.Context)
}
type akFull interface {
	driver.Conn
	driver.ExecerContext
	driver.QueryerContext
	driver.ConnBeginTx
}

func (c tracing) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return tracingConn{conn.(akFull), c.told}, nil
}

func (c tracingConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	c.told(ctx)
	return c.akFull.ExecContext(ctx, q, args)
}

// What looks at the scope from within a call of its driver, a tracer say, does not wait
// for the call to end; a statement from there cannot be sent.
func TestScopeCanBeLookedAtInACallOfItsDriver(t *testing.T) {
	within(t, func(t *testing.T) {
		var p *akari.Pool
		var seen txn.Info
		var within error
		look := func(ctx context.Context) {
			info, in := txn.Current(ctx)
			if !in || p == nil {
				return
			}
			seen = info
			_ = txn.SetRollbackOnly(ctx, errors.New("seen"))
			_, within = p.DB().ExecContext(ctx, "NOP")
		}
		cfg := small()
		cfg.Logger = slog.New(slog.DiscardHandler)
		p, err := akari.New(t.Context(), tracing{akaritest.NewServer(akaritest.Full).Connector(), look}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		_ = txn.Do(context.Background(), p, func(ctx context.Context) error {
			_, err := p.DB().ExecContext(ctx, "NOP")
			return err
		}, txn.Name("traced"))
		if seen.Name != "traced" || !seen.InTx || !errors.Is(within, txn.ErrScopeBusy) {
			t.Errorf("the tracer saw %+v; its statement: %v", seen, within)
		}
	})
}

func TestCommitTimeoutMayBeAsLongAsOneLikes(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, small())
		b.server.Inject(akaritest.OpCommit, akaritest.Fault{Delay: time.Second})
		err := txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
			_, err := b.DB().ExecContext(ctx, "INSERT 1")
			return err
		}, txn.CommitTimeout(math.MaxInt64))
		if err != nil || !b.server.Has(1) {
			t.Errorf("%v, committed: %t", err, b.server.Has(1))
		}
		b.rest()
	})
}

// Two goroutines that send one statement after the other keep a third one waiting for
// theirs, and no longer.
func TestNobodyIsOvertakenForLongInAScope(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, small())
		b.server.Inject(akaritest.OpExec, akaritest.Fault{Delay: time.Millisecond})
		err := txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
			var all sync.WaitGroup
			var worst [3]time.Duration
			for i := range worst {
				all.Go(func() {
					for range 200 {
						start := time.Now()
						if _, err := b.DB().ExecContext(ctx, "NOP"); err != nil {
							t.Error(err)
						}
						worst[i] = max(worst[i], time.Since(start))
					}
				})
			}
			all.Wait()
			for i, d := range worst {
				if d > 10*time.Millisecond {
					t.Errorf("goroutine %d waited %v for a statement of 1ms", i, d)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		b.rest()
	})
}

// The connection that could come back is the caller's own: its rows are open.
func TestTaskDoesNotWaitForItself(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := small()
		cfg.MaximumPoolSize = 10
		b := newBench(t, akaritest.Full, cfg)
		whileReading := func(ctx context.Context, f func() error) error {
			rows, err := b.DB().QueryContext(ctx, "ROWS 5")
			if err != nil {
				return err
			}
			defer rows.Close()
			rows.Next()
			return f()
		}
		statement := func(ctx context.Context) error {
			_, err := b.DB().ExecContext(ctx, "NOP")
			return err
		}
		bound, end, err := txn.Bind(context.Background(), b.Pool)
		if err != nil {
			t.Fatal(err)
		}
		defer end()
		for name, try := range map[string]func() error{
			"two results and a statement": func() error {
				return whileReading(bound, func() error {
					return whileReading(bound, func() error { return statement(bound) })
				})
			},
			"a transaction, a result beside it and a statement": func() error {
				return txn.Do(bound, b.Pool, func(ctx context.Context) error {
					if err := statement(ctx); err != nil {
						return err
					}
					return txn.Do(ctx, b.Pool, func(ctx context.Context) error {
						return whileReading(ctx, func() error { return statement(ctx) })
					}, txn.NotSupported)
				})
			},
		} {
			start := time.Now()
			if err := try(); !errors.Is(err, txn.ErrNestingLimit) || time.Since(start) > 0 {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
		}
		b.rest()
	})
}

// Nothing is sent any more, as what the session had is lost; and it is said at once.
func TestBindingThatHasLostItsConnectionSaysSo(t *testing.T) {
	for name, lose := range map[string]func(b *bench, do func() error){
		"the server hangs up": func(b *bench, do func() error) {
			b.server.DropAll()
			_ = do()
		},
		"BEGIN panics": func(b *bench, do func() error) {
			b.server.Inject(akaritest.OpBegin, akaritest.Fault{Times: 1, Panic: "x"})
			if r := recovered(func() { _ = do() }); r != "x" {
				b.t.Errorf("recovered %v", r)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, akaritest.PqLike, small())
				ctx, end, err := txn.Bind(context.Background(), b.Pool, txn.Hold)
				if err != nil {
					t.Fatal(err)
				}
				statement := func(ctx context.Context) error {
					_, err := b.DB().ExecContext(ctx, "NOP")
					return err
				}
				do := func() error { return txn.Do(ctx, b.Pool, statement) }
				if err := do(); err != nil {
					t.Fatal(err)
				}
				lose(b, do)
				sent := b.server.Executions("NOP")
				for range 3 {
					for _, err := range []error{do(), statement(ctx)} {
						if !errors.Is(err, txn.ErrUnexpectedRollback) || errors.Is(err, driver.ErrBadConn) {
							t.Errorf("got %v", err)
						}
					}
				}
				if n := b.server.Executions("NOP"); n != sent {
					t.Errorf("%d statements were sent on", n-sent)
				}
				end()
				b.rest()
			})
		})
	}
}

// Else the inner one's rollback would undo what the outer one has done since.
func TestOfTwoTransactionsInAScopeOnlyTheInnerOneIsUsed(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, small())
		err := txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
			outer, err := b.DB().BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			inner, err := b.DB().BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if _, err := outer.Exec("INSERT 1"); !errors.Is(err, txn.ErrScopeBusy) {
				t.Errorf("the outer one: %v", err)
			}
			if _, err := inner.Exec("INSERT 2"); err != nil {
				t.Error(err)
			}
			if err := inner.Rollback(); err != nil {
				t.Error(err)
			}
			if _, err := outer.Exec("INSERT 3"); err != nil {
				t.Error(err)
			}
			return outer.Commit()
		})
		if err != nil || b.server.Has(1) || b.server.Has(2) || !b.server.Has(3) {
			t.Errorf("%v, committed: %v", err, b.server.Committed())
		}
		b.rest()
	})
}

// A connection whose driver has panicked is being closed: rows that were open on it are
// not closed as well.
func TestRowsGoWithTheConnectionOfAPanic(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, small())
		b.server.Inject(akaritest.OpRowsClose, akaritest.Fault{Delay: time.Second})
		_ = txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
			rows, err := b.DB().QueryContext(ctx, "ROWS 5")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			rows.Next()
			b.server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, Panic: "x"})
			if r := recovered(func() { _, _ = b.DB().ExecContext(ctx, "NOP") }); r != "x" {
				t.Errorf("recovered %v", r)
			}
			if rows.Next() || !errors.Is(rows.Err(), txn.ErrUnexpectedRollback) && rows.Err() == nil {
				t.Errorf("a row was read after that; %v", rows.Err())
			}
			return nil
		})
		b.rest()
	})
}

func TestSeatComesBackWhenThereIsNoConnection(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := small()
		cfg.MaximumPoolSize = 1
		b := newBench(t, akaritest.Full, cfg)
		held := b.acquire()
		err := txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
			_, err := b.DB().ExecContext(ctx, "NOP")
			return err
		}, txn.Timeout(time.Second))
		if !errors.Is(err, akari.ErrAcquireTimeout) || !errors.Is(err, txn.ErrTimeout) {
			t.Error(err)
		}
		held.Release()
		b.rest()
	})
}
