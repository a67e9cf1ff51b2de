package akari_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// play drives a pool through what the bytes spell: borrowers of all kinds, an
// operator, faults of the server and the driver, and time. Whatever they spell,
// the books must balance at the end.
func play(t *testing.T, ops []byte) {
	profiles := akaritest.Profiles()
	profile := profiles[0]
	if len(ops) > 0 {
		profile = profiles[int(ops[0])%len(profiles)]
	}
	const most = 4
	b := newBench(t, profile, akari.Config{
		MaximumPoolSize: most, MinimumIdle: 2, ConnectionTimeout: 2 * time.Second, ValidationTimeout: time.Second,
		MaxLifetime: 40 * time.Second, KeepaliveTime: 30 * time.Second, IdleTimeout: 10 * time.Second,
		HousekeepingPeriod: 5 * time.Second, LeakDetectionThreshold: 3 * time.Second, MaxWaiters: 20,
		Dialect: akari.DialectMySQL, StatementCacheSize: 3, Logger: quiet,
	})
	b.most = 3 * most // a driver that hangs keeps its connections beyond the maximum

	var wg sync.WaitGroup
	var mu sync.Mutex
	var held []*akari.Conn
	inserted := map[int]error{} // what the caller was told
	run := func(f func(ctx context.Context)) {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			defer func() { recover() }() // a driver's panic reaches its caller
			f(ctx)
		})
	}
	insert := func(ctx context.Context, id int) {
		mu.Lock()
		inserted[id] = errors.New("unknown")
		mu.Unlock()
		_, err := b.DB().ExecContext(ctx, "INSERT ?", id)
		mu.Lock()
		inserted[id] = err
		mu.Unlock()
	}

	id := 0
	for i := 1; i+1 < len(ops); i += 2 {
		arg := int(ops[i+1])
		d := time.Duration(arg) * 10 * time.Millisecond
		switch ops[i] % 20 {
		case 0, 1:
			id++
			me := id
			run(func(ctx context.Context) { insert(ctx, me) })
		case 2:
			run(func(ctx context.Context) {
				c, err := b.Acquire(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				held = append(held, c)
				mu.Unlock()
			})
		case 3, 4:
			mu.Lock()
			if len(held) > 0 {
				c := held[arg%len(held)]
				held = append(held[:arg%len(held)], held[arg%len(held)+1:]...)
				run(func(context.Context) {
					if arg%5 == 0 {
						c.Evict()
					}
					c.Release()
				})
			}
			mu.Unlock()
		case 5:
			run(func(ctx context.Context) {
				tx, err := b.DB().BeginTx(ctx, nil)
				if err != nil {
					return
				}
				tx.ExecContext(ctx, "GET x")
				time.Sleep(d)
				if arg%2 == 0 {
					tx.Commit()
				} else {
					tx.Rollback()
				}
			})
		case 6:
			run(func(ctx context.Context) {
				// Without an end of its own: at the end of a context database/sql
				// waits, by a mutex, for a Next that hangs in a frozen server.
				rows, err := b.DB().QueryContext(context.WithoutCancel(ctx), "ROWS ?", 5)
				if err != nil {
					return
				}
				defer rows.Close()
				for rows.Next() {
					time.Sleep(d / 3)
				}
			})
		case 7:
			run(func(ctx context.Context) { b.DB().ExecContext(ctx, "BEGIN") })
		case 8:
			b.Evict()
		case 9:
			b.Suspend()
			time.AfterFunc(d, func() { b.Resume() })
		case 10:
			s := b.Settings()
			s.MaximumPoolSize = 1 + arg%most
			s.MinimumIdle = 0
			b.Apply(s)
		case 11:
			b.server.DropAll()
		case 12:
			b.server.Shutdown()
			time.AfterFunc(d, b.server.Restart)
		case 13:
			b.server.Freeze()
			time.AfterFunc(d, b.server.Thaw)
		case 14:
			calls := []akaritest.Op{akaritest.OpConnect, akaritest.OpPing, akaritest.OpExec, akaritest.OpQuery, akaritest.OpBegin, akaritest.OpCommit, akaritest.OpReset, akaritest.OpIsValid, akaritest.OpClose, akaritest.OpPrepare, akaritest.OpNext, akaritest.OpStmtClose}
			faults := []akaritest.Fault{
				{Err: errors.New("boo")}, {Err: driver.ErrBadConn, Break: true}, {Err: driver.ErrBadConn, Break: true, After: true},
				{Panic: "boo"}, {Goexit: true},
			}
			f := faults[arg%len(faults)]
			if arg%7 == 0 {
				// Only calls that database/sql makes without a mutex that others
				// wait for: virtual time stands still while somebody does.
				calls = []akaritest.Op{akaritest.OpConnect, akaritest.OpPing, akaritest.OpClose}
				f = akaritest.Fault{Delay: 3 * time.Second, IgnoreContext: arg%2 == 0}
			}
			f.Times = 1 + arg%3
			b.server.Inject(calls[arg%len(calls)], f)
		case 15:
			b.server.SetMaxConns(arg % 4)
		case 16, 17, 18:
			time.Sleep(d)
		case 19:
			settle(10 * d)
		}
	}

	// Everything is put right, and everybody ends.
	b.server.SetMaxConns(0)
	b.server.Heal()
	time.Sleep(20 * time.Second)
	b.Resume()
	mu.Lock()
	for _, c := range held {
		c.Release()
	}
	held = nil
	mu.Unlock()
	wg.Wait()
	settle(time.Minute)
	mu.Lock()
	for _, c := range held {
		c.Release()
	}
	mu.Unlock()
	b.server.Heal()
	settle(time.Minute)

	for id, err := range inserted {
		if n := b.server.Inserts(int64(id)); n > 1 {
			t.Errorf("insert %d was executed %d times", id, n)
		}
		if err == nil && !b.server.Has(int64(id)) {
			t.Errorf("insert %d was acknowledged and is not there", id)
		}
	}
	synctest.Wait()
	s := b.Stats()
	if s.Waiting != 0 || s.Opening != 0 || s.Closing != 0 || s.Active != 0 {
		t.Errorf("at rest: %+v", s)
	}
	start := time.Now()
	if _, err := b.DB().Exec("GET x"); err != nil || time.Since(start) > time.Second {
		t.Errorf("the pool does not work any more: %v after %v", err, time.Since(start))
	}
}

func TestWhateverHappensTheBooksBalance(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 30
	}
	for seed := range rounds {
		ops := make([]byte, 300)
		rnd := rand.New(rand.NewPCG(uint64(seed), 11))
		for i := range ops {
			ops[i] = byte(rnd.Uint32())
		}
		t.Run("", func(t *testing.T) { within(t, func(t *testing.T) { play(t, ops) }) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzPool(f *testing.F) {
	for seed := range 5 {
		ops := make([]byte, 100)
		rnd := rand.New(rand.NewPCG(uint64(seed), 13))
		for i := range ops {
			ops[i] = byte(rnd.Uint32())
		}
		f.Add(ops)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 400 {
			return
		}
		within(t, func(t *testing.T) { play(t, ops) })
	})
}
