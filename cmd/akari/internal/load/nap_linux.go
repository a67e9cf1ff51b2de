package load

import (
	"syscall"
	"time"
)

// nap sleeps for a short while in the kernel, which is exact to some 50 µs; the
// runtime's own timers are to a millisecond.
func nap(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // woken early by a signal: the operation begins early by that
}
