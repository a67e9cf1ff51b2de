package akari

import (
	"log/slog"
	"sync"
	"time"
)

// closeGrace is how long a connection on its way out keeps its place in the
// pool. Usually the driver is done in a millisecond. If it hangs, the place is
// given to a new connection and the old one is left to the driver.
const closeGrace = time.Second

// retire takes a connection out of the pool and closes it in the background.
// The caller has the entry, lent or reserved.
func (p *Pool) retire(e *entry, reason CloseReason) {
	p.strikeOff(e, reason)
	p.spawn(func() {
		free := sync.OnceFunc(p.opener.gone)
		late := time.AfterFunc(closeGrace, free)
		defer late.Stop()
		defer free()
		if e.caps.profile.deafToContext && e.probes.socket != nil && e.kept == nil {
			e.kept = again(e.probes.socket) // lib/pq's Close does not wait for the server either
		}
		p.closeDriver(e)
		e.awaitGone()
	})
}

// abandon takes a connection out of the pool whose driver does not answer; who
// called the driver closes it when it does. Its place is free at once.
func (p *Pool) abandon(e *entry) {
	if s := e.probes.socket; s != nil {
		_ = s.Close() // safe while the driver reads from it, and makes it return
	}
	p.strikeOff(e, CloseDead)
	p.opener.gone()
}

// strikeOff takes a connection out of the books. It keeps its place until
// opener.gone.
func (p *Pool) strikeOff(e *entry, reason CloseReason) {
	p.bag.Remove(&e.item)
	p.schedule.remove(e)
	p.opener.leaving()
	p.retired.add(e, reason)
	p.log(slog.LevelDebug, "Closing connection "+e.name+": "+reason.words(), slog.String("reason", reason.String()), slog.Uint64("conn", e.id))
	fire(p, p.cfg.Trace.Closed, func() ClosedEvent {
		return ClosedEvent{p.name, e.info(), reason, time.Duration(p.now() - e.created), e.uses.Load()}
	})
	p.noteDrained()
}

// noteDrained tells Shutdown when a closed pool has no connection left.
func (p *Pool) noteDrained() {
	if p.gate.now() == gateClosed && p.bag.Total() == 0 {
		p.drainedOnce.Do(func() { close(p.drained) })
		p.sayCompleted()
	}
}

// closeDriver closes the driver's connection. It takes as long as the driver
// does.
func (p *Pool) closeDriver(e *entry) {
	defer func() {
		if r := recover(); r != nil {
			p.log(slog.LevelWarn, "Closing connection "+e.name+" failed", slog.Any("panic", r))
		}
	}()
	switch e.caps.profile.dialect {
	case DialectPostgreSQL, DialectMySQL:
		e.stmts.forget() // they go with the session, without a round trip each
	default:
		p.closeStatements(e)
	}
	if err := e.conn.Close(); err != nil {
		p.log(slog.LevelDebug, "Closing connection "+e.name+" failed", slog.Any("error", p.secrets.mask(err)))
	}
}

// closeStatements closes those of a connection that is about to be closed. The
// driver may panic: the connection is closed all the same.
func (p *Pool) closeStatements(e *entry) {
	defer func() {
		if r := recover(); r != nil {
			p.log(slog.LevelWarn, "Closing the statements of connection "+e.name+" failed", slog.Any("panic", r))
		}
	}()
	e.stmts.closeAll()
}

// awaitGone waits, closeGrace at most, until a driver that closes in the
// background (pgx after a cancelled statement) is done, or the server has hung
// up.
func (e *entry) awaitGone() {
	if e.kept != nil {
		awaitHangUp(e.kept)
		return
	}
	if e.probes.cleanedUp == nil {
		return
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(closeGrace)
	defer end.Stop()
	for {
		select {
		case <-e.probes.cleanedUp:
			return
		case <-tick.C:
			if e.sock.peek() == socketGone {
				return
			}
		case <-end.C:
			return
		}
	}
}

// doom marks a connection to be closed for a reason, at once if it is idle, else
// when it comes back. In-use connections are never taken from their user.
func (p *Pool) doom(e *entry, reason CloseReason) {
	e.doom.CompareAndSwap(0, uint32(reason))
	p.executeDoom(e)
}

// executeDoom closes a doomed connection if it is idle.
func (p *Pool) executeDoom(e *entry) {
	if p.bag.Reserve(&e.item) {
		p.retire(e, CloseReason(e.doom.Load()))
	}
}

// giveBack takes a connection back from its borrower, who has no more use for
// it.
func (p *Pool) giveBack(e *entry) {
	now := p.now()
	_, began := e.item.Since()
	held := now - began
	e.used.add(held)
	e.uses.add(1)
	e.task.over()
	if seat := e.seat; seat.o != nil {
		e.seat.o = nil
		defer p.reserve.give(seat) // also if the driver ends the goroutine
	}
	e.settleTables(p, true)
	if e.moved {
		e.stmts.discardAll()
	}
	if e.loan.Load() != nil {
		p.leaks.returned(e, now)
	}
	if f := p.cfg.Trace.Released; f != nil {
		e.item.End(now) // for Stats: it counts among the released already
		fire(p, f, func() ReleasedEvent { return ReleasedEvent{p.name, e.info(), time.Duration(held)} })
	}

	switch {
	case e.broken != nil || !p.stillGood(e):
		p.retire(e, CloseBroken)
	case e.doom.Load() != 0:
		p.retire(e, CloseReason(e.doom.Load()))
	case p.oversize.Load() && p.tooMany():
		p.retire(e, CloseSurplus)
	case p.needsCare(e):
		p.bag.Retain(&e.item, now)
		p.spawn(func() { p.care(e) })
	default:
		p.bag.Return(&e.item, now)
		p.afterReturn(e)
	}
}

// putBack makes a connection idle that was not lent: just borrowed, or reserved, by
// the caller.
func (p *Pool) putBack(e *entry) {
	if p.oversize.Load() && p.tooMany() {
		p.retire(e, CloseSurplus)
		return
	}
	p.bag.Restore(&e.item, p.now())
	p.afterReturn(e)
}

// afterReturn closes a connection that has just become idle if it is not to be:
// whoever doomed it meanwhile, or closed the pool, saw that it was not idle and
// left that to us.
func (p *Pool) afterReturn(e *entry) {
	if p.bag.Closed() {
		e.doom.CompareAndSwap(0, uint32(CloseShutdown))
	}
	if e.doom.Load() != 0 {
		p.executeDoom(e)
	}
}

// tooMany reports whether there are still more connections than the maximum.
func (p *Pool) tooMany() bool {
	if p.opener.connections() > p.live.Load().MaximumPoolSize {
		return true
	}
	p.oversize.Store(false)
	return false
}

// stillGood asks the driver, which may panic or even end the goroutine, whether
// a connection that came back is of further use.
func (p *Pool) stillGood(e *entry) (good bool) {
	finished := false
	defer func() {
		switch {
		case finished:
		case recover() != nil:
			good = false
		default:
			p.retire(e, CloseBroken)
		}
	}()
	good = e.alive()
	finished = true
	return good
}
