package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// crowd has callers do something over and over, all beginning together. It
// returns how often that was done, and how long it took until the last was done:
// what is still under way when the turn is over is awaited, and counts.
func crowd(callers int, turn time.Duration, do func(caller int) error) (done int64, took time.Duration, err error) {
	var over atomic.Bool
	var count atomic.Int64
	var begun sync.Once
	took, err = together(callers, func(caller int) error {
		begun.Do(func() { time.AfterFunc(turn, func() { over.Store(true) }) }) // once all are ready
		n := int64(0)
		defer func() { count.Add(n) }()
		for !over.Load() {
			if err := do(caller); err != nil {
				over.Store(true)
				return err
			}
			n++
		}
		return nil
	})
	return count.Load(), took, err
}

// perTurn is what one of what a crowd does takes, of all callers together, in
// nanoseconds.
func perTurn(callers int, turn time.Duration, do func(caller int) error) (float64, error) {
	done, took, err := crowd(callers, turn, do)
	return float64(took.Nanoseconds()) / float64(max(done, 1)), err
}

// together has callers do something once, all at the same time. It returns how
// long it took until the last was done, and an error if there was one.
func together(callers int, do func(caller int) error) (time.Duration, error) {
	var ready, done sync.WaitGroup
	var failed atomic.Pointer[error]
	start := make(chan struct{})
	ready.Add(callers)
	for caller := range callers {
		done.Go(func() {
			ready.Done()
			<-start
			if err := do(caller); err != nil {
				failed.Store(&err)
			}
		})
	}
	ready.Wait()
	began := time.Now()
	close(start)
	done.Wait()
	took := time.Since(began)
	if err := failed.Load(); err != nil {
		return took, *err
	}
	return took, nil
}
