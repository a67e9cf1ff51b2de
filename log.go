package akari

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// log writes a line in HikariCP's form, "pool - text", so that what greps
// HikariCP's log finds the same here; the attributes are for those who query.
func (p *Pool) log(level slog.Level, text string, attrs ...slog.Attr) {
	defer func() { _ = recover() }() // a handler's panic is not the pool's
	if !p.cfg.Logger.Enabled(context.Background(), level) {
		return
	}
	p.cfg.Logger.LogAttrs(context.Background(), level, p.name+" - "+text, append(attrs, slog.String("pool", p.name))...)
}

// logStats writes the line that people know from HikariCP:
//
//	orders - Pool stats (total=10, active=0, idle=10, waiting=0)
func (p *Pool) logStats(prefix string) {
	if !p.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	s := p.counts()
	p.log(slog.LevelDebug, prefix+"stats "+s.String(),
		slog.Int("total", s.total), slog.Int("active", s.active), slog.Int("idle", s.idle), slog.Int("waiting", s.waiting))
}

// fire calls a function of the trace, if it is set. The event is built only
// then.
func fire[E any](p *Pool, f func(E), event func() E) {
	if f == nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			p.log(slog.LevelError, fmt.Sprintf("Trace function panicked: %v", r))
		}
	}()
	f(event())
}

// notices are what the log has said and need not say again, or not so soon.
type notices struct {
	cannotPing, pooler, unknown, facade, inMemory sync.Once

	invalid sparing // failed validations
	broken  sparing // connections lost in use
}

// sparing lets a message through now and then and counts the others.
type sparing struct {
	every   time.Duration
	last    atomic.Int64
	skipped atomic.Int64
}

// allow reports whether to say it now, and how many times it was not said.
func (s *sparing) allow(now int64) (skipped int64, ok bool) {
	last := s.last.Load()
	if last != 0 && now-last < int64(s.every) || !s.last.CompareAndSwap(last, max(now, 1)) {
		s.skipped.Add(1)
		return 0, false
	}
	return s.skipped.Swap(0), true
}
