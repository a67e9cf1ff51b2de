package akari

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// slowAnswer is how long a connection may take to answer before somebody who
// waits need not put up with it.
const slowAnswer = 500 * time.Millisecond

// examination is one check of one connection, run in its own goroutine.
//
// Two things are settled, each once, under mu: who takes care of the connection
// when the answer is there (the caller, unless it has left), and whether there
// is an answer at all or the connection's place was given to another.
type examination struct {
	p       *Pool
	e       *entry
	why     occasion
	started time.Time
	cancel  context.CancelFunc
	timer   *time.Timer // runs giveWay while the answer is slow; set under mu, as giveWay reads it

	err  error         // valid after done
	done chan struct{} // closed when settled

	mu      sync.Mutex // guards what follows; nothing else is taken while it is held
	left    bool       // nobody waits for the answer: the examination looks after the connection
	settled bool
}

// occasion is why a connection is checked.
type occasion uint8

const (
	lending  occasion = iota // somebody wants it
	sweeping                 // another one was found dead
	keeping                  // it has been idle for KeepaliveTime
)

// examine starts a check of a connection that the caller has, lent or reserved.
// If it fails the connection is retired. If not, whoever it was for gets it, as
// long as he does not leave; after a check for another occasion it goes back.
func (p *Pool) examine(e *entry, why occasion) *examination {
	ctx, cancel := context.WithTimeout(context.Background(), p.live.Load().ValidationTimeout)
	x := &examination{p: p, e: e, why: why, started: time.Now(), cancel: cancel, done: make(chan struct{}), left: why != lending}
	x.mu.Lock()
	x.timer = time.AfterFunc(slowAnswer, x.giveWay)
	x.mu.Unlock()
	p.spawn(func() { x.run(ctx) })
	return x
}

// leave reports whether the caller may go: the connection is no longer its
// business.
func (x *examination) leave() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.settled {
		return false
	}
	x.left = true
	return true
}

// settle ends the examination and reports whether this call did it, and whether
// the caller has left.
func (x *examination) settle(err error) (first, left bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.settled {
		return false, x.left
	}
	x.settled = true
	x.err = err
	return true, x.left
}

func (x *examination) run(ctx context.Context) {
	start, err := x.p.now(), errPanicked
	defer func() { x.conclude(start, err) }() // also if the driver ends the goroutine
	err = x.p.validate(ctx, x.e)
}

// conclude acts on the answer.
func (x *examination) conclude(start int64, err error) {
	p, e := x.p, x.e
	x.cancel()
	x.timer.Stop()
	now := p.now()
	if err == nil {
		e.lastSeen.Store(now)
	}
	first, left := x.settle(err)
	if !first {
		// The place was given away while the driver hung: there is nobody
		// else to close the connection.
		closeQuietly(e.conn)
		return
	}
	told := p.cfg.Trace.Validated
	if x.why == keeping {
		told = p.cfg.Trace.KeptAlive
	} else {
		p.stats.validations.Add(1)
	}
	fire(p, told, func() ValidatedEvent { return ValidatedEvent{p.name, e.info(), time.Duration(now - start), err} })
	switch {
	case err != nil:
		p.stats.validationFailures.Add(1)
		p.reportInvalid(e, err)
		p.foundDead(e, err)
	case left:
		if x.why == keeping {
			p.log(slog.LevelDebug, "keepalive: connection "+e.name+" is alive", slog.Uint64("conn", e.id))
		}
		e.suspect = false
		p.putBack(e)
	default:
		e.suspect = false
	}
	close(x.done)
}

var errGaveWay = errors.New("no answer in time, or while others waited")

// giveWay gives the connection up if callers wait, nothing else can serve them,
// and it is likely that a new connection would: one was opened since this one
// fell silent, or none is being tried. A driver that does not mind the end of the
// validation's time loses it in any case.
func (x *examination) giveWay() {
	p := x.p
	x.mu.Lock()
	settled, timer := x.settled, x.timer
	x.mu.Unlock()
	if settled {
		return
	}
	overdue := time.Since(x.started) >= later(p.live.Load().ValidationTimeout, closeGrace)
	if !overdue && (p.bag.Waiting() == 0 || p.bag.Idle() > 0 || !p.opener.wouldServe(x.started)) {
		timer.Reset(slowAnswer / 5)
		return
	}
	first, _ := x.settle(errGaveWay)
	if !first {
		return
	}
	x.cancel()
	p.abandon(x.e)
	close(x.done)
}
