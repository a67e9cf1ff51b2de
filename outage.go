package akari

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// outage decides what the log says while no connection can be opened: the
// first failure, then ever more rarely that it goes on, and its end. Attempts go
// on all the time, many side by side, and a line for each would bury the rest.
type outage struct {
	mu       sync.Mutex // guards what follows; nothing else is taken while it is held
	since    time.Time  // of the first failure; zero while there is no outage
	failures int
	saidAt   time.Time
	pause    time.Duration // until the next line
}

// How often an outage is spoken of.
const (
	firstOutagePause = 5 * time.Second
	maxOutagePause   = time.Minute
)

// failed counts a failure, and reports how long there has been one and how many
// times, and whether to say so now.
func (o *outage) failed(now time.Time) (lasts time.Duration, failures int, say bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		o.since, o.failures = now, 0
	}
	o.failures++
	lasts = now.Sub(o.since)
	if !o.saidAt.IsZero() && now.Sub(o.saidAt) < o.pause {
		return lasts, o.failures, false
	}
	if lasts == 0 {
		o.pause = firstOutagePause
	} else {
		o.pause = min(2*o.pause, maxOutagePause)
	}
	o.saidAt = now
	return lasts, o.failures, true
}

// over ends an outage, and reports how long it lasted, 0 if there was none.
func (o *outage) over(now time.Time) (lasted time.Duration, failures int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return 0, 0
	}
	lasted, failures = now.Sub(o.since), o.failures
	o.since = time.Time{}
	return max(lasted, 1), failures
}

// sayCannotOpen speaks of a failure to open a connection, in HikariCP's words.
func (p *Pool) sayCannotOpen(err error, empty bool) {
	lasts, failures, say := p.outage.failed(time.Now())
	if !say {
		return
	}
	text := "Cannot acquire connection from data source"
	if failures > 1 {
		if empty {
			text = "Pool is empty, failed to create/setup connection"
		}
		text += fmt.Sprintf(", for %v and %d attempts", roughly(lasts), failures)
	}
	p.log(slog.LevelWarn, text, slog.Any("error", err), slog.Int("failures", failures))
}

// sayOpenAgain speaks of the end of an outage.
func (p *Pool) sayOpenAgain() {
	if lasted, failures := p.outage.over(time.Now()); lasted > 0 {
		p.log(slog.LevelInfo, fmt.Sprintf("Connections can be opened again, after %v and %d failed attempts", roughly(lasted), failures), slog.Int("failures", failures))
	}
}

// roughly rounds a duration for people.
func roughly(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
