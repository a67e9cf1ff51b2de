package load

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is the longest time that is measured; what takes longer counts as this.
const longest = 10 * time.Minute

// newHistogram counts times in nanoseconds, exact to so many digits.
func newHistogram(digits int) *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(longest), digits)
}

// record notes a time.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	if err := h.RecordValue(int64(min(max(d, 0), longest))); err != nil {
		panic(fmt.Sprintf("akari: bug: %v", err))
	}
}

// Late operations began more than this after they were meant to.
const lateAfter = 5 * time.Millisecond

// recorder is what one worker measures; with very many workers some share one.
type recorder struct {
	mu sync.Mutex // guards what follows; nothing else is taken while it is held

	operation *hdrhistogram.Histogram // successes, from their begin
	response  *hdrhistogram.Histogram // successes, from when they were meant to begin; nil in a closed loop
	failed    *hdrhistogram.Histogram // failures, from their begin
	steps     []*hdrhistogram.Histogram

	finished int64 // successes that have ended within the measured time
	late     int64
	latest   time.Duration // the most that one was late
	failures map[failureKey]*failure
}

// failureKey sorts errors.
type failureKey struct{ class, code string }

type failure struct {
	count   int64
	example string
}

func newRecorder(s *Script, open bool) *recorder {
	r := &recorder{operation: newHistogram(3), failed: newHistogram(2), failures: map[failureKey]*failure{}}
	if open {
		r.response = newHistogram(3)
	}
	for range s.Steps {
		r.steps = append(r.steps, newHistogram(2))
	}
	return r
}

// outcome is one operation as it went.
type outcome struct {
	intended, start, end time.Time
	inTime               bool // it has ended within the measured time
	trial                *trial
	class, code, example string // of its error; class is "" for a success
}

func (r *recorder) note(o *outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	late := o.start.Sub(o.intended)
	r.latest = max(r.latest, late)
	if late > lateAfter {
		r.late++
	}
	if o.class != "" {
		record(r.failed, o.end.Sub(o.start))
		r.fail(failureKey{o.class, o.code}, 1, o.example)
		return
	}
	record(r.operation, o.end.Sub(o.start))
	if r.response != nil {
		record(r.response, o.end.Sub(o.intended))
	}
	for i, took := range o.trial.took {
		record(r.steps[i], took)
	}
	if o.inTime {
		r.finished++
	}
}

func (r *recorder) fail(key failureKey, n int64, example string) {
	f := r.failures[key]
	if f == nil {
		f = &failure{example: example}
		r.failures[key] = f
	}
	f.count += n
}

// merge adds what another recorder has measured.
func (r *recorder) merge(other *recorder) {
	other.mu.Lock()
	defer other.mu.Unlock()
	r.operation.Merge(other.operation)
	r.failed.Merge(other.failed)
	if r.response != nil {
		r.response.Merge(other.response)
	}
	for i, h := range other.steps {
		r.steps[i].Merge(h)
	}
	r.finished += other.finished
	r.late += other.late
	r.latest = max(r.latest, other.latest)
	for key, f := range other.failures {
		r.fail(key, f.count, f.example)
	}
}

// maxRecorders bounds the memory: a recorder takes about half a megabyte.
const maxRecorders = 32

// recorders are those of all workers on one side.
type recorders struct {
	script *Script
	all    []*recorder // fixed
}

func newRecorders(s *Script, workers int, open bool) *recorders {
	rs := &recorders{script: s}
	for range min(workers, maxRecorders) {
		rs.all = append(rs.all, newRecorder(s, open))
	}
	return rs
}

// of is the recorder of a worker.
func (rs *recorders) of(worker int) *recorder { return rs.all[worker%len(rs.all)] }

// sum is everything measured so far.
func (rs *recorders) sum() *recorder {
	total := newRecorder(rs.script, rs.all[0].response != nil)
	for _, r := range rs.all {
		total.merge(r)
	}
	return total
}

// glance is what progress shows: successes that have ended in time, errors and
// the 99th percentile of what users would see.
func (rs *recorders) glance() (done, failed int64, p99 time.Duration) {
	h := newHistogram(2)
	for _, r := range rs.all {
		r.mu.Lock()
		seen := r.operation
		if r.response != nil {
			seen = r.response
		}
		h.Merge(seen)
		done += r.finished
		failed += r.failed.TotalCount()
		r.mu.Unlock()
	}
	return done, failed, time.Duration(h.ValueAtPercentile(99))
}

// waits are how long callers waited for a connection, as the pool tells it.
type waits struct {
	from atomic.Int64 // counts callers that came since then, in nanoseconds of the clock since birth; see never
	none atomic.Int64 // callers that found an idle connection

	birth time.Time
	mu    sync.Mutex // guards h; nothing else is taken while it is held
	h     *hdrhistogram.Histogram
}

// never is later than any caller.
const never = math.MaxInt64

func newWaits() *waits {
	w := &waits{birth: time.Now(), h: newHistogram(3)}
	w.from.Store(never)
	return w
}

// countFrom has callers counted that come at the time or later.
func (w *waits) countFrom(t time.Time) { w.from.Store(int64(t.Sub(w.birth))) }

// pause has nobody counted.
func (w *waits) pause() { w.from.Store(never) }

func (w *waits) note(waited time.Duration) {
	switch {
	case int64(time.Since(w.birth)-waited) < w.from.Load():
	case waited == 0:
		w.none.Add(1)
	default:
		w.mu.Lock()
		defer w.mu.Unlock()
		record(w.h, waited)
	}
}

// sum is the distribution of all waits, those of no length included.
func (w *waits) sum() *hdrhistogram.Histogram {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := newHistogram(3)
	h.Merge(w.h)
	if err := h.RecordValues(0, w.none.Load()); err != nil {
		panic(fmt.Sprintf("akari: bug: %v", err))
	}
	return h
}
