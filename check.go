package akari

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// hot is how long after its return a connection is lent again without even a
// look at its socket: nothing that could be seen there is older.
const hot = int64(time.Millisecond)

// fit decides whether a connection just taken from the bag may be lent. If not,
// it has taken care of it, and the caller goes on looking. The server is asked
// only about connections that give reason to.
func (p *Pool) fit(ctx context.Context, e *entry, b *budget) bool {
	if reason := e.doom.Load(); reason != 0 {
		p.retire(e, CloseReason(reason))
		return false
	}
	now := p.now()
	idle := now - max(e.lastUsed.Load(), e.lastSeen.Load())
	if p.mustAsk(e, now, idle) {
		return p.ask(ctx, e, b) && p.reset(ctx, e, now)
	}
	if idle > hot && e.sock != nil {
		switch e.sock.peek() {
		case socketGone:
			p.foundDead(e, errHungUp)
			return false
		case socketTalking:
			return p.ask(ctx, e, b) && p.reset(ctx, e, now)
		}
	}
	return p.reset(ctx, e, now)
}

var errHungUp = errors.New("the server has closed the connection")

// mustAsk reports whether a connection that was used or answered last idle ago
// is lent only after the server has answered on it.
func (p *Pool) mustAsk(e *entry, now, idle int64) bool {
	window := int64(p.cfg.AliveBypassWindow)
	if e.suspect || window <= 0 || idle > window {
		return true
	}
	if e.lastSeen.Load() <= p.suspicion.since.Load() {
		return true
	}
	// A driver whose ResetSession will ping does so under our time limit.
	pings := e.caps.profile.resetPings
	return pings > 0 && now-e.lastReset > int64(pings)
}

// reset tells the driver that a connection is used anew, and by whom: pgx has a
// hook for it, which may set up the session from the caller's context. A driver
// that fails here must not get its connection lent: database/sql would ignore all
// errors but ErrBadConn.
func (p *Pool) reset(ctx context.Context, e *entry, now int64) bool {
	if !e.caps.resetter {
		return true
	}
	e.lastReset = now
	finished := false
	defer func() {
		if !finished { // the driver has ended the goroutine
			p.foundDead(e, errPanicked)
		}
	}()
	err := resetSession(ctx, e.conn)
	finished = true
	if err != nil {
		p.foundDead(e, err)
		return false
	}
	return true
}

func resetSession(ctx context.Context, c driver.Conn) (err error) {
	defer recoverTo(&err, "ResetSession")
	return c.(driver.SessionResetter).ResetSession(ctx)
}

// foundDead closes a connection that turned out to be dead, and suspects those
// that have not been heard of since.
func (p *Pool) foundDead(e *entry, err error) {
	e.broken = err
	p.opener.noteDead(p.secrets.mask(err))
	p.suspect()
	p.retire(e, CloseDead)
}

// ask has the server answer on a connection before it is lent. The driver's
// call runs in a goroutine of its own, because it may hang: after a part of the
// caller's time the caller goes to wait for another connection, and this one
// returns to the pool by itself if it answers after all.
func (p *Pool) ask(ctx context.Context, e *entry, b *budget) bool {
	b.start(p)
	x := p.examine(e, lending)
	timer := time.NewTimer(b.patience(p))
	defer timer.Stop()
	select {
	case <-x.done:
	case <-timer.C:
		if x.leave() {
			p.suspect() // slow is not dead, but others may be as slow
			return false
		}
	case <-ctx.Done():
		if x.leave() {
			return false
		}
	}
	<-x.done
	return x.err == nil
}

// validate asks the driver and the server whether a connection is alive.
func (p *Pool) validate(ctx context.Context, e *entry) error {
	if e.caps.resetter && e.uses.Load() > 0 {
		now := p.now()
		pings := e.caps.profile.resetPings
		asksToo := pings > 0 && now-e.lastReset > int64(pings)
		e.lastReset = now
		if err := resetSession(ctx, e.conn); err != nil || asksToo {
			return err
		}
	}
	return p.ping(ctx, e)
}

// ping is one round trip: the protocol's own ping, or Config.ConnectionTestQuery.
func (p *Pool) ping(ctx context.Context, e *entry) (err error) {
	defer recoverTo(&err, "Ping")
	switch {
	case p.cfg.ConnectionTestQuery != "":
		return queryText(ctx, e.conn, p.cfg.ConnectionTestQuery, func([]driver.Value) error { return nil }, e.unprepared()...)
	case e.caps.pinger:
		return e.conn.(driver.Pinger).Ping(ctx)
	case !e.alive():
		return driver.ErrBadConn
	}
	p.said.cannotPing.Do(func() {
		p.log(slog.LevelWarn, fmt.Sprintf("The driver %s cannot ping; set ConnectionTestQuery, or dead connections are noticed only when a statement fails", e.caps.profile.name))
	})
	return nil
}

// reportInvalid says it in HikariCP's words, but not for every connection when
// a restart of the server kills them all at once.
func (p *Pool) reportInvalid(e *entry, err error) {
	skipped, say := p.said.invalid.allow(p.now())
	if !say {
		return
	}
	attrs := []slog.Attr{slog.Uint64("conn", e.id)}
	if skipped > 0 {
		attrs = append(attrs, slog.Int64("unreported", skipped))
	}
	p.log(slog.LevelWarn,
		fmt.Sprintf("Failed to validate connection %s (%v). Possibly consider using a shorter maxLifetime value.", e.name, p.secrets.mask(err)),
		attrs...)
}
