package akari_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

func TestBorrowAndReturnChangeTheCounts(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1})
		b.want(1, 0, 1, 0)
		c := b.acquire()
		b.want(1, 1, 0, 0)
		c.Release()
		b.want(1, 0, 1, 0)
	})
}

func TestCallerWithoutAConnectionGetsTheNextOneReturned(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2, ConnectionTimeout: 2800 * time.Millisecond, ValidationTimeout: 2800 * time.Millisecond})
		b.want(2, 0, 2, 0)
		defer b.acquire().Release()
		held := b.acquire()
		time.AfterFunc(800*time.Millisecond, held.Release)
		start := time.Now()
		c := b.acquire()
		if took := time.Since(start); took != 800*time.Millisecond {
			t.Fatalf("waited %v, want 800ms", took)
		}
		c.Release()
		if s := b.Stats(); s.AcquireWaited != 1 || s.WaitTime != 800*time.Millisecond {
			t.Fatalf("%d waits of %v were counted", s.AcquireWaited, s.WaitTime)
		}
	})
}

func TestTimeoutTellsACallerWhatItHoldsItself(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2, ConnectionTimeout: time.Second})
		for range 2 {
			defer b.acquire().Release()
		}
		_, err := b.Acquire(t.Context())
		if ae := acquireError(t, err); !strings.Contains(ae.Detail, "the last to use conn@1, conn@2") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTimeoutOfASuspendedPoolSaysSo(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{ConnectionTimeout: time.Second})
		b.Suspend()
		_, err := b.Acquire(t.Context())
		if !errors.Is(err, akari.ErrAcquireTimeout) || !errors.Is(err, akari.ErrPoolSuspended) || !strings.HasSuffix(err.Error(), "the pool is suspended") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTimeoutTellsTheStateOfThePool(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{PoolName: "orders", MaximumPoolSize: 2, ConnectionTimeout: 2001 * time.Millisecond})
		for range 2 {
			held := make(chan *akari.Conn)
			go func() { held <- b.acquire() }()
			defer (<-held).Release()
		}
		time.AfterFunc(time.Second, func() { b.Acquire(t.Context()) })
		_, err := b.Acquire(t.Context())
		ae := acquireError(t, err)
		if !errors.Is(err, akari.ErrAcquireTimeout) || errors.Is(err, context.DeadlineExceeded) || !ae.Timeout() {
			t.Fatalf("%v: wrong kind", err)
		}
		const want = "orders - Connection is not available, request timed out after 2001ms (total=2, active=2, idle=0, waiting=1)"
		if got := err.Error(); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		settle(time.Second)
		if s := b.Stats(); s.AcquireTimeouts != 2 {
			t.Fatalf("%d time-outs were counted, want 2", s.AcquireTimeouts)
		}
		if b.log.count("Timeout failure stats (total=2, active=2, idle=0, waiting=") != 2 {
			t.Error("the time-outs are not in the log")
		}
	})
}

func TestContextEndsTheWait(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1})
		defer b.acquire().Release()

		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := b.Acquire(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, akari.ErrAcquireTimeout) || time.Since(start) != 500*time.Millisecond {
			t.Fatalf("got %v after %v", err, time.Since(start))
		}
		if !strings.Contains(err.Error(), "request timed out after 500ms (total=1, active=1, idle=0, waiting=0)") {
			t.Errorf("text: %v", err)
		}

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = b.Acquire(ctx)
		if !errors.Is(err, context.Canceled) || errors.Is(err, akari.ErrAcquireTimeout) {
			t.Fatalf("got %v", err)
		}
		if !strings.Contains(err.Error(), "request was cancelled after 1000ms") {
			t.Errorf("text: %v", err)
		}
		if _, err := b.Acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("with a dead context: %v", err)
		}
		if s := b.Stats(); s.AcquireTimeouts != 1 || s.AcquireCanceled != 2 {
			t.Fatalf("%d time-outs and %d cancellations were counted", s.AcquireTimeouts, s.AcquireCanceled)
		}
	})
}

func TestTimeoutNamesTheLastFailureToOpen(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.ConnectionTimeout, cfg.ValidationTimeout = 1, 2800*time.Millisecond, 2800*time.Millisecond
		b := newBench(t, akaritest.Full, cfg)
		refused := errors.New("connection refused")
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Err: refused})
		start := time.Now()
		_, err := b.Acquire(t.Context())
		if took := time.Since(start); took != 2800*time.Millisecond {
			t.Fatalf("failed after %v, want the whole time-out", took)
		}
		if !errors.Is(err, refused) || !strings.HasSuffix(err.Error(), "): connection refused") {
			t.Fatalf("the cause is missing: %v", err)
		}
	})
}

func TestWaitInVainIsCounted(t *testing.T) {
	within(t, func(t *testing.T) {
		var failed collected[akari.AcquireFailedEvent]
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.ConnectionTimeout = 1, time.Second
		cfg.Trace = &akari.Trace{AcquireFailed: failed.add}
		b := newBench(t, akaritest.Full, cfg)
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 2 * time.Second})
		_, err := b.Acquire(t.Context())
		if ae := acquireError(t, err); ae.Waited != time.Second || len(failed.all()) != 1 {
			t.Errorf("%v after %v, %d events", err, ae.Waited, len(failed.all()))
		}
		if s := b.Stats(); s.AcquireTimeouts != 1 || s.WaitTime != time.Second {
			t.Errorf("%d time-outs and waits of %v were counted", s.AcquireTimeouts, s.WaitTime)
		}
	})
}

func TestDatabaseThatComesBackServesThoseWhoWait(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.ConnectionTimeout = 1, 2800*time.Millisecond
		b := newBench(t, akaritest.Full, cfg)
		down := b.server.Inject(akaritest.OpConnect, akaritest.Fault{Err: errors.New("down")})
		time.AfterFunc(300*time.Millisecond, down.Release)
		start := time.Now()
		b.acquire().Release()
		if took := time.Since(start); took < 250*time.Millisecond || took > 2800*time.Millisecond {
			t.Fatalf("served after %v", took)
		}
		if n := b.server.Stats().Connecting; n != 0 {
			t.Fatalf("%d connects under way", n)
		}
	})
}

// Of two connections one is in use and the other cannot be opened: whatever
// comes first serves the caller.
func TestReturnServesACallerWhileTheDatabaseRefuses(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.ConnectionTimeout, cfg.ValidationTimeout = 2, time.Second, time.Second
		b := newBench(t, akaritest.Full, cfg)
		held := b.acquire()
		refused := b.server.Inject(akaritest.OpConnect, akaritest.Fault{Err: errors.New("connection refused")})
		time.AfterFunc(250*time.Millisecond, held.Release)
		start := time.Now()
		b.acquire().Release()
		if took := time.Since(start); took != 250*time.Millisecond || refused.Hits() == 0 {
			t.Errorf("served after %v and %d refusals", took, refused.Hits())
		}
	})
}

func TestMaxWaitersRefusesAtOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1, MaxWaiters: 2})
		held := b.acquire()
		for range 2 {
			go func() { b.acquire().Release() }()
		}
		b.want(1, 1, 0, 2)
		start := time.Now()
		_, err := b.Acquire(t.Context())
		if !errors.Is(err, akari.ErrTooManyWaiters) || time.Since(start) != 0 {
			t.Fatalf("got %v after %v", err, time.Since(start))
		}
		held.Release()
		b.want(1, 0, 1, 0)
	})
}

func TestReleaseTwiceAndUseAfterRelease(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2})
		synctest.Wait()
		c := b.acquire()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(c.Release)
		}
		wg.Wait()
		b.want(2, 0, 2, 0)
		other := b.acquire()
		c.Release()
		c.Evict()
		if err := c.Raw(func(any) error { t.Error("called"); return nil }); !errors.Is(err, akari.ErrReleased) {
			t.Fatalf("got %v", err)
		}
		b.want(2, 1, 1, 0)
		other.Release()
	})
}

func TestRawGivesTheDriversConnection(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1})
		c := b.acquire()
		if err := c.Raw(func(dc any) error {
			if _, ok := akaritest.ConnID(dc); !ok {
				t.Errorf("got a %T", dc)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		c.Release()
		settle(0)

		sc, err := b.DB().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Close()
		if err := akari.Raw(sc, func(dc any) error {
			if _, ok := akaritest.ConnID(dc); !ok {
				t.Errorf("got a %T", dc)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPanicInRawClosesTheConnection(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize = 1
		b := newBench(t, akaritest.Full, cfg)
		c := b.acquire()
		func() {
			defer func() { recover() }()
			c.Raw(func(any) error { panic("boo") })
		}()
		b.want(1, 1, 0, 0)
		c.Release()
		b.want(0, 0, 0, 0)
	})
}

func TestTimeoutNamesTheConnectionFoundDead(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: time.Second, ValidationTimeout: 500 * time.Millisecond})
		settle(2 * time.Second)
		boo := errors.New("no answer to the ping")
		b.server.Inject(akaritest.OpPing, akaritest.Fault{Times: 1, Err: boo})
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 1200 * time.Millisecond})
		if _, err := b.Acquire(t.Context()); !errors.Is(err, akari.ErrAcquireTimeout) || !errors.Is(err, boo) {
			t.Errorf("%v does not tell why", err)
		}
		settle(5 * time.Second) // a connection is opened
		held := b.acquire()
		defer held.Release()
		if _, err := b.Acquire(t.Context()); !errors.Is(err, akari.ErrAcquireTimeout) || errors.Is(err, boo) {
			t.Errorf("%v tells of what is over", err)
		}
	})
}
