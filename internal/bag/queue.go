package bag

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// queue is the line of those who wait, first come first served.
type queue[T any] struct {
	mu sync.Mutex // guards what follows, Bag.closed, Bag.late and the raising of Bag.waking; stripe locks and the lock of the list of all may be taken while it is held, never the other way round

	first, last     *waiter[T] // the line
	len             int        // of the line
	soonest, latest *waiter[T] // those of it whose time runs out, by the end of it
	unnoted         *waiter[T] // the first in the line who has not been told that its wait is long
	servedAt        int64      // when somebody was served last
	free            atomic.Pointer[waiter[T]]
	timer           *time.Timer
	alarm           int64 // when the timer goes off; never if it is not set
	silent          bool  // the timer is not to be set any more
}

// maxFree bounds the memory that a burst of waiters leaves behind.
const maxFree = 256

// waiter is one wait. It is settled once, under queue.mu: served with an item,
// sent away with an error, or withdrawn by its own goroutine.
type waiter[T any] struct {
	// Guarded by queue.mu.
	prev, next    *waiter[T] // in the line
	sooner, later *waiter[T] // by deadline
	since         int64
	deadline      int64 // never if there is none
	caller        uintptr
	note          any
	queued        bool // in the line; false once settled

	// Written under queue.mu by who settles it, read by its goroutine once it has
	// received settled.
	item *Item[T]
	err  error

	// signals has room for all there can be: the sender never blocks. It is
	// written to under queue.mu.
	signals chan signal

	below *waiter[T] // in queue.free: written by who puts it there
}

// signal is what a waiter is woken for.
type signal uint8

const (
	tooLong signal = iota // its wait has become long; at most once, and before settled
	settled               // its wait is over
	signals = 2
)

// settle decides the wait; the waiter has left the line. queue.mu is held.
func (w *waiter[T]) settle(it *Item[T], err error) {
	w.item, w.err = it, err
	w.signals <- settled
}

// Waiter describes one wait to [Bag.Waiters].
type Waiter struct {
	Caller uintptr // as given to Wait
	Since  int64   // on the bag's clock
	Note   any     // from Hooks.Long; nil before that
}

// Wait queues for an item, from now on and for at most timeout (without end if it
// is 0 or less). caller is shown to [Bag.Waiters].
//
// It returns ErrFull at once when limit > 0 waiters are queued already,
// ErrClosed when the bag is or becomes closed, ErrTimeout, the context's error,
// or what [Bag.Expel] gave. An item is the caller's as after TryBorrow; if there is
// an error as well, because the context ended when the wait had been served, the
// item must not be lent but given back, with Restore or Remove.
func (b *Bag[T]) Wait(ctx context.Context, now int64, timeout time.Duration, limit int, caller uintptr) (*Item[T], error) {
	w, err := b.join(now, timeout, limit, caller)
	if err != nil {
		return nil, err
	}
	b.hooks.Joined()
	done := ctx.Done()
	for {
		var s signal
		if done == nil {
			s = <-w.signals // much cheaper than select
		} else {
			select {
			case s = <-w.signals:
			case <-done:
				return b.giveUp(w), ctx.Err()
			}
		}
		if s == settled {
			return b.finish(w)
		}
		note := b.hooks.Long(ctx)
		b.queue.mu.Lock()
		w.note = note
		b.queue.mu.Unlock()
	}
}

// join puts a waiter at the end of the line.
func (b *Bag[T]) join(now int64, timeout time.Duration, limit int, caller uintptr) (*waiter[T], error) {
	q := &b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if b.closed.Load() {
		return nil, ErrClosed
	}
	if limit > 0 && q.len >= limit {
		return nil, ErrFull
	}
	w := q.get()
	w.since, w.deadline, w.caller = now, never, caller
	w.queued = true
	w.prev, w.next = q.last, nil
	if q.last != nil {
		q.last.next = w
	} else {
		q.first = w
		b.late.Store(now + int64(Patience))
	}
	q.last = w
	if q.unnoted == nil {
		q.unnoted = w
	}
	due := int64(never)
	if timeout > 0 && int64(timeout) < never-now { // longer than the clock goes is for ever
		w.deadline = now + int64(timeout)
		q.insert(w)
		due = w.deadline
	}
	if b.hooks.Long != nil {
		due = min(due, now+int64(b.hooks.LongWait))
	}
	q.len++
	b.dispatchLocked(now) // an item may have come back since the caller looked
	if w.queued && due < q.alarm {
		b.setAlarm(due, now)
	}
	return w, nil
}

// leave takes w out of the line. queue.mu is held.
func (b *Bag[T]) leave(w *waiter[T]) {
	q := &b.queue
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
		if w.next != nil {
			b.late.Store(w.next.since + int64(Patience))
		} else {
			b.late.Store(never)
		}
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	if q.unnoted == w {
		q.unnoted = w.next
	}
	if w.deadline != never {
		q.remove(w)
	}
	w.prev, w.next = nil, nil
	w.queued = false
	q.len--
}

// dispatch serves those who wait with what is idle.
func (b *Bag[T]) dispatch(now int64) {
	b.queue.mu.Lock()
	b.dispatchLocked(now)
	b.queue.mu.Unlock()
}

// dispatchLocked hands idle items to the head of the line: one at a time while
// the head is young (the one served goes on from there when it wakes), as many
// as there are once the head is late. queue.mu is held.
func (b *Bag[T]) dispatchLocked(now int64) {
	for b.wanted(now) {
		it := b.take(b.here())
		if it == nil {
			return
		}
		it.Take() // it may be long before the waiter gets to run
		b.serve(it, now)
	}
}

// handOver gives an item of the caller's back, directly to the head of the line. It
// reports false, with the item still the caller's, if the line has changed.
func (b *Bag[T]) handOver(it *Item[T], now int64) bool {
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	if !b.wanted(now) {
		return false
	}
	it.say(Taken, now, InUse, Taken)
	b.serve(it, now)
	return true
}

// serve hands an item, which the caller has, to the head of the line. queue.mu is
// held.
func (b *Bag[T]) serve(it *Item[T], now int64) {
	w := b.queue.first
	b.leave(w)
	b.waking.Add(1)
	b.queue.servedAt = now
	w.settle(it, nil)
}

// finish ends a wait that was settled, in the waiting goroutine.
func (b *Bag[T]) finish(w *waiter[T]) (*Item[T], error) {
	it, err := w.item, w.err
	b.queue.put(w)
	if it == nil {
		return nil, err
	}
	b.awake()
	return it, nil
}

// awake is called by a served waiter once it runs. What came back meanwhile may
// have been left for it to hand on.
func (b *Bag[T]) awake() {
	b.waking.Add(-1)
	if b.late.Load() != never && b.some() {
		b.dispatch(b.hooks.Now())
	}
}

// giveUp ends a wait whose context has ended, in the waiting goroutine. It may
// have been served in the meantime: then there is an item.
func (b *Bag[T]) giveUp(w *waiter[T]) *Item[T] {
	b.queue.mu.Lock()
	queued := w.queued
	if queued {
		b.leave(w)
	}
	b.queue.mu.Unlock()
	if queued {
		select {
		case <-w.signals: // that the wait has become long
		default:
		}
		b.queue.put(w)
		return nil
	}
	for <-w.signals != settled {
	}
	it := w.item
	b.queue.put(w)
	if it != nil {
		b.awake()
	}
	return it
}

// some reports whether there is an idle item.
func (b *Bag[T]) some() bool {
	for i := range b.stripes {
		if b.stripes[i].count() > 0 {
			return true
		}
	}
	return false
}

// Expel shows pick those in the line, first come first, and sends the one away,
// with err, whose index it returns; none if that is negative. While pick runs
// the line stands still: whoever is in it waits. So pick must not block, and of
// the bag call nothing but All, Total, Idle and Reserved.
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
	ws := make([]Waiter, 0, b.queue.len)
	for w := b.queue.first; w != nil; w = w.next {
		ws = append(ws, Waiter{w.caller, w.since, w.note})
	}
	return ws
}

// get returns a waiter to use. queue.mu is held, so that there is one getter at a
// time: what lies below the top cannot change while the top stays.
func (q *queue[T]) get() *waiter[T] {
	for {
		w := q.free.Load()
		if w == nil {
			return &waiter[T]{signals: make(chan signal, signals)}
		}
		if q.free.CompareAndSwap(w, w.below) {
			w.below = nil
			return w
		}
	}
}

// put keeps a waiter, whose channel is empty, for the next. No lock is needed.
func (q *queue[T]) put(w *waiter[T]) {
	w.item, w.err, w.note = nil, nil, nil
	for {
		w.below = q.free.Load()
		if q.free.CompareAndSwap(w.below, w) {
			return
		}
	}
}

// insert puts w, which is at the end of the line, into its place by deadline.
// Nearly always that is the end as well; at worst, when the time-out was lowered
// while a long line waited, it walks past all of them.
func (q *queue[T]) insert(w *waiter[T]) {
	after := q.latest
	for after != nil && after.deadline > w.deadline {
		after = after.sooner
	}
	w.sooner = after
	if after != nil {
		w.later, after.later = after.later, w
	} else {
		w.later, q.soonest = q.soonest, w
	}
	if w.later != nil {
		w.later.sooner = w
	} else {
		q.latest = w
	}
}

// remove takes w out of the order of deadlines.
func (q *queue[T]) remove(w *waiter[T]) {
	if w.sooner != nil {
		w.sooner.later = w.later
	} else {
		q.soonest = w.later
	}
	if w.later != nil {
		w.later.sooner = w.sooner
	} else {
		q.latest = w.sooner
	}
	w.sooner, w.later = nil, nil
}
