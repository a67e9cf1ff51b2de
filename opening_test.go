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

func TestPoolFillsItsMinimum(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 20, MinimumIdle: 12})
		b.want(12, 0, 12, 0)
		var held []*akari.Conn
		for range 15 {
			held = append(held, b.acquire())
		}
		b.want(15, 15, 0, 0)
		settle(31 * time.Second)
		b.want(20, 15, 5, 0) // the housekeeper has opened as many idle ones as there is room for
		for _, c := range held {
			c.Release()
		}
		b.want(20, 0, 20, 0)
	})
}

// Connections that are held do not count as idle ones: while seven are, three
// more are opened in place of the five that MinimumIdle asks for.
func TestMinimumIsFilledUpToTheMaximum(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{
			MinimumIdle: 5, MaximumPoolSize: 10, ConnectionTimeout: 2 * time.Second, ValidationTimeout: 2 * time.Second,
			HousekeepingPeriod: 400 * time.Millisecond,
		})
		var held []*akari.Conn
		for range 7 {
			held = append(held, b.acquire())
		}
		settle(1300 * time.Millisecond)
		b.want(10, 7, 3, 0)
		for _, c := range held {
			c.Release()
		}
		b.want(10, 0, 10, 0)
	})
}

func TestBrokenConnectionIsReplacedWithoutACaller(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: time.Second})
		b := newBenchOn(t, server, akari.Config{MinimumIdle: 1, MaximumPoolSize: 4, ConnectionTimeout: time.Second, ValidationTimeout: time.Second})
		settle(1250 * time.Millisecond)
		b.want(1, 0, 1, 0)
		tx, err := b.DB().Begin()
		if err != nil {
			t.Fatal(err)
		}
		server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, Err: &akaritest.Error{Code: "08999"}})
		if _, err := tx.Exec("GET x"); err == nil {
			t.Fatal("nothing broke")
		}
		b.want(1, 1, 0, 0)
		tx.Rollback()
		b.want(0, 0, 0, 0)
		settle(1250 * time.Millisecond)
		b.want(1, 0, 1, 0)
	})
}

func TestPoolThatLosesAllConnectionsIsFilledAgain(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: time.Second})
		b := newBenchOn(t, server, akari.Config{
			MinimumIdle: 5, MaximumPoolSize: 10, ConnectionTimeout: 2500 * time.Millisecond, ValidationTimeout: 2500 * time.Millisecond,
			HousekeepingPeriod: 100 * time.Millisecond,
		})
		settle(2 * time.Second)
		b.want(5, 0, 5, 0)
		var held []*akari.Conn
		for range 5 {
			held = append(held, b.acquire())
		}
		for _, c := range held {
			c.Evict()
		}
		b.want(0, 0, 0, 0)
		settle(2 * time.Second)
		b.want(5, 0, 5, 0)
		settle(2 * time.Second)
		b.want(5, 0, 5, 0) // and no more
	})
}

// HikariCP opens one connection at a time: with these numbers it has 2 after two
// seconds and 20 after 22. Here it takes five, by design.
func TestFillingGoesSideBySideButGently(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: time.Second})
		start := time.Now()
		b := newBenchOn(t, server, akari.Config{MaximumPoolSize: 20, IdleTimeout: 3 * time.Second, HousekeepingPeriod: time.Second})
		if took := time.Since(start); took != time.Second {
			t.Fatalf("New took %v, want one connect", took)
		}
		settle(5*time.Second + 100*time.Millisecond)
		b.want(20, 0, 20, 0) // 19 in rounds of four
		if n := server.Stats().MaxConnecting; n != 4 {
			t.Errorf("%d connects at once, want 4", n)
		}
		c := b.acquire()
		settle(20 * time.Second)
		b.want(20, 1, 19, 0)
		c.Release()
		settle(5 * time.Second)
		b.want(20, 0, 20, 0) // IdleTimeout is not for a pool of fixed size
	})
}

func TestBurstThatTheOpenConnectionsCanServeOpensHardlyMore(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 150 * time.Millisecond})
		b := newBenchOn(t, server, akari.Config{MaximumPoolSize: 50, MinimumIdle: 5})
		settle(time.Second)
		b.want(5, 0, 5, 0)
		start := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				c := b.acquire()
				time.Sleep(2 * time.Millisecond)
				c.Release()
			})
		}
		wg.Wait()
		if took := time.Since(start); took > 26*time.Millisecond {
			t.Errorf("50 callers of 2ms on 5 connections took %v, 20ms is ideal", took)
		}
		settle(time.Second)
		if n := b.Stats().Total; n > 8 {
			t.Errorf("%d connections at the end, want at most 8", n)
		}
	})
}

func TestLastingDemandOpensWhatItNeeds(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 150 * time.Millisecond})
		b := newBenchOn(t, server, akari.Config{MaximumPoolSize: 50, MinimumIdle: 5})
		settle(time.Second)
		start := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				c := b.acquire()
				time.Sleep(300 * time.Millisecond)
				c.Release()
			})
		}
		wg.Wait()
		if took := time.Since(start); took > 519*time.Millisecond {
			t.Errorf("took %v, opening everything at once takes 450ms", took)
		}
		b.want(50, 0, 50, 0)
	})
}

func TestDemandThatHasGoneOpensNothingMore(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize = 10
		b := newBench(t, akaritest.Full, cfg)
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { b.Acquire(ctx) })
		}
		wg.Wait()
		settle(10 * time.Second)
		if n := b.Stats().Opened; n > 1+5 {
			t.Errorf("%d connections opened for 5 callers who have left", n)
		}
		before := b.Stats().Opened
		settle(time.Minute)
		if n := b.Stats().Opened; n != before {
			t.Errorf("%d more were opened for nobody", n-before)
		}
	})
}

func TestConnectThatHangsHoldsUpNobody(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		t.Run(fmt.Sprintf("ignoring its context %v", ignore), func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize = 4
				b := newBench(t, akaritest.Full, cfg)
				b.server.Inject(akaritest.OpConnect, akaritest.Fault{Hang: true, IgnoreContext: ignore, Times: 2})
				start := time.Now()
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() {
						c := b.acquire()
						time.Sleep(time.Second)
						c.Release()
					})
				}
				wg.Wait()
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("two callers took %v, though two places were free", took)
				}
			})
		})
	}
}

func TestOnlyPlaceIsTakenBackFromAConnectThatHangs(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize = 1
		b := newBench(t, akaritest.Full, cfg)
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Hang: true, Times: 2})
		start := time.Now()
		b.acquire().Release()
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestBlackHoleThatHeals is fault F9 on the fake: all connections are lost, new
// ones hang for three seconds, then the network is fine again, but the connects
// that hang never hear of it.
func TestBlackHoleThatHeals(t *testing.T) {
	for _, size := range []int{1, 2, 10} {
		t.Run(fmt.Sprintf("maximum %d", size), func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: size})
				b.want(size, 0, size, 0)
				start := time.Now()
				healed := start.Add(3 * time.Second)
				b.server.Inject(akaritest.OpConnect, akaritest.Fault{Hang: true, Match: func(akaritest.Call) bool {
					return time.Now().Before(healed) // what hangs by then hangs on
				}})
				b.server.DropAll()
				stop, cancel := context.WithDeadline(t.Context(), start.Add(6*time.Second))
				defer cancel()
				var mu sync.Mutex
				var firstOK time.Time
				var wg sync.WaitGroup
				for range 3 * size {
					wg.Go(func() {
						for stop.Err() == nil {
							ctx, cancel := context.WithTimeout(t.Context(), time.Second)
							_, err := b.DB().ExecContext(ctx, "GET x")
							cancel()
							if err == nil {
								mu.Lock()
								if firstOK.IsZero() {
									firstOK = time.Now()
								}
								mu.Unlock()
							}
							time.Sleep(10 * time.Millisecond)
						}
					})
				}
				wg.Wait()
				if firstOK.IsZero() || firstOK.Sub(healed) > time.Second {
					t.Errorf("first success %v after the network healed", firstOK.Sub(healed))
				}
			})
		})
	}
}

func TestSlowConnectsSucceed(t *testing.T) {
	for _, size := range []int{1, 2, 5} {
		t.Run(fmt.Sprintf("maximum %d", size), func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize = size
				b := newBench(t, akaritest.Full, cfg)
				b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 5 * time.Second})
				var wg sync.WaitGroup
				for range 2 * size {
					wg.Go(func() { b.acquire().Release() })
				}
				wg.Wait()
			})
		})
	}
}

func TestFailingConnectsAreSpacedOut(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 20})
		b.want(20, 0, 20, 0)
		settle(time.Second) // beyond AliveBypassWindow: no socket tells that a fake connection is dead
		before := b.server.Calls(akaritest.OpConnect)
		b.server.Shutdown()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := b.DB().ExecContext(t.Context(), "GET x"); err != nil {
					t.Errorf("a caller with time to wait failed: %v", err)
				}
			})
		}
		time.Sleep(2400 * time.Millisecond)
		dials := b.server.Calls(akaritest.OpConnect) - before
		b.server.Restart()
		start := time.Now()
		wg.Wait()
		if dials < 3 || dials > 40 {
			t.Errorf("%d dials in 2.4s of a dead server, want tens", dials)
		}
		if took := time.Since(start); took > 600*time.Millisecond {
			t.Errorf("all were served %v after the server was back", took)
		}
		if b.log.count("Cannot acquire connection from data source") == 0 || b.log.count("Connection add failed, sleeping with backoff: 20ms") == 0 {
			t.Error("the failures are not in the log")
		}
	})
}

func TestServerThatGrantsFewerConnectionsIsLivedWith(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBenchOn(t, func() *akaritest.Server {
			s := akaritest.NewServer(akaritest.Full)
			s.SetMaxConns(20)
			return s
		}(), akari.Config{MaximumPoolSize: 50})
		var wg sync.WaitGroup
		end := time.Now().Add(5 * time.Second)
		for range 50 {
			wg.Go(func() {
				for time.Now().Before(end) {
					if _, err := b.DB().ExecContext(t.Context(), "SLEEP 10ms"); err != nil {
						t.Errorf("%v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		s := b.Stats()
		if s.Total != 20 {
			t.Errorf("%d connections, the server grants 20", s.Total)
		}
		if s.OpenFailed == 0 || s.OpenFailed > 50 {
			t.Errorf("%d attempts were refused in five seconds, want a few", s.OpenFailed)
		}
	})
}

func TestLoginIsNotTriedInATightLoop(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.ConnectionTimeout = 5, 10*time.Second
		b := newBench(t, akaritest.Full, cfg)
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Err: &akaritest.Error{Code: "28P01", Message: "password authentication failed"}})
		before := b.server.Calls(akaritest.OpConnect)
		if _, err := b.Acquire(t.Context()); err == nil {
			t.Fatal("acquired")
		}
		if n := b.server.Calls(akaritest.OpConnect) - before; n > 11 {
			t.Errorf("%d logins in ten seconds, the account will be locked", n)
		}
	})
}

func TestLyingDriversLoseNoPlace(t *testing.T) {
	for name, fault := range map[string]akaritest.Fault{
		"connection and error":       {After: true, Err: errors.New("boo")},
		"neither connection nor err": {Nothing: true},
		"panic":                      {Panic: "boo"},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize = 2
				b := newBench(t, akaritest.Full, cfg)
				fault.Times = 10
				b.server.Inject(akaritest.OpConnect, fault)
				for range 2 {
					c := b.acquire()
					defer c.Release()
				}
				if n := b.Stats().OpenFailed; n < 5 {
					t.Errorf("%d failures were counted", n)
				}
			})
		})
	}
}

// A driver that panics in every connect costs its callers their time, and is
// asked again: what opens connections outlives it.
func TestConnectThatPanicsTimesTheCallerOut(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.ConnectionTimeout, cfg.InitializationFailTimeout = 2, 3*time.Second, 2*time.Second
		cfg.ValidationTimeout = 3 * time.Second
		b := newBench(t, akaritest.Full, cfg)
		panics := b.server.Inject(akaritest.OpConnect, akaritest.Fault{Panic: "boo"})
		start := time.Now()
		_, err := b.Acquire(t.Context())
		if took := time.Since(start); err == nil || took != 3*time.Second ||
			!contains(err.Error(), "request timed out after 3000ms") || !contains(err.Error(), "the driver panicked in Connect: boo") {
			t.Errorf("got %v after %v", err, took)
		}
		if n := panics.Hits(); n < 5 {
			t.Errorf("it was asked %d times", n)
		}
		panics.Release()
		b.acquire().Release()
	})
}

func TestConnectionThatArrivesAfterCloseIsClosed(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize = 3
		b := newBench(t, akaritest.Full, cfg)
		slow := b.server.Inject(akaritest.OpConnect, akaritest.Fault{Hang: true, IgnoreContext: true})
		failed := make(chan error, 1)
		go func() {
			_, err := b.Acquire(t.Context())
			failed <- err
		}()
		synctest.Wait()
		go b.Close()
		if err := <-failed; !errors.Is(err, akari.ErrPoolClosed) {
			t.Fatalf("got %v", err)
		}
		slow.Release()
		synctest.Wait()
		if n := b.server.Stats().Open; n != 0 {
			t.Errorf("%d connections are open", n)
		}
	})
}

func TestFillingWithSlowConnectsOpensNoMoreThanTheMinimum(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MinimumIdle: 5, MaximumPoolSize: 20})
		b.want(5, 0, 5, 0)
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 3 * time.Second})
		b.Evict()
		settle(20 * time.Second)
		b.want(5, 0, 5, 0)
	})
}
