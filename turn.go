package akari

import (
	"context"
	"sync/atomic"
)

// turn is a lock that a caller waits for no longer than its context lasts.
type turn struct {
	// state is free, taken, or wanted: taken, and somebody may wait. Whoever makes
	// it taken or wanted from free has the lock.
	state atomic.Int32

	// wake has a token when somebody who waits is to look again. Made by the first
	// who waits.
	wake atomic.Pointer[chan struct{}]

	// waiting is how many wait. Nobody overtakes them: one who asks for the next
	// statement as soon as his last one is done would have the lock all the time.
	waiting atomic.Int32
}

const (
	free int32 = iota
	taken
	wanted
)

// lock takes the lock, or returns the error of ctx if that ends before.
func (t *turn) lock(ctx context.Context) error {
	if t.waiting.Load() == 0 && t.state.CompareAndSwap(free, taken) {
		return nil
	}
	return t.wait(ctx)
}

// seize takes the lock, however long that takes.
func (t *turn) seize() { _ = t.lock(context.Background()) }

func (t *turn) wait(ctx context.Context) error {
	wake := t.wake.Load()
	if wake == nil {
		made := make(chan struct{}, 1)
		t.wake.CompareAndSwap(nil, &made)
		wake = t.wake.Load()
	}
	defer t.waiting.Add(-1)
	first := t.waiting.Add(1) == 1               // the others come after: the state is wanted for one of them already, or will be
	for !first || t.state.Swap(wanted) != free { // it stays wanted: others may wait too
		first = true
		select {
		case <-*wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (t *turn) unlock() {
	if t.state.Swap(free) != wanted {
		return
	}
	select {
	case *t.wake.Load() <- struct{}{}:
	default: // there is one already
	}
}
