package bag

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// owned is an item with an owner word: whoever takes it swaps its number in and
// must find nobody's.
type owned struct{ owner atomic.Int64 }

func (o *owned) take(t *testing.T, me int64) {
	if was := o.owner.Swap(me); was != 0 {
		t.Errorf("borrower %d was handed an item that %d has", me, was)
	}
}

func (o *owned) drop(t *testing.T, me int64) {
	if was := o.owner.Swap(0); was != me {
		t.Errorf("while borrower %d had an item, its owner became %d", me, was)
	}
}

// TestStress has borrowers, people who give up, housekeeping and replacement of
// items at work at once, and looks for items lent twice, items lost and waits
// that do not end.
func TestStress(t *testing.T) {
	for _, procs := range []int{1, 2, 4} {
		for _, size := range []int{1, 3, 16} {
			t.Run(fmt.Sprintf("procs=%d/items=%d", procs, size), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				stress(t, size)
			})
		}
	}
}

func stress(t *testing.T, size int) {
	const borrowers = 24
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	b := New[*owned](8, Hooks{})
	for range size {
		b.Add(&Item[*owned]{Value: new(owned)}, b.hooks.Now())
	}

	var stop atomic.Bool
	var keeper sync.WaitGroup
	keeper.Go(func() { // housekeeping: takes items aside, puts them back or replaces them
		const me = -1
		for !stop.Load() {
			runtime.Gosched() // leave a single processor to the borrowers
			for _, it := range b.All() {
				if !b.Reserve(it) {
					continue
				}
				it.Value.take(t, me)
				runtime.Gosched()
				it.Value.drop(t, me)
				if rand.IntN(8) == 0 {
					b.Remove(it)
					b.Add(&Item[*owned]{Value: new(owned)}, b.hooks.Now())
				} else {
					b.Restore(it, b.hooks.Now())
				}
			}
		}
	})

	var served, gaveUp atomic.Int64
	var wg sync.WaitGroup
	for n := range borrowers {
		me := int64(n + 1)
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(n), 7))
			for range rounds {
				it := borrow(b)
				if it == nil {
					ctx, cancel := t.Context(), func() {}
					if rnd.IntN(3) == 0 {
						ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.IntN(50))*time.Microsecond)
					}
					var err error
					it, err = await(b, ctx, time.Minute, 0, uintptr(me))
					cancel()
					if err != nil {
						if !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("borrower %d: %v: a wake-up was lost", me, err)
							return
						}
						gaveUp.Add(1)
						continue
					}
				}
				it.Value.take(t, me)
				if rnd.IntN(4) == 0 {
					runtime.Gosched()
				}
				it.Value.drop(t, me)
				switch rnd.IntN(16) {
				case 0:
					b.Retain(it, b.hooks.Now())
					b.Restore(it, b.hooks.Now())
				default:
					b.Return(it, b.hooks.Now())
				}
				served.Add(1)
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	keeper.Wait()
	t.Logf("%d served, %d gave up", served.Load(), gaveUp.Load())
	if b.Total() != size || b.Idle() != size || b.Reserved() != 0 || b.Waiting() != 0 {
		t.Fatalf("at rest: total %d, idle %d, reserved %d, waiting %d; want %d idle", b.Total(), b.Idle(), b.Reserved(), b.Waiting(), size)
	}
	for range size {
		if borrow(b) == nil {
			t.Fatal("an item is lost")
		}
	}
}

// TestNobodyWaitsWhileAnItemIsIdle watches for a lost wake-up: at each moment a
// waiter and an idle item may be seen together only briefly.
func TestNobodyWaitsWhileAnItemIsIdle(t *testing.T) {
	b := New[*owned](8, Hooks{})
	for range 4 {
		b.Add(&Item[*owned]{Value: new(owned)}, b.hooks.Now())
	}
	const bound = 5 * time.Second // far beyond any scheduling delay of a loaded machine
	var stop atomic.Bool
	var watch sync.WaitGroup
	watch.Go(func() {
		var since time.Time
		for !stop.Load() {
			if b.Waiting() > 0 && b.Idle() > 0 {
				if since.IsZero() {
					since = time.Now()
				} else if time.Since(since) > bound {
					t.Errorf("%d wait while %d items are idle", b.Waiting(), b.Idle())
					return
				}
			} else {
				since = time.Time{}
			}
			runtime.Gosched()
		}
	})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 5000 {
				it := borrow(b)
				if it == nil {
					var err error
					if it, err = await(b, t.Context(), 4*bound, 0, 0); err != nil {
						t.Error(err)
						return
					}
				}
				b.Return(it, b.hooks.Now())
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	watch.Wait()
}
