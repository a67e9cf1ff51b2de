package load

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// slice is a stretch of time in which workers put the load on one side.
type slice struct {
	run  *run
	side *side

	start, from, to time.Time // begin, end of the warm-up, end of the schedule
	pace            pace
	seed            uint64    // with the plan's, of this slice
	first           sync.Once // an operation of the measured time has begun

	cut     atomic.Bool // operations still under way were cut off
	settled atomic.Bool // its measured time has been added to the side's
}

// How long to wait for operations under way at the end, until they are cut off,
// and after that.
const (
	patience      = 5 * time.Second
	hastyPatience = 2 * time.Second // after an interrupt
	cutPatience   = 5 * time.Second
)

// errorPause is the least time from the begin of an operation that failed to
// the worker's next one in a closed loop. Otherwise a database that refuses at
// once would turn the load into a busy loop that counts refusals.
const errorPause = 10 * time.Millisecond

func newSlice(r *run, s *side, number int, warmup, length time.Duration) *slice {
	sl := &slice{run: r, side: s, start: time.Now(), seed: uint64(number) << 32}
	sl.from = sl.start.Add(warmup)
	sl.to = sl.from.Add(length)
	if r.plan.Rate > 0 {
		random := rand.New(rand.NewPCG(r.plan.Seed, sl.seed|1<<31))
		sl.pace = newOpenLoop(sl.start, sl.to, r.plan.Rate, r.plan.Uniform, random)
	} else {
		sl.pace = closedLoop{sl.to}
	}
	return sl
}

// execute returns when the slice is over, early if ctx ends.
func (s *slice) execute(ctx context.Context) {
	work, cancel := context.WithCancel(context.Background())
	defer cancel()
	if w := s.side.waits; w != nil {
		defer w.pause()
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	var workers sync.WaitGroup
	var running atomic.Int32
	for id := range s.run.plan.Workers {
		running.Add(1)
		workers.Go(func() {
			defer running.Add(-1)
			s.work(work, stop, id)
		})
	}
	go func() {
		workers.Wait()
		close(ended)
	}()

	if sleepUntil(ctx, s.from) {
		before := s.side.stats()
		to := s.to
		if !sleepUntil(ctx, s.to) {
			to = time.Now()
		}
		defer func() {
			s.settled.Store(true)
			s.side.settle(before, s.pace.dropped(s.from, to), to.Sub(s.from))
		}()
	}

	wait := patience
	if _, open := s.pace.(*openLoop); open {
		wait += leeway
	}
	if ctx.Err() != nil {
		close(stop)
		wait = hastyPatience
	}
	if !endsWithin(ended, wait) {
		s.cut.Store(true)
		cancel()
		if !endsWithin(ended, cutPatience) {
			s.side.abandoned += int(running.Load())
		}
	}
}

// sleepUntil reports false if ctx ended first.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func endsWithin(ended <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// work is one worker.
func (s *slice) work(ctx context.Context, stop <-chan struct{}, id int) {
	d := &draw{rand.New(rand.NewPCG(s.run.plan.Seed, s.seed|s.run.ownValues(s.side)|uint64(id))), &s.run.unique}
	rec := s.side.recorders.of(id)
	o := outcome{trial: &trial{}}
	for {
		intended, ok := s.pace.next(stop)
		if !ok {
			return
		}
		o.intended, o.start = intended, intended
		if s.run.plan.Rate > 0 {
			o.start = time.Now()
		}
		measured := !intended.Before(s.from)
		if w := s.side.waits; w != nil && measured {
			// Not from s.from: what the warm-up has left behind comes first.
			s.first.Do(func() { w.countFrom(o.start) })
		}
		err := s.run.script.perform(ctx, s.side.db, d, o.trial)
		o.end = time.Now()
		if measured {
			s.judge(&o, err)
			rec.note(&o)
		}
		if err != nil && s.run.plan.Rate == 0 && !pauseAfter(o.start, stop) {
			return
		}
	}
}

// ownValues sets apart the random values of a side. The built-in workloads do
// the same on both. The user's SQL may use a value as a key, which the second
// side to insert it would find taken.
func (r *run) ownValues(s *side) uint64 {
	if r.plan.OwnSQL() && s.pool == nil {
		return 1 << 30 // workers are fewer, and above are the slice's bits
	}
	return 0
}

// judge completes an outcome.
func (s *slice) judge(o *outcome, err error) {
	o.inTime = !o.end.After(s.to)
	if o.class, o.code, o.example = "", "", ""; err == nil {
		return
	}
	o.class, o.code = classify(err)
	if o.class == classCancelled && s.cut.Load() {
		o.class = classCutOff
	}
	o.example = s.run.script.Steps[o.trial.failed].Name + ": " + shorten(s.run.db.mask(errorText(err)), 300)
}

func pauseAfter(start time.Time, stop <-chan struct{}) bool {
	timer := time.NewTimer(time.Until(start.Add(errorPause)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}

// settle adds what a slice was measured to be, apart from its operations.
// before are the side's numbers at the end of the warm-up.
func (s *side) settle(before sql.DBStats, dropped int64, measured time.Duration) {
	after := s.stats()
	s.waited += after.WaitCount - before.WaitCount
	s.waitTime += after.WaitDuration - before.WaitDuration
	s.dropped += dropped
	s.measured.Add(int64(measured))
}

// measuredSoFar is the side's measured time, that of its slice under way
// included.
func (s *slice) measuredSoFar(now time.Time) time.Duration {
	d := time.Duration(s.side.measured.Load())
	if !s.settled.Load() {
		d += min(max(now.Sub(s.from), 0), s.to.Sub(s.from))
	}
	return d
}
