package caller

import (
	"runtime"
	"sync"
	"testing"
)

func TestGoroutinesAliveAtOnceHaveDifferentIDs(t *testing.T) {
	if ID() == 0 {
		t.Skipf("no goroutine identity on %s: the detector of pool-lock is off there", runtime.GOARCH)
	}
	const n = 1000
	var (
		mu      sync.Mutex
		seen    = map[uintptr]bool{ID(): true}
		ready   sync.WaitGroup
		release = make(chan struct{})
		done    sync.WaitGroup
	)
	for range n {
		ready.Add(1)
		done.Go(func() {
			id := ID()
			mu.Lock()
			seen[id] = true
			mu.Unlock()
			ready.Done()
			<-release
			if again := deep(100); again != id {
				t.Errorf("the identity changed from %x to %x when the stack grew", id, again)
			}
		})
	}
	ready.Wait()
	close(release)
	done.Wait()
	if len(seen) != n+1 {
		t.Fatalf("%d goroutines alive at once have %d identities", n+1, len(seen))
	}
}

// deep makes the stack grow, and so move, before it asks.
func deep(n int) uintptr {
	var room [1024]byte
	room[n] = 1
	if n == 0 {
		return ID()
	}
	id := deep(n - 1)
	runtime.KeepAlive(&room)
	return id
}

// The pool would work with the addresses of records too, but less well: see ID.
func TestIDIsTheNumberThatStacksShow(t *testing.T) {
	if record() == 0 {
		t.Skipf("no goroutine identity on %s: the detector of pool-lock is off there", runtime.GOARCH)
	}
	if numberAt == 0 {
		t.Fatalf("%s keeps the numbers of goroutines where they are not found", runtime.Version())
	}
	seen := map[uintptr]bool{}
	for range 1000 { // one after the other: records are used again
		done := make(chan uintptr)
		go func() {
			shown, ok := shownNumber()
			if id := ID(); !ok || id != shown {
				t.Errorf("ID says %d, the stack %d", id, shown)
			}
			done <- ID()
		}()
		id := <-done
		if seen[id] {
			t.Fatalf("two goroutines have had the number %d", id)
		}
		seen[id] = true
	}
}

func BenchmarkFindNumber(b *testing.B) {
	for b.Loop() {
		findNumber(8)
	}
}

func BenchmarkID(b *testing.B) {
	for b.Loop() {
		ID()
	}
}
