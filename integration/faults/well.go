package faults

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// well knows when each caller was last well served.
type well struct {
	mu   sync.Mutex  // guards last
	last []time.Time // by caller
}

func newWell(callers int) *well { return &well{last: make([]time.Time, callers)} }

func (w *well) note(caller int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[caller] = time.Now()
}

// noting is a crowd's call that notes who is well served.
func (w *well) noting(call func(ctx context.Context, worker int) error) func(context.Context, int) error {
	return func(ctx context.Context, worker int) error {
		err := call(ctx, worker)
		if err == nil {
			w.note(worker)
		}
		return err
	}
}

// after waits until every caller has been well served after a moment, and
// returns how long after; never if that does not happen in time.
func (w *well) after(ctx context.Context, moment time.Time, within time.Duration) time.Duration {
	all := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, t := range w.last {
			if !t.After(moment) {
				return false
			}
		}
		return true
	}
	if !until(ctx, within, all) {
		return never
	}
	return time.Since(moment)
}

// counter counts from several goroutines.
type counter struct{ n atomic.Int64 }

func newCounter() *counter { return &counter{} }

func (c *counter) add()       { c.n.Add(1) }
func (c *counter) value() int { return int(c.n.Load()) }

// barrier lets nobody on before all have come.
type barrier struct {
	missing atomic.Int64
	all     chan struct{}
}

// wants says how many have to come, before the first does.
func (b *barrier) wants(n int) {
	b.missing.Store(int64(n))
	b.all = make(chan struct{})
}

// arrive is called once by each of them.
func (b *barrier) arrive() {
	if b.missing.Add(-1) == 0 {
		close(b.all)
	}
}

func (b *barrier) wait(ctx context.Context) {
	select {
	case <-b.all:
	case <-ctx.Done():
	}
}
