package akari_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

func TestEvictReplacesIdleConnectionsNowAndOthersOnReturn(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 5})
		b.want(5, 0, 5, 0)
		c := b.acquire()
		id := c.Info().ID
		if n := b.Evict(); n != 5 {
			t.Fatalf("%d evicted, want 5", n)
		}
		synctest.Wait()
		if b.Stats().Closed[akari.CloseEvicted] != 4 {
			t.Fatal("idle connections are not closed at once")
		}
		b.want(5, 1, 4, 0)
		c.Release()
		b.want(5, 0, 5, 0)
		for range 5 {
			c := b.acquire()
			defer c.Release()
			if c.Info().ID <= id {
				t.Fatal("an evicted connection is lent again")
			}
		}
	})
}

// Cancelled, served and evicted in the same instant, before the waiter runs.
func TestConnectionEvictedWhileItsWaiterGivesUpIsClosed(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize = 1
		b := newBench(t, akaritest.Full, cfg)
		gaveUp := 0
		for round := 0; gaveUp < 5; round++ {
			c := b.acquire()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan *akari.Conn)
			go func() {
				c, _ := b.Acquire(ctx)
				ended <- c
			}()
			synctest.Wait()
			cancel()
			c.Release()
			b.Evict()
			if c := <-ended; c != nil {
				c.Release()
			} else {
				gaveUp++
			}
			b.want(0, 0, 0, 0)
			if round > 1000 {
				t.Fatal("the waiter never gave up")
			}
		}
	})
}

func TestEvictConnTakesOne(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize = 3
		b := newBench(t, akaritest.Full, cfg)
		c := b.acquire()
		if !b.EvictConn(c.Info().ID) || b.EvictConn(4711) {
			t.Fatal("wrong answer")
		}
		b.want(1, 1, 0, 0)
		c.Release()
		b.want(0, 0, 0, 0)
		c = b.acquire()
		c.Evict() // its holder does not want it any more
		b.want(0, 0, 0, 0)
	})
}

func TestEvictUnderLoadCausesNoErrors(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 4})
		stop, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				for stop.Err() == nil {
					if _, err := b.DB().ExecContext(t.Context(), "SLEEP 1ms"); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for stop.Err() == nil {
			b.Evict()
			time.Sleep(7 * time.Millisecond)
		}
		wg.Wait()
	})
}

func TestSuspendedPoolHoldsCallersUntilResume(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2})
		b.want(2, 0, 2, 0)
		held := b.acquire()
		if !b.Suspend() || b.Suspend() || b.Running() {
			t.Fatal("not suspended, or twice")
		}
		got := make(chan *akari.Conn)
		go func() { got <- b.acquire() }()
		b.want(2, 1, 1, 1) // it waits although one is idle
		held.Release()     // returns go on
		b.want(2, 0, 2, 1)
		if !b.Resume() || b.Resume() || !b.Running() {
			t.Fatal("not resumed, or twice")
		}
		(<-got).Release()
		b.want(2, 0, 2, 0)
	})
}

func TestSuspendedCallerKeepsItsTimeLimits(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: time.Second})
		b.Suspend()
		start := time.Now()
		_, err := b.Acquire(t.Context())
		if !errors.Is(err, akari.ErrAcquireTimeout) || time.Since(start) != time.Second {
			t.Fatalf("got %v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := b.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		waits := make(chan error)
		go func() {
			_, err := b.Acquire(t.Context())
			waits <- err
		}()
		synctest.Wait()
		b.Close()
		if err := <-waits; !errors.Is(err, akari.ErrPoolClosed) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestSuspendedPoolMayFailAtOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1, FailIfSuspended: true})
		b.Suspend()
		start := time.Now()
		if _, err := b.Acquire(t.Context()); !errors.Is(err, akari.ErrPoolSuspended) || time.Since(start) != 0 {
			t.Fatalf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestSuspendedPoolOpensNothing(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 5})
		b.want(5, 0, 5, 0)
		b.Suspend()
		b.Evict()
		settle(time.Minute)
		b.want(0, 0, 0, 0)
		b.Resume()
		b.want(5, 0, 5, 0)
	})
}

func TestSettingsAreChangedAllOrNone(t *testing.T) {
	within(t, func(t *testing.T) {
		var changes collected[akari.SettingsEvent]
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 5, Trace: &akari.Trace{SettingsChanged: changes.add}})
		s := b.Settings()
		s.MaximumPoolSize, s.ConnectionTimeout = 0, -5
		s.IdleTimeout = -7
		err := b.Apply(s)
		for _, field := range []string{"ConnectionTimeout", "IdleTimeout"} {
			if err == nil || !contains(err.Error(), field) {
				t.Errorf("%s is not named in: %v", field, err)
			}
		}
		if b.Settings().MaximumPoolSize != 5 || len(changes.all()) != 0 {
			t.Fatal("something was changed")
		}
		s = b.Settings()
		s.MaximumPoolSize = 8
		if err := b.Apply(s); err != nil {
			t.Fatal(err)
		}
		b.want(8, 0, 8, 0) // a fixed pool stays one
		changed := changes.all()
		if len(changed) != 1 || changed[0].From.MaximumPoolSize != 5 || changed[0].To.MaximumPoolSize != 8 {
			t.Fatalf("events: %v", changed)
		}
	})
}

func TestRaisingTheMaximumServesThoseWhoWait(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1})
		held := b.acquire()
		got := make(chan *akari.Conn, 9)
		for range 9 {
			go func() { got <- b.acquire() }()
		}
		b.want(1, 1, 0, 9)
		s := b.Settings()
		s.MaximumPoolSize = 10
		start := time.Now()
		if err := b.Apply(s); err != nil {
			t.Fatal(err)
		}
		for range 9 {
			(<-got).Release()
		}
		if took := time.Since(start); took > 50*time.Millisecond {
			t.Errorf("they were served after %v", took)
		}
		held.Release()
	})
}

func TestLoweringTheMaximumClosesIdleConnectionsFirst(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 10})
		b.most = 10
		b.want(10, 0, 10, 0)
		var held []*akari.Conn
		for range 6 {
			held = append(held, b.acquire())
		}
		s := b.Settings()
		s.MaximumPoolSize = 4
		if err := b.Apply(s); err != nil {
			t.Fatal(err)
		}
		b.want(6, 6, 0, 0)
		waits := make(chan *akari.Conn)
		go func() { waits <- b.acquire() }()
		synctest.Wait()
		for i, c := range held {
			c.Release()
			synctest.Wait()
			if n := b.Stats().Total; n > max(6-i-1, 4) {
				t.Errorf("%d connections after %d returns", n, i+1)
			}
		}
		(<-waits).Release()
		b.want(4, 0, 4, 0)
		if n := b.Stats().Closed[akari.CloseSurplus]; n != 6 {
			t.Errorf("%d were closed as surplus", n)
		}
	})
}

func TestLiveSettingsTakeEffectAtOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1})
		defer b.acquire().Release()
		s := b.Settings()
		s.ConnectionTimeout = 300 * time.Millisecond
		if err := b.Apply(s); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := b.Acquire(t.Context()); err == nil || time.Since(start) != 300*time.Millisecond {
			t.Fatalf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestShutdownWaitsForConnectionsInUse(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 3})
		b.want(3, 0, 3, 0)
		var held []*akari.Conn
		for range 3 {
			held = append(held, b.acquire())
		}
		waits := make(chan error)
		go func() {
			_, err := b.Acquire(t.Context())
			waits <- err
		}()
		synctest.Wait()
		for i, c := range held {
			time.AfterFunc(time.Duration(i+1)*time.Second, c.Release)
		}
		start := time.Now()
		go func() {
			if err := <-waits; !errors.Is(err, akari.ErrPoolClosed) || time.Since(start) != 0 {
				t.Errorf("a waiter got %v after %v", err, time.Since(start))
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %v", took)
		}
		b.want(0, 0, 0, 0)
	})
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2})
		c := b.acquire()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := b.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !contains(err.Error(), "1 connections were still in use") {
			t.Fatalf("got %v", err)
		}
		c.Release()
		b.want(0, 0, 0, 0)
		if err := b.Shutdown(t.Context()); err != nil {
			t.Errorf("a second shutdown: %v", err)
		}
	})
}

// ShutdownTest of HikariCP, and more: whatever is going on, three that close a
// pool at once do not disturb each other, and nothing is left.
func TestCloseInEveryState(t *testing.T) {
	inUse := func(b *bench) {
		for _, c := range b.holdAll(b.Settings().MaximumPoolSize) {
			time.AfterFunc(time.Second, c.Release)
		}
	}
	for _, c := range []struct {
		name    string
		prepare func(*bench)
		close   time.Duration // how long Close takes
		wait    time.Duration // and Shutdown, which waits for what is in use
	}{
		{"while it begins to fill", func(b *bench) {}, 0, 0},
		{"while all connects are under way", func(b *bench) {
			b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: time.Second})
			b.Evict()
			synctest.Wait()
		}, 0, 0},
		{"while connects are under way that mind no context", func(b *bench) {
			b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: time.Second, IgnoreContext: true})
			b.Evict()
			synctest.Wait()
		}, time.Second, time.Second},
		{"idle", func(b *bench) { synctest.Wait() }, 0, 0},
		{"all in use", inUse, 0, time.Second},
		{"with ten callers waiting", func(b *bench) {
			inUse(b)
			for range 10 {
				go func() {
					start := time.Now()
					if _, err := b.Acquire(b.t.Context()); !errors.Is(err, akari.ErrPoolClosed) || time.Since(start) != 0 {
						b.t.Errorf("a waiter got %v after %v", err, time.Since(start))
					}
				}()
			}
			synctest.Wait()
		}, 0, time.Second},
		{"suspended", func(b *bench) { b.Suspend() }, 0, 0},
		{"with the server frozen", func(b *bench) {
			synctest.Wait()
			b.server.Freeze()
			time.AfterFunc(time.Minute, b.server.Thaw)
		}, 0, 0},
		{"with the server gone", func(b *bench) { b.server.Shutdown() }, 0, 0},
	} {
		for _, size := range []int{1, 10} {
			for name, shut := range map[string]func(*bench) error{
				"Close":    func(b *bench) error { return b.Close() },
				"Shutdown": func(b *bench) error { return b.Shutdown(b.t.Context()) },
				"DB.Close": func(b *bench) error { return b.DB().Close() },
			} {
				t.Run(fmt.Sprintf("%s/%s of %d", c.name, name, size), func(t *testing.T) {
					within(t, func(t *testing.T) {
						b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: size, MaxConnecting: size})
						c.prepare(b)
						start := time.Now()
						var wg sync.WaitGroup
						for range 3 {
							wg.Go(func() {
								if err := shut(b); err != nil {
									t.Error(err)
								}
							})
						}
						wg.Wait()
						want := c.close
						if name == "Shutdown" {
							want = c.wait
						}
						if took := time.Since(start); took != want {
							t.Errorf("it took %v, want %v", took, want)
						}
						settle(time.Second) // what Close does not wait for comes back
						b.want(0, 0, 0, 0)
						if s := b.Stats(); s.Opening != 0 || s.Closing != 0 || b.server.Stats().Open != 0 {
							t.Errorf("%d are being opened, %d closed, the server has %d", s.Opening, s.Closing, b.server.Stats().Open)
						}
						if _, err := b.Acquire(t.Context()); !errors.Is(err, akari.ErrPoolClosed) {
							t.Errorf("got %v", err)
						}
						for _, line := range []string{"Shutdown initiated...", "Shutdown completed."} {
							if n := b.log.count(line); n != 1 {
								t.Errorf("%q is in the log %d times", line, n)
							}
						}
					})
				})
			}
		}
	}
}

func TestRunningIsWhatIsNeitherSuspendedNorClosed(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2})
		expect := func(running, suspended, closed bool) {
			t.Helper()
			if s := b.Stats(); b.Running() != running || s.Suspended != suspended || s.ShutDown != closed {
				t.Errorf("running %v, suspended %v, closed %v; want %v, %v, %v", b.Running(), s.Suspended, s.ShutDown, running, suspended, closed)
			}
		}
		expect(true, false, false)
		b.Suspend()
		expect(false, true, false)
		b.Resume()
		expect(true, false, false)
		b.Suspend()
		b.Close()
		expect(false, false, true)
		if b.Suspend() || b.Resume() {
			t.Error("a closed pool was suspended, or resumed")
		}
		expect(false, false, true)
	})
}

func TestCloseOfADriverThatHangsHoldsUpNobody(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2})
		b.want(2, 0, 2, 0)
		hung := b.server.Inject(akaritest.OpClose, akaritest.Fault{Hang: true, Times: 2})
		b.Evict()
		synctest.Wait()
		if s := b.Stats(); s.Closing != 2 || s.Total != 0 {
			t.Fatalf("closing=%d, total=%d", s.Closing, s.Total)
		}
		start := time.Now()
		c := b.acquire()
		if took := time.Since(start); took > 1100*time.Millisecond {
			t.Errorf("the place of a connection that does not close was free after %v", took)
		}
		c.Release()
		hung.Release()
		b.want(2, 0, 2, 0)
		b.most = 4 // the maximum cannot be kept when the driver does not close
	})
}
