package akari

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/akaripool/akari/internal/bag"
	"github.com/akaripool/akari/internal/caller"
)

// lockWatch finds pool-lock: every connection is held by a caller that waits
// for one more, so that none will come back before a time-out. It fails the
// newest of them, whose transaction then ends and lets the others go on.
//
// A caller is known by its goroutine. That leaves out a goroutine that waits
// for another one which waits for the pool; the bare time-out remains for it.
type lockWatch struct {
	p *Pool

	mu      sync.Mutex // guards what follows; nothing else is taken while it is held
	timer   *time.Timer
	armed   bool
	stopped bool
}

const (
	longWait  = 20 * time.Millisecond  // a wait of this length makes the watch look
	lockLook  = 20 * time.Millisecond  // and it looks this much later, so that the others have been noted too
	lockAgain = 100 * time.Millisecond // and again while somebody waits
)

// callerID identifies the calling goroutine, never with 0.
func callerID() uintptr { return caller.ID() | 1 } // the ID is the address of something aligned

// unknownCaller is what callerID says where goroutines cannot be told apart.
const unknownCaller uintptr = 1

// waitSite is where a caller waits, as noted once its wait is long.
type waitSite []uintptr

// long is called by a caller that has waited for longWait.
func (w *lockWatch) long() any {
	pcs := make([]uintptr, maxFrames)
	pcs = pcs[:runtime.Callers(3, pcs)]
	w.arm(lockLook)
	return waitSite(pcs)
}

func (w *lockWatch) arm(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed || w.stopped {
		return
	}
	w.armed = true
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.look)
	} else {
		w.timer.Reset(d)
	}
}

func (w *lockWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

func (w *lockWatch) look() {
	w.mu.Lock()
	w.armed = false
	w.mu.Unlock()
	if w.p.bag.Waiting() == 0 {
		return
	}
	if holders := w.locked(); holders != nil {
		w.breakLock(holders)
	}
	w.arm(lockAgain)
}

// holding is a caller that holds a connection and waits for another.
type holding struct {
	e    *entry
	held time.Duration
	at   string // where it waits
}

// locked returns the holders if all connections are held by callers that wait,
// and no other is to be expected.
func (w *lockWatch) locked() map[uintptr]holding {
	p := w.p
	if p.bag.Idle() > 0 || p.opener.mayOpen() {
		return nil
	}
	waiting := map[uintptr]waitSite{}
	for _, x := range p.bag.Waiters() {
		site, _ := x.Note.(waitSite)
		if x.Caller != unknownCaller {
			waiting[x.Caller] = site
		}
	}
	holders := map[uintptr]holding{}
	items := p.bag.All()
	for _, it := range items {
		e := it.Value
		c := e.caller.Load()
		site, waits := waiting[c]
		if c == 0 || c == unknownCaller || !waits {
			return nil
		}
		holders[c] = holding{e, e.loanTime(p.now()), siteOf(site)}
	}
	if len(items) == 0 {
		return nil
	}
	return holders
}

// errLocked is what the victim's wait ends with.
type errLocked struct{ detail string }

func (e *errLocked) Error() string { return ErrPoolLock.Error() }

func (w *lockWatch) breakLock(holders map[uintptr]holding) {
	const shown = 10
	var b strings.Builder
	n := 0
	for _, h := range holders {
		if n++; n > shown {
			fmt.Fprintf(&b, ", and %d more", len(holders)-shown)
			break
		}
		if n > 1 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s for %v by a caller that waits at %s", h.e.name, h.held.Round(time.Millisecond), h.at)
	}
	err := &errLocked{"held: " + b.String() + "; do not ask for a second connection while holding one, or use the transaction's own methods"}
	if w.p.bag.Fail(err, func(x bag.Waiter) bool { _, holds := holders[x.Caller]; return holds }) {
		w.p.stats.poolLocks.Add(1)
	}
}
