package bag

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/akaripool/akari/internal/invariants"
)

// stripe is where idle items lie: one in the slot, the others in a stack. Each is
// in one of the two, and whoever takes it out has it.
type stripe[T any] struct {
	slot atomic.Pointer[Item[T]] // filled only while it is empty, by anybody who has an item; emptied by anybody

	n     atomic.Int32 // len(stack): written under mu, read by those who look for a stripe with something in it
	mu    sync.Mutex   // guards stack; a few instructions long, nothing is taken while it is held
	stack []*Item[T]

	// Two stripes in one cache line would slow each other down; two lines,
	// because processors fetch them in pairs. Measured by BenchmarkBorrowReturn.
	_ [128 - 8 - 4 - 8 - 4 - 24]byte
}

// stripeCount gives every processor a few stripes, so that goroutines that run
// at the same time seldom share one. More than there are items, or than 64, would
// only lengthen the search of an empty bag.
func stripeCount(size, procs int) int {
	n := min(max(size, 1), 8*procs, 64)
	return 1 << bits.Len(uint(n-1))
}

// pop takes an item, nil if there is none: that in the slot, which is mostly the
// one put in last, or that on top of the stack.
func (s *stripe[T]) pop() *Item[T] {
	if s.slot.Load() != nil {
		if it := s.slot.Swap(nil); it != nil {
			it.place(false)
			return it
		}
	}
	if s.n.Load() == 0 {
		return nil
	}
	return s.popStack()
}

func (s *stripe[T]) popStack() *Item[T] {
	s.mu.Lock()
	top := len(s.stack) - 1
	if top < 0 {
		s.mu.Unlock()
		return nil
	}
	it := s.stack[top]
	s.stack[top] = nil
	s.stack = s.stack[:top]
	s.n.Store(int32(top))
	it.place(false)
	s.mu.Unlock()
	return it
}

// push puts in an item of the caller's; i is the stripe's own index. Afterwards
// the item is anybody's.
func (s *stripe[T]) push(it *Item[T], i int) {
	if int(it.home.Load()) != i { // mostly it comes back to where it was
		it.home.Store(int32(i)) // first: who finds it idle must see where
	}
	it.place(true)
	if s.slot.Load() == nil && s.slot.CompareAndSwap(nil, it) {
		return
	}
	s.mu.Lock()
	s.stack = append(s.stack, it)
	s.n.Store(int32(len(s.stack)))
	s.mu.Unlock()
}

// reserve takes an item out, if it is here.
func (s *stripe[T]) reserve(it *Item[T]) bool {
	if s.slot.CompareAndSwap(it, nil) {
		it.place(false)
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.stack, it)
	if at < 0 {
		return false
	}
	s.stack = slices.Delete(s.stack, at, at+1)
	s.n.Store(int32(len(s.stack)))
	it.place(false)
	return true
}

// count is the number of items here.
func (s *stripe[T]) count() int {
	n := int(s.n.Load())
	if s.slot.Load() != nil {
		n++
	}
	return n
}

// place notes, for the checks of invariants, that an item is put into a stripe, or
// was taken out.
func (it *Item[T]) place(in bool) {
	if invariants.Enabled && it.placed.Swap(in) == in {
		invariants.Broken("an item is put into stripes, or taken out of them, twice; in: %v", in)
	}
}
