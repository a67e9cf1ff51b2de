package akari_test

import (
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

func TestLeakIsReportedOnceWithTheBorrowersStack(t *testing.T) {
	within(t, func(t *testing.T) {
		var suspects, returns collected[akari.LeakEvent]
		b := newBench(t, akaritest.Full, akari.Config{
			MaximumPoolSize: 2, LeakDetectionThreshold: 2 * time.Second, KeepaliveTime: akari.Disabled,
			Trace: &akari.Trace{
				LeakSuspected: suspects.add,
				LeakReturned:  returns.add,
			},
		})
		tx, err := b.DB().Begin()
		if err != nil {
			t.Fatal(err)
		}
		settle(2*time.Second - 1)
		if len(suspects.all()) != 0 {
			t.Fatal("reported early")
		}
		settle(1)
		suspected := suspects.all()
		if len(suspected) != 1 || suspected[0].Held != 2*time.Second {
			t.Fatalf("events: %v", suspected)
		}
		stack := suspected[0].Stack
		if !strings.HasPrefix(stack, "github.com/akaripool/akari_test.TestLeakIsReported") || !strings.Contains(stack, "leak_test.go:") || strings.Contains(stack, "database/sql.") {
			t.Errorf("the stack does not begin with the borrower:\n%s", stack)
		}
		settle(time.Hour)
		suspected = suspects.all()
		if len(suspected) != 1 || b.Stats().Leaks != 1 || b.log.count("Connection leak detection triggered for") != 1 {
			t.Fatalf("reported %d times, counted %d, logged %d", len(suspected), b.Stats().Leaks, b.log.count("Connection leak detection triggered for"))
		}
		if b.log.count("stack trace follows") != 1 || b.log.count("leak_test.go") != 1 {
			t.Error("the stack is not in the log")
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if len(returns.all()) != 1 || b.log.count("was returned to the pool (unleaked)") != 1 {
			t.Error("nothing says that it came back")
		}
	})
}

func TestLoanReturnedInTimeIsNoLeak(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2, LeakDetectionThreshold: 2 * time.Second, MaxLifetime: akari.Disabled})
		for range 100 {
			c := b.acquire()
			time.Sleep(1999 * time.Millisecond)
			c.Release()
		}
		settle(time.Minute)
		if n := b.Stats().Leaks; n != 0 {
			t.Fatalf("%d leaks reported", n)
		}
	})
}

func TestLeakThresholdIsChangedWhileRunning(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 3})
		old := b.acquire()
		s := b.Settings()
		s.LeakDetectionThreshold = 5 * time.Second
		if err := b.Apply(s); err != nil {
			t.Fatal(err)
		}
		c := b.acquire()
		settle(time.Minute)
		if n := b.Stats().Leaks; n != 1 {
			t.Fatalf("%d leaks, want that of the later loan", n)
		}
		c.Release()
		old.Release()
	})
}
