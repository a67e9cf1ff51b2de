package akari

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// loan is what leak detection remembers of a loan. It does not change but for
// reported.
type loan struct {
	began    int64 // on the pool's clock
	after    int64 // nanoseconds after which it counts as a leak
	pcs      []uintptr
	reported atomic.Bool // a leak was reported; set by the watch, once
}

// leakWatch reports connections that are held for longer than the threshold,
// with the stack of the borrower. It never takes one away: HikariCP does not
// either, because a leak is to be found, not hidden.
type leakWatch struct {
	p *Pool

	mu      sync.Mutex // guards what follows; nothing else is taken while it is held
	timer   *time.Timer
	armed   bool
	due     time.Time // of the next look, while armed
	stopped bool
}

// maxFrames bounds the stack that is kept of a borrower.
const maxFrames = 32

// lent notes a loan. It is called in the borrower's goroutine.
func (w *leakWatch) lent(e *entry, now int64, threshold time.Duration) {
	pcs := make([]uintptr, maxFrames)
	e.loan.Store(&loan{began: now, after: int64(threshold), pcs: pcs[:runtime.Callers(3, pcs)]})
	w.arm(threshold)
}

// arm has the watch look after d, unless it will anyway.
func (w *leakWatch) arm(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	due := time.Now().Add(d)
	if w.stopped || w.armed && !due.Before(w.due) {
		return
	}
	w.armed, w.due = true, due
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.look)
	} else {
		w.timer.Reset(d)
	}
}

// look reports what is due and returns at the time of the next: no loan that
// begins later is due before that, unless the threshold was lowered.
func (w *leakWatch) look() {
	w.mu.Lock()
	w.armed = false
	w.mu.Unlock()
	now := w.p.now()
	next := time.Duration(0)
	for _, it := range w.p.bag.All() {
		e := it.Value
		l := e.loan.Load()
		if l == nil || l.reported.Load() {
			continue
		}
		if left := time.Duration(l.began + l.after - now); left > 0 {
			if next == 0 || left < next {
				next = left
			}
			continue
		}
		if l.reported.CompareAndSwap(false, true) {
			w.report(e, l, now)
		}
	}
	if next > 0 {
		w.arm(next)
	}
}

func (w *leakWatch) report(e *entry, l *loan, now int64) {
	stack := stackOf(l.pcs)
	held := time.Duration(now - l.began)
	w.p.stats.leaks.Add(1)
	w.p.log(slog.LevelWarn, fmt.Sprintf("Connection leak detection triggered for %s, held for %v, stack trace follows\n%s", e.name, held.Round(time.Millisecond), stack),
		slog.Uint64("conn", e.id), slog.Duration("held", held), slog.String("stack", stack))
	fire(w.p, w.p.cfg.Trace.LeakSuspected, func() LeakEvent { return LeakEvent{w.p.name, e.info(), held, stack} })
}

// returned ends a loan that leak detection has noted.
func (w *leakWatch) returned(e *entry, now int64) {
	l := e.loan.Swap(nil)
	if l == nil || !l.reported.Load() {
		return
	}
	held := time.Duration(now - l.began)
	w.p.log(slog.LevelInfo, fmt.Sprintf("Previously reported leaked connection %s was returned to the pool (unleaked)", e.name),
		slog.Uint64("conn", e.id), slog.Duration("held", held))
	fire(w.p, w.p.cfg.Trace.LeakReturned, func() LeakEvent { return LeakEvent{w.p.name, e.info(), held, stackOf(l.pcs)} })
}

func (w *leakWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// stackOf renders a stack, without the frames of the pool and of database/sql
// on top of it.
func stackOf(pcs []uintptr) string {
	var b strings.Builder
	frames := runtime.CallersFrames(pcs)
	started := false
	for {
		f, more := frames.Next()
		started = started || !inside(f.Function)
		if started && f.Function != "" {
			fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		}
		if !more {
			return b.String()
		}
	}
}

// siteOf is the first line of code on the stack that is the user's.
func siteOf(pcs []uintptr) string {
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		if f.Function != "" && !inside(f.Function) {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

// inside reports whether a function belongs to the pool or to database/sql.
func inside(function string) bool {
	return strings.HasPrefix(function, "github.com/akaripool/akari.") ||
		strings.HasPrefix(function, "github.com/akaripool/akari/internal/") ||
		strings.HasPrefix(function, "database/sql.")
}
