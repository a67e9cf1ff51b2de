package bag

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// lifo is the yardstick: the simplest pool there is. It cannot wait.
type lifo struct {
	mu    sync.Mutex
	stack []*Item[int]
}

func (l *lifo) borrow() *Item[int] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.stack) == 0 {
		return nil
	}
	it := l.stack[len(l.stack)-1]
	l.stack = l.stack[:len(l.stack)-1]
	return it
}

func (l *lifo) put(it *Item[int]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stack = append(l.stack, it)
}

func BenchmarkBorrowReturn(b *testing.B) {
	for _, size := range []int{1, 8, 1024} {
		for _, callers := range []int{1, 8, 128, 10000} {
			b.Run(fmt.Sprintf("items=%d/callers=%d", size, callers), func(b *testing.B) {
				bg, _ := newFilled(size)
				b.ReportAllocs()
				spread(b, callers, func() {
					it := borrow(bg)
					if it == nil {
						it, _ = await(bg, b.Context(), time.Minute, 0, 0)
					}
					bg.Return(it, bg.hooks.Now())
				})
			})
		}
	}
	b.Run("mutex and slice/callers=1", func(b *testing.B) {
		l := &lifo{stack: []*Item[int]{{}}}
		for b.Loop() {
			l.put(l.borrow())
		}
	})
}

// spread runs f b.N times on n goroutines.
func spread(b *testing.B, n int, f func()) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		times := b.N / n
		if i < b.N%n {
			times++
		}
		wg.Go(func() {
			<-start
			for range times {
				f()
			}
		})
	}
	b.ResetTimer()
	close(start)
	wg.Wait()
}
