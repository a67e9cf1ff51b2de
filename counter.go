package akari

import (
	"math/bits"
	"sync/atomic"
)

// counter is a number that one goroutine at a time changes, the one that has what
// it belongs to, and that anybody may read at any time. Adding to it is an ordinary
// store: an atomic one costs as much as a tenth of a whole loan, and orders nothing
// here that needs it.
//
// Go's memory model allows this for words: a reader sees a value that was written,
// at worst an earlier one. The race detector is told so by norace. Where a word has
// 32 bits the store is atomic.
type counter struct {
	_ [0]atomic.Int64 // aligned for atomic operations on all architectures
	n int64
}

//go:norace
func (c *counter) add(d int64) {
	if bits.UintSize == 64 {
		c.n += d
	} else {
		atomic.StoreInt64(&c.n, c.n+d)
	}
}

// Load returns the number.
func (c *counter) Load() int64 { return atomic.LoadInt64(&c.n) }
