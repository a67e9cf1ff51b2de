package integration

import (
	"testing"
	"time"
)

// patience bounds what is to happen soon: it is far more than that takes, and
// far less than the 30 s that the pool has callers wait.
const patience = 10 * time.Second

// eventually polls what a server, or the pool, brings about in its own time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	by(t, what, time.Now().Add(patience), ok)
}

// by is eventually, for what has its own time.
func by(t testing.TB, what string, end time.Time, ok func() bool) {
	t.Helper()
	for ; !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

// soon runs what must not wait for long.
func soon(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s: not done after %v", what, patience)
	}
}
