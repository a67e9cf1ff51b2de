package akari

import (
	"math"
	"sync"
	"time"
)

// endings bounds COMMITs and ROLLBACKs with one timer for all that are under way: to
// set one for each costs more than the rest of it.
type endings struct {
	now func() int64 // the pool's clock

	mu    sync.Mutex  // guards what follows, and the fields of ending; below it there is txContext.mu
	open  ending      // ring of those under way; itself the head of the list
	timer *time.Timer // nil: never needed so far
	wakes int64       // when it fires; 0: it is not set
}

// ending is the end of a transaction that is under way.
type ending struct {
	of         *txContext // what the driver knows: it ends when the call takes too long
	due        int64
	prev, next *ending
}

// begin bounds the call that follows by d.
func (l *endings) begin(e *ending, c *txContext, d time.Duration) {
	e.of, e.due = c, l.now()+int64(d)
	if e.due < 0 { // so long that it has no end
		e.due = math.MaxInt64
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open.next == nil {
		l.open.next, l.open.prev = &l.open, &l.open
	}
	e.prev, e.next = l.open.prev, &l.open
	e.prev.next, e.next.prev = e, e
	if l.wakes == 0 || e.due < l.wakes {
		l.set(e.due)
	}
}

// end is called when the call has returned.
func (l *endings) end(e *ending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.next != nil {
		l.remove(e)
	}
}

func (l *endings) remove(e *ending) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}

// set has look called at a time. Called with mu held.
func (l *endings) set(at int64) {
	l.wakes = at
	d := time.Duration(at - l.now())
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.look)
	} else {
		l.timer.Reset(d)
	}
}

// look deals with those that take too long. While there are others the timer is set
// again; it fires once in vain when there are none.
func (l *endings) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakes = 0
	now, next := l.now(), int64(0)
	for e := l.open.next; e != &l.open; {
		after := e.next
		if e.due <= now {
			l.remove(e)
			e.of.cancel()
		} else if next == 0 || e.due < next {
			next = e.due
		}
		e = after
	}
	if next != 0 {
		l.set(next)
	}
}
