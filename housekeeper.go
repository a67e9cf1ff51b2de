package akari

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// housekeeper looks after the pool now and then: it closes connections that
// have been idle for long, has the minimum filled up, logs statistics, and
// notices when the clock or the process stood still.
type housekeeper struct {
	env    housekeeperEnv
	period time.Duration

	mu      sync.Mutex // guards what follows; nothing else is taken while it is held
	timer   *time.Timer
	stopped bool

	// Of the last pass; only the pass itself uses them, and there is one at a
	// time.
	mono time.Duration
	wall time.Time
}

// housekeeperEnv is what the housekeeper needs of the pool.
type housekeeperEnv struct {
	clock    func() (mono time.Duration, wall time.Time)
	settings func() *Settings
	idle     func() []*entry // idle connections
	now      func() int64
	doom     func(*entry, CloseReason)
	evictAll func() int
	suspect  func()
	fill     func() (asked bool)
	log      func(slog.Level, string, ...slog.Attr)
	stats    func(prefix string)
	advise   func() // says what is set up against the pool's purpose
}

// firstPass is how long after its start a pool is looked after first.
const firstPass = 100 * time.Millisecond

// retrograde is how far the clock may seem to run back before it counts
// (HikariCP: NTP promises 128 ms).
const retrograde = 128 * time.Millisecond

func (h *housekeeper) start() {
	h.mono, h.wall = h.env.clock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(min(firstPass, h.period), h.run)
}

func (h *housekeeper) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	if h.timer != nil {
		h.timer.Stop()
	}
}

func (h *housekeeper) run() {
	h.pass()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped {
		h.timer.Reset(h.period) // a pause between passes, not a beat
	}
}

func (h *housekeeper) pass() {
	if !h.checkClock() {
		return
	}
	h.trim()
	h.env.advise()
	if !h.env.fill() {
		h.env.log(slog.LevelDebug, "Fill pool skipped, pool has sufficient level or currently being filled.")
	}
}

// checkClock compares the clock with what it should show, and reports whether
// the pass may go on.
//
// Lifetimes are measured on Go's monotonic clock, so a wall clock that is put
// forward or back expires nothing. But when the machine slept, or the process
// was stopped, connections may have died that look fresh: they are asked
// before they are lent.
func (h *housekeeper) checkClock() bool {
	monoNow, wallNow := h.env.clock()
	mono, wall := monoNow-h.mono, wallNow.Sub(h.wall)
	h.mono, h.wall = monoNow, wallNow
	switch {
	case mono+retrograde < 0:
		h.env.log(slog.LevelWarn, fmt.Sprintf("Retrograde clock change detected (housekeeper delta=%v), soft-evicting connections from pool.", mono),
			slog.Duration("delta", mono))
		h.env.evictAll()
		return false
	case mono > later(h.period, h.period/2+firstPass):
		h.env.log(slog.LevelWarn, fmt.Sprintf("Thread starvation or clock leap detected (housekeeper delta=%v).", mono), slog.Duration("delta", mono))
		h.env.suspect()
	case wall-mono > time.Second || mono-wall > time.Second:
		h.env.log(slog.LevelWarn, fmt.Sprintf("Thread starvation or clock leap detected (housekeeper delta=%v).", wall), slog.Duration("delta", wall))
		h.env.suspect()
	}
	return true
}

// trim closes connections that have been idle for longer than IdleTimeout, those
// first that have been so for longest, as long as more than the minimum are idle.
// It logs the statistics, in HikariCP's words.
func (h *housekeeper) trim() {
	s := h.env.settings()
	after := "Pool "
	defer func() { h.env.stats(after) }()
	if s.IdleTimeout <= 0 || s.minIdle() >= s.MaximumPoolSize {
		return
	}
	h.env.stats("Before cleanup ")
	idle := h.env.idle()
	now := h.env.now()
	var stale []rested // mostly few of thousands: only those are put in order
	for _, e := range idle {
		if since := e.idleSince(); now-since > int64(s.IdleTimeout) {
			stale = append(stale, rested{e, since})
		}
	}
	slices.SortFunc(stale, func(a, b rested) int { return cmp.Compare(a.since, b.since) })
	for _, r := range stale[:min(len(stale), max(0, len(idle)-s.minIdle()))] {
		if r.e.idleSince() == r.since { // not returned meanwhile, as far as can be seen
			h.env.doom(r.e, CloseIdleTimeout)
			after = "After cleanup  "
		}
	}
}

// rested is a connection that was idle for too long, and since when.
type rested struct {
	e     *entry
	since int64
}
