package akari

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari/internal/sessionstate"
)

// What a borrower leaves behind in a session must not reach the next one. The
// pool looks at the text of each statement for what it may change, and cleans
// up after those that change something, in the background, before the
// connection is lent again. Cleaning that fails, or is not possible, closes the
// connection: never is a changed session lent.

// needsCare reports whether a connection that came back has to be looked after
// before it is idle again.
func (p *Pool) needsCare(e *entry) bool {
	switch {
	case p.mayBeInTx(e):
		return true
	case p.cfg.SessionReset == ResetOff || e.resetsItself():
	case p.cfg.SessionReset == ResetAlways || e.changed&sessionstate.Lasting != 0:
		return true
	}
	e.changed, e.moved = 0, false
	return e.stmts.untidy()
}

// resetsItself reports whether the driver's own ResetSession, called before
// every loan, is trusted with the session, as SQL Server's driver is. That of a
// driver that is not known may do anything, and mostly does nothing.
func (e *entry) resetsItself() bool { return e.caps.profile.resets && e.resetter != nil }

// mayBeInTx reports whether a transaction may be open. The driver knows, or the
// statements tell.
func (p *Pool) mayBeInTx(e *entry) bool {
	if status := e.probes.txStatus; status != nil && status() != 'I' {
		return true
	} else if status != nil && e.caps.profile.dialect == DialectPostgreSQL {
		return false // MySQL says it with every answer but an error
	}
	return e.inTx
}

// care looks after a returned connection, reserved by the caller, and puts it
// back, or closes it.
func (p *Pool) care(e *entry) {
	start := p.now()
	changed := e.changed
	if p.mayBeInTx(e) {
		changed |= sessionstate.TxBegin
	}
	// The limit is that of a validation: whoever waits for a connection may
	// have to wait for this one.
	limit := p.live.Load().ValidationTimeout
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var settled atomic.Bool
	late := time.AfterFunc(later(limit, closeGrace), func() {
		if settled.CompareAndSwap(false, true) {
			p.abandon(e) // the driver does not mind its context
		}
	})
	err := errPanicked
	defer func() { // also if the driver ends the goroutine
		late.Stop()
		if settled.CompareAndSwap(false, true) {
			p.afterCare(e, changed, start, err)
		} else {
			closeQuietly(e.conn)
		}
	}()
	if failed := p.clean(ctx, e); failed != nil {
		err = failed
	} else {
		err = e.tidy() // until it has returned err is errPanicked
	}
}

// tidy closes statements that are not to be kept.
func (e *entry) tidy() (err error) {
	defer recoverTo(&err, "Stmt.Close")
	return e.stmts.tidy()
}

// afterCare puts a connection back that was looked after, or closes it.
func (p *Pool) afterCare(e *entry, changed sessionstate.Effect, start int64, err error) {
	now := p.now()
	if err == nil {
		e.lastSeen.Store(now)
	}
	if changed != 0 || p.cfg.SessionReset == ResetAlways {
		p.stats.resets.Add(1)
		p.log(slog.LevelDebug, fmt.Sprintf("Reset (%v) on connection %s", changed, e.name), slog.Uint64("conn", e.id), slog.String("changed", changed.String()))
		fire(p, p.cfg.Trace.SessionReset, func() SessionResetEvent {
			return SessionResetEvent{p.name, e.info(), changed.String(), time.Duration(now - start), p.secrets.mask(err)}
		})
	}
	switch {
	case err != nil:
		if err != errCloseInstead {
			p.log(slog.LevelDebug, fmt.Sprintf("Reset of connection %s failed: %v", e.name, p.secrets.mask(err)), slog.Uint64("conn", e.id))
		}
		p.retire(e, CloseReset)
	case e.doom.Load() != 0:
		p.retire(e, CloseReason(e.doom.Load()))
	default:
		p.putBack(e)
	}
}

// clean ends an open transaction and undoes what was changed.
func (p *Pool) clean(ctx context.Context, e *entry) (err error) {
	defer recoverTo(&err, "cleaning of a session")
	if p.mayBeInTx(e) || e.changed&sessionstate.Opaque != 0 && e.probes.txStatus == nil {
		if err := e.caps.profile.dialect.rollback(ctx, e); err != nil {
			return err
		}
		p.log(slog.LevelDebug, "Executed rollback on connection "+e.name+" due to dirty commit state on close().", slog.Uint64("conn", e.id))
		e.inTx = false
	}
	changed := e.changed & sessionstate.Lasting
	switch {
	case p.cfg.SessionReset == ResetOff || e.resetsItself():
	case changed&sessionstate.Permanent != 0:
		return errCloseInstead
	case p.cfg.SessionReset == ResetAlways || changed != 0:
		if err := e.caps.profile.dialect.clean(ctx, p, e, changed); err != nil {
			return err
		}
	}
	e.changed, e.moved = 0, false
	return nil
}

// errCloseInstead is not a failure: closing is the way to clean.
var errCloseInstead = errors.New("akari: closed in place of cleaning")

// note takes down what a statement may change, before it is sent.
func (e *entry) note(effect sessionstate.Effect) {
	if effect == 0 {
		return
	}
	e.changed |= effect
	if effect&sessionstate.TxBegin != 0 {
		e.inTx = true // until proved otherwise: if it fails, a ROLLBACK too many does no harm
	}
}

// settled takes down how a statement has ended. One that failed may have been
// executed in part, if the text has several.
func (e *entry) settled(p *Pool, text *statement, err error) {
	e.meaningChanged(text.change)
	if text.undoes && e.tables { // the transaction may go on, from a savepoint
		e.stmts.discardAll()
	} else if text.undoes && e.moved {
		e.stmts.unshare(e.uses.Load())
	}
	if err == nil && text.effect&(sessionstate.TxBegin|sessionstate.TxEnd) == sessionstate.TxEnd {
		e.inTx = false
	}
	if !e.inTx {
		e.settleTables(p, text.effect&sessionstate.TxEnd != 0)
	}
}
