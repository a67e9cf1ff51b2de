package akari_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// nested has callers that each take a connection by first and, holding it, ask
// for another.
func nested(t *testing.T, b *bench, callers int, first func(context.Context) (release func(), err error)) (failed []error, took time.Duration) {
	t.Helper()
	start := time.Now()
	var mu sync.Mutex
	var wg, holding sync.WaitGroup
	holding.Add(callers)
	for range callers {
		wg.Go(func() {
			release, err := first(t.Context())
			holding.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			holding.Wait()
			if _, err := b.DB().ExecContext(t.Context(), "GET x"); err != nil {
				mu.Lock()
				failed = append(failed, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed, time.Since(start)
}

func TestPoolLockIsBrokenAndExplained(t *testing.T) {
	cases := map[string]func(*bench) func(context.Context) (func(), error){
		"transactions": func(b *bench) func(context.Context) (func(), error) {
			return func(ctx context.Context) (func(), error) {
				tx, err := b.DB().BeginTx(ctx, nil)
				if err != nil {
					return nil, err
				}
				return func() { tx.Rollback() }, nil
			}
		},
		"open rows": func(b *bench) func(context.Context) (func(), error) {
			return func(ctx context.Context) (func(), error) {
				rows, err := b.DB().QueryContext(ctx, "ROWS 3")
				if err != nil {
					return nil, err
				}
				return func() { rows.Close() }, nil
			}
		},
		"single connections": func(b *bench) func(context.Context) (func(), error) {
			return func(ctx context.Context) (func(), error) {
				c, err := b.DB().Conn(ctx)
				if err != nil {
					return nil, err
				}
				_, err = c.ExecContext(ctx, "GET x")
				return func() { c.Close() }, err
			}
		},
		"acquired and not used yet": func(b *bench) func(context.Context) (func(), error) {
			return func(ctx context.Context) (func(), error) {
				c, err := b.Acquire(ctx)
				if err != nil {
					return nil, err
				}
				return c.Release, nil
			}
		},
	}
	for name, first := range cases {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				const size = 10
				b := newBench(t, akaritest.Full, akari.Config{PoolName: "orders", MaximumPoolSize: size})
				b.want(size, 0, size, 0)
				failed, took := nested(t, b, size, first(b))
				if took >= time.Second {
					t.Errorf("it took %v", took)
				}
				if len(failed) == 0 || len(failed) > 2 {
					t.Fatalf("%d callers failed, want one or two: the others go on once it has let go", len(failed))
				}
				err := failed[0]
				if !errors.Is(err, akari.ErrPoolLock) || errors.Is(err, akari.ErrAcquireTimeout) {
					t.Fatalf("got %v", err)
				}
				for _, part := range []string{"orders - Connection is not available, pool-lock", "total=10, active=10, idle=0", "poollock_test.go:", "held for"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%q is not in: %v", part, err)
					}
				}
				if n := b.Stats().PoolLocks; n != int64(len(failed)) {
					t.Errorf("%d were counted", n)
				}
				b.want(size, 0, size, 0)
			})
		})
	}
}

func TestPoolOfOneNoticesItsOwnCaller(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.SQLiteLike, akari.Config{MaximumPoolSize: 1})
		for _, hold := range []func() (release func() error){
			func() func() error { tx, _ := b.DB().Begin(); return tx.Rollback },
			func() func() error { rows, _ := b.DB().Query("ROWS 3"); return rows.Close },
		} {
			release := hold()
			start := time.Now()
			_, err := b.DB().Exec("SET x 1")
			if !errors.Is(err, akari.ErrPoolLock) || time.Since(start) > time.Second {
				t.Fatalf("got %v after %v", err, time.Since(start))
			}
			if err := release(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestNobodyIsFailedWhoIsNotLocked has callers that look stuck and are not.
func TestNobodyIsFailedWhoIsNotLocked(t *testing.T) {
	t.Run("a connection is released by another goroutine", func(t *testing.T) {
		within(t, func(t *testing.T) {
			b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1})
			held := b.acquire()
			time.AfterFunc(20*time.Second, held.Release)
			b.acquire().Release()
		})
	})
	t.Run("a dispatcher hands connections to workers", func(t *testing.T) {
		within(t, func(t *testing.T) {
			b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 3})
			var wg sync.WaitGroup
			for range 10 {
				c := b.acquire()
				wg.Go(func() {
					time.Sleep(5 * time.Second)
					c.Release()
				})
			}
			wg.Wait()
		})
	})
	t.Run("a dispatcher hands transactions to workers", func(t *testing.T) {
		within(t, func(t *testing.T) {
			b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 3})
			var wg sync.WaitGroup
			for range 10 {
				tx, err := b.DB().BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					defer tx.Rollback()
					for range 5 {
						if _, err := tx.Exec("GET x"); err != nil {
							t.Error(err)
						}
						time.Sleep(time.Second)
					}
				})
			}
			wg.Wait()
		})
	})
	t.Run("rows are read by workers", func(t *testing.T) {
		within(t, func(t *testing.T) {
			b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 3})
			b.want(3, 0, 3, 0)
			var wg sync.WaitGroup
			for range 10 {
				rows, err := b.DB().QueryContext(t.Context(), "ROWS 5")
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					for rows.Next() {
						time.Sleep(time.Second)
					}
				})
			}
			wg.Wait()
		})
	})
	t.Run("everybody is just slow, and shares a context", func(t *testing.T) {
		for size := 1; size <= 2; size++ {
			within(t, func(t *testing.T) {
				b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: size})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						tx, err := b.DB().BeginTx(ctx, nil)
						if err != nil {
							t.Error(err)
							return
						}
						time.Sleep(2 * time.Second)
						tx.Rollback()
					})
				}
				wg.Wait()
			})
		}
	})
	t.Run("goroutines of busy tasks wait", func(t *testing.T) {
		within(t, func(t *testing.T) {
			b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2})
			b.want(2, 0, 2, 0)
			b.server.Inject(akaritest.OpExec, akaritest.Fault{Delay: 2 * time.Second})
			b.nestedTasks(2, func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, "GET x")
				return errors.Join(err, tx.Rollback())
			}, func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
		})
	})
	t.Run("the pool can grow", func(t *testing.T) {
		within(t, func(t *testing.T) {
			cfg := quietKeeping
			cfg.MaximumPoolSize = 2
			b := newBench(t, akaritest.Full, cfg)
			b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 5 * time.Second})
			tx, err := b.DB().Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			b.exec("GET x") // waits for the second connection, five seconds
		})
	})
}

// nestedTasks begins as many transactions, each under a context of its own. A
// goroutine of each task then executes a statement outside of the transaction,
// while the task does inside, and waits for it.
func (b *bench) nestedTasks(n int, inside func(context.Context, *sql.Tx) error, outside func(error)) {
	var wg, begun sync.WaitGroup
	begun.Add(n)
	for range n {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(b.t.Context())
			defer cancel()
			tx, err := b.DB().BeginTx(ctx, nil)
			begun.Done()
			if err != nil {
				b.t.Error(err)
				return
			}
			defer tx.Rollback()
			begun.Wait()
			done := make(chan error)
			go func() {
				_, err := b.DB().ExecContext(context.WithValue(ctx, taskKey{}, "outside"), "GET x")
				done <- err
			}()
			if err := inside(ctx, tx); err != nil {
				b.t.Error(err)
			}
			outside(<-done)
		})
	}
	wg.Wait()
}

type taskKey struct{}

func TestPoolLockOfTasksIsKnownByTheirContexts(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 10})
		var locks, served atomic.Int32
		start := time.Now()
		b.nestedTasks(10, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "GET x")
			return err
		}, func(err error) {
			switch {
			case err == nil:
				served.Add(1)
			case errors.Is(err, akari.ErrPoolLock):
				locks.Add(1)
			default:
				t.Error(err)
			}
		})
		if took := time.Since(start); locks.Load() != 1 || served.Load() != 9 || took > time.Second {
			t.Errorf("%d failed and %d served, in %v", locks.Load(), served.Load(), took)
		}
	})
}

func TestVictimOfPoolLockLetsTheOthersGoOn(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2})
		b.want(2, 0, 2, 0)
		var wg sync.WaitGroup
		var mu sync.Mutex
		done, locked := 0, 0
		for range 6 {
			wg.Go(func() {
				for {
					err := func() error {
						tx, err := b.DB().BeginTx(t.Context(), &sql.TxOptions{})
						if err != nil {
							return err
						}
						defer tx.Rollback()
						time.Sleep(time.Millisecond)
						_, err = b.DB().ExecContext(t.Context(), "GET x")
						return err
					}()
					mu.Lock()
					if err == nil {
						done++
					} else if errors.Is(err, akari.ErrPoolLock) {
						locked++
					} else {
						t.Error(err)
					}
					mu.Unlock()
					if err == nil {
						return
					}
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if done != 6 || locked == 0 {
			t.Fatalf("%d done, %d failed by pool-lock", done, locked)
		}
	})
}

// The runtime gives the record of a goroutine that has ended to the next one.
func TestCallerIsNotTakenForOneThatHasEnded(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.PgxLike, akari.Config{MaximumPoolSize: 1})
		for range 20 {
			handed := make(chan *sql.Tx)
			go func() {
				tx, err := b.DB().BeginTx(t.Context(), nil)
				if err == nil {
					_, err = tx.ExecContext(t.Context(), "GET x")
				}
				if err != nil {
					t.Error(err)
				}
				handed <- tx
			}()
			tx := <-handed
			synctest.Wait()
			waited := make(chan error)
			go func() {
				_, err := b.DB().ExecContext(t.Context(), "GET x")
				waited <- err
			}()
			select {
			case err := <-waited:
				t.Fatalf("a caller that holds nothing: %v", err)
			case <-time.After(2 * time.Second):
			}
			if err := tx.Rollback(); err != nil {
				t.Error(err)
			}
			if err := <-waited; err != nil {
				t.Fatal(err)
			}
		}
	})
}
