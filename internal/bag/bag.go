// Package bag holds the items of a pool, lends them to one borrower at a time
// and queues those who must wait. It knows nothing of SQL, configuration or
// logs; HikariCP's ConcurrentBag is its model in vocabulary, not in algorithm.
//
// # How it works
//
// Idle items lie in stripes: short stacks, each under a mutex of its own that
// is held for a few instructions. A borrower looks in the stripe that its
// goroutine is mapped to, where the item it returned last lies on top, and then
// in the others. Nothing is shared between callers on different stripes, and no
// step depends on how many items there are.
//
// A borrower who finds nothing joins a queue, first come first served. An item
// reaches the queue in one way only: [Bag.dispatch], which takes an idle item
// out of a stripe and hands it to the head. It runs whenever one of the things
// happens that could let a waiter go on: an item became idle, a waiter joined,
// a waiter who had been served woke up.
//
// # No wake-up is lost
//
// Who returns an item first puts it into a stripe and then looks whether
// anybody waits. Who is going to wait first joins the queue and then looks into
// the stripes. Both pairs are sequentially consistent atomic operations, so at
// least one of the two sees the other.
//
// # Who may overtake whom
//
// Waiters are served in the order of their arrival. A newcomer may take an idle
// item past them as long as the one at the head has waited less than [Patience];
// after that every item goes to the queue. Without this leave each hand-out in a
// busy bag would cost a switch between goroutines, with more of it waiters would
// starve. For the same reason an item that becomes idle while a served waiter
// has not woken up yet is left to whoever comes first: the waiter, once awake,
// serves the next. The rule is that of sync.Mutex, for many items.
//
// The model of this protocol is in model/bag.pml; keep the two in step.
package bag

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari/internal/caller"
	"github.com/akaripool/akari/internal/invariants"
)

// Patience is how long the head of the queue waits before newcomers may no
// longer overtake the queue.
const Patience = time.Millisecond

// Errors of [Bag.Wait].
var (
	ErrTimeout = errors.New("bag: wait timed out")
	ErrClosed  = errors.New("bag: closed")
	ErrFull    = errors.New("bag: queue is full")
)

// State says who has an item.
//
//	        Add                Borrow/Wait
//	Outside ───► Idle ───────────────────────► InUse ──┐
//	              ▲ │                          │  │    │ Remove
//	              │ │ Reserve        Return    │  │    ▼
//	              │ └────► Reserved ◄──────────┘  │  Removed
//	              │   │       │  ▲     Retain     │
//	              ├───┘       │  └────────────────┘
//	              │ Unreserve │ Remove ──► Removed
//	              └── Return ─┘
//
// Idle → InUse and Idle → Reserved happen under the lock of the stripe that
// holds the item, so exactly one taker wins. Every other arrow is drawn by the
// one who has the item: its borrower (InUse) or its keeper (Reserved).
type State int32

// The states of an item.
const (
	Outside  State = iota // not added yet
	Idle                  // in a stripe, for anybody to take
	InUse                 // lent to a borrower
	Reserved              // taken aside for housekeeping: checked, cleaned or about to be closed
	Removed               // gone; never comes back
)

func (s State) String() string {
	return [...]string{"outside", "idle", "in use", "reserved", "removed"}[s]
}

// Item is one thing in the bag.
type Item[T any] struct {
	Value T

	// state: see State for who may change it; anybody may read it.
	state atomic.Int32

	// home is the index of the stripe that holds the item while it is Idle.
	// Written under that stripe's lock; read by Reserve to find the lock.
	home atomic.Int32

	prev, next *Item[T] // neighbours in Bag.all, guarded by Bag.all.mu
}

// State returns who has the item at this moment.
func (it *Item[T]) State() State { return State(it.state.Load()) }

// move is an arrow drawn by the one who has the item.
func (it *Item[T]) move(to State, from ...State) {
	if invariants.Enabled {
		ok := false
		for _, f := range from {
			ok = ok || it.State() == f
		}
		if !ok {
			invariants.Broken("item moved to %v while %v, want one of %v", to, it.State(), from)
		}
	}
	it.state.Store(int32(to))
}

// Bag is the set of items and the queue of those who wait for one.
// All methods may be called at once from any goroutine.
type Bag[T any] struct {
	stripes []stripe[T] // fixed length, a power of two
	queue   queue[T]

	// waiting is the length of the queue. Written under queue.mu, read by
	// everybody; its order against the stripes is what keeps wake-ups from
	// being lost.
	waiting atomic.Int32

	// waking counts served waiters that have not woken up yet. Written under
	// queue.mu.
	waking atomic.Int32

	// overdue is set while the head of the queue has waited longer than
	// Patience: newcomers must queue. Written under queue.mu.
	overdue atomic.Bool

	closed atomic.Bool // set once, under queue.mu

	total    atomic.Int32 // items in the list of all
	reserved atomic.Int32 // items in state Reserved

	// all lists every item, oldest first.
	all struct {
		mu          sync.Mutex // guards the list; nothing else is taken while it is held
		first, last *Item[T]
	}

	hooks Hooks
	now   func() time.Time // the clock that ages the queue
}

// Hooks are called by the goroutine that waits, without a lock held. Each may
// be nil.
type Hooks struct {
	// Joined: somebody has joined the queue.
	Joined func()

	// Long: somebody has waited for LongWait, with the context of the wait. The
	// result is shown as its Waiter.Note.
	Long     func(context.Context) any
	LongWait time.Duration
}

// New returns an empty bag.
func New[T any](hooks Hooks) *Bag[T] {
	if hooks.Joined == nil {
		hooks.Joined = func() {}
	}
	return &Bag[T]{
		stripes: make([]stripe[T], stripeCount(runtime.GOMAXPROCS(0))),
		hooks:   hooks,
		now:     time.Now,
	}
}

// here is the stripe the calling goroutine starts at.
func (b *Bag[T]) here() int {
	// Goroutines are numbered one after the other; the multiplication (by 2^32
	// divided by the golden ratio) spreads them over the high bits.
	h := uint32(caller.ID()) * 2654435769
	return int(h>>16) & (len(b.stripes) - 1)
}

// TryBorrow takes an idle item, or returns nil when there is none, or when
// there are waiters that must not be overtaken.
func (b *Bag[T]) TryBorrow() *Item[T] {
	if b.overdue.Load() {
		return nil
	}
	return b.take(b.here())
}

// take pops an idle item, starting the search at stripe i.
func (b *Bag[T]) take(i int) *Item[T] {
	for n := len(b.stripes); n > 0; n-- {
		if it := b.stripes[i].pop(); it != nil {
			return it
		}
		i = (i + 1) & (len(b.stripes) - 1)
	}
	return nil
}

// Return gives back an item that is InUse.
func (b *Bag[T]) Return(it *Item[T]) {
	b.putBack(it, InUse)
}

// Add puts a new item into the bag, idle.
func (b *Bag[T]) Add(it *Item[T]) {
	it.move(InUse, Outside) // until it lies in a stripe it is the caller's
	b.all.mu.Lock()
	it.prev, it.next = b.all.last, nil
	if b.all.last != nil {
		b.all.last.next = it
	} else {
		b.all.first = it
	}
	b.all.last = it
	b.all.mu.Unlock()
	b.total.Add(1)
	b.putBack(it, InUse)
}

func (b *Bag[T]) putBack(it *Item[T], from State) {
	i := b.here()
	b.stripes[i].push(it, from, i)
	if b.waiting.Load() > 0 && (b.waking.Load() == 0 || b.overdue.Load()) {
		b.dispatch()
	}
}

// Reserve takes an idle item aside. It returns false when the item is not idle:
// lent, reserved by another, or removed.
func (b *Bag[T]) Reserve(it *Item[T]) bool {
	for it.State() == Idle {
		home := it.home.Load()
		if b.stripes[home].reserve(it, int(home)) {
			b.reserved.Add(1)
			return true
		}
		// Lent, or lent and returned to another stripe since: look again.
	}
	return false
}

// Retain turns a loan into a reservation: the borrower is done with the item,
// but it is not to be lent before Unreserve.
func (b *Bag[T]) Retain(it *Item[T]) {
	it.move(Reserved, InUse)
	b.reserved.Add(1)
}

// Unreserve makes a reserved item idle.
func (b *Bag[T]) Unreserve(it *Item[T]) {
	b.reserved.Add(-1)
	b.putBack(it, Reserved)
}

// Remove takes an item, lent or reserved by the caller, out of the bag for good.
func (b *Bag[T]) Remove(it *Item[T]) {
	if it.State() == Reserved {
		b.reserved.Add(-1)
	}
	it.move(Removed, InUse, Reserved)
	b.all.mu.Lock()
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		b.all.first = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		b.all.last = it.prev
	}
	it.prev, it.next = nil, nil
	b.all.mu.Unlock()
	b.total.Add(-1)
}

// All returns the items in the bag, oldest first, whatever their state.
func (b *Bag[T]) All() []*Item[T] {
	items := make([]*Item[T], 0, b.Total())
	b.all.mu.Lock()
	for it := b.all.first; it != nil; it = it.next {
		items = append(items, it)
	}
	b.all.mu.Unlock()
	return items
}

// Total returns the number of items, whatever their state.
func (b *Bag[T]) Total() int { return int(b.total.Load()) }

// Idle returns the number of idle items.
func (b *Bag[T]) Idle() int {
	n := 0
	for i := range b.stripes {
		n += int(b.stripes[i].n.Load())
	}
	return n
}

// Reserved returns the number of items taken aside.
func (b *Bag[T]) Reserved() int { return int(b.reserved.Load()) }

// Waiting returns the number of borrowers in the queue.
func (b *Bag[T]) Waiting() int { return int(b.waiting.Load()) }

// Closed reports whether Close was called.
func (b *Bag[T]) Closed() bool { return b.closed.Load() }

// Close sends every waiter away with ErrClosed and lets no more wait. Items stay
// where they are and can still be returned, reserved and removed.
func (b *Bag[T]) Close() {
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	b.closed.Store(true)
	for w := b.queue.first; w != nil; w = b.queue.first {
		b.leave(w)
		w.settle(nil, ErrClosed)
	}
}
