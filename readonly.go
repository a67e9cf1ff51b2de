package akari

import (
	"log/slog"
	"sync"
	"time"
)

// readOnlyWatch notices that the server takes no more writes: it was demoted,
// and the name probably leads to another by now. Then every connection to it is
// replaced, with a growing pause, because a pool that is meant for a read-only
// server would otherwise do nothing else.
type readOnlyWatch struct {
	mu    sync.Mutex // guards what follows; nothing else is taken while it is held
	last  time.Time
	pause time.Duration
}

const (
	firstReadOnlyPause = 250 * time.Millisecond
	maxReadOnlyPause   = 5 * time.Second // a fail-over that takes long is noticed that late
)

// due reports whether to replace the connections now.
func (w *readOnlyWatch) due(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	since := now.Sub(w.last)
	switch {
	case w.last.IsZero() || since > 10*maxReadOnlyPause:
		w.pause = firstReadOnlyPause
	case since < w.pause:
		return false
	default:
		w.pause = min(2*w.pause, maxReadOnlyPause)
	}
	w.last = now
	return true
}

// metReadOnly is called when a write was refused because the server, or the
// transaction, is read-only. asked: the borrower wanted it so.
func (p *Pool) metReadOnly(e *entry, asked bool) {
	if asked || !p.readOnly.due(time.Now()) {
		return
	}
	p.log(slog.LevelWarn, "The server takes no writes (it was demoted, or the pool leads to a replica); its connections are replaced", slog.Uint64("conn", e.id))
	p.evict(CloseReadOnly)
}
