package main

import (
	"sync/atomic"
	"time"
)

// share has callers do something so many times in all, and returns how long that
// took. They take their work in small helpings, so that none is left to work alone
// at the end.
func share(callers, times int, do func() error) (time.Duration, error) {
	helping := int64(max(1, min(64, times/callers/8)))
	var left atomic.Int64
	left.Store(int64(times))
	return together(callers, func(int) error {
		for {
			before := left.Add(-helping) + helping
			for range min(before, helping) {
				if err := do(); err != nil {
					return err
				}
			}
			if before <= helping {
				return nil
			}
		}
	})
}
