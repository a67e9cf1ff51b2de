package akari

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari/internal/bag"
	"github.com/akaripool/akari/internal/caller"
	"github.com/akaripool/akari/internal/scope"
)

// lockWatch finds pool-lock: every connection is held by a caller that waits
// for one more, so that none will come back before a time-out. It fails the
// newest of them, whose transaction then ends and lets the others go on.
//
// A caller is known by its goroutine: the one that used the connection last. A
// caller that only hands connections on to other goroutines must not be taken
// for one that is stuck, so how firmly a connection is held counts, see grip.
//
// It is also known by the context of its transaction, if goroutines that it has
// started wait with the same one. That is less certain: goroutines that have
// nothing to do with each other may share a context. So it counts only if
// several connections are held, each under a context of its own, by
// transactions in which nothing happens for some time.
type lockWatch struct {
	p *Pool

	mu      sync.Mutex // guards what follows; nothing else is taken while it is held
	timer   *time.Timer
	armed   bool
	stopped bool

	// Used by look only, and there is one at a time.
	likelySince time.Time // since when it has looked like pool-lock; zero if it does not
	likelyUses  int64     // loans that had ended by then, and calls in transactions
}

// task is what the watch knows of the transaction that a connection is in.
// Written by the holder.
type task struct {
	context atomic.Uintptr // its context, as contextID has it; 0 while there is no transaction
	calls   atomic.Uint32  // beginnings and ends of the driver's calls in it: odd during one
}

func (t *task) began(ctx context.Context) { t.context.Store(contextID(ctx)) }
func (t *task) of(o *owner)               { t.context.Store(ownerID(o)) }
func (t *task) enter()                    { t.calls.Store(t.calls.Load() | 1) }
func (t *task) leave()                    { t.calls.Store((t.calls.Load() + 1) &^ 1) }

func (t *task) over() {
	if t.context.Load() != 0 {
		t.context.Store(0)
	}
	if t.calls.Load()&1 != 0 { // the driver has panicked
		t.leave()
	}
}

// contextID is the same for a context and those derived from it that do not end
// by themselves, and 0 for those that never end. No other context has it as long
// as it is in use.
func contextID(ctx context.Context) uintptr {
	done := ctx.Done()
	if done == nil {
		return 0
	}
	return reflect.ValueOf(done).Pointer()
}

// ownerID is contextID for what is in scopes of package txn: there a task is known for
// certain.
func ownerID(o *owner) uintptr { return reflect.ValueOf(o).Pointer() | ownerBit }

// ownerBit tells an ownerID from a contextID and a callerID, which have it not set.
const ownerBit = 2

// taskOf is the ownerID of a context, or its contextID.
func (p *Pool) taskOf(ctx context.Context) uintptr {
	if f := scope.For(ctx, p); f != nil {
		return ownerID(f.Owner.(*owner))
	}
	return contextID(ctx)
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

	grips = 3 // a mask for all
)

const (
	longWait   = 20 * time.Millisecond  // a wait of this length makes the watch look
	lockLook   = 20 * time.Millisecond  // and it looks this much later, so that the others have been noted too
	lockAgain  = 100 * time.Millisecond // and again while somebody waits
	lockLikely = 400 * time.Millisecond // how long it must look like pool-lock where that is not certain
	lockMaybe  = 600 * time.Millisecond // and where contexts are all that is known
)

// callerID identifies the calling goroutine, never with 0.
func callerID() uintptr { return caller.ID()<<3 | 1 }

// unknownCaller is what callerID says where goroutines cannot be told apart.
const unknownCaller uintptr = 1

// waitSite is where a caller waits, as noted once its wait is long.
type waitSite []uintptr

// longWaiter is what is noted of a caller whose wait is long.
type longWaiter struct {
	at      waitSite
	context uintptr // see contextID
}

// long is called by a caller that has waited for longWait.
func (w *lockWatch) long(ctx context.Context) any {
	pcs := make([]uintptr, maxFrames)
	pcs = pcs[:runtime.Callers(3, pcs)]
	w.arm(lockLook)
	return longWaiter{pcs, w.p.taskOf(ctx)}
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
	switch sure, _ := w.locked(w.p.bag.Waiters()); {
	case sure == notLocked:
		w.likelySince = time.Time{}
	case w.lasts(sure.needs()):
		w.breakLock(sure)
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
	maybeLocked
	likelyLocked
	surelyLocked
)

// needs is how long it must look that way.
func (c certainty) needs() time.Duration {
	switch c {
	case maybeLocked:
		return lockMaybe
	case likelyLocked:
		return lockLikely
	}
	return 0
}

// locked looks whether all connections are held by those who wait, and by whom.
// It can be believed only while the line stands still: else a caller that was
// served meanwhile would be seen waiting and holding.
func (w *lockWatch) locked(line []bag.Waiter) (certainty, map[uintptr][]holding) {
	p := w.p
	waiting := make(map[uintptr]waitSite, len(line)) // by goroutine and by context: callerID is odd, contextID even
	for _, x := range line {
		long, _ := x.Note.(longWaiter)
		if x.Caller != unknownCaller {
			waiting[x.Caller] = long.at
		}
		if long.context != 0 {
			waiting[long.context] = long.at
		}
	}
	items := p.bag.All()
	holders := map[uintptr][]holding{}
	sure, loose, maybe, owned := true, false, false, true
	for _, it := range items {
		e := it.Value
		if _, lent := e.lentSince(); !lent {
			return notLocked, nil
		}
		c, g := e.heldBy()
		site, waits := waiting[c]
		owned = owned && e.task.context.Load()&ownerBit != 0
		if !waits {
			c = e.task.context.Load()
			site, waits = waiting[c]
			waits = waits && e.task.calls.Load()&1 == 0
			maybe = true
		}
		if !waits {
			return notLocked, nil
		}
		sure = sure && g == gripFirm && !maybe
		loose = loose || g == gripLoose
		holders[c] = append(holders[c], holding{e, e.loanTime(p.now()), site})
	}
	switch {
	case len(items) == 0:
		return notLocked, nil
	case sure:
		return surelyLocked, holders
	case owned: // by scopes of package txn, which hand nothing on
	case len(holders) < len(items):
		return notLocked, nil // somebody has several: it may be handing them on
	case (loose || maybe) && len(holders) < 2:
		return notLocked, nil
	}
	if maybe {
		return maybeLocked, holders
	}
	return likelyLocked, holders
}

// errLocked is what the victim's wait ends with.
type errLocked struct{ detail string }

func (e *errLocked) Error() string { return ErrPoolLock.Error() }

// lasts reports whether it has looked like pool-lock for long enough, with no
// connection returned or used in its transaction meanwhile.
func (w *lockWatch) lasts(needed time.Duration) bool {
	if needed == 0 {
		return true
	}
	now, uses := time.Now(), int64(0)
	for _, it := range w.p.bag.All() {
		uses += it.Value.uses.Load() + int64(it.Value.task.calls.Load())
	}
	if w.likelySince.IsZero() || uses != w.likelyUses {
		w.likelySince, w.likelyUses = now, uses
		return false
	}
	return now.Sub(w.likelySince) >= needed
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
			_, holds := holders[x.Caller]
			if long, _ := x.Note.(longWaiter); !holds && long.context != 0 {
				_, holds = holders[long.context]
			}
			if holds {
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
