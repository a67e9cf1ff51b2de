//go:build unix

package main

import (
	"syscall"
	"time"
)

// processorTime is what the process has used of the processors so far, its own
// work and the system's for it.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
