package akari

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// opener opens connections, off the path of the callers, and keeps the count of
// places: a connection has one from the moment it is being opened until the
// server is rid of it.
//
// Callers only ever wait for the bag; they tell the opener that they do (ask)
// and take whatever comes first, a connection returned or one opened. An
// attempt starts only while more callers wait than connections are idle or on
// their way; so a burst that the open connections can serve by themselves opens
// hardly any more (HikariCP's rule). To the minimum the pool is filled when it
// starts, after a connection was closed, and by the housekeeper. Unlike
// HikariCP's the attempts run side by side, and one that hangs holds up no other.
type opener struct {
	env openerEnv

	mu sync.Mutex // guards what follows; of env only need, hold and admit are called while it is held, and the bag's locks may be taken

	open     int        // connections in the pool
	closing  int        // connections on their way out
	attempts []*attempt // under way, oldest first
	slow     int        // of attempts, those that take unusually long
	hung     int        // given up, but the driver has not returned
	landing  int        // of open, those not in the bag yet

	failures int       // in a row
	failedAt time.Time // the last of them
	lastErr  error     // of the last attempt, nil if it succeeded
	lastDead error     // why a connection was found dead, since the last success
	trouble  openTrouble
	refusals int // connections in a row that opened and could not be lent

	connectTime time.Duration // moving average of what an attempt takes
	hold        time.Duration // what callers keep a connection for, as estimated last
	heldAt      time.Time     // when that was
	openedAt    time.Time     // when an attempt succeeded last
	patience    time.Duration // with the only attempt there is room for, before it is given up
	timer       *time.Timer   // the next look
	filling     bool          // the minimum is being filled up: asked for by fill, over once it is reached
	stopped     bool

	// era counts the evictions of everything: an attempt of an earlier one may
	// have connected to what was to be left.
	era int

	// full is set while no place is free and no attempt is slow, so that asking
	// would be in vain. Written under mu; spares the lock to callers of a busy
	// pool.
	full atomic.Bool
}

// openerEnv is what the opener needs of the pool.
type openerEnv struct {
	settings      func() *Settings
	maxConnecting func() int
	need          func() (idle, waiting int)
	hold          func() time.Duration // how long a caller keeps a connection at present, 0 if nothing is known
	connect       func(context.Context) (*entry, error)
	opened        func(*entry, time.Duration) // tells of a success
	admit         func(*entry)                // puts a connection into the bag
	admitted      func(*entry)                // after that
	discard       func(*entry)                // closes one that came too late
	failed        func(openFailure)           // tells of a failure
	classify      func(error) openTrouble     // what kind of failure it is
	timeout       func() time.Duration        // for one attempt
	paused        func() bool                 // while the pool is suspended
	spawn         func(func())                // starts a goroutine that Close waits for
}

// attempt is one connection being opened.
type attempt struct {
	started time.Time
	era     int // opener.era when it started
	cancel  context.CancelFunc
	back    atomic.Bool // the driver has returned: it is about to be settled, however long it took to get here

	// Guarded by opener.mu.
	slow bool // takes unusually long: others may start in spite of it
	over bool // settled: it has come back, or was given up
}

// openTrouble is a kind of failure to open that wants its own pace.
type openTrouble uint8

const (
	troubleAny  openTrouble = iota
	troubleAuth             // refused for who we are: asking again fast may lock the account
	troubleFull             // the server has no room for another connection
)

type openFailure struct {
	err      error
	took     time.Duration
	failures int
	retryIn  time.Duration
	empty    bool // no connection is left
}

// Pace of the opener. The back-off is HikariCP's, from 10 ms doubling to 5 s,
// but while callers wait it stays below half a second: they are to ride over a
// restart of the server.
const (
	firstBackoff       = 10 * time.Millisecond
	backoffWhileWaited = 500 * time.Millisecond
	maxBackoff         = 5 * time.Second
	authBackoff        = time.Second
	fullBackoff        = 250 * time.Millisecond

	slowAttempt = 500 * time.Millisecond // an attempt that takes longer no longer holds up others
	reviewEvery = 250 * time.Millisecond // how often attempts under way are looked at
	deafGrace   = time.Second            // what a driver that ignores its context gets on top

	holdPerConn = 100 * time.Nanosecond // how long an estimate of holds is good for, for each connection; it takes a tenth of that

	calmAttempts = 2                    // side by side while the open connections are about to serve everybody
	fillAttempts = 4                    // side by side while nobody waits
	rampLook     = 5 * time.Millisecond // how often demand is looked at again while it is held back
)

func newOpener(env openerEnv) *opener {
	return &opener{env: env}
}

// ask has the opener look whether connections are wanted. Anybody may call it
// at any time, without a lock.
func (o *opener) ask() {
	if o.full.Load() {
		return
	}
	o.look()
}

func (o *opener) look() {
	now := time.Now()
	o.mu.Lock()
	var start []*attempt
	var ctxs []context.Context
	if !o.stopped && !o.env.paused() {
		o.reviewLocked(now)
		for range o.wantedLocked(now) {
			ctx, cancel := context.WithTimeout(context.Background(), o.env.timeout())
			a := &attempt{started: now, era: o.era, cancel: cancel}
			o.attempts = append(o.attempts, a)
			start, ctxs = append(start, a), append(ctxs, ctx)
		}
		o.setTimerLocked(now)
	}
	o.noteFullLocked()
	o.mu.Unlock()
	for i, a := range start {
		o.env.spawn(func() { o.run(ctxs[i], a) })
	}
}

// freshLocked counts the attempts that may still succeed soon.
func (o *opener) freshLocked() int { return len(o.attempts) - o.slow }

func (o *opener) freeLocked() int {
	return o.env.settings().MaximumPoolSize - o.open - o.closing - len(o.attempts)
}

// reviewLocked deals with attempts that take long. They stop holding up others.
// When they have taken all places that callers wait for, one place is used to
// try afresh again and again: what the others hang in may be over, and they
// would never know. The others go on, since connecting may just be slow.
func (o *opener) reviewLocked(now time.Time) {
	slowAfter := max(slowAttempt, 4*o.connectTime)
	for _, a := range o.attempts {
		if now.Sub(a.started) < slowAfter {
			break // the others are younger
		}
		if !a.slow && !a.back.Load() {
			a.slow = true
			o.slow++
		}
	}
	if limit := later(o.env.timeout(), deafGrace); len(o.attempts) > 0 && now.Sub(o.attempts[0].started) >= limit {
		for _, a := range slices.Clone(o.attempts) {
			if now.Sub(a.started) >= limit {
				o.giveUpLocked(a) // its driver does not mind the context
			}
		}
	}
	_, waiting := o.env.need()
	if waiting == 0 || o.freeLocked() > 0 || len(o.attempts) == 0 {
		return
	}
	newest := o.attempts[len(o.attempts)-1]
	patience := slowAfter
	if len(o.attempts) == 1 {
		patience = max(patience, o.patience) // with one place, ever longer
	}
	if now.Sub(newest.started) >= patience {
		o.patience = 2 * patience
		o.giveUpLocked(newest)
	}
}

// giveUpLocked takes the place of an attempt back. When its connection arrives
// after all, it is closed. Attempts whose driver never returns are a leak that
// nothing can undo, so there is a bound.
func (o *opener) giveUpLocked(a *attempt) {
	if a.back.Load() || o.hung >= max(o.env.settings().MaximumPoolSize, 16) {
		return
	}
	a.over = true
	o.removeLocked(a)
	o.hung++
	a.cancel()
}

func (o *opener) removeLocked(a *attempt) {
	if i := slices.Index(o.attempts, a); i >= 0 {
		o.attempts = slices.Delete(o.attempts, i, i+1)
		if a.slow {
			o.slow--
		}
	}
}

// wantedLocked says how many attempts to start now.
func (o *opener) wantedLocked(now time.Time) int {
	_, waiting := o.env.need()
	fresh := o.freshLocked()
	n := min(o.demandLocked(), o.env.maxConnecting()) - fresh
	n = min(n, o.freeLocked())
	if n <= 0 || o.failingLocked() && now.Sub(o.failedAt) < o.backoffLocked(waiting) {
		return 0 // without asking for the limit, which is dear
	}
	return max(min(n, o.limitLocked(now, waiting)-fresh), 0)
}

// demandLocked is how many connections are missing, not counting attempts under
// way.
func (o *opener) demandLocked() int {
	idle, waiting := o.env.need()
	there := idle + o.landing
	missing := o.env.settings().minIdle() - there
	if missing <= 0 {
		o.filling = false
	}
	if o.filling { // nobody waits for those: ones that are slow are not tried afresh
		slow := len(o.attempts) - o.freshLocked()
		return max(missing-slow, waiting-there)
	}
	return waiting - there
}

// limitLocked bounds the attempts side by side.
func (o *opener) limitLocked(now time.Time, waiting int) int {
	switch {
	case o.failingLocked():
		return 1 // one probes; when it succeeds the others follow
	case waiting == 0:
		return fillAttempts
	case o.open == 0:
		return waiting
	case o.drainsSoonLocked(now, waiting):
		return calmAttempts
	}
	return waiting
}

// drainsSoonLocked reports whether the connections there are will have served
// everybody who waits before a new one could be ready.
func (o *opener) drainsSoonLocked(now time.Time, waiting int) bool {
	return time.Duration(waiting)*o.holdLocked(now)/time.Duration(o.open) <= o.connectTime
}

// holdLocked is what callers keep a connection for at present. To estimate it is
// to look at every connection, and every caller who waits may ask: so it is done
// again only when there has been time for much else, a millisecond in a pool of
// ten thousand.
func (o *opener) holdLocked(now time.Time) time.Duration {
	if now.Sub(o.heldAt) >= time.Duration(o.open)*holdPerConn {
		o.hold, o.heldAt = o.env.hold(), now
	}
	return o.hold
}

// backoffLocked is the pause after the failures so far.
func (o *opener) backoffLocked(waiting int) time.Duration {
	most := maxBackoff
	if waiting > 0 && (o.trouble != troubleFull || o.open == 0) {
		most = backoffWhileWaited
	}
	d := min(firstBackoff<<min(max(o.failures, o.refusals)-1, 20), most)
	switch o.trouble {
	case troubleAuth:
		d = max(d, authBackoff)
	case troubleFull:
		d = max(d, fullBackoff)
	}
	return d
}

// setTimerLocked arranges for the next look, if something can become due
// without anybody asking.
func (o *opener) setTimerLocked(now time.Time) {
	_, waiting := o.env.need()
	demand := o.demandLocked()
	var in time.Duration
	switch {
	case o.failingLocked() && demand > 0 && o.freshLocked() == 0:
		in = max(o.failedAt.Add(o.backoffLocked(waiting)).Sub(now), 0)
		in += time.Duration(rand.Int64N(int64(in)/8 + int64(time.Millisecond))) // not all processes at once
	case waiting > 0 && !o.failingLocked() && o.freeLocked() > 0 && demand > o.freshLocked():
		in = rampLook // held back by limitLocked
	case len(o.attempts) > 0:
		in = reviewEvery
	default:
		return
	}
	in = max(in, time.Millisecond)
	if o.timer == nil {
		o.timer = time.AfterFunc(in, o.look)
	} else {
		o.timer.Reset(in)
	}
}

func (o *opener) noteFullLocked() {
	o.full.Store(o.freeLocked() <= 0 && len(o.attempts) == 0)
}

// run makes one attempt.
func (o *opener) run(ctx context.Context, a *attempt) {
	var e *entry
	err := errPanicked
	defer func() { o.landed(a, e, err) }() // also if the driver ends the goroutine
	e, err = o.env.connect(ctx)
}

// landed settles an attempt that has come back.
func (o *opener) landed(a *attempt, e *entry, err error) {
	a.back.Store(true)
	a.cancel()
	took := time.Since(a.started)
	trouble := o.env.classify(err)

	o.mu.Lock()
	if a.over || o.stopped {
		if a.over {
			o.hung--
		} else {
			o.removeLocked(a)
		}
		o.mu.Unlock()
		if e != nil {
			o.env.discard(e)
		}
		return
	}
	a.over = true
	o.removeLocked(a)
	o.noteLocked(err)
	var failure openFailure
	if err != nil {
		if !a.started.Before(o.failedAt) {
			o.failures++ // those that were under way together count as one
		}
		o.failures = max(o.failures, 1)
		o.trouble = trouble
		o.failedAt = time.Now()
		_, waiting := o.env.need()
		failure = openFailure{err, took, o.failures, o.backoffLocked(waiting), o.open == 0}
	} else {
		if o.trouble != troubleFull || a.started.After(o.failedAt) {
			o.failures = 0 // one that came in before the server was full does not say that there is room again
		}
		o.patience = 0
		o.openedAt = time.Now()
		o.open++
		o.landing++
		o.connectTime = average(o.connectTime, took)
		// The way is clear: those that started earlier and still hang have
		// probably run into what is over now.
		if o.slow > 0 {
			for _, b := range slices.Clone(o.attempts) {
				if b.slow && b.started.Before(a.started) {
					o.giveUpLocked(b)
				}
			}
		}
	}
	o.noteFullLocked()
	o.mu.Unlock()

	if err != nil {
		o.env.failed(failure)
	} else {
		o.env.opened(e, took)
		o.mu.Lock()
		switch { // whoever is handed it sees the doom
		case a.era != o.era:
			e.doom.CompareAndSwap(0, uint32(CloseEvicted))
		case o.open > o.env.settings().MaximumPoolSize: // it was lowered meanwhile
			e.doom.CompareAndSwap(0, uint32(CloseSurplus))
		}
		o.env.admit(e)
		o.landing-- // together with admit: demand counts it as landing or as idle
		o.mu.Unlock()
		o.env.admitted(e)
	}
	o.look()
}

// newEra has what is being opened now closed as soon as it is there, unless it
// is in the bag already.
func (o *opener) newEra() {
	o.mu.Lock()
	o.era++
	o.mu.Unlock()
}

// connections is how many are open, those included that are about to join the
// bag.
func (o *opener) connections() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open
}

// average moves an average an eighth of the way towards v.
func average(avg, v time.Duration) time.Duration {
	if avg == 0 {
		return v
	}
	return avg + (v-avg)/8
}

// leaving counts a connection that has left the pool and is being closed.
func (o *opener) leaving() {
	o.mu.Lock()
	o.open--
	o.closing++
	o.mu.Unlock()
}

// gone counts a connection that the server is rid of: its place is free.
func (o *opener) gone() {
	o.mu.Lock()
	o.closing--
	o.filling = true
	o.noteFullLocked()
	o.mu.Unlock()
	o.look()
}

// wouldServe reports whether a place taken from a connection that has been
// silent since the given time would be of use: no other is free, and a new
// connection has been had since, or none is being tried.
func (o *opener) wouldServe(since time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.freeLocked() > 0 {
		return false
	}
	return o.openedAt.After(since) || len(o.attempts) == 0 && o.failures == 0
}

// fill opens what is missing to the minimum, and reports whether anything is.
func (o *opener) fill() bool {
	o.mu.Lock()
	o.filling = true
	o.demandLocked()
	missing := o.filling
	o.mu.Unlock()
	o.look()
	return missing
}

// retryNow forgets past failures: what caused them may have been put right.
func (o *opener) retryNow() {
	o.mu.Lock()
	o.failures, o.refusals = 0, 0
	o.mu.Unlock()
	o.look()
}

// mayOpen reports whether a connection may be added soon: an attempt is under
// way, or could start.
func (o *opener) mayOpen() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failures == 0 && (o.freeLocked() > 0 || len(o.attempts) > 0)
}

// resized has the opener look at a changed maximum.
func (o *opener) resized() {
	o.mu.Lock()
	o.filling = true
	o.noteFullLocked()
	o.mu.Unlock()
	o.look()
}

// adopt counts a connection that was not opened by an attempt of the opener.
func (o *opener) adopt(took time.Duration) {
	o.mu.Lock()
	o.open++
	o.connectTime = average(o.connectTime, took)
	o.noteFullLocked()
	o.mu.Unlock()
}

// counts returns the places taken.
func (o *opener) counts() (open, opening, closing, hung int, lastErr error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open, len(o.attempts), o.closing, o.hung, o.lastErr
}

// note records how an attempt outside the opener ended, for the cause in
// errors.
func (o *opener) note(err error) {
	o.mu.Lock()
	o.noteLocked(err)
	o.mu.Unlock()
}

func (o *opener) noteLocked(err error) {
	if o.lastErr = err; err == nil {
		o.lastDead = nil
	}
}

// refused records that a connection, opened without trouble, could not be
// lent: the next attempt backs off as after one that failed.
func (o *opener) refused(err error) {
	o.mu.Lock()
	o.lastDead = err
	o.refusals++
	o.failedAt = time.Now()
	o.mu.Unlock()
}

// proved records that a new connection could be lent.
func (o *opener) proved() {
	o.mu.Lock()
	o.refusals = 0
	o.mu.Unlock()
}

// failingLocked reports whether the last attempts were in vain.
func (o *opener) failingLocked() bool { return o.failures > 0 || o.refusals > 0 }

// noteDead records why a connection was found dead.
func (o *opener) noteDead(err error) {
	o.mu.Lock()
	o.lastDead = err
	o.mu.Unlock()
}

// cause is why there are no more connections, as far as that is known.
func (o *opener) cause() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lastErr != nil {
		return o.lastErr
	}
	return o.lastDead
}

// stop ends all attempts and lets no more start.
func (o *opener) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
	o.full.Store(true)
	for _, a := range o.attempts {
		a.cancel()
	}
	if o.timer != nil {
		o.timer.Stop()
	}
}
