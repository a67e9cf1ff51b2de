package bag

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newFilled(n int) (*Bag[int], []*Item[int]) {
	b := New[int](8, Hooks{})
	items := make([]*Item[int], n)
	for i := range items {
		items[i] = &Item[int]{Value: i}
		b.Add(items[i], b.hooks.Now())
	}
	return b, items
}

// borrow is TryBorrow and Lend.
func borrow[T any](b *Bag[T]) *Item[T] {
	now := b.hooks.Now()
	it := b.TryBorrow(now)
	if it != nil {
		it.Lend(now)
	}
	return it
}

// await is Wait, and Lend if it was in time.
func await[T any](b *Bag[T], ctx context.Context, timeout time.Duration, limit int, caller uintptr) (*Item[T], error) {
	it, err := b.Wait(ctx, b.hooks.Now(), timeout, limit, caller)
	switch {
	case it == nil:
	case err != nil: // served too late
		b.Restore(it, b.hooks.Now())
		it = nil
	default:
		it.Lend(b.hooks.Now())
	}
	return it, err
}

func wantCounts(t *testing.T, b *Bag[int], total, idle, reserved, waiting int) {
	t.Helper()
	if b.Total() != total || b.Idle() != idle || b.Reserved() != reserved || b.Waiting() != waiting {
		t.Fatalf("total %d, idle %d, reserved %d, waiting %d; want %d, %d, %d, %d",
			b.Total(), b.Idle(), b.Reserved(), b.Waiting(), total, idle, reserved, waiting)
	}
}

func TestBorrowerGetsTheItemItReturnedLast(t *testing.T) {
	b, _ := newFilled(100)
	first := borrow(b)
	for range 1000 {
		b.Return(first, b.hooks.Now())
		if again := borrow(b); again != first {
			t.Fatalf("got item %d after returning %d", again.Value, first.Value)
		}
	}
}

func TestEveryIdleItemIsFound(t *testing.T) {
	const n = 500
	b, _ := newFilled(n)
	seen := map[int]bool{}
	for range n {
		it := borrow(b)
		if it == nil || seen[it.Value] || it.State() != InUse {
			t.Fatalf("after %d items: %v", len(seen), it)
		}
		seen[it.Value] = true
	}
	if it := borrow(b); it != nil {
		t.Fatalf("item %d lent twice", it.Value)
	}
	wantCounts(t, b, n, 0, 0, 0)
}

func TestReservedItemIsNotLent(t *testing.T) {
	b, items := newFilled(2)
	if !b.Reserve(items[0]) {
		t.Fatal("an idle item could not be reserved")
	}
	if b.Reserve(items[0]) {
		t.Fatal("reserved twice")
	}
	wantCounts(t, b, 2, 1, 1, 0)
	if it := borrow(b); it != items[1] {
		t.Fatalf("lent %v, want the other item", it)
	}
	if b.Reserve(items[1]) {
		t.Fatal("an item in use was reserved")
	}
	if it := borrow(b); it != nil {
		t.Fatalf("lent %v", it)
	}
	b.Restore(items[0], b.hooks.Now())
	if it := borrow(b); it != items[0] {
		t.Fatalf("lent %v, want the item that is no longer reserved", it)
	}
	b.Retain(items[0], b.hooks.Now())
	wantCounts(t, b, 2, 0, 1, 0)
	b.Remove(items[0])
	b.Remove(items[1])
	wantCounts(t, b, 0, 0, 0, 0)
	if items[0].State() != Removed || b.Reserve(items[0]) {
		t.Fatal("a removed item came back")
	}
}

func TestItemThatWasNotAddedCannotBeReserved(t *testing.T) {
	b, _ := newFilled(1)
	it := &Item[int]{Value: 7}
	if b.Reserve(it) {
		t.Fatal("reserved an item that is in no bag")
	}
	b.Add(it, b.hooks.Now())
	if !b.Reserve(it) {
		t.Fatal("not reserved once added")
	}
}

func TestAllListsItemsOldestFirst(t *testing.T) {
	b, items := newFilled(5)
	for _, gone := range []int{2, 0, 4} {
		if !b.Reserve(items[gone]) {
			t.Fatal("not idle")
		}
		b.Remove(items[gone])
	}
	b.Add(&Item[int]{Value: 9}, b.hooks.Now())
	var got []int
	for _, it := range b.All() {
		got = append(got, it.Value)
	}
	if !slices.Equal(got, []int{1, 3, 9}) {
		t.Fatalf("got %v", got)
	}
}

func TestWaitersAreServedInTheOrderOfTheirArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const items, callers = 1, 100 // with more items the served ones would race to report
		b, _ := newFilled(items)
		held := make([]*Item[int], items)
		for i := range held {
			held[i] = borrow(b)
		}
		served := make(chan int, callers)
		for i := range callers {
			go func() {
				it, err := await(b, t.Context(), time.Hour, 0, 0)
				if err != nil {
					t.Error(err)
					return
				}
				served <- i
				b.Return(it, b.hooks.Now())
			}()
			synctest.Wait() // this one stands in the line before the next comes
		}
		wantCounts(t, b, items, 0, 0, callers)
		time.Sleep(2 * Patience)
		for _, it := range held {
			b.Return(it, b.hooks.Now())
		}
		synctest.Wait()
		for i := range callers {
			if got := <-served; got != i {
				t.Fatalf("caller %d was served in place of caller %d", got, i)
			}
		}
		wantCounts(t, b, items, items, 0, 0)
	})
}

func TestNewcomersOvertakeOnlyAYoungQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, items := newFilled(2)
		borrow(b)
		borrow(b)
		for range 2 {
			go await(b, t.Context(), time.Hour, 0, 0)
		}
		synctest.Wait()

		// Both items come back before the waiter that the first was handed to
		// has had the time to wake up: the second is for whoever comes first.
		b.Return(items[0], b.hooks.Now())
		b.Return(items[1], b.hooks.Now())
		if it := borrow(b); it != items[1] {
			t.Fatalf("a newcomer got %v, want the item left over", it)
		}
		synctest.Wait()
		wantCounts(t, b, 2, 0, 0, 1)

		// Now the head has waited longer than its patience. Whatever comes back is its own.
		time.Sleep(Patience + 1)
		b.Return(items[0], b.hooks.Now())
		if it := borrow(b); it != nil {
			t.Fatal("a newcomer overtook an overdue waiter")
		}
		b.Return(items[1], b.hooks.Now())
		synctest.Wait()
		wantCounts(t, b, 2, 1, 0, 0)
		if borrow(b) == nil {
			t.Fatal("the queue is empty, but newcomers are still refused")
		}
	})
}

// A served waiter may be long in waking up, on a busy machine. What comes back
// meanwhile is anybody's, but not once those behind it have lost their patience.
func TestWaiterThatDoesNotWakeUpHoldsUpNobodyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, items := newFilled(3)
		for range items {
			borrow(b)
		}
		asleep, err := b.join(b.hooks.Now(), 0, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan *Item[int], 2)
		wait := func() {
			it, _ := await(b, t.Context(), time.Hour, 0, 0)
			served <- it
		}
		go wait()
		synctest.Wait()
		b.Return(items[0], b.hooks.Now()) // goes to the one that sleeps
		b.Return(items[1], b.hooks.Now()) // left to newcomers, but none comes
		wantCounts(t, b, 3, 1, 0, 1)

		time.Sleep(Patience + 1)
		if it := borrow(b); it != nil {
			t.Fatal("a newcomer overtook a waiter that has lost its patience")
		}
		go wait() // the newcomer, when it joins the line, serves its head
		if it := <-served; it != items[1] {
			t.Fatalf("got %v", it)
		}
		time.Sleep(Patience + 1)
		b.Return(items[2], b.hooks.Now())
		if it := <-served; it != items[2] {
			t.Fatalf("got %v", it)
		}
		if it, _ := b.finish(asleep); it != items[0] {
			t.Fatalf("the one that slept got %v", it)
		}
	})
}

// Who gives up when it has been served may not give its item back: the pool closes
// it if there are too many. What came back meanwhile, and was left to it, goes on.
func TestWaiterThatGivesUpHandsOnWhatWasLeftToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, items := newFilled(3)
		for range items {
			borrow(b)
		}
		givesUp, err := b.join(b.hooks.Now(), 0, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan *Item[int], 1)
		go func() {
			it, _ := await(b, t.Context(), time.Hour, 0, 0)
			served <- it
		}()
		synctest.Wait()
		b.Return(items[0], b.hooks.Now())
		b.Return(items[1], b.hooks.Now())
		if it := b.giveUp(givesUp); it != items[0] {
			t.Fatalf("it had %v", it)
		}
		b.Remove(items[0])
		synctest.Wait()
		wantCounts(t, b, 2, 0, 0, 0)
		if it := <-served; it != items[1] {
			t.Fatalf("the next got %v", it)
		}
	})
}

// A time-out that ends after the clock does is none, and disturbs nobody else's.
func TestTimeoutMayBeAsLongAsItCanBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var noted atomic.Int32
		b := New[int](8, Hooks{Long: func(context.Context) any { noted.Add(1); return nil }, LongWait: 20 * time.Millisecond})
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var all sync.WaitGroup
		for timeout, want := range map[time.Duration]error{time.Second: ErrTimeout, math.MaxInt64: context.DeadlineExceeded, math.MaxInt64 - 1: context.DeadlineExceeded} {
			all.Go(func() {
				start := time.Now()
				if _, err := await(b, ctx, timeout, 0, 0); err != want || time.Since(start) != min(timeout, time.Hour) {
					t.Errorf("time-out %v: %v after %v", timeout, err, time.Since(start))
				}
			})
		}
		all.Wait()
		if n := noted.Load(); n != 3 {
			t.Errorf("%d waits are noted, want 3", n)
		}
	})
}

func TestNewItemGoesToTheWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		b := New[int](8, Hooks{Joined: func() { asked++ }})
		go func() {
			synctest.Wait()
			b.Add(&Item[int]{Value: 7}, b.hooks.Now())
		}()
		it, err := await(b, t.Context(), time.Hour, 0, 0)
		if err != nil || it.Value != 7 {
			t.Fatalf("got %v, %v", it, err)
		}
		if asked != 1 {
			t.Fatalf("demand was announced %d times, want once", asked)
		}
	})
}

func TestWaitEnds(t *testing.T) {
	stop := errors.New("stop")
	for _, c := range []struct {
		name string
		end  func(b *Bag[int], cancel func())
		want error
		took time.Duration
	}{
		{"at its time-out", func(*Bag[int], func()) {}, ErrTimeout, time.Second},
		{"when its context is cancelled", func(_ *Bag[int], cancel func()) { cancel() }, context.Canceled, 0},
		{"when the bag closes", func(b *Bag[int], _ func()) { b.Close() }, ErrClosed, 0},
		{"when it is expelled", func(b *Bag[int], _ func()) {
			b.Expel(stop, func(ws []Waiter) int { return slices.IndexFunc(ws, func(w Waiter) bool { return w.Caller == 5 }) })
		}, stop, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, items := newFilled(1)
				borrow(b)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				start := time.Now()
				go func() {
					synctest.Wait()
					c.end(b, cancel)
				}()
				it, err := await(b, ctx, time.Second, 0, 5)
				if it != nil || !errors.Is(err, c.want) {
					t.Fatalf("got %v, %v, want %v", it, err, c.want)
				}
				if took := time.Since(start); took != c.took {
					t.Fatalf("ended after %v, want %v", took, c.took)
				}
				b.Return(items[0], b.hooks.Now())
				wantCounts(t, b, 1, 1, 0, 0)
			})
		})
	}
}

func TestExpelTakesTheOneThatWasPicked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New[int](8, Hooks{})
		stop := errors.New("stop")
		ended := make(chan uintptr, 3)
		for caller := range uintptr(3) {
			go func() {
				if _, err := await(b, t.Context(), time.Minute, 0, caller); err == stop {
					ended <- caller
				}
			}()
			synctest.Wait()
		}
		if b.Expel(stop, func(ws []Waiter) int { return -1 }) {
			t.Error("expelled nobody and says it did")
		}
		if !b.Expel(stop, func(ws []Waiter) int {
			if len(ws) != 3 || ws[0].Caller != 0 || ws[2].Caller != 2 {
				t.Errorf("shown %v", ws)
			}
			return 1
		}) {
			t.Error("expelled one and says it did not")
		}
		if got := <-ended; got != 1 {
			t.Errorf("expelled %d", got)
		}
		if b.Waiting() != 2 {
			t.Errorf("%d wait", b.Waiting())
		}
	})
}

func TestFullQueueRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New[int](8, Hooks{})
		go await(b, t.Context(), time.Second, 2, 0)
		go await(b, t.Context(), time.Second, 2, 0)
		synctest.Wait()
		if _, err := await(b, t.Context(), time.Second, 2, 0); err != ErrFull {
			t.Fatalf("got %v, want ErrFull", err)
		}
		if _, err := await(b, t.Context(), time.Second, 3, 0); err != ErrTimeout {
			t.Fatalf("got %v, want the third place of three and a time-out", err)
		}
	})
}

func TestItemHandedToSomebodyWhoGaveUpGoesToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, items := newFilled(1)
		borrow(b)
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error, 1)
		go func() {
			_, err := await(b, ctx, time.Hour, 0, 0)
			gaveUp <- err
		}()
		synctest.Wait()
		got := make(chan *Item[int], 1)
		go func() {
			it, _ := await(b, t.Context(), time.Hour, 0, 0)
			got <- it
		}()
		synctest.Wait()
		// Cancelled and served in the same instant, before either goroutine runs.
		cancel()
		b.Return(items[0], b.hooks.Now())
		if err := <-gaveUp; err == nil {
			// The select saw the item first: it counts as served.
			b.Return(items[0], b.hooks.Now())
		}
		if it := <-got; it != items[0] {
			t.Fatalf("the next waiter got %v", it)
		}
	})
}

func TestClosedBagLetsNobodyWaitButTakesItemsBack(t *testing.T) {
	b, items := newFilled(2)
	borrow(b)
	b.Close()
	if _, err := await(b, t.Context(), time.Hour, 0, 0); err != ErrClosed {
		t.Fatalf("got %v", err)
	}
	for _, it := range items {
		if it.State() == InUse {
			b.Return(it, b.hooks.Now())
		}
		if !b.Reserve(it) {
			t.Fatal("cannot take an item out of a closed bag")
		}
		b.Remove(it)
	}
	wantCounts(t, b, 0, 0, 0, 0)
}

func TestWaiterIsUsedAgainWithNothingLeftOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, items := newFilled(1)
		var first *waiter[int]
		for i := range 100 {
			borrow(b)
			go func() {
				synctest.Wait()
				b.Return(items[0], b.hooks.Now())
			}()
			if _, err := await(b, t.Context(), time.Minute, 0, 0); err != nil {
				t.Fatal(err)
			}
			free := b.queue.free.Load()
			if first == nil {
				first = free
			}
			if free == nil || free != first || free.below != nil {
				t.Fatalf("round %d: another waiter was made", i)
			}
			// Did the time of the earlier wait still count, this one would end early.
			start := time.Now()
			if _, err := await(b, t.Context(), time.Hour, 0, 0); err != ErrTimeout || time.Since(start) != time.Hour {
				t.Fatalf("round %d: %v after %v", i, err, time.Since(start))
			}
			b.Return(items[0], b.hooks.Now())
		}
	})
}

func TestWaitersLeftOfABurstAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New[int](8, Hooks{})
		for range 10 * maxFree {
			go await(b, t.Context(), time.Second, 0, 0)
		}
		time.Sleep(time.Second) // all have gone
		synctest.Wait()
		time.Sleep(time.Hour)
		b.queue.mu.Lock()
		defer b.queue.mu.Unlock()
		n := 0
		for w := b.queue.free.Load(); w != nil; w = w.below {
			n++
		}
		if n < maxFree/2 || n > maxFree+1 {
			t.Fatalf("%d waiters are kept, want about %d", n, maxFree)
		}
	})
}

// Whoever has less time than those in front of it goes first.
func TestTimesRunOutInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New[int](8, Hooks{Long: func(context.Context) any { return "long" }, LongWait: 20 * time.Millisecond})
		rnd := rand.New(rand.NewPCG(1, 2))
		var left sync.WaitGroup
		for range 200 {
			timeout := time.Duration(rnd.IntN(5000)) * time.Millisecond // 0: none
			ctx, cancel := t.Context(), func() {}
			want := ErrTimeout
			if timeout == 0 || rnd.IntN(4) == 0 {
				ctx, cancel = context.WithTimeout(ctx, time.Duration(1+rnd.IntN(5000))*time.Millisecond+1)
				if end, _ := ctx.Deadline(); timeout == 0 || time.Until(end) < timeout {
					timeout, want = time.Until(end), context.DeadlineExceeded
				}
			}
			left.Go(func() {
				defer cancel()
				start := time.Now()
				pool := timeout
				if want == context.DeadlineExceeded {
					pool = 0
				}
				if _, err := await(b, ctx, pool, 0, 0); err != want || time.Since(start) != timeout {
					t.Errorf("%v after %v, want %v after %v", err, time.Since(start), want, timeout)
				}
			})
			time.Sleep(time.Duration(rnd.IntN(10)) * time.Millisecond)
		}
		left.Wait()
		if b.queue.soonest != nil || b.queue.latest != nil || b.queue.unnoted != nil {
			t.Error("somebody is watched over who has gone")
		}
	})
}

func TestLongWaitIsNoted(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			b := New[int](8, Hooks{LongWait: time.Second, Long: func(context.Context) any { return "long" }})
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			ended := make(chan error, 1)
			start := time.Now()
			go func() {
				_, err := await(b, ctx, timeout, 0, 3)
				ended <- err
			}()
			time.Sleep(time.Second - 1)
			synctest.Wait()
			if w := b.Waiters(); len(w) != 1 || w[0].Note != nil {
				t.Fatalf("noted early: %v", w)
			}
			time.Sleep(1 * time.Nanosecond)
			synctest.Wait()
			if w := b.Waiters(); len(w) != 1 || w[0].Note != "long" || w[0].Caller != 3 {
				t.Fatalf("not noted: %v", w)
			}
			want, took := ErrTimeout, timeout
			if timeout == 0 {
				want, took = context.DeadlineExceeded, time.Hour
			}
			if err := <-ended; err != want || time.Since(start) != took {
				t.Fatalf("ended with %v after %v, want %v after %v", err, time.Since(start), want, took)
			}
		})
	}
}

// A line that moves is long, not stuck: nobody in it is woken for nothing.
func TestLongWaitInALineThatMovesIsNotNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var noted atomic.Int32
		b := New[int](1, Hooks{LongWait: 20 * time.Millisecond, Long: func(context.Context) any { noted.Add(1); return "long" }})
		b.Add(&Item[int]{}, b.hooks.Now())
		stuck, release := make(chan bool), make(chan bool)
		var done sync.WaitGroup
		for i := range 100 {
			done.Go(func() {
				it, err := await(b, t.Context(), time.Minute, 0, 0)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Millisecond)
				if i == 60 {
					close(stuck)
					<-release
				}
				b.Return(it, b.hooks.Now())
			})
			synctest.Wait()
		}
		<-stuck
		if n := noted.Load(); n != 0 {
			t.Errorf("%d waits of up to 60ms were noted while somebody was served each millisecond", n)
		}
		time.Sleep(2 * 20 * time.Millisecond)
		synctest.Wait()
		if n := noted.Load(); n != 39 {
			t.Errorf("%d waits are noted now that nobody is served any more, want 39", n)
		}
		close(release)
		done.Wait()
	})
}

// Goroutines that were started together run together, and have numbers that follow
// each other: at least as many as there are processors must not meet in a stripe.
func TestConsecutiveCallersHaveStripesOfTheirOwn(t *testing.T) {
	for size := 4; size <= 64; size *= 2 {
		b := New[int](size, Hooks{})
		together := len(b.stripes) / 4
		for first := range uintptr(10000) {
			taken := map[int]uintptr{}
			for id := first; id < first+uintptr(together); id++ {
				i := b.stripeOf(id)
				if other, ok := taken[i]; ok {
					t.Fatalf("%d stripes: callers %d and %d share stripe %d", len(b.stripes), other, id, i)
				}
				taken[i] = id
			}
		}
	}
}

func TestStateNames(t *testing.T) {
	for s, want := range map[State]string{Outside: "outside", Idle: "idle", Taken: "taken", InUse: "in use", Reserved: "reserved", Removed: "removed"} {
		if got := fmt.Sprint(s); got != want {
			t.Errorf("%d is called %q, want %q", int(s), got, want)
		}
	}
}
