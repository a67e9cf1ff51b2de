package akari_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

func TestApplyAfterCloseIsRefused(t *testing.T) {
	within(t, func(t *testing.T) {
		var changes collected[akari.SettingsEvent]
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2, Trace: &akari.Trace{SettingsChanged: changes.add}})
		s := b.Settings()
		s.MaximumPoolSize = 5
		b.Close()
		if err := b.Apply(s); !errors.Is(err, akari.ErrPoolClosed) {
			t.Errorf("got %v", err)
		}
		if b.Settings().MaximumPoolSize != 2 || len(changes.all()) != 0 {
			t.Error("something was changed")
		}
		b.want(0, 0, 0, 0)
	})
}

func TestLoweredLeakThresholdIsNoticedInTime(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 3, LeakDetectionThreshold: 20 * time.Minute, MaxLifetime: akari.Disabled, KeepaliveTime: akari.Disabled})
		old := b.acquire() // has the watch look in twenty minutes
		s := b.Settings()
		s.LeakDetectionThreshold = 3 * time.Second
		if err := b.Apply(s); err != nil {
			t.Fatal(err)
		}
		settle(time.Second)
		c := b.acquire()
		settle(3*time.Second - 1)
		if n := b.Stats().Leaks; n != 0 {
			t.Errorf("%d leaks reported early", n)
		}
		settle(1)
		if n := b.Stats().Leaks; n != 1 || b.log.count("Connection leak detection triggered for "+c.Info().Name+", held for 3s") != 1 {
			t.Errorf("%d leaks after the threshold", n)
		}
		c.Release()
		settle(20*time.Minute - 5*time.Second)
		if n := b.Stats().Leaks; n != 1 {
			t.Errorf("the loan of before was reported early: %d leaks", n)
		}
		settle(2 * time.Second)
		if n := b.Stats().Leaks; n != 2 {
			t.Errorf("the loan of before was not reported: %d leaks", n)
		}
		old.Release()
	})
}

func TestTimesMayBeAsLongAsTheyCanBe(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		server.Inject(akaritest.OpConnect|akaritest.OpExec, akaritest.Fault{Delay: 100 * time.Millisecond})
		b := newBenchOn(t, server, akari.Config{
			MaximumPoolSize: 2, MaxLifetime: akari.Disabled, Dialect: akari.DialectMySQL,
			ConnectionTimeout:         math.MaxInt64,
			ValidationTimeout:         math.MaxInt64,
			AliveBypassWindow:         math.MaxInt64,
			IdleTimeout:               math.MaxInt64,
			KeepaliveTime:             math.MaxInt64,
			LeakDetectionThreshold:    math.MaxInt64,
			InitializationFailTimeout: math.MaxInt64,
		})
		b.server.Define("SELECT 1", "GET x")
		settle(time.Second)
		b.want(2, 0, 2, 0)
		b.exec("SELECT 1")
		b.exec("BEGIN") // has to be looked after
		settle(time.Second)
		b.want(2, 0, 2, 0)
		first, second := b.acquire(), b.acquire()
		time.AfterFunc(time.Hour, first.Release)
		b.acquire().Release() // waits for it
		second.Release()
		if s := b.server.Stats(); s.Txs != 0 || b.Stats().TotalClosed() != 0 {
			t.Errorf("%d transactions are open, %d connections were closed", s.Txs, b.Stats().TotalClosed())
		}
		settle(24 * time.Hour)
		b.exec("SELECT 1")
		b.want(2, 0, 2, 0)
		if n := b.Stats().TotalClosed(); n != 0 || b.Stats().Leaks != 0 {
			t.Errorf("%d connections were closed, %d leaks", n, b.Stats().Leaks)
		}
		in := b.server.Inject(akaritest.OpBegin, akaritest.Fault{Hang: true, Times: 1})
		go func() {
			tx, err := b.DB().BeginTx(t.Context(), nil)
			if err == nil {
				err = tx.Rollback()
			}
			if err != nil {
				t.Error(err)
			}
		}()
		settle(24 * time.Hour)
		in.Release()
		b.want(2, 0, 2, 0)
		if b.log.count("WARN") != 0 {
			t.Error("there are warnings")
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestLifeAsLongAsItCanBe(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2, MaxLifetime: math.MaxInt64, KeepaliveTime: akari.Disabled})
		settle(100 * time.Hour)
		b.exec("GET x")
		b.want(2, 0, 2, 0)
		if n := b.Stats().TotalClosed(); n != 0 {
			t.Errorf("%d connections were closed", n)
		}
	})
}
