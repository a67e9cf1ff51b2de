package akari

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"
)

// Evict has every connection replaced: idle ones are closed at once, those in
// use when they are returned. It returns their number. Use it when something
// behind the connections has changed: credentials, an address, a fail-over.
func (p *Pool) Evict() int { return p.evict(CloseEvicted) }

func (p *Pool) evict(reason CloseReason) int {
	p.opener.newEra()
	items := p.bag.All()
	if len(items) > 0 { // told before its consequences
		fire(p, p.cfg.Trace.EvictRequested, func() EvictEvent { return EvictEvent{p.name, reason, len(items)} })
	}
	for _, it := range items {
		p.doom(it.Value, reason)
	}
	return len(items)
}

// EvictConn has one connection replaced, known by its ID from Trace or the log
// (the attribute conn), and reports whether the pool has it. See Evict.
func (p *Pool) EvictConn(id uint64) bool {
	for _, it := range p.bag.All() {
		if it.Value.id == id {
			fire(p, p.cfg.Trace.EvictRequested, func() EvictEvent { return EvictEvent{p.name, CloseEvicted, 1} })
			p.doom(it.Value, CloseEvicted)
			return true
		}
	}
	return false
}

// Suspend holds all callers that ask for a connection from now on, until Resume,
// their time-out or the end of their context. Connections in use stay so, and
// none is opened, but for those that are on their way. With FailIfSuspended callers fail at once. It reports whether
// the pool was running.
//
// A fail-over by hand: Suspend, change the database or the credentials, Evict,
// Resume.
func (p *Pool) Suspend() bool {
	if !p.gate.suspend() {
		return false
	}
	p.log(slog.LevelInfo, "Suspended.")
	fire(p, p.cfg.Trace.Suspended, func() PoolEvent { return PoolEvent{p.name} })
	return true
}

// Resume ends a suspension. It reports whether the pool was suspended.
func (p *Pool) Resume() bool {
	if !p.gate.resume() {
		return false
	}
	p.log(slog.LevelInfo, "Resumed.")
	p.opener.fill()
	fire(p, p.cfg.Trace.Resumed, func() PoolEvent { return PoolEvent{p.name} })
	return true
}

// Running reports whether the pool is neither suspended nor closed.
func (p *Pool) Running() bool { return p.gate.now() == gateOpen }

// Settings returns the live settings.
func (p *Pool) Settings() Settings { return *p.live.Load() }

// Apply changes the live settings, all or, if one is out of bounds, none:
//
//	s := pool.Settings()
//	s.MaximumPoolSize = 20
//	err := pool.Apply(s)
//
// As in Config, zero means the default. A closed pool answers ErrPoolClosed.
func (p *Pool) Apply(s Settings) error {
	if p.gate.now() == gateClosed {
		return ErrPoolClosed
	}
	cfg := p.cfg.apply(s)
	if err := cfg.validate(asSettings); err != nil {
		return err
	}
	if c := p.caps.Load(); c != nil && s.Schema != "" && !c.profile.dialect.hasSchemas() {
		return asSettings(&ConfigError{"Schema", s.Schema, "the pool does not know how to set this at the server"})
	}
	s = cfg.withDefaults().settings()
	from := *p.live.Swap(&s)
	p.log(slog.LevelInfo, "Settings changed: "+changes(from, s))
	fire(p, p.cfg.Trace.SettingsChanged, func() SettingsEvent { return SettingsEvent{p.name, from, s} })
	p.shrink(s.MaximumPoolSize)
	p.opener.resized()
	p.reserve.resized()
	return nil
}

// changes says what differs.
func changes(from, to Settings) string {
	a, b := reflect.ValueOf(from), reflect.ValueOf(to)
	var out []string
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); x != y {
			out = append(out, fmt.Sprintf("%s from %v to %v", a.Type().Field(i).Name, shown(x), shown(y)))
		}
	}
	if out == nil {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// shrink closes idle connections above the maximum, and has others closed as
// they are returned.
func (p *Pool) shrink(most int) {
	excess := p.opener.connections() - most
	for _, e := range p.idle() {
		if excess > 0 {
			p.doom(e, CloseSurplus)
			excess--
		}
	}
	if excess > 0 {
		p.oversize.Store(true)
	}
}

// closeWait bounds how long Close waits for the driver to close idle
// connections.
const closeWait = 10 * time.Second

// Close closes the pool, and its DB: callers that wait are told at once, idle connections
// are closed, those in use when they come back. It does not wait for
// connections in use; Shutdown does. Closing twice does no harm.
func (p *Pool) Close() error {
	p.shut()
	return p.finish()
}

// finish waits for what a closed pool has in the background, and closes the
// facade.
func (p *Pool) finish() error {
	if p.db != nil {
		_ = p.db.Close()
	}
	if n := p.background.wait(closeWait); n > 0 {
		p.log(slog.LevelWarn, "Closing goes on in the background: the driver does not return", slog.Int("goroutines", n))
	}
	p.closed.Store(true)
	p.sayCompleted()
	return nil
}

// sayCompleted says that closing is over, once: connections in use may come back
// long after Close has returned.
func (p *Pool) sayCompleted() {
	if !p.closed.Load() || p.bag.Total() > 0 {
		return
	}
	p.finished.Do(func() {
		p.logStats("After shutdown ")
		p.log(slog.LevelInfo, "Shutdown completed.")
	})
}

// shut closes the pool without waiting for anything.
func (p *Pool) shut() {
	if !p.gate.close() {
		return
	}
	p.log(slog.LevelInfo, "Shutdown initiated...")
	p.logStats("Before shutdown ")
	p.keeper.stop()
	p.schedule.stop()
	p.locks.stop()
	p.opener.stop()
	p.reserve.close(ErrPoolClosed)
	p.bag.Close()
	for _, it := range p.bag.All() {
		p.doom(it.Value, CloseShutdown)
	}
	p.noteDrained()
	p.leaks.stop()
	fire(p, p.cfg.Trace.Shutdown, func() PoolEvent { return PoolEvent{p.name} })
}

// Shutdown closes the pool and waits for the connections in use to be returned,
// until ctx ends. Then it cuts off those that are left, as far as their driver
// lets the pool at the socket, and returns an error that tells how many: their
// statements and commits fail as after the loss of a connection, see
// ErrOutcomeUnknown. New callers and those that wait are refused at once.
func (p *Pool) Shutdown(ctx context.Context) error {
	p.shut()
	if n := p.bag.Total(); n > 0 {
		p.log(slog.LevelInfo, "Shutdown waits for connections in use", slog.Int("active", n))
	}
	select {
	case <-p.drained:
	case <-ctx.Done():
		if held := p.abort(); len(held) > 0 {
			p.log(slog.LevelWarn, "Shutdown did not wait for connections in use: "+strings.Join(held, ", "), slog.Int("active", len(held)))
			_ = p.db.Close() // ends its goroutine
			p.closed.Store(true)
			p.sayCompleted() // they may just have come back
			return fmt.Errorf("akari: %s - Shutdown: %d connections were still in use (%s): %w", p.name, len(held), strings.Join(held, ", "), ctx.Err())
		}
	}
	return p.finish()
}

// abort cuts the sockets of all connections in use. Their users see a network
// error and return them; the driver is not called, since they are using it. It
// returns what to say of them.
func (p *Pool) abort() (held []string) {
	for _, it := range p.bag.All() {
		e := it.Value
		held = append(held, fmt.Sprintf("%s held for %v", e.name, roughly(e.loanTime(p.now()))))
		if s := e.probes.socket; s != nil {
			_ = s.Close()
		}
	}
	return held
}
