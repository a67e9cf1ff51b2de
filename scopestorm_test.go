package akari_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// TestScopesInAStorm has scopes of all kinds, goroutines in them, panics, and an operator
// who evicts, suspends and resizes, all at once: at the end nothing is left.
func TestScopesInAStorm(t *testing.T) {
	for _, pr := range []akaritest.Profile{akaritest.Full, akaritest.PgxLike, akaritest.MySQLLike} {
		for _, per := range []int{1, 2, 3} {
			t.Run(fmt.Sprint(pr.Name, per), func(t *testing.T) {
				server := akaritest.NewServer(pr)
				akaritest.Verify(t, server)
				cfg := akari.Config{MaximumPoolSize: 4, MaxConnectionsPerTask: per, ConnectionTimeout: 2 * time.Second, SessionReset: akari.ResetOff, Logger: newQuiet()}
				p, err := akari.New(context.Background(), server.Connector(), akari.Unbounded(cfg))
				if err != nil {
					t.Fatal(err)
				}
				server.Inject(akaritest.OpExec, akaritest.Fault{Match: func(akaritest.Call) bool { return rand.IntN(50) == 0 }, Err: errors.New("boom"), Break: true})
				server.Inject(akaritest.OpBegin|akaritest.OpCommit, akaritest.Fault{Match: func(akaritest.Call) bool { return rand.IntN(50) == 0 }, Panic: "driver"}) // not ROLLBACK: database/sql calls that in a goroutine of its own
				server.Inject(akaritest.OpExec, akaritest.Fault{Match: func(akaritest.Call) bool { return rand.IntN(20) == 0 }, Delay: time.Millisecond})
				var ids atomic.Int64
				stop := make(chan struct{})
				var all, aside sync.WaitGroup
				db := p.DB()
				insert := func(ctx context.Context) { _, _ = db.ExecContext(ctx, fmt.Sprintf("INSERT %d", ids.Add(1))) }
				var task func(ctx context.Context, depth int)
				task = func(ctx context.Context, depth int) {
					defer func() { recover() }()
					opts := []txn.Option{[]txn.Propagation{txn.Required, txn.RequiresNew, txn.Nested, txn.NotSupported, txn.Supports}[rand.IntN(5)]}
					if rand.IntN(3) == 0 {
						opts = append(opts, txn.Timeout(time.Duration(rand.IntN(2000)+1)*time.Microsecond))
					}
					if rand.IntN(5) == 0 && depth == 0 {
						b, end, err := txn.Bind(ctx, p, txn.Hold)
						if err == nil {
							defer end()
							ctx = b
							insert(ctx)
						}
					}
					_ = txn.Do(ctx, p, func(ctx context.Context) error {
						insert(ctx)
						var wg sync.WaitGroup
						for range rand.IntN(4) {
							k := rand.IntN(7)
							wg.Go(func() {
								defer func() { recover() }()
								switch k {
								case 0:
									insert(ctx)
								case 1:
									rows, err := db.QueryContext(ctx, "ROWS 5")
									if err == nil {
										for i := 0; rows.Next() && i < 3; i++ {
										}
										txn.Current(ctx)
										rows.Close()
									}
								case 2:
									if depth < 3 {
										task(ctx, depth+1)
									}
								case 3:
									tx, err := db.BeginTx(ctx, nil)
									if err == nil {
										_, _ = tx.Exec(fmt.Sprintf("INSERT %d", ids.Add(1)))
										if rand.IntN(2) == 0 {
											_ = tx.Commit()
										} else {
											_ = tx.Rollback()
										}
									}
								case 4:
									st, err := db.PrepareContext(ctx, "INSERT ?")
									if err == nil {
										_, _ = st.ExecContext(ctx, ids.Add(1))
										_ = st.Close()
									}
								case 5:
									c, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(500))*time.Microsecond)
									insert(c)
									cancel()
								case 6:
									_ = txn.SetRollbackOnly(ctx, nil)
									conn, err := db.Conn(ctx)
									if err == nil {
										_ = akari.Raw(conn, func(any) error { return nil })
										_ = conn.Close()
									}
								}
							})
						}
						if rand.IntN(8) != 0 {
							wg.Wait()
						} else {
							defer wg.Wait() // they outlive nothing: but statements go on while it ends
							go insert(ctx)
						}
						if rand.IntN(4) == 0 {
							return errors.New("no")
						}
						if rand.IntN(20) == 0 {
							panic("user")
						}
						return nil
					}, opts...)
				}
				for range 12 {
					all.Go(func() {
						for {
							select {
							case <-stop:
								return
							default:
							}
							ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(20)+1)*time.Millisecond)
							task(ctx, 0)
							cancel()
						}
					})
				}
				aside.Go(func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(5 * time.Millisecond):
						}
						switch rand.IntN(4) {
						case 0:
							p.Evict()
						case 1:
							_ = p.Suspend()
							time.Sleep(time.Millisecond)
							_ = p.Resume()
						case 2:
							s := p.Settings()
							s.MaximumPoolSize = 3 + rand.IntN(3)
							s.MinimumIdle = 1
							_ = p.Apply(s)
						case 3:
							server.DropAll()
						}
					}
				})
				time.Sleep(500 * time.Millisecond)
				close(stop)
				done := make(chan struct{})
				go func() { all.Wait(); aside.Wait(); close(done) }()
				select {
				case <-done:
				case <-time.After(20 * time.Second):
					buf := make([]byte, 1<<20)
					t.Fatalf("stalled\n%s", buf[:runtime.Stack(buf, true)])
				}
				server.Heal()
				deadline := time.Now().Add(5 * time.Second)
				for {
					u, f, g, w := akari.ReserveState(p)
					a := p.Stats().Active
					if u == 0 && f == 0 && g == 0 && w == 0 && a == 0 {
						break
					}
					if time.Now().After(deadline) {
						t.Errorf("used %d first %d further %d waiting %d active %d", u, f, g, w, a)
						break
					}
					time.Sleep(time.Millisecond)
				}
				t.Log(p.Stats().Acquired, ids.Load())
				p.Close()
				for id := int64(1); id <= ids.Load(); id++ {
					if n := server.Inserts(id); n > 1 {
						t.Errorf("%d executed %d times", id, n)
					}
				}
				if t.Failed() {
					t.Log(server.Violations())
				}
			})
		}
	}
}

func newQuiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
