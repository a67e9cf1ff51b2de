package akari

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// What callers keep connections for is estimated by looking at all of them, so
// it must not be done for each caller who comes to wait.
func TestBurstLooksAtHoldsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const open, callers = 10000, 1000
		waiting, looks := 0, 0
		o := newOpener(openerEnv{
			settings:      func() *Settings { return &Settings{MaximumPoolSize: open + callers, MinimumIdle: None} },
			maxConnecting: func() int { return open + callers },
			need:          func() (int, int) { return 0, waiting },
			hold:          func() time.Duration { looks++; return time.Hour },
			connect:       func(ctx context.Context) (*entry, error) { <-ctx.Done(); return nil, ctx.Err() },
			classify:      func(error) openTrouble { return troubleAny },
			timeout:       func() time.Duration { return time.Minute },
			paused:        func() bool { return false },
			spawn:         func(f func()) { go f() },
		})
		o.open = open
		for range callers {
			waiting++
			o.ask()
		}
		if _, opening, _, _, _ := o.counts(); opening != callers {
			t.Errorf("%d connections are being opened for %d callers", opening, callers)
		}
		if looks != 1 {
			t.Errorf("it looks at the holds %d times, all at the same moment", looks)
		}
		o.stop()
	})
}

// A driver that does not mind its context has a second more than the time-out, also
// if connecting always takes long.
func TestDeafAttemptIsGivenUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returns := make(chan struct{})
		o := newOpener(openerEnv{
			settings:      func() *Settings { return &Settings{MaximumPoolSize: 1, MinimumIdle: None} },
			maxConnecting: func() int { return 1 },
			need:          func() (int, int) { return 0, 1 },
			hold:          func() time.Duration { return 0 },
			connect:       func(context.Context) (*entry, error) { <-returns; return nil, errors.New("late") },
			failed:        func(openFailure) {},
			classify:      func(error) openTrouble { return troubleAny },
			timeout:       func() time.Duration { return 2 * time.Second },
			paused:        func() bool { return false },
			spawn:         func(f func()) { go f() },
		})
		o.connectTime = 1500 * time.Millisecond
		o.ask()
		time.Sleep(2*time.Second + deafGrace + reviewEvery)
		if _, _, _, hung, _ := o.counts(); hung != 1 {
			t.Errorf("%d attempts are given up, want 1", hung)
		}
		o.stop()
		close(returns)
		synctest.Wait()
	})
}

// An attempt that has come back is not slow, however long it takes until it is
// settled: the opener may be busy, or the machine.
func TestAttemptThatIsBackIsNotGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settled := make(chan struct{})
		waiting := 1
		o := newOpener(openerEnv{
			settings:      func() *Settings { return &Settings{MaximumPoolSize: 1, MinimumIdle: None} },
			maxConnecting: func() int { return 1 },
			need:          func() (int, int) { return 0, waiting },
			hold:          func() time.Duration { return 0 },
			connect:       func(context.Context) (*entry, error) { return &entry{}, nil },
			opened:        func(*entry, time.Duration) {},
			admit:         func(*entry) { waiting = 0 },
			admitted:      func(*entry) {},
			discard:       func(*entry) { t.Error("the connection is thrown away") },
			classify:      func(error) openTrouble { <-settled; return troubleAny },
			timeout:       func() time.Duration { return time.Minute },
			paused:        func() bool { return false },
			spawn:         func(f func()) { go f() },
		})
		o.ask()
		time.Sleep(5 * time.Second)
		if _, opening, _, hung, _ := o.counts(); opening != 1 || hung != 0 {
			t.Errorf("%d attempts under way, %d given up", opening, hung)
		}
		close(settled)
		synctest.Wait()
		if open, _, _, _, _ := o.counts(); open != 1 {
			t.Errorf("%d connections are open", open)
		}
		o.stop()
	})
}
