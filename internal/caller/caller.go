// Package caller tells goroutines apart, cheaply.
//
// The pool needs it in two places: to spread callers over the stripes of the
// bag, so that a caller finds the connection it used last, and to see that a
// caller which waits for a connection already holds one of the same pool.
package caller

import (
	"bytes"
	"runtime"
	"strconv"
	"unsafe"
)

// ID returns the goroutine's number, the one that stacks show, which no other
// goroutine ever has. On architectures without an implementation it returns 0,
// which means "unknown".
//
// Where the number is not found in the runtime's record of the goroutine (see
// numberAt) it returns the address of the record: that is no other goroutine's
// while this one lives, but a later one may get it.
//
// It costs a few instructions and never blocks.
func ID() uintptr {
	if numberAt != 0 {
		return word(numberAt)
	}
	return record()
}

// numberAt is where in the runtime's record of a goroutine its number stands, or
// 0 if that is not known. It differs between releases of Go, so it is looked for
// when the program starts: only where all of some goroutines have theirs is it.
var numberAt = findNumber(8)

// searched is how much of the record is looked at. The record is longer in every
// release of Go, and the number stands within the first third.
const searched = 256

// findNumber looks into the records of n new goroutines for the numbers that
// their stacks show.
func findNumber(n int) uintptr {
	if record() == 0 {
		return 0
	}
	const step = unsafe.Sizeof(uintptr(0))
	var votes [searched / step]int
	found := make(chan []uintptr)
	for range n {
		go func() {
			var at []uintptr
			defer func() { found <- at }()
			number, ok := shownNumber()
			for offset := step; ok && offset < searched; offset += step {
				if word(offset) == number {
					at = append(at, offset)
				}
			}
		}()
	}
	for range n {
		for _, offset := range <-found {
			votes[offset/step]++
		}
	}
	var at uintptr
	for i, v := range votes {
		if v != n {
			continue
		}
		if at != 0 {
			return 0
		}
		at = uintptr(i) * step
	}
	return at
}

// shownNumber is the number that the goroutine's stack shows: "goroutine 7 [".
func shownNumber() (uintptr, bool) {
	var line [64]byte
	fields := bytes.Fields(line[:runtime.Stack(line[:], false)])
	if len(fields) < 2 {
		return 0, false
	}
	number, err := strconv.ParseUint(string(fields[1]), 10, 64)
	return uintptr(number), err == nil
}
