package akari

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// gate is what every caller passes first: open while the pool runs, shut while
// it is suspended, gone once it is closed.
type gate struct {
	state atomic.Int32 // a gateState; written under mu, read by every caller

	mu      sync.Mutex    // guards what follows and the changes of state; nothing else is taken while it is held
	changed chan struct{} // while suspended: closed when that ends
}

type gateState int32

const (
	gateOpen gateState = iota
	gateSuspended
	gateClosed
)

func (g *gate) now() gateState { return gateState(g.state.Load()) }

// suspend shuts an open gate and reports whether it did.
func (g *gate) suspend() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now() != gateOpen {
		return false
	}
	g.changed = make(chan struct{})
	g.state.Store(int32(gateSuspended))
	return true
}

// resume opens a suspended gate and reports whether it did.
func (g *gate) resume() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now() != gateSuspended {
		return false
	}
	g.state.Store(int32(gateOpen))
	close(g.changed)
	return true
}

// close shuts the gate for good and reports whether this call did it.
func (g *gate) close() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.now()
	if was == gateClosed {
		return false
	}
	g.state.Store(int32(gateClosed))
	if was == gateSuspended {
		close(g.changed)
	}
	return true
}

// wait returns nil once the gate is open, else ErrPoolClosed,
// ErrAcquireTimeout (after timeout, if that is more than 0) or the context's
// error.
func (g *gate) wait(ctx context.Context, timeout time.Duration) error {
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	for {
		g.mu.Lock()
		state, changed := g.now(), g.changed
		g.mu.Unlock()
		switch state {
		case gateOpen:
			return nil
		case gateClosed:
			return ErrPoolClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-expired:
			return ErrAcquireTimeout
		}
	}
}
