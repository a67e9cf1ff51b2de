package akari_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

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
		t.Log("recovered", r)
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

func TestSeatComesBackWhenResetSessionEndsTheGoroutine(t *testing.T) {
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

func TestPanicOfARollbackByTheClockIsCaught(t *testing.T) {
	if os.Getenv("B03") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPanicOfARollbackByTheClockIsCaught$")
		cmd.Env = append(os.Environ(), "B03=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("the process died: %v\n%.600s", err, out)
		}
		return
	}
	server := akaritest.NewServer(akaritest.Full)
	p, err := akari.New(context.Background(), server.Connector(), akari.Config{MaximumPoolSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	server.Inject(akaritest.OpRollback, akaritest.Fault{Times: 1, Panic: "driver"})
	recovered(func() {
		_ = txn.Do(context.Background(), p, func(ctx context.Context) error {
			if _, err := p.DB().ExecContext(ctx, "INSERT 1"); err != nil {
				t.Error(err)
			}
			time.Sleep(200 * time.Millisecond)
			return nil
		}, txn.Timeout(50*time.Millisecond))
	})
	p.Close()
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

func TestScopeCanBeLookedAtInACallOfItsDriver(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	p, err := akari.New(context.Background(), tracing{server.Connector(), func(ctx context.Context) { txn.Current(ctx) }}, akari.Config{MaximumPoolSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = txn.Do(context.Background(), p, func(ctx context.Context) error {
			_, err := p.DB().ExecContext(ctx, "NOP")
			return err
		})
	}()
	select {
	case <-done:
		p.Close()
	case <-time.After(3 * time.Second):
		t.Error("dead-lock: txn.Current in a driver's tracer waits for the statement it is called by")
	}
}

func TestCommitTimeoutMayBeAsLongAsOneLikes(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, small())
		b.server.Inject(akaritest.OpCommit, akaritest.Fault{Delay: time.Second})
		err := txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
			_, err := b.DB().ExecContext(ctx, "INSERT 1")
			return err
		}, txn.CommitTimeout(math.MaxInt64))
		if err != nil {
			t.Error(err)
		}
		b.rest()
	})
}

func TestNobodyIsOvertakenForLongInAScope(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	server := akaritest.NewServer(akaritest.Full)
	server.Inject(akaritest.OpExec, akaritest.Fault{Delay: time.Millisecond})
	p, _ := akari.New(context.Background(), server.Connector(), akari.Config{MaximumPoolSize: 2})
	defer p.Close()
	_ = txn.Do(context.Background(), p, func(ctx context.Context) error {
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					_, _ = p.DB().ExecContext(ctx, "NOP")
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		var worst time.Duration
		n := 0
		for begin := time.Now(); time.Since(begin) < 3*time.Second; {
			start := time.Now()
			_, _ = p.DB().ExecContext(ctx, "NOP")
			worst = max(worst, time.Since(start))
			n++
		}
		t.Logf("%d statements, the longest %v", n, worst)
		if worst > 500*time.Millisecond {
			t.Error("starved")
		}
		close(stop)
		wg.Wait()
		return nil
	})
}

func TestTaskDoesNotWaitForItself(t *testing.T) {
	within(t, func(t *testing.T) {
		for _, how := range []string{"notsupported", "bind"} {
			cfg := small()
			cfg.MaximumPoolSize = 10
			b := newBench(t, akaritest.Full, cfg)
			start := time.Now()
			body := func(ctx context.Context, depth int) error { return nil }
			body = func(ctx context.Context, depth int) error {
				if depth == 0 {
					_, err := b.DB().ExecContext(ctx, "NOP")
					return err
				}
				rows, err := b.DB().QueryContext(ctx, "ROWS 5")
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					return body(ctx, depth-1)
				}
				return nil
			}
			var err error
			if how == "bind" {
				ctx, end, _ := txn.Bind(context.Background(), b.Pool)
				err = body(ctx, 2)
				end()
			} else {
				err = txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
					if _, err := b.DB().ExecContext(ctx, "NOP"); err != nil {
						return err
					}
					return txn.Do(ctx, b.Pool, func(ctx context.Context) error { return body(ctx, 1) }, txn.NotSupported)
				})
			}
			t.Logf("%s: %v after %v", how, err, time.Since(start))
			if time.Since(start) > time.Second {
				t.Errorf("%s: stalled %v with idle connections", how, time.Since(start))
			}
			b.rest()
		}
	})
}

func TestBindingThatHasLostItsConnectionSaysSo(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.PqLike, small())
		ctx, end, _ := txn.Bind(context.Background(), b.Pool, txn.Hold)
		do := func() error {
			return txn.Do(ctx, b.Pool, func(ctx context.Context) error {
				_, err := b.DB().ExecContext(ctx, "NOP")
				return err
			})
		}
		t.Log(do())
		b.server.DropAll()
		t.Log("lost:", do())
		for range 3 {
			err := do()
			t.Logf("after: %T %v", err, err)
			if errors.Is(err, driver.ErrBadConn) {
				t.Error("ErrBadConn reaches database/sql, and the user")
			}
		}
		_, err := b.DB().ExecContext(ctx, "NOP")
		t.Logf("plain: %v", err)
		err = do()
		t.Logf("after: %T %v", err, err)
		end()
		b.rest()
	})
}

func TestPanicInBeginLeavesNothingOpenInABinding(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.PqLike, small())
		ctx, end, _ := txn.Bind(context.Background(), b.Pool, txn.Hold)
		b.exec("NOP")
		_, _ = b.DB().ExecContext(ctx, "NOP")
		b.server.Inject(akaritest.OpBegin, akaritest.Fault{Times: 1, Panic: "x"})
		do := func() error {
			return txn.Do(ctx, b.Pool, func(ctx context.Context) error {
				_, err := b.DB().ExecContext(ctx, "NOP")
				return err
			})
		}
		t.Log(recovered(func() { _ = do() }))
		t.Log(do())
		_, err := b.DB().ExecContext(ctx, "NOP")
		t.Log(err)
		end()
		b.rest()
	})
}

func TestEndOfAnEarlierStatementHarmsNoLaterAttempt(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	server := akaritest.NewServer(akaritest.Full)
	p, _ := akari.New(context.Background(), server.Connector(), akari.Config{MaximumPoolSize: 2})
	defer p.Close()
	ctx1, cancel1 := context.WithCancel(context.Background())
	first := true
	server.Inject(akaritest.OpBegin, akaritest.Fault{Times: 1, Match: func(akaritest.Call) bool {
		if first {
			first = false
			cancel1()
		}
		return true
	}, Err: errors.New("begin fails")})
	server.Inject(akaritest.OpCommit, akaritest.Fault{Delay: time.Millisecond})
	_ = ctx1
	err := txn.Do(context.Background(), p, func(ctx context.Context) error {
		c, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(ctx1, cancel)
		defer stop()
		_ = c
		cc := mergedCtx{ctx, ctx1}
		_, err := p.DB().ExecContext(cc, "NOP")
		t.Log("first:", err)
		_, err = p.DB().ExecContext(ctx, "INSERT 1")
		t.Log("second:", err)
		return err
	})
	t.Log(err)
	if err != nil {
		t.Error("COMMIT fails: the context of the attempt before has ended it", err)
	}
}

// mergedCtx has the values of one context, and ends with another.
type mergedCtx struct {
	context.Context
	ends context.Context
}

func (m mergedCtx) Done() <-chan struct{} { return m.ends.Done() }
func (m mergedCtx) Err() error            { return m.ends.Err() }

func TestOfTwoTransactionsInAScopeOnlyTheInnerOneIsUsed(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, small())
		err := txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
			tx1, err := b.DB().BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			tx2, err := b.DB().BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			_, err = tx1.Exec("INSERT 1")
			t.Log("tx1 insert", err)
			if err != nil {
				tx2.Rollback()
				tx1.Rollback()
				return err
			}
			_, err = tx2.Exec("INSERT 2")
			t.Log("tx2 insert", err)
			t.Log("tx2 rollback", tx2.Rollback())
			err = tx1.Commit()
			t.Log("tx1 commit", err)
			return err
		})
		n := value[int](t, b.DB(), "COUNT")
		t.Log(err, n)
		if err == nil && n != 1 {
			t.Error("what tx1 did was lost without a word")
		}
		b.rest()
	})
}

var _ = sql.ErrNoRows
