package scope

import "sync/atomic"

// Budget bounds retries: one is spent for each, and earned by ten successes. The zero
// Budget is full.
type Budget struct {
	spent atomic.Int64 // in tenths
}

const (
	price = 10         // of a retry, in successes
	most  = 10 * price // what may be spent at once
)

// Spend takes what a retry costs; false if there is not enough left.
func (b *Budget) Spend() bool {
	for {
		spent := b.spent.Load()
		if spent+price > most {
			return false
		}
		if b.spent.CompareAndSwap(spent, spent+price) {
			return true
		}
	}
}

// Earn adds a success.
func (b *Budget) Earn() {
	for {
		spent := b.spent.Load()
		if spent == 0 || b.spent.CompareAndSwap(spent, spent-1) {
			return
		}
	}
}
