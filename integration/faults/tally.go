package faults

import (
	"context"
	"slices"
	"sync"
	"time"
)

// tally takes down how calls end. Its methods may be called from any goroutine.
type tally struct {
	mu     sync.Mutex // guards what follows
	calls  int
	errors Errors
	took   []time.Duration // of all calls
	done   []time.Time     // of the successes, in their order
	first  error           // the first error, for messages
}

func newTally() *tally { return &tally{errors: Errors{}} }

// call makes a call and takes it down.
func (t *tally) call(f func() error) error {
	start := time.Now()
	err := f()
	t.note(start, err)
	return err
}

func (t *tally) note(start time.Time, err error) {
	end := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	t.took = append(t.took, end.Sub(start))
	if err == nil {
		t.done = append(t.done, end)
		return
	}
	t.errors[classOf(err)]++
	if t.first == nil {
		t.first = err
	}
}

// into writes the common figures.
func (t *tally) into(f *Figures) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.Calls += t.calls
	f.OK += len(t.done)
	if f.Errors == nil {
		f.Errors = Errors{}
	}
	for class, n := range t.errors {
		f.Errors[class] += n
	}
	if f.FirstError == nil {
		f.FirstError = t.first
	}
	took := slices.Sorted(slices.Values(t.took))
	if len(took) == 0 {
		return
	}
	f.P50 = max(f.P50, took[len(took)/2])
	f.P99 = max(f.P99, took[len(took)*99/100])
	f.Max = max(f.Max, took[len(took)-1])
}

// stuck takes down calls that have not come back.
func (t *tally) stuck(n int) {
	if n == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls += n
	t.errors[classStuck] += n
}

// late counts the calls that took longer than allowed.
func (t *tally) late(allowed time.Duration) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.took {
		if d > allowed {
			n++
		}
	}
	return n
}

// slowest is the time of the call that took longest.
func (t *tally) slowest() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.took) == 0 {
		return 0
	}
	return slices.Max(t.took)
}

// successes is the number of calls that have succeeded so far.
func (t *tally) successes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.done)
}

// firstAfter is how long after a moment the first call succeeded, never if none
// did.
func (t *tally) firstAfter(moment time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.done {
		if d.After(moment) {
			return d.Sub(moment)
		}
	}
	return never
}

// crowd is a number of callers that run until they are told to stop.
type crowd struct {
	*tally
	ctx    context.Context // ended by stop
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// newCrowd starts n callers, each of which makes one call after the other. A
// call gets a context that ends when its time is over, but not when the crowd
// is told to stop: what is under way is finished. After an error a caller
// pauses, as programs should.
func newCrowd(ctx context.Context, n int, patience, think time.Duration, call func(ctx context.Context, worker int) error) *crowd {
	c := &crowd{tally: newTally()}
	c.ctx, c.cancel = context.WithCancel(ctx)
	for worker := range n {
		c.wg.Go(func() {
			for c.ctx.Err() == nil {
				one, cancel := context.WithTimeout(ctx, patience)
				err := c.call(func() error { return call(one, worker) })
				cancel()
				if err != nil {
					pass(c.ctx, max(think, errorPause))
				} else {
					pass(c.ctx, think)
				}
			}
		})
	}
	return c
}

// errorPause is how long a caller waits after an error before it tries again.
const errorPause = 10 * time.Millisecond

// stop ends the crowd and waits for its callers, for a time; it returns false
// if some did not come back.
func (c *crowd) stop(within time.Duration) bool {
	c.cancel()
	return returned(&c.wg, within)
}

// burst makes n calls at once and waits for them, for a time. Those that are not
// back by then are counted as an error of their own.
func burst(ctx context.Context, t *tally, n int, patience, within time.Duration, call func(ctx context.Context, i int) error) {
	var (
		wg   sync.WaitGroup
		gate = make(chan struct{})
		mu   sync.Mutex // guards over and back
		over bool
		back int
	)
	for i := range n {
		wg.Go(func() {
			<-gate
			one, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			start := time.Now()
			err := call(one, i)
			mu.Lock()
			defer mu.Unlock()
			if !over {
				back++
				t.note(start, err)
			}
		})
	}
	close(gate)
	returned(&wg, within)
	mu.Lock()
	defer mu.Unlock()
	over = true
	t.stuck(n - back)
}

// returned waits for a group, for a time.
func returned(wg *sync.WaitGroup, within time.Duration) bool {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// pass lets time go by, as far as the context lasts: the time that a fault
// lasts, or that somebody thinks. It is no way to wait for something.
func pass(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// until polls a condition and reports whether it came true in time.
func until(ctx context.Context, within time.Duration, ok func() bool) bool {
	end := time.Now().Add(within)
	for !ok() {
		if ctx.Err() != nil || time.Now().After(end) {
			return false
		}
		pass(ctx, 2*time.Millisecond)
	}
	return true
}
