package akari

import (
	"cmp"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
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
// A caller is known by its goroutine: the one that used the connection last. A
// caller that only hands connections on to other goroutines must not be taken
// for one that is stuck, so how firmly a connection is held counts, see grip.
type lockWatch struct {
	p *Pool

	mu      sync.Mutex // guards what follows; nothing else is taken while it is held
	timer   *time.Timer
	armed   bool
	stopped bool

	// Used by look only, and there is one at a time.
	likelySince time.Time // since when it has looked like pool-lock; zero if it does not
	likelyUses  int64     // loans that had ended by then
}

// grip says what is known of how a connection is held.
type grip uint32

const (
	// gripLoose: borrowed with Acquire and not used since. It may have been
	// given to another goroutine.
	gripLoose grip = iota

	// gripRows: a query's rows are being read, mostly by the goroutine that
	// sent the query.
	gripRows

	// gripFirm: in a transaction, a sql.Conn, or in use by Raw. Whoever uses it
	// is noticed.
	gripFirm
)

const (
	longWait   = 20 * time.Millisecond  // a wait of this length makes the watch look
	lockLook   = 20 * time.Millisecond  // and it looks this much later, so that the others have been noted too
	lockAgain  = 100 * time.Millisecond // and again while somebody waits
	lockLikely = 400 * time.Millisecond // how long it must look like pool-lock where that is not certain
)

// callerID identifies the calling goroutine, never with 0.
func callerID() uintptr { return caller.ID()<<1 | 1 }

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
	again := w.p.bag.Waiting() > 0
	if again {
		w.judge()
	}
	w.mu.Lock() // armed until now, so that there is one look at a time
	w.armed = false
	w.mu.Unlock()
	if again || w.p.bag.Waiting() > 0 {
		w.arm(lockAgain)
	}
}

func (w *lockWatch) judge() {
	if w.p.bag.Idle() > 0 || w.p.opener.mayOpen() {
		w.likelySince = time.Time{}
		return
	}
	switch sure, _ := w.locked(w.p.bag.Waiters()); sure {
	case surelyLocked:
		w.breakLock(surelyLocked)
	case likelyLocked:
		if w.lasts() {
			w.breakLock(likelyLocked)
		}
	default:
		w.likelySince = time.Time{}
	}
}

// holding is a connection held by a caller that waits for another.
type holding struct {
	e    *entry
	held time.Duration
	at   waitSite // where it waits
}

// certainty says how sure the watch is.
type certainty uint8

const (
	notLocked certainty = iota
	likelyLocked
	surelyLocked
)

// locked looks whether all connections are held by those who wait, and by whom.
// It can be believed only while the line stands still: else a caller that was
// served meanwhile would be seen waiting and holding.
func (w *lockWatch) locked(line []bag.Waiter) (certainty, map[uintptr][]holding) {
	p := w.p
	waiting := make(map[uintptr]waitSite, len(line))
	for _, x := range line {
		site, _ := x.Note.(waitSite)
		if x.Caller != unknownCaller {
			waiting[x.Caller] = site
		}
	}
	items := p.bag.All()
	holders := map[uintptr][]holding{}
	sure, loose := true, false
	for _, it := range items {
		e := it.Value
		c := e.caller.Load()
		site, waits := waiting[c]
		if !waits { // nor if nobody holds it
			return notLocked, nil
		}
		g := grip(e.grip.Load())
		sure = sure && g == gripFirm
		loose = loose || g == gripLoose
		holders[c] = append(holders[c], holding{e, e.loanTime(p.now()), site})
	}
	switch {
	case len(items) == 0:
		return notLocked, nil
	case sure:
		return surelyLocked, holders
	case len(holders) < len(items):
		return notLocked, nil // somebody has several: it may be handing them on
	case loose && len(holders) < 2:
		return notLocked, nil
	}
	return likelyLocked, holders
}

// errLocked is what the victim's wait ends with.
type errLocked struct{ detail string }

func (e *errLocked) Error() string { return ErrPoolLock.Error() }

// lasts reports whether it has looked like pool-lock for long enough, with no
// connection returned meanwhile.
func (w *lockWatch) lasts() bool {
	now, uses := time.Now(), int64(0)
	for _, it := range w.p.bag.All() {
		uses += it.Value.uses.Load()
	}
	if w.likelySince.IsZero() || uses != w.likelyUses {
		w.likelySince, w.likelyUses = now, uses
		return false
	}
	return now.Sub(w.likelySince) >= lockLikely
}

// breakLock makes sure, with the line standing still, and fails the newest of
// those who hold a connection and wait.
func (w *lockWatch) breakLock(wanted certainty) {
	w.likelySince = time.Time{}
	var holders map[uintptr][]holding
	err := &errLocked{}
	broken := w.p.bag.Expel(err, func(line []bag.Waiter) int {
		var sure certainty
		if sure, holders = w.locked(line); sure < wanted {
			return -1
		}
		for i, x := range slices.Backward(line) {
			if _, holds := holders[x.Caller]; holds {
				err.detail = describe(holders)
				w.p.stats.poolLocks.Add(1) // before the victim is told
				return i
			}
		}
		return -1
	})
	if broken {
		w.p.log(slog.LevelWarn, "Pool-lock: every connection is held by a caller that waits for another; the newest was failed: "+err.detail)
	}
}

// describe says who holds what.
func describe(holders map[uintptr][]holding) string {
	const shown = 10
	var all []holding
	for _, hs := range holders {
		all = append(all, hs...)
	}
	slices.SortFunc(all, func(a, b holding) int { return cmp.Compare(b.held, a.held) })
	var lines []string
	for i, h := range all {
		if i == shown {
			lines = append(lines, fmt.Sprintf("and %d more", len(all)-shown))
			break
		}
		lines = append(lines, fmt.Sprintf("%s held for %v by a caller that waits at %s", h.e.name, h.held.Round(time.Millisecond), siteOf(h.at)))
	}
	return strings.Join(lines, ", ") + "; a caller must not ask for a second connection while it holds one: " +
		"run all statements of a transaction on it, close rows before the next query"
}
