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
}

const (
	free int32 = iota
	taken
	wanted
)

// lock takes the lock, or returns the error of ctx if that ends before.
func (t *turn) lock(ctx context.Context) error {
	if t.state.CompareAndSwap(free, taken) {
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
	for t.state.Swap(wanted) != free { // it stays wanted: others may wait too
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
