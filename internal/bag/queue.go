package bag

import (
	"context"
	"sync"
	"time"
)

// queue is the line of those who wait, first come first served.
type queue[T any] struct {
	mu          sync.Mutex // guards everything here, and Bag.waiting, waking, overdue and closed against each other; stripe locks and the lock of the list of all may be taken while it is held, never the other way round
	first, last *waiter[T]
	free        *waiter[T] // waiters to use again, linked by next
	freeLen     int
}

// maxFree bounds the memory that a burst of waiters leaves behind.
const maxFree = 256

// waiter is one wait. It is settled once, under queue.mu: served with an item,
// sent away with an error, or withdrawn by its own goroutine.
type waiter[T any] struct {
	prev, next *waiter[T]

	since  time.Time
	caller uintptr

	// Guarded by queue.mu until ready has been received.
	queued bool // in the line; false once settled
	item   *Item[T]
	err    error
	note   any

	ready chan struct{} // capacity 1: the settler never blocks
	timer *time.Timer   // owned by the waiting goroutine
}

// settle decides the wait; the waiter has left the line. queue.mu is held.
func (w *waiter[T]) settle(it *Item[T], err error) {
	w.item, w.err = it, err
	w.ready <- struct{}{}
}

// Waiter describes one wait to [Bag.Waiters].
type Waiter struct {
	Caller uintptr // as given to Wait
	Since  time.Time
	Note   any // from Hooks.Long; nil before that
}

// Wait queues for an item, for at most timeout (none if it is 0 or less).
// caller is shown to [Bag.Waiters].
//
// It returns ErrFull at once when limit > 0 waiters are queued already,
// ErrClosed when the bag is or becomes closed, ErrTimeout, the context's error,
// or what [Bag.Expel] gave. A wait that ends with an error has no item.
func (b *Bag[T]) Wait(ctx context.Context, timeout time.Duration, limit int, caller uintptr) (*Item[T], error) {
	w, err := b.join(limit, caller)
	if err != nil {
		return nil, err
	}
	b.hooks.Joined()

	// The first part of a wait is short if somebody wants to know of long ones.
	part, rest := timeout, time.Duration(0)
	if b.hooks.Long != nil && (timeout <= 0 || timeout > b.hooks.LongWait) {
		part, rest = b.hooks.LongWait, timeout-b.hooks.LongWait
	}
	for again := true; again; {
		again = false
		var expired <-chan time.Time
		if part > 0 {
			expired = w.startTimer(part)
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			err = ctx.Err()
		case <-expired:
			if rest == 0 {
				err = ErrTimeout
				break
			}
			b.note(w, b.hooks.Long(ctx))
			part, rest, again = rest, 0, true // rest < 0: no time-out
		}
	}
	if w.timer != nil {
		w.timer.Stop() // before finish: afterwards w may be another's
	}
	return b.finish(w, err)
}

func (b *Bag[T]) note(w *waiter[T], note any) {
	b.queue.mu.Lock()
	w.note = note
	b.queue.mu.Unlock()
}

// join puts a waiter at the end of the line.
func (b *Bag[T]) join(limit int, caller uintptr) (*waiter[T], error) {
	now := b.now()
	q := &b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if b.closed.Load() {
		return nil, ErrClosed
	}
	if limit > 0 && int(b.waiting.Load()) >= limit {
		return nil, ErrFull
	}
	w := q.get()
	w.since, w.caller = now, caller
	w.queued = true
	w.prev, w.next = q.last, nil
	if q.last != nil {
		q.last.next = w
	} else {
		q.first = w
	}
	q.last = w
	b.waiting.Add(1)
	b.dispatchLocked(now) // an item may have come back since the caller looked
	return w, nil
}

// leave takes w out of the line. queue.mu is held.
func (b *Bag[T]) leave(w *waiter[T]) {
	q := &b.queue
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	w.prev, w.next = nil, nil
	w.queued = false
	b.waiting.Add(-1)
	if q.first == nil {
		b.overdue.Store(false)
	}
}

// dispatch serves those who wait with what is idle.
func (b *Bag[T]) dispatch() {
	now := b.now()
	b.queue.mu.Lock()
	b.dispatchLocked(now)
	b.queue.mu.Unlock()
}

// dispatchLocked hands idle items to the head of the line: one at a time while
// the head is young (the one served goes on from there when it wakes), as many
// as there are once the head is overdue. queue.mu is held.
func (b *Bag[T]) dispatchLocked(now time.Time) {
	q := &b.queue
	for q.first != nil {
		late := now.Sub(q.first.since) > Patience
		b.overdue.Store(late)
		if b.waking.Load() > 0 && !late {
			return
		}
		it := b.take(b.here())
		if it == nil {
			return
		}
		w := q.first
		b.leave(w)
		b.waking.Add(1)
		w.settle(it, nil)
	}
}

// finish ends a wait in the waiting goroutine. giveUp is nil when the waiter
// was woken, else the reason why it stopped waiting; then it may have been
// settled in the meantime.
func (b *Bag[T]) finish(w *waiter[T], giveUp error) (*Item[T], error) {
	q := &b.queue
	now := b.now()
	q.mu.Lock()
	if w.queued {
		b.leave(w)
		q.put(w)
		q.mu.Unlock()
		return nil, giveUp
	}
	if giveUp != nil {
		<-w.ready // settled: the signal is there
	}
	it, err := w.item, w.err
	q.put(w)
	if it == nil {
		q.mu.Unlock()
		if giveUp != nil {
			err = giveUp
		}
		return nil, err
	}
	b.waking.Add(-1)
	if giveUp == nil || giveUp == ErrTimeout {
		b.dispatchLocked(now)
		q.mu.Unlock()
		return it, nil
	}
	q.mu.Unlock()
	// The caller has given up: the item goes to the next.
	b.Return(it)
	return nil, giveUp
}

// Expel shows pick those in the line, first come first, and sends the one away,
// with err, whose index it returns; none if that is negative. While pick runs
// the line stands still: whoever is in it waits. So pick must not block, and of
// the bag call nothing but All, Total, Idle and the like.
func (b *Bag[T]) Expel(err error, pick func([]Waiter) int) bool {
	q := &b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	i := pick(b.waitersLocked())
	if i < 0 {
		return false
	}
	w := q.first
	for range i {
		w = w.next
	}
	b.leave(w)
	w.settle(nil, err)
	return true
}

// Waiters returns those in the line, first come first.
func (b *Bag[T]) Waiters() []Waiter {
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	return b.waitersLocked()
}

func (b *Bag[T]) waitersLocked() []Waiter {
	ws := make([]Waiter, 0, b.waiting.Load())
	for w := b.queue.first; w != nil; w = w.next {
		ws = append(ws, Waiter{w.caller, w.since, w.note})
	}
	return ws
}

// get returns a waiter to use. queue.mu is held.
func (q *queue[T]) get() *waiter[T] {
	w := q.free
	if w == nil {
		return &waiter[T]{ready: make(chan struct{}, 1)}
	}
	q.free, w.next = w.next, nil
	q.freeLen--
	return w
}

// put keeps a waiter for the next. queue.mu is held.
func (q *queue[T]) put(w *waiter[T]) {
	w.item, w.err, w.note = nil, nil, nil
	if q.freeLen >= maxFree {
		return
	}
	w.next = q.free
	q.free = w
	q.freeLen++
}

func (w *waiter[T]) startTimer(d time.Duration) <-chan time.Time {
	if w.timer == nil {
		w.timer = time.NewTimer(d)
	} else {
		w.timer.Reset(d)
	}
	return w.timer.C
}
