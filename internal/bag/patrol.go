package bag

import "time"

// One timer watches over all who wait, since setting and stopping one for each
// costs more than a hand-over. It goes off when the first of them needs it, or
// would have needed it, had its wait not been over before.

// patrolPause is the least time from one round to the next that only tells waiters
// that their wait is long: many begin at about the same time.
const patrolPause = 2 * time.Millisecond

// tidyPause is how long after a round there is another one, at the latest, if
// somebody waited: it lets go of what they leave behind.
const tidyPause = time.Second

// setAlarm has patrol run when it is due. queue.mu is held.
func (b *Bag[T]) setAlarm(due, now int64) {
	q := &b.queue
	if q.silent {
		return
	}
	q.alarm = due
	if due == never {
		return
	}
	d := time.Duration(due - now)
	if q.timer == nil {
		q.timer = time.AfterFunc(d, b.patrol)
	} else {
		q.timer.Reset(d)
	}
}

// patrol sends those away whose time has run out, and wakes those whose wait has
// become long.
func (b *Bag[T]) patrol() {
	q := &b.queue
	now := b.hooks.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	due := int64(never)
	if q.first != nil { // to tidy up after those who wait now
		due = now + int64(tidyPause)
	}
	for w := q.soonest; w != nil && w.deadline <= now; w = q.soonest {
		b.leave(w)
		w.settle(nil, ErrTimeout)
	}
	if w := q.soonest; w != nil {
		due = min(due, w.deadline)
	}
	if b.hooks.Long != nil && q.unnoted != nil {
		due = min(due, b.noteLong(now))
	}
	q.shorten()
	b.setAlarm(due, now)
}

// noteLong tells waiters that their wait is long, and returns when to look again. In
// a line that moves nobody is told: each would wake up, and be in line again, at a
// time when there is much to do. queue.mu is held, and somebody is unnoted.
func (b *Bag[T]) noteLong(now int64) (due int64) {
	q := &b.queue
	long := int64(b.hooks.LongWait)
	if first := max(q.unnoted.since, q.servedAt) + long; first > now {
		return first
	}
	for w := q.unnoted; w != nil && w.since+long <= now; w = q.unnoted {
		w.signals <- tooLong
		q.unnoted = w.next
	}
	if q.unnoted == nil {
		return never
	}
	return max(q.unnoted.since+long, now+int64(patrolPause))
}

// silence stops the timer for good: nobody waits any more, and nobody will. queue.mu
// is held.
func (q *queue[T]) silence() {
	q.silent = true
	if q.timer != nil {
		q.timer.Stop()
	}
}

// shorten lets go of waiters that are kept beyond maxFree. queue.mu is held, so
// that none is taken meanwhile; those that are put come on top.
func (q *queue[T]) shorten() {
	w := q.free.Load()
	for n := 1; w != nil && n < maxFree; n++ {
		w = w.below
	}
	if w != nil {
		w.below = nil
	}
}
