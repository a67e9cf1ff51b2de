package akari_test

import (
	"context"
	"database/sql"
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
		b := newBenchOn(t, server, akari.Config{MaximumPoolSize: 100, MinimumIdle: 2, ConnectionTimeout: 2500 * time.Millisecond})
		active, total := b.tasks(50, n, time.Millisecond)
		t.Logf("at most %d active, %d in total", active, total)
		if active < 35 || active > 65 || total < 45 || total > 55 {
			t.Errorf("at most %d active (want 50±15) and %d in total (want 50±5)", active, total)
		}
		before := server.Stats().Opened
		settle(2 * time.Second)
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
		b := newBenchOn(t, server, akari.Config{MaximumPoolSize: 100, MinimumIdle: 2, ConnectionTimeout: 2500 * time.Millisecond})
		settle(time.Second)
		_, total := b.tasks(50, 5_000, 0)
		settle(time.Second)
		if total = max(total, b.Stats().Total); total > 4 {
			t.Errorf("%d connections, want about 4", total)
		}
	})
}

// A pool that is saturated to begin with, with time-outs, gets over it when the
// demand has fallen to what it can serve, ten a second: HikariCP's issue 830.
func TestSaturatedPoolRecovers(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: time.Second})
		b := newBenchOn(t, server, akari.Config{MaximumPoolSize: 10, MinimumIdle: 5, ConnectionTimeout: time.Second, HousekeepingPeriod: 5 * time.Second})
		var timeouts atomic.Int64
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
		}
		var wg sync.WaitGroup
		for range 50 { // all at once, to begin with
			wg.Go(request)
		}
		// Then one every 80ms for six seconds, every 90ms for six more, and at
		// last every 100ms, which ten connections can serve.
		for start := time.Now(); time.Since(start) < 6*time.Second; wg.Go(request) {
			time.Sleep(80 * time.Millisecond)
		}
		for start := time.Now(); time.Since(start) < 6*time.Second; wg.Go(request) {
			time.Sleep(90 * time.Millisecond)
		}
		for range 200 {
			time.Sleep(time.Second / 10)
			wg.Go(request)
		}
		before := timeouts.Load()
		for range 100 {
			time.Sleep(time.Second / 10)
			wg.Go(request)
		}
		wg.Wait()
		if n := timeouts.Load() - before; before == 0 || n != 0 {
			t.Errorf("%d time-outs to begin with, %d in the last hundred requests", before, n)
		}
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
	b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 10, MinimumIdle: akari.None, ConnectionTimeout: 5 * time.Second})
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

// 500 statements of one connection, closed by ten goroutines while more are
// made: none is left, and the connection is as good as new.
func TestStatementsAreClosedFromManyGoroutines(t *testing.T) {
	b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 10, MinimumIdle: akari.None})
	conn, err := b.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stmts := make(chan *sql.Stmt)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for stmt := range stmts {
				if err := stmt.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 500 {
		stmt, err := conn.PrepareContext(t.Context(), "ECHO ?")
		if err != nil {
			t.Error(err)
			break
		}
		stmts <- stmt
	}
	close(stmts)
	wg.Wait()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if s := b.server.Stats(); s.Stmts != 0 || s.Prepared != 500 {
		t.Errorf("%d statements were prepared, %d are open", s.Prepared, s.Stmts)
	}
	if id := b.connID(); b.Stats().Opened != 2 { // the first was to see whether there is a database
		t.Errorf("connection %d is lent after that", id)
	}
}

// Closed while it is busy, a pool leaves nothing: not at once what is in use,
// which HikariCP aborts, but that as soon as it is given back.
func TestCloseOfABusyPoolLeavesNothing(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name             string
		minimum, maximum int
		callers          int
		connect, after   time.Duration
		open             int // then
	}{
		{"ten callers, slow connects", akari.None, 10, 10, time.Second, 1800 * ms, 10},
		{"filling", 10, 10, 0, time.Second, 1200 * ms, 5},
		{"idle", 5, 5, 0, ms, 1200 * ms, 5},
		{"hardly begun", 10, 10, 0, time.Second, 500 * ms, 1},
		{"all in use", 5, 5, 5, ms, 5 * ms, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				server := akaritest.NewServer(akaritest.Full)
				server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: c.connect})
				b := newBenchOn(t, server, akari.Config{MinimumIdle: c.minimum, MaximumPoolSize: c.maximum})
				giveBack := make(chan struct{})
				var callers sync.WaitGroup
				for range c.callers {
					callers.Go(func() {
						c := b.acquire()
						<-giveBack
						c.Release()
					})
				}
				settle(c.after)
				b.want(c.open, c.callers, c.open-c.callers, 0)
				start := time.Now()
				if err := b.Close(); err != nil || time.Since(start) != 0 {
					t.Errorf("%v after %v", err, time.Since(start))
				}
				b.want(c.callers, c.callers, 0, 0)
				close(giveBack)
				callers.Wait()
				b.want(0, 0, 0, 0)
				if n := server.Stats(); n.Open != 0 || n.Connecting != 0 || b.Running() {
					t.Errorf("%d are open, %d connects under way", n.Open, n.Connecting)
				}
			})
		})
	}
}
