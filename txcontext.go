package akari

import (
	"context"
	"sync"
	"time"
)

// txContext is the context that a driver gets with BeginTx, and keeps for COMMIT and
// ROLLBACK, as pgx and lib/pq do. It has the values of the scope's context and ends
// when the pool says so, not with the scope's: no COMMIT and no ROLLBACK could be sent
// after that. While the transaction begins the end of the scope's ends it as well.
type txContext struct {
	values context.Context // the scope's; set before the driver sees this one

	mu        sync.Mutex // guards what follows; nothing else is taken while it is held
	done      chan struct{}
	ended     bool
	beginning bool
	attempt   int // to begin
}

// start says that the driver is about to begin, in a scope of the given context.
func (c *txContext) start(scope context.Context) (attempt int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values = scope
	c.beginning, c.ended, c.done = true, scope.Err() != nil, nil // giveUp may have come already
	c.attempt++
	return c.attempt
}

// cancelAttempt ends it if no further attempt to begin has been made since.
func (c *txContext) cancelAttempt(attempt int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempt == attempt {
		c.end()
	}
}

// begun says that the driver has begun, or has failed to.
func (c *txContext) begun() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beginning = false
}

// giveUp ends it if the driver is about to begin.
func (c *txContext) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.beginning {
		c.end()
	}
}

func (c *txContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
}

func (c *txContext) end() {
	if !c.ended {
		c.ended = true
		if c.done != nil {
			close(c.done)
		}
	}
}

// Deadline is none: only the pool knows.
func (c *txContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is closed at the end. It is made for drivers that ask.
func (c *txContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.ended {
			close(c.done)
		}
	}
	return c.done
}

// Err is nil until the end.
func (c *txContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return context.Canceled
	}
	return nil
}

// Value is the scope's.
func (c *txContext) Value(key any) any { return c.values.Value(key) }
