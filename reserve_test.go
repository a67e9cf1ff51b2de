package akari

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari/internal/bag"
	"github.com/akaripool/akari/internal/scope"
)

// tasksState is what some tasks hold, and which of them wait for one more.
type tasksState struct {
	held  [6]int8
	waits [6]bool
}

// lockReachable searches all states that n tasks can get into, each of which takes
// up to most connections of size, one more at a time, and gives them back in any
// order. It reports whether there is one in which none can go on.
func lockReachable(n, most, size int, rule func(used, held, size, most int) bool) bool {
	seen := map[tasksState]bool{{}: true}
	for next := []tasksState{{}}; len(next) > 0; {
		s := next[len(next)-1]
		next = next[:len(next)-1]
		used, waiting, moves := 0, 0, 0
		for i := range n {
			used += int(s.held[i])
			if s.waits[i] {
				waiting++
			}
		}
		visit := func(to tasksState) {
			moves++
			if !seen[to] {
				seen[to] = true
				next = append(next, to)
			}
		}
		for i := range n {
			to := s
			switch {
			case s.waits[i]:
				if used < size && rule(used, int(s.held[i]), size, most) {
					to.waits[i] = false
					to.held[i]++
					visit(to)
				}
				continue
			case int(s.held[i]) < most:
				to.waits[i] = true
				visit(to)
			}
			if s.held[i] > 0 {
				to = s
				to.held[i]--
				visit(to)
			}
		}
		if moves == 0 && waiting > 0 {
			return true
		}
	}
	return false
}

func TestReserveLocksInNoStateThereIs(t *testing.T) {
	plain := func(_, _, _, _ int) bool { return true }
	for most := 2; most <= 4; most++ {
		for n := 1; n <= 5; n++ {
			for size := most; size <= n*(most-1)+2; size++ {
				if lockReachable(n, most, size, mayTake) {
					t.Errorf("%d tasks of %d connections lock a pool of %d", n, most, size)
				}
				// And HikariCP's formula, to know that the search finds locks.
				if locks := lockReachable(n, most, size, plain); locks != (size <= n*(most-1)) {
					t.Errorf("without the rule: %d tasks of %d connections, a pool of %d: locks is %v", n, most, size, locks)
				}
			}
		}
	}
}

// reserveOf is a reserve by itself.
func reserveOf(size, perTask int) (*reserve, *Pool) {
	p := &Pool{birth: time.Now()}
	p.live.Store(&Settings{MaximumPoolSize: size, ConnectionTimeout: time.Minute})
	p.cfg.MaximumPoolSize = size
	p.bag = bag.New[*entry](size, bag.Hooks{Now: p.now, Joined: func() {}})
	p.reserve.limits = func() (int, int) { return p.live.Load().MaximumPoolSize, perTask }
	return &p.reserve, p
}

func (r *reserve) ask(ctx context.Context, p *Pool, o *owner, depth int) (seat, error) {
	b := budget{ctx: ctx, now: p.now()}
	return r.take(&b, p, claim{o: o, depth: depth})
}

// Tasks that nest to the limit finish in a pool of that size, and none holds more
// than there are.
func TestTasksThatNestFinishInASmallPool(t *testing.T) {
	for _, c := range []struct{ size, perTask, tasks int }{{2, 2, 100}, {3, 3, 50}, {4, 3, 50}, {5, 2, 100}, {8, 8, 10}} {
		t.Run(fmt.Sprintf("%d of %d", c.perTask, c.size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, p := reserveOf(c.size, c.perTask)
				var used atomic.Int32
				var all sync.WaitGroup
				for i := range c.tasks {
					all.Go(func() {
						o := &owner{r: r}
						random := rand.New(rand.NewPCG(1, uint64(i)))
						var nest func(depth int)
						nest = func(depth int) {
							s, err := r.ask(t.Context(), p, o, depth)
							if err != nil {
								t.Error(err)
								return
							}
							if n := int(used.Add(1)); n > c.size {
								t.Errorf("%d connections of %d", n, c.size)
							}
							time.Sleep(time.Duration(random.IntN(1000)))
							for depth < c.perTask && random.IntN(3) > 0 {
								nest(depth + 1)
							}
							used.Add(-1)
							r.give(s)
						}
						nest(1)
					})
				}
				all.Wait()
				if r.used != 0 || r.first.Len() != 0 || r.further.Len() != 0 || r.waiting.Load() != 0 {
					t.Errorf("at rest: %d used, %d and %d wait", r.used, r.first.Len(), r.further.Len())
				}
			})
		})
	}
}

func TestReserveServesThoseWhoHoldMostFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, p := reserveOf(2, 2)
		one := &owner{r: r}
		first, _ := r.ask(t.Context(), p, one, 1)
		var order []string
		wait := func(name string, o *owner, depth int) {
			go func() {
				s, err := r.ask(t.Context(), p, o, depth)
				order = append(order, name)
				if err == nil {
					r.give(s)
				}
			}()
			synctest.Wait()
		}
		wait("another task", &owner{r: r}, 1)
		wait("and one more", &owner{r: r}, 1)
		if len(order) != 0 {
			t.Fatalf("%v got what is kept for the task that holds one", order)
		}
		wait("the one that holds", one, 2)
		r.give(first)
		synctest.Wait()
		if fmt.Sprint(order) != "[the one that holds another task and one more]" {
			t.Error(order)
		}
	})
}

// Two goroutines of a task ask at once: when one has got its connection the other one
// needs fewer to stay free.
func TestReserveSeesThatATaskHasComeCloser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, p := reserveOf(2, 2)
		s, _ := r.ask(t.Context(), p, &owner{r: r}, 1)
		o := &owner{r: r}
		for range 2 {
			go func() {
				if _, err := r.ask(t.Context(), p, o, 1); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		r.give(s)
		synctest.Wait()
		if o.held != 2 {
			t.Errorf("the task holds %d connections of 2", o.held)
		}
	})
}

func TestReserveRefusesWhatCanNeverBe(t *testing.T) {
	r, p := reserveOf(3, 2)
	o := &owner{r: r}
	for depth := 1; depth <= 2; depth++ {
		if _, err := r.ask(t.Context(), p, o, depth); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.ask(t.Context(), p, o, 3); !errors.Is(err, scope.ErrNesting) {
		t.Error(err)
	}
}

// Statements by themselves, of several goroutines of a task, wait for each other: each
// is sure to end.
func TestReserveLetsStatementsOfATaskWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, p := reserveOf(5, 2)
		o := &owner{r: r}
		_, _ = r.ask(t.Context(), p, o, 1)
		done := 0
		for range 5 {
			go func() {
				b := budget{ctx: t.Context(), now: p.now()}
				s, err := r.take(&b, p, claim{o: o, depth: 2, last: true})
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Second)
				done++
				r.give(s)
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if done != 5 {
			t.Errorf("%d of 5 statements", done)
		}
		if o.Most() != 2 {
			t.Errorf("the task held %d connections, its limit is 2", o.Most())
		}
	})
}

func TestReserveForgetsThoseWhoGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, p := reserveOf(2, 2)
		s, _ := r.ask(t.Context(), p, &owner{r: r}, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.ask(ctx, p, &owner{r: r}, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		start := time.Now()
		if _, err := r.ask(t.Context(), p, &owner{r: r}, 1); err != ErrAcquireTimeout || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		go func() {
			time.Sleep(time.Second)
			r.close(ErrPoolClosed)
		}()
		if _, err := r.ask(t.Context(), p, &owner{r: r}, 1); err != ErrPoolClosed {
			t.Error(err)
		}
		r.give(s)
		if _, err := r.ask(t.Context(), p, &owner{r: r}, 1); err != ErrPoolClosed {
			t.Error(err)
		}
		if r.waiting.Load() != 0 || r.first.Len() != 0 {
			t.Error("somebody still waits")
		}
	})
}

func TestReserveFollowsTheSizeOfThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, p := reserveOf(2, 2)
		_, _ = r.ask(t.Context(), p, &owner{r: r}, 1)
		got := false
		go func() {
			_, err := r.ask(t.Context(), p, &owner{r: r}, 1)
			got = err == nil
		}()
		synctest.Wait()
		if got {
			t.Fatal("the last connection was given to a task that holds none")
		}
		p.live.Store(&Settings{MaximumPoolSize: 3})
		r.resized()
		synctest.Wait()
		if !got {
			t.Error("a larger pool lets nobody in")
		}
	})
}
