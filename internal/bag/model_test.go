package bag

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// dull is the bag as one would write it without caring for speed: one set, one
// line, no concurrency. It says what the clever one must do once all is quiet.
type dull struct {
	idle, inUse, reserved []int // values of items
	line                  []int // numbers of waiters, first come first
	served                map[int]bool
	closed                bool
}

func (d *dull) settle() {
	for len(d.line) > 0 && len(d.idle) > 0 {
		d.served[d.line[0]] = true
		d.line = d.line[1:]
		d.idle = d.idle[:len(d.idle)-1] // which item is the bag's choice: the driver moves it to inUse
	}
}

// wait is one call of Wait under way in the run.
type wait struct {
	number int
	cancel context.CancelFunc
	item   *Item[int]
	err    error
	done   bool
}

// run drives a bag and its dull twin through the operations that the bytes
// spell, and compares them after each. It must be called in a synctest bubble.
func run(t *testing.T, ops []byte) {
	b := New[int](8, Hooks{})
	d := &dull{served: map[int]bool{}}
	byValue := map[int]*Item[int]{}
	var waits []*wait
	next := 0

	defer func() {
		for _, w := range waits {
			w.cancel()
		}
	}()

	take := func(from *[]int, v int) {
		i := slices.Index(*from, v)
		if i < 0 {
			t.Fatalf("item %d is not where the model has it: %v", v, *from)
		}
		*from = slices.Delete(*from, i, i+1)
	}
	pick := func(from []int, arg byte) (int, bool) {
		if len(from) == 0 {
			return 0, false
		}
		return from[int(arg)%len(from)], true
	}

	for i := 0; i+1 < len(ops); i += 2 {
		arg := ops[i+1]
		switch ops[i] % 12 {
		case 0: // a new item
			if len(byValue) < 40 {
				it := &Item[int]{Value: len(byValue)}
				byValue[it.Value] = it
				d.idle = append(d.idle, it.Value)
				b.Add(it, b.hooks.Now())
			}
		case 1, 2: // borrow without waiting
			it := borrow(b)
			if (it == nil) != (len(d.idle) == 0) {
				t.Fatalf("op %d: TryBorrow gave %v while %d items are idle", i, it, len(d.idle))
			}
			if it != nil {
				take(&d.idle, it.Value)
				d.inUse = append(d.inUse, it.Value)
			}
		case 3, 4: // return
			if v, ok := pick(d.inUse, arg); ok {
				take(&d.inUse, v)
				d.idle = append(d.idle, v)
				b.Return(byValue[v], b.hooks.Now())
			}
		case 5, 6: // wait
			if len(d.line) >= 20 {
				break
			}
			ctx, cancel := context.WithCancel(t.Context())
			w := &wait{number: next, cancel: cancel}
			next++
			waits = append(waits, w)
			timeout := time.Duration(arg) * time.Second // 0: none
			go func() {
				w.item, w.err = await(b, ctx, timeout, 0, uintptr(w.number))
				w.done = true
			}()
			if d.closed {
				break
			}
			d.line = append(d.line, w.number)
		case 7: // a waiter gives up
			if n, ok := pick(d.line, arg); ok {
				waits[n].cancel()
				take(&d.line, n)
				synctest.Wait()
				if !errors.Is(waits[n].err, context.Canceled) {
					t.Fatalf("op %d: cancelled waiter %d ended with %v", i, n, waits[n].err)
				}
			}
		case 8: // reserve
			if v, ok := pick(append(slices.Clone(d.idle), d.inUse...), arg); ok {
				idle := slices.Contains(d.idle, v)
				if got := b.Reserve(byValue[v]); got != idle {
					t.Fatalf("op %d: Reserve(%d) is %v while idle is %v", i, v, got, idle)
				}
				if idle {
					take(&d.idle, v)
					d.reserved = append(d.reserved, v)
				}
			}
		case 9: // put a reserved item back, or take a lent one aside
			if v, ok := pick(d.reserved, arg); ok {
				take(&d.reserved, v)
				d.idle = append(d.idle, v)
				b.Restore(byValue[v], b.hooks.Now())
			} else if v, ok := pick(d.inUse, arg); ok {
				take(&d.inUse, v)
				d.reserved = append(d.reserved, v)
				b.Retain(byValue[v], b.hooks.Now())
			}
		case 10: // remove
			if v, ok := pick(append(slices.Clone(d.reserved), d.inUse...), arg); ok {
				if slices.Contains(d.reserved, v) {
					take(&d.reserved, v)
				} else {
					take(&d.inUse, v)
				}
				b.Remove(byValue[v])
			}
		case 11: // time passes, or, seldom, the bag closes
			if arg < 4 && !d.closed {
				b.Close()
				d.closed = true
				synctest.Wait()
				for _, n := range d.line {
					if !errors.Is(waits[n].err, ErrClosed) {
						t.Fatalf("op %d: waiter %d ended with %v when the bag closed", i, n, waits[n].err)
					}
				}
				d.line = nil
				break
			}
			time.Sleep(time.Duration(arg) * Patience / 16)
		}

		synctest.Wait()
		before := len(d.served)
		d.settle()
		for _, w := range waits {
			switch {
			case w.done && w.err == nil && !d.served[w.number]:
				t.Fatalf("op %d: waiter %d was served out of turn", i, w.number)
			case d.served[w.number] && (!w.done || w.err != nil):
				t.Fatalf("op %d: waiter %d should have been served, is done: %v, %v", i, w.number, w.done, w.err)
			case w.done && errors.Is(w.err, ErrTimeout) && slices.Contains(d.line, w.number):
				take(&d.line, w.number) // its time ran out while the clock was moved
			}
		}
		if len(d.served) > before {
			// Move the items the bag chose.
			held := 0
			for v, it := range byValue {
				if it.State() == InUse {
					held++
					if !slices.Contains(d.inUse, v) {
						d.inUse = append(d.inUse, v)
					}
				}
			}
			d.idle = d.idle[:0]
			for v, it := range byValue {
				if it.State() == Idle {
					d.idle = append(d.idle, v)
				}
			}
			slices.Sort(d.idle)
			if held != len(d.inUse) {
				t.Fatalf("op %d: %d items lent, the model has %d", i, held, len(d.inUse))
			}
		}
		total := len(d.idle) + len(d.inUse) + len(d.reserved)
		if b.Total() != total || b.Idle() != len(d.idle) || b.Reserved() != len(d.reserved) || b.Waiting() != len(d.line) || len(b.All()) != total {
			t.Fatalf("op %d: total %d, listed %d, idle %d, reserved %d, waiting %d; the model has %d, %d, %d, %d",
				i, b.Total(), len(b.All()), b.Idle(), b.Reserved(), b.Waiting(), total, len(d.idle), len(d.reserved), len(d.line))
		}
		for _, v := range d.reserved {
			if s := byValue[v].State(); s != Reserved {
				t.Fatalf("op %d: item %d is %v, want reserved", i, v, s)
			}
		}
	}
}

func TestBagAgreesWithADullOne(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for seed := range rounds {
		ops := make([]byte, 600)
		rnd := rand.New(rand.NewPCG(uint64(seed), 1))
		for i := range ops {
			ops[i] = byte(rnd.Uint32())
		}
		synctest.Test(t, func(t *testing.T) { run(t, ops) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzBag(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 5, 0, 5, 0, 3, 0, 7, 0, 3, 0})
	f.Add([]byte{0, 0, 0, 0, 8, 0, 1, 0, 5, 9, 9, 0, 11, 200, 10, 0})
	f.Add([]byte{5, 3, 5, 0, 11, 255, 0, 0, 11, 1, 5, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 400 {
			return
		}
		synctest.Test(t, func(t *testing.T) { run(t, ops) })
	})
}
