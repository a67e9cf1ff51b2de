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

// errUnfit: the connection is not to be lent, the caller goes on looking.
var errUnfit = errors.New("akari: the connection is not fit to be lent")

// fit decides whether a connection just taken from the bag may be lent. If not,
// it has taken care of it and returns errUnfit, or the error to send the caller
// away with. The server is asked only about connections that give reason to.
func (p *Pool) fit(ctx context.Context, e *entry, b *budget) error {
	if reason := e.doom.Load(); reason != 0 {
		p.retire(e, CloseReason(reason))
		return errUnfit
	}
	idle := b.now - max(e.idleSince(), e.lastSeen.Load())
	if p.mustAsk(e, b.now, idle) {
		return p.askAndReset(ctx, e, b)
	}
	if idle > hot && e.sock != nil {
		switch e.sock.peek() {
		case socketGone:
			p.foundDead(e, errHungUp)
			return errUnfit
		case socketTalking:
			return p.askAndReset(ctx, e, b)
		}
	}
	return p.reset(ctx, e, b)
}

func (p *Pool) askAndReset(ctx context.Context, e *entry, b *budget) error {
	e.item.Take()
	answers := p.ask(ctx, e, b)
	b.look(p)
	if !answers {
		return errUnfit
	}
	return p.reset(ctx, e, b)
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
//
// A hook that refuses a caller says nothing about the connection: the caller is
// sent away, and not tried on one connection after the other.
func (p *Pool) reset(ctx context.Context, e *entry, b *budget) error {
	if e.resetter == nil {
		return nil
	}
	e.lastReset = b.now
	returned := false
	defer func() {
		if !returned { // the driver has ended the goroutine
			p.foundDead(e, errPanicked)
		}
	}()
	panicked, err := resetSession(ctx, e.resetter)
	returned = true
	if err == nil {
		return nil
	}
	err = p.secrets.mask(err)
	switch {
	case ctx.Err() != nil && !panicked: // which says nothing about other connections
		e.broken = err
		p.retire(e, CloseBroken)
		return errUnfit
	case !panicked && !isBadConn(err) && !isNetwork(err) && e.lives():
		p.putBack(e)
		return err
	}
	if e.uses.Load() == 0 {
		p.opener.refused(err)
	}
	if b.refused++; b.refused >= maxRefusals {
		p.retire(e, CloseDead)
		return err
	}
	p.foundDead(e, err)
	return errUnfit
}

// maxRefusals is on how many connections ResetSession may fail before its caller
// is sent away. If they were dead the first will have had the others asked.
const maxRefusals = 3

func resetSession(ctx context.Context, c driver.SessionResetter) (panicked bool, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		panicked = true
		err = driverPanic("ResetSession", recover())
	}()
	err = c.ResetSession(ctx)
	returned = true
	return false, err
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
	if e.resetter != nil && e.uses.Load() > 0 {
		now := p.now()
		pings := e.caps.profile.resetPings
		asksToo := pings > 0 && now-e.lastReset > int64(pings)
		e.lastReset = now
		switch panicked, err := resetSession(ctx, e.resetter); {
		case panicked || err == nil && asksToo:
			return err
		} // else a hook may have missed its caller: the ping decides
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
