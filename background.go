package akari

import (
	"sync"
	"time"
)

// background counts the goroutines at work for the pool: attempts to connect,
// checks, clean-ups, closes. None is permanent.
type background struct {
	mu   sync.Mutex // guards n and idle; nothing else is taken while it is held
	n    int
	idle chan struct{} // closed when n becomes 0, while somebody waits for that
}

// spawn runs f in a goroutine of the pool.
func (p *Pool) spawn(f func()) {
	p.background.add(1)
	go func() {
		defer p.background.add(-1)
		f()
	}()
}

func (b *background) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n += n
	if b.n == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

// wait waits until no goroutine is left, for at most d, and returns how many
// are.
func (b *background) wait(d time.Duration) int {
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		b.mu.Lock()
		n := b.n
		if n > 0 && b.idle == nil {
			b.idle = make(chan struct{})
		}
		idle := b.idle
		b.mu.Unlock()
		if n == 0 {
			return 0
		}
		select {
		case <-idle:
		case <-end.C:
			return n
		}
	}
}
