package bag

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// stripe is a stack of idle items.
type stripe[T any] struct {
	mu    sync.Mutex   // guards stack and the moves of its items; a few instructions long, nothing is taken while it is held
	n     atomic.Int32 // len(stack): written under mu, read by those who look for a stripe with something in it
	stack []*Item[T]

	// Two stripes in one cache line would slow each other down; two lines,
	// because processors fetch them in pairs. Measured by BenchmarkBorrowReturn.
	_ [128 - 8 - 4 - 4 - 24]byte
}

// stripeCount gives every processor a few stripes, so that goroutines that run
// at the same time seldom share one. More than 64 would only lengthen the
// search of an empty bag.
func stripeCount(procs int) int {
	n := 1 << bits.Len(uint(4*procs-1))
	return min(n, 64)
}

// pop takes the item that was put in last.
func (s *stripe[T]) pop() *Item[T] {
	if s.n.Load() == 0 {
		return nil
	}
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
	it.move(InUse, Idle)
	s.mu.Unlock()
	return it
}

// push puts in an item that was in state from; i is the stripe's own index.
func (s *stripe[T]) push(it *Item[T], from State, i int) {
	s.mu.Lock()
	if int(it.home.Load()) != i { // mostly it comes back to where it was
		it.home.Store(int32(i)) // before the state: who sees Idle must see where
	}
	it.move(Idle, from)
	s.stack = append(s.stack, it)
	s.n.Store(int32(len(s.stack)))
	s.mu.Unlock()
}

// reserve takes it out of the middle, if it is here.
func (s *stripe[T]) reserve(it *Item[T], i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.State() != Idle || int(it.home.Load()) != i {
		return false
	}
	at := slices.Index(s.stack, it)
	s.stack = slices.Delete(s.stack, at, at+1)
	s.n.Store(int32(len(s.stack)))
	it.move(Reserved, Idle)
	return true
}
