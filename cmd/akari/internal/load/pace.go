package load

import (
	"math/rand/v2"
	"sync"
	"time"
)

// pace says when operations begin. Its methods may be called from any goroutine.
type pace interface {
	// next waits until there is an operation to begin, and returns when it was
	// meant to begin; false when there is none left or stop is closed.
	next(stop <-chan struct{}) (intended time.Time, ok bool)

	// dropped counts the operations meant to begin in [from, to) that nobody
	// has begun. It is called when all workers have ended.
	dropped(from, to time.Time) int64
}

// closedLoop begins an operation whenever a worker is free.
type closedLoop struct{ end time.Time }

func (c closedLoop) next(stop <-chan struct{}) (time.Time, bool) {
	select {
	case <-stop:
		return time.Time{}, false
	default:
	}
	now := time.Now()
	return now, now.Before(c.end)
}

func (closedLoop) dropped(_, _ time.Time) int64 { return 0 }

// openLoop begins operations at the times of a schedule, whether or not those
// before have ended. When all workers are busy an operation begins late; its
// response time counts from when it was meant to begin all the same.
type openLoop struct {
	start, end time.Time // of the schedule
	latest     time.Time // nothing begins after this, however late it is

	// lead is held by the worker that waits for the next arrival. The others
	// that are free queue for it, so that one thread at most sleeps.
	lead chan struct{}

	mu sync.Mutex // guards what follows; nothing else is taken while it is held
	at float64    // the next arrival, in seconds since start
	// gap is the time from one arrival to the next, in seconds.
	gap func() float64
}

// leeway is how long after the end of a schedule operations may begin that were
// meant to begin before.
const leeway = time.Second

// newOpenLoop makes a schedule of rate arrivals per second: a Poisson process,
// as of many independent users, or one at equal distances.
func newOpenLoop(start, end time.Time, rate float64, uniform bool, random *rand.Rand) *openLoop {
	o := &openLoop{start: start, end: end, latest: end.Add(leeway), lead: make(chan struct{}, 1)}
	o.gap = func() float64 { return random.ExpFloat64() / rate }
	if uniform {
		o.gap = func() float64 { return 1 / rate }
	}
	o.at = o.gap()
	return o
}

// claim takes the next arrival, if it is before the given time.
func (o *openLoop) claim(before time.Time) (time.Time, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	due := o.start.Add(time.Duration(o.at * float64(time.Second)))
	if !due.Before(before) {
		return time.Time{}, false
	}
	o.at += o.gap()
	return due, true
}

func (o *openLoop) next(stop <-chan struct{}) (time.Time, bool) {
	select {
	case o.lead <- struct{}{}:
		defer func() { <-o.lead }()
	case <-stop:
		return time.Time{}, false
	}
	if time.Now().After(o.latest) {
		return time.Time{}, false
	}
	due, ok := o.claim(o.end)
	if !ok || !waitFor(due, stop) {
		return time.Time{}, false
	}
	return due, true
}

// coarse is how much too late a timer may be: the runtime's timers count whole
// milliseconds while nothing else runs.
const coarse = 1500 * time.Microsecond

// waitFor returns at the time due, as exactly as the machine can; false if stop
// was closed before.
func waitFor(due time.Time, stop <-chan struct{}) bool {
	if wait := time.Until(due) - coarse; wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-stop:
			return false
		}
	}
	if rest := time.Until(due); rest > 0 {
		nap(rest)
	}
	select {
	case <-stop:
		return false
	default:
		return true
	}
}

func (o *openLoop) dropped(from, to time.Time) int64 {
	if to.After(o.end) {
		to = o.end
	}
	n := int64(0)
	for {
		due, ok := o.claim(to)
		if !ok {
			return n
		}
		if !due.Before(from) {
			n++
		}
	}
}
