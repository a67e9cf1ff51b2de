// Package bag holds the items of a pool, lends them to one borrower at a time
// and queues those who must wait. It knows nothing of SQL, configuration or
// logs; HikariCP's ConcurrentBag is its model in vocabulary, not in algorithm.
//
// # How it works
//
// Idle items lie in stripes: each has a slot for one item, taken and filled with
// one atomic instruction, and a stack under a mutex for the others. A borrower
// looks in the stripe that its goroutine is mapped to, where the item it returned
// last lies, and then in the others. Nothing is shared between callers on
// different stripes, and no step depends on how many items there are.
//
// A borrower who finds nothing joins a queue, first come first served. An item
// that is returned while somebody waits is handed to the head directly
// (handOver). Any other reaches the queue in one way: dispatch takes an idle item
// out of a stripe and hands it to the head. It runs whenever one of the things
// happens that could let a waiter go on: an item became idle, a waiter joined,
// a waiter who had been served woke up.
//
// # No wake-up is lost
//
// Who returns an item first puts it into a stripe and then looks whether
// anybody waits. Who is going to wait first joins the queue and then looks into
// the stripes. Both pairs are sequentially consistent atomic operations, so at
// least one of the two sees the other. A served waiter who wakes up and one who
// returns an item are such a pair as well: the one stops counting as waking and
// then looks for items, the other one puts the item down and then looks whether
// somebody is waking.
//
// # Who may overtake whom
//
// Waiters are served in the order of their arrival. A newcomer may take an idle
// item past them as long as the one at the head has waited no longer than
// [Patience]; after that every item goes to the queue. Without this leave each
// hand-out in a busy bag would cost a switch between goroutines, with more of it
// waiters would starve. For the same reason an item that becomes idle while a
// served waiter has not woken up yet is left to whoever comes first: the waiter,
// once awake, serves the next. The rule is that of sync.Mutex, for many items.
//
// # Time
//
// The bag reads no clock where the caller has just done so: now, in nanoseconds
// on the clock of [Hooks], is an argument. It need not be exact.
//
// The model of this protocol is in model/bag.pml; keep the two in step.
package bag

import (
	"context"
	"errors"
	"math"
	"math/bits"
	"runtime"
	"slices"
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
//	        Add        Borrow, Wait          Lend
//	Outside ───► Idle ──────────────► Taken ──────► InUse
//	              ▲ │ ▲                │              │
//	              │ │ └─── Restore ────┘              │
//	              │ │ Reserve                 Retain  │
//	              │ ├──────────► Reserved ◄───────────┤
//	              │ └◄─ Restore ────┘                 │
//	              └───────────── Return ──────────────┘
//	InUse ── hand-over to a waiter, End ──► Taken
//	Taken, InUse, Reserved ── Remove ──► Removed
//
// Idle → Taken and Idle → Reserved happen when the item is taken out of the place
// where it lies, so exactly one taker wins. Every other arrow is drawn by the one
// who has the item: its borrower (Taken, InUse) or its keeper (Reserved).
//
// To observers the state is what the one who has the item has said last: between
// TryBorrow and Lend it still says Idle.
type State int32

// The states of an item.
const (
	Outside  State = iota // not added yet
	Idle                  // in a stripe, for anybody to take
	Taken                 // out of its stripe, but not lent yet, or not any more; see above
	InUse                 // lent to a borrower
	Reserved              // taken aside for housekeeping: checked, cleaned or about to be closed
	Removed               // gone; never comes back

	stateBits = 3
)

func (s State) String() string {
	return [...]string{"outside", "idle", "taken", "in use", "reserved", "removed"}[s]
}

// Item is one thing in the bag.
type Item[T any] struct {
	Value T

	// said is the State and, above its bits, since when the item has been in use
	// or not. Written by the one who has the item, read by anybody.
	said atomic.Int64

	// home is the index of the stripe that the item lies in while it is Idle.
	// Written by the one who has it, before it is put there; read by Reserve.
	home atomic.Int32

	placed atomic.Bool // in a stripe; kept with invariants.Enabled only

	prev, next *Item[T] // neighbours in Bag.all, guarded by Bag.all.mu
}

// State returns who has the item at this moment.
func (it *Item[T]) State() State { return State(it.said.Load() & (1<<stateBits - 1)) }

// Since returns who has the item at this moment and, on the bag's clock, since
// when it has been lent if it is InUse; if not when its last loan ended, or when
// it was added.
func (it *Item[T]) Since() (State, int64) {
	said := it.said.Load()
	return State(said & (1<<stateBits - 1)), said >> stateBits
}

// say is an arrow drawn by the one who has the item.
func (it *Item[T]) say(s State, since int64, from ...State) {
	if invariants.Enabled {
		it.check(from...)
	}
	it.said.Store(since<<stateBits | int64(s))
}

// move is say without a change of since.
func (it *Item[T]) move(s State, from ...State) {
	_, since := it.Since()
	it.say(s, since, from...)
}

func (it *Item[T]) check(from ...State) {
	if it.placed.Load() {
		invariants.Broken("an item that lies in a stripe is moved by somebody who does not have it")
	}
	if !slices.Contains(from, it.State()) {
		invariants.Broken("an item is moved while %v, want one of %v", it.State(), from)
	}
}

// Take says that the borrower of an item, who has just got it, takes its time
// before it lends it.
func (it *Item[T]) Take() { it.move(Taken, Idle, Taken) }

// End says that the loan of an item has ended now, though it is not given back yet.
func (it *Item[T]) End(now int64) { it.say(Taken, now, InUse) }

// Lend says that an item just borrowed is in use from now on.
func (it *Item[T]) Lend(now int64) { it.say(InUse, now, Idle, Taken) }

// Bag is the set of items and the queue of those who wait for one.
// All methods may be called at once from any goroutine.
type Bag[T any] struct {
	stripes []stripe[T] // fixed length, a power of two
	shift   uint8       // 32 minus its logarithm: see stripeOf
	queue   queue[T]

	// waking counts served waiters that have not woken up yet. Raised under
	// queue.mu, lowered by the waiter once it is awake.
	waking atomic.Int32

	// late is when the head of the queue will have waited for Patience: from then
	// on newcomers must queue. It is never if, and only if, nobody waits. Written
	// under queue.mu, read by everybody; its order against the stripes is what
	// keeps wake-ups from being lost.
	late atomic.Int64

	closed atomic.Bool // set once, under queue.mu

	total    atomic.Int32 // items in the list of all
	reserved atomic.Int32 // items in state Reserved

	// all lists every item, oldest first.
	all struct {
		mu          sync.Mutex // guards the list; nothing else is taken while it is held
		first, last *Item[T]
	}

	hooks Hooks
}

// never is later than any moment.
const never = math.MaxInt64

// Hooks are what a bag needs to know, and whom it tells. Joined and Long are
// called by the goroutine that waits, without a lock held. Each may be nil.
type Hooks struct {
	// Now is the clock: nanoseconds, monotonic. By default they count from New.
	Now func() int64

	// Joined: somebody has joined the queue.
	Joined func()

	// Long: somebody has waited for LongWait, in which nobody was served, with the
	// context of the wait. The result is shown as its Waiter.Note.
	Long     func(context.Context) any
	LongWait time.Duration
}

// New returns an empty bag. It is at its best with up to size items, but takes
// more.
func New[T any](size int, hooks Hooks) *Bag[T] {
	if hooks.Now == nil {
		birth := time.Now()
		hooks.Now = func() int64 { return int64(time.Since(birth)) }
	}
	if hooks.Joined == nil {
		hooks.Joined = func() {}
	}
	b := &Bag[T]{
		stripes: make([]stripe[T], stripeCount(size, runtime.GOMAXPROCS(0))),
		hooks:   hooks,
	}
	b.shift = uint8(32 - bits.TrailingZeros(uint(len(b.stripes))))
	b.late.Store(never)
	b.queue.alarm = never
	return b
}

// here is the stripe the calling goroutine starts at.
func (b *Bag[T]) here() int { return b.stripeOf(caller.ID()) }

// stripeOf spreads callers over the stripes. Goroutines are numbered one after the
// other: multiplied by 2^32 divided by the golden ratio, those of consecutive
// numbers are far apart in the highest bits, though not in others.
func (b *Bag[T]) stripeOf(id uintptr) int {
	return int(uint32(id) * 2654435769 >> b.shift)
}

// TryBorrow takes an idle item, or returns nil when there is none, or when
// there are waiters that must not be overtaken. The caller has it, and calls Lend
// or Take, or gives it back with Restore.
func (b *Bag[T]) TryBorrow(now int64) *Item[T] {
	if now > b.late.Load() {
		return nil
	}
	return b.take(b.here())
}

// take takes an idle item, starting the search at stripe i.
func (b *Bag[T]) take(i int) *Item[T] {
	for n := len(b.stripes); n > 0; n-- {
		if it := b.stripes[i].pop(); it != nil {
			return it
		}
		i = (i + 1) & (len(b.stripes) - 1)
	}
	return nil
}

// Return gives back an item whose loan ends now, or has just ended.
func (b *Bag[T]) Return(it *Item[T], now int64) {
	if b.wanted(now) && b.handOver(it, now) {
		return
	}
	it.say(Idle, now, InUse, Taken)
	b.put(it, now)
}

// wanted reports whether somebody waits for whom the next item is.
func (b *Bag[T]) wanted(now int64) bool {
	late := b.late.Load()
	return late != never && (b.waking.Load() == 0 || now > late)
}

// Restore gives back an item that is Reserved, or was borrowed and has not been
// lent. When its last loan ended does not change.
func (b *Bag[T]) Restore(it *Item[T], now int64) {
	if it.State() == Reserved {
		b.reserved.Add(-1)
	}
	it.move(Idle, Idle, Taken, Reserved)
	b.put(it, now)
}

// Add puts a new item into the bag, idle.
func (b *Bag[T]) Add(it *Item[T], now int64) {
	it.say(Idle, now, Outside)
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
	b.put(it, now)
}

// put puts an item that says it is idle into a stripe.
func (b *Bag[T]) put(it *Item[T], now int64) {
	i := b.here()
	b.stripes[i].push(it, i)
	if b.wanted(now) {
		b.dispatch(now)
	}
}

// Reserve takes an idle item aside. It returns false when the item is not idle:
// lent, reserved by another, removed, or on its way into a stripe. So who has a
// reason to reserve it shows that reason first, and who gives an item back looks
// for one afterwards: at least one of the two sees the other.
func (b *Bag[T]) Reserve(it *Item[T]) bool {
	if it.State() != Idle || !b.stripes[it.home.Load()].reserve(it) {
		return false
	}
	it.move(Reserved, Idle)
	b.reserved.Add(1)
	return true
}

// Retain turns a loan that ends now into a reservation: the borrower is done with
// the item, but it is not to be lent before Restore.
func (b *Bag[T]) Retain(it *Item[T], now int64) {
	it.say(Reserved, now, InUse, Taken)
	b.reserved.Add(1)
}

// Remove takes an item, that the caller has, out of the bag for good.
func (b *Bag[T]) Remove(it *Item[T]) {
	if it.State() == Reserved {
		b.reserved.Add(-1)
	}
	it.move(Removed, Idle, Taken, InUse, Reserved)
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
		n += b.stripes[i].count()
	}
	return n
}

// Reserved returns the number of items taken aside.
func (b *Bag[T]) Reserved() int { return int(b.reserved.Load()) }

// Waiting returns the number of borrowers in the queue.
func (b *Bag[T]) Waiting() int {
	if b.late.Load() == never {
		return 0
	}
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	return b.queue.len
}

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
	b.queue.silence()
}
