package akari_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// The load tests of HikariCP's suite, with its numbers, in virtual time.

// tasks runs n tasks on so many workers, each of which holds a connection for
// hold, and returns the most connections that were active and open at once.
func (b *bench) tasks(workers, n int, hold time.Duration) (mostActive, mostTotal int) {
	b.t.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	done := make(chan struct{})
	sampled := make(chan struct{})
	go func() {
		defer close(sampled)
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
			s := b.Stats()
			mostActive, mostTotal = max(mostActive, s.Active), max(mostTotal, s.Total)
		}
	}()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				c, err := b.Acquire(b.t.Context())
				if err != nil {
					b.t.Error(err)
					return
				}
				if hold > 0 {
					time.Sleep(hold)
				}
				c.Release()
			}
		})
	}
	wg.Wait()
	close(done)
	<-sampled
	return mostActive, mostTotal
}

// Twenty borrowers that hold for 500ms and a maximum of four: exactly four
// connections, ever.
func TestMaximumIsNeverExceeded(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 4, MinimumIdle: 1, ConnectionTimeout: 20 * time.Second})
		b.tasks(20, 20, 500*time.Millisecond)
		if n := b.server.Stats().Opened; n != 4 {
			t.Fatalf("%d connections were opened, want exactly 4", n)
		}
	})
}

// 50 workers, 50,000 tasks of a millisecond, 20ms to connect, up to 100
// connections: about as many as there are workers.
func TestPoolIsAboutTheSizeOfItsWorkers(t *testing.T) {
	n := 50_000
	if testing.Short() {
		n = 5_000
	}
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 20 * time.Millisecond})
		b := newBenchOn(t, server, akari.Config{MaximumPoolSize: 100, MinimumIdle: 2})
		active, total := b.tasks(50, n, time.Millisecond)
		t.Logf("at most %d active, %d in total", active, total)
		if active < 35 || active > 65 || total < 45 || total > 55 {
			t.Errorf("at most %d active (want 50±15) and %d in total (want 50±5)", active, total)
		}
		before := server.Stats().Opened
		settle(time.Second)
		if more := server.Stats().Opened - before; more > 1 {
			t.Errorf("%d connections were opened after the work had ended", more)
		}
		if s := b.Stats(); s.Active != 0 {
			t.Errorf("%d active at rest", s.Active)
		}
	})
}

// 50 workers, 5,000 tasks that take no time, 250ms to connect: the few
// connections that are open do it all, and hardly any are added.
func TestBurstOfShortWorkOpensFewConnections(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 250 * time.Millisecond})
		b := newBenchOn(t, server, akari.Config{MaximumPoolSize: 50, MinimumIdle: 2})
		settle(time.Second)
		_, total := b.tasks(50, 5_000, 0)
		settle(time.Second)
		if total = max(total, b.Stats().Total); total > 4 {
			t.Errorf("%d connections, want about 4", total)
		}
	})
}

// A pool that is saturated to begin with, with time-outs, gets over it when the
// demand is one that it can serve.
func TestSaturatedPoolRecovers(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: time.Second})
		b := newBenchOn(t, server, akari.Config{MaximumPoolSize: 10, MinimumIdle: akari.None, ConnectionTimeout: time.Second})
		var timeouts, served atomic.Int64
		request := func() {
			c, err := b.Acquire(t.Context())
			if err != nil {
				if !errors.Is(err, akari.ErrAcquireTimeout) {
					t.Error(err)
				}
				timeouts.Add(1)
				return
			}
			time.Sleep(time.Second)
			c.Release()
			served.Add(1)
		}
		var wg sync.WaitGroup
		for range 50 { // all at once, to begin with
			wg.Go(request)
		}
		for i := range 300 { // then nine a second, where ten connections can serve ten
			time.Sleep(time.Second / 9)
			wg.Go(request)
			if i == 199 {
				t.Logf("%d time-outs in the first 200 requests", timeouts.Swap(0))
			}
		}
		if n := timeouts.Load(); n != 0 {
			t.Errorf("%d time-outs in the last hundred requests", n)
		}
		wg.Wait()
	})
}

// 5 connections, 60 under load, 5 again once it is over.
func TestRampUpAndDown(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MinimumIdle: 5, MaximumPoolSize: 60, IdleTimeout: time.Second, HousekeepingPeriod: 250 * time.Millisecond})
		b.want(5, 0, 5, 0)
		var held []*akari.Conn
		for range 60 {
			held = append(held, b.acquire())
		}
		b.want(60, 60, 0, 0)
		for _, c := range held {
			c.Release()
		}
		settle(2 * time.Second)
		b.want(5, 0, 5, 0)
	})
}

// 500 callers in a known order on one connection are served in that order.
func TestCallersAreServedInOrder(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: time.Hour})
		first := b.acquire()
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() {
				c := b.acquire()
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Millisecond)
				c.Release()
			})
			synctest.Wait()
		}
		first.Release()
		wg.Wait()
		for i, n := range order {
			if i != n {
				t.Fatalf("caller %d was served as number %d", n, i)
			}
		}
	})
}

// Borrowers that give up in droves take nothing with them.
func TestCancelledCallersLeaveNothingBehind(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 5})
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(i), 3))
				for range 50 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(5000))*time.Microsecond)
					if c, err := b.Acquire(ctx); err == nil {
						time.Sleep(time.Duration(rnd.IntN(2000)) * time.Microsecond)
						c.Release()
					}
					cancel()
				}
			})
		}
		wg.Wait()
		b.want(5, 0, 5, 0)
		s := b.Stats()
		t.Logf("%d served, %d gave up", s.Acquired, s.AcquireTimeouts)
		if n := s.Acquired + s.AcquireTimeouts + s.AcquireCanceled; n != 200*50 {
			t.Errorf("%d waits ended, of %d", n, 200*50)
		}
	})
}

// Ten thousand at once.
func TestTenThousandCallersAtOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 50})
		_, total := b.tasks(10_000, 10_000, time.Millisecond)
		if total > 50 {
			t.Errorf("%d connections", total)
		}
		b.want(b.Stats().Total, 0, b.Stats().Total, 0)
	})
}

// Borrow and evict, ten thousand times on two goroutines.
func TestBorrowAndEvictRace(t *testing.T) {
	b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 10})
	n := 10_000
	if testing.Short() {
		n = 1_000
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range n {
				c, err := b.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				c.Evict()
			}
		})
	}
	wg.Wait()
}
