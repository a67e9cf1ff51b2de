package akari

import (
	"container/list"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari/internal/bag"
	"github.com/akaripool/akari/internal/scope"
)

// reserve keeps tasks from locking the pool. A task that holds a connection and
// asks for another waits for others to give theirs back; if all that hold one do so,
// none will. HikariCP's answer is a pool of Tn × (Cm − 1) + 1 connections for Tn
// tasks that need Cm at once. With the rule of the banker Cm are enough: a task
// gets its l-th connection only if Cm − l more stay free, so that whoever has come
// furthest can get all it may need, and finish.
//
// The rule is applied to the scopes of package txn, whose connections are known to
// belong together. Those of others come back by themselves. (TestReserve… search
// all states there are for a lock.)
type reserve struct {
	limits func() (size, perTask int) // perTask 0: no limit, and nothing is kept free

	waiting atomic.Int32 // claims in both lines, for Stats

	mu      sync.Mutex // guards what follows; nothing else is taken while it is held
	used    int        // connections granted to tasks
	first   list.List  // claims of tasks that hold nothing, in the order in which they came
	further list.List  // claims of tasks that hold something: not more than there are connections, mostly
	closed  error      // what all who ask are told; nil while the pool is open
}

// owner is a task: the outermost scope of a context, and all within.
type owner struct {
	r *reserve

	// Guarded by reserve.mu.
	held   int       // connections granted to it
	full   []uintptr // the goroutines that have asked for those of them whose holder will ask for no further one
	most   int       // the most it has held at once
	claims int       // of its own in the lines
}

// Most is the largest number of connections that the task has held at once.
func (o *owner) Most() int {
	o.r.mu.Lock()
	defer o.r.mu.Unlock()
	return o.most
}

// claim is a request for a connection.
type claim struct {
	o     *owner
	depth int  // how many scopes that are nested in each other will hold, with this one
	last  bool // it is for a statement by itself, which will ask for no further one
	full  bool // it will ask for no further one: set when it is granted

	by    uintptr    // the goroutine that asks
	line  *list.List // where it waits
	place *list.Element
	ready chan error // gets one value: nil when it was granted
}

// seat is a granted claim, given back with the connection. The zero seat is that
// of a caller who is in no scope.
type seat struct {
	o    *owner
	full bool
	by   uintptr
}

// others reports whether a goroutine other than by is sure to give one back.
func (o *owner) others(by uintptr) bool {
	return slices.ContainsFunc(o.full, func(x uintptr) bool { return x != by || x == unknownCaller })
}

// take waits until the task may have a connection.
func (r *reserve) take(b *budget, p *Pool, c claim) (seat, error) {
	c.by = callerID()
	r.mu.Lock()
	v, err := r.judge(&c)
	if r.closed != nil {
		v, err = refused, r.closed
	}
	if most := p.live.Load().MaxWaiters; v == deferred && most > 0 && int(r.waiting.Load())+p.bag.Waiting() >= most {
		v, err = refused, bag.ErrFull
	}
	switch v {
	case granted:
		if r.grant(&c); c.o.claims > 0 {
			r.dispatch()
		}
	case deferred:
		waits := c // only now in memory of its own
		waits.ready = make(chan error, 1)
		r.queue(&waits)
		r.mu.Unlock()
		return r.wait(b, p, &waits)
	}
	r.mu.Unlock()
	if err != nil {
		return seat{}, err
	}
	return seat{c.o, c.full, c.by}, nil
}

func (r *reserve) wait(b *budget, p *Pool, c *claim) (seat, error) {
	b.start(p)
	b.waited = true
	var late <-chan time.Time
	if left, ok := b.left(); !ok || left > 0 {
		t := time.NewTimer(left)
		defer t.Stop()
		late = t.C
	}
	var err error
	select {
	case err = <-c.ready:
		b.look(p)
		return c.seat(err)
	case <-b.ctx.Done():
		err = b.ctx.Err()
	case <-late:
		err = ErrAcquireTimeout
	}
	b.look(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.place == nil { // settled at the last moment
		return c.seat(<-c.ready)
	}
	r.unqueue(c)
	_, perTask := r.limits()
	b.detail = fmt.Sprintf("transactions hold %d connections, and what is left is kept for those that need another one (Config.MaxConnectionsPerTask is %d)", r.used, perTask)
	return seat{}, err
}

// seat is what has become of a claim that waited.
func (c *claim) seat(err error) (seat, error) {
	if err != nil {
		return seat{}, err
	}
	return seat{c.o, c.full, c.by}, nil
}

// give takes a seat back, and grants what the rule allows now.
func (r *reserve) give(s seat) {
	if s.o == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used--
	s.o.held--
	if s.full {
		i := slices.Index(s.o.full, s.by)
		s.o.full = slices.Delete(s.o.full, i, i+1)
	}
	r.dispatch()
}

// resized grants what the rule allows since the pool has another size.
func (r *reserve) resized() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dispatch()
}

// close refuses all claims from now on.
func (r *reserve) close(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = why
	for _, line := range []*list.List{&r.first, &r.further} {
		for line.Len() > 0 {
			r.settle(line.Front().Value.(*claim), why)
		}
	}
}

// verdict is what becomes of a claim.
type verdict uint8

const (
	deferred verdict = iota
	granted
	refused
)

// The methods below are called with mu held.

// judge applies the rule.
func (r *reserve) judge(c *claim) (verdict, error) {
	size, perTask := r.limits()
	if perTask <= 0 {
		return granted, nil
	}
	perTask = min(perTask, size)
	switch {
	case c.depth > perTask, c.o.held >= perTask && !c.o.others(c.by):
		return refused, errNesting(c.o.held, perTask, size)
	case c.o.held < perTask && mayTake(r.used, c.o.held, size, perTask):
		return granted, nil
	}
	return deferred, nil // for others of its own task too, if they are sure to finish
}

// mayTake is the rule: with used connections of size taken, whether a task that
// holds some may have one more, if none ever holds more than perTask.
func mayTake(used, held, size, perTask int) bool { return size-used >= perTask-held }

func errNesting(held, perTask, size int) error {
	if perTask == size {
		return fmt.Errorf("%w: %d, and the pool has %d in all", scope.ErrNesting, held, size)
	}
	return fmt.Errorf("%w: %d; if it needs more at once raise Config.MaxConnectionsPerTask, which is %d", scope.ErrNesting, held, perTask)
}

func (r *reserve) grant(c *claim) {
	size, perTask := r.limits()
	c.full = c.last || perTask > 0 && c.depth >= min(perTask, size)
	r.used++
	c.o.held++
	c.o.most = max(c.o.most, c.o.held)
	if c.full {
		c.o.full = append(c.o.full, c.by)
	}
	if c.o.held == 1 && c.o.claims > 0 { // its other claims have come closer
		for at := r.first.Front(); at != nil; {
			other := at.Value.(*claim)
			at = at.Next()
			if other.o == c.o {
				r.unqueue(other)
				r.queue(other)
			}
		}
	}
}

func (r *reserve) queue(c *claim) {
	c.line = &r.first
	if c.o.held > 0 {
		c.line = &r.further
	}
	c.place = c.line.PushBack(c)
	c.o.claims++
	r.waiting.Add(1)
}

func (r *reserve) unqueue(c *claim) {
	c.line.Remove(c.place)
	c.place = nil
	c.o.claims--
	r.waiting.Add(-1)
}

func (r *reserve) settle(c *claim, err error) {
	r.unqueue(c)
	if err == nil {
		r.grant(c)
	}
	c.ready <- err
}

// dispatch grants what can be granted: to tasks that hold something first, as they
// need the fewest others to give something back, and then in the order in which
// tasks came.
func (r *reserve) dispatch() {
	for again := true; again; { // a claim that is granted brings others of its task closer
		again = false
		for at := r.further.Front(); at != nil; {
			c := at.Value.(*claim)
			at = at.Next()
			if v, err := r.judge(c); v != deferred {
				r.settle(c, err)
				again = true
			}
		}
		if at := r.first.Front(); at != nil {
			c := at.Value.(*claim)
			if v, err := r.judge(c); v != deferred {
				r.settle(c, err)
				again = true
			}
		}
	}
}
