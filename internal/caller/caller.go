// Package caller tells goroutines apart, cheaply.
//
// The pool needs it in two places: to spread callers over the stripes of the
// bag, so that a caller finds the connection it used last, and to see that a
// caller which waits for a connection already holds one of the same pool.
package caller

// ID returns a number that no other goroutine has while the calling one lives.
// It is the address of the runtime's record of the goroutine: after the
// goroutine has ended, a later one may get the same number. On architectures
// without an implementation it returns 0, which means "unknown".
//
// It costs a call of two instructions and never blocks.
func ID() uintptr { return id() }
