package load

import "sync"

// AtOnce is what a process does when it must end at once, instead of cleaning
// up in order. The zero value is ready for use; its methods may be called from
// any goroutine.
type AtOnce struct {
	mu    sync.Mutex // guards what follows; held while the functions run
	next  int
	funcs map[int]func()
}

// add has f called by Run, unless forget is called first. f must be quick.
func (a *AtOnce) add(f func()) (forget func()) {
	if a == nil {
		return func() {}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.funcs == nil {
		a.funcs = map[int]func(){}
	}
	n := a.next
	a.next++
	a.funcs[n] = f
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.funcs, n)
	}
}

// Run does it.
func (a *AtOnce) Run() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.funcs {
		f()
	}
}
