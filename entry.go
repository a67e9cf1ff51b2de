package akari

import (
	"database/sql/driver"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari/internal/bag"
	"github.com/akaripool/akari/internal/sessionstate"
)

// entry is one physical connection.
//
// Fields without a note are set before the entry joins the bag and never
// change. "Holder" is whoever has the entry: its borrower while it is in use,
// the pool's own keeper while it is reserved. The bag hands the entry on with
// the memory effects that plain fields need.
type entry struct {
	item bag.Item[*entry] // the entry's place in the bag

	id   uint64
	conn driver.Conn // used by the holder only, one call at a time

	// conn once more, nil if it has not got them: to ask it for each loan costs.
	resetter  driver.SessionResetter
	validator driver.Validator

	caps    *caps
	probes  probes
	sock    *socket
	name    string // as in the log
	created int64  // on the pool's clock, as all times here
	expires int64  // when MaxLifetime ends for it; 0: never

	// pooled: a pooler such as PgBouncer stands between the pool and the server.
	pooled   bool
	execMode any // behind a pooler: what is passed to pgx as the first argument; nil for nothing

	// restore are the statements that bring back what the driver's own hooks
	// had set, after the session was reset.
	restore []string

	// wasClosed: when the call under way began, the driver had closed the
	// connection already. Written and read by the holder.
	wasClosed bool

	inMemory bool // a SQLite database that lives as long as its connection

	// lastSeen is when the server last answered, as far as the pool looked. Written
	// by the holder, read by housekeeping at any time.
	lastSeen atomic.Int64

	// Counts, written by the holder, read by Stats at any time.
	uses counter // loans that have ended
	used counter // sum of their durations, in nanoseconds

	// user is the goroutine that uses it, or used it last, and how firmly: see
	// held. Written by the holder, read by the detector of pool-lock.
	user atomic.Uintptr
	task task

	// loan is what leak detection knows about the current borrower; nil while
	// detection is off or the entry is not lent.
	loan atomic.Pointer[loan]

	// doom is the reason to close the entry when it comes back; 0 for none.
	// Set by anybody, once; see Pool.doom.
	doom atomic.Uint32

	duty *duty // its place in the schedule; set before it joins the bag, its fields guarded by schedule.mu

	// Below: the holder's own.

	lastReset int64               // when the driver's ResetSession was called last
	seat      seat                // of the task it is lent to, if that is known
	suspect   bool                // ask the server before the next loan
	changed   sessionstate.Effect // what the borrower may have changed in the session
	inTx      bool                // a transaction is open, begun through the driver or by text
	tables    bool                // the borrower may have changed tables since the last transaction ended
	moved     bool                // the borrower may have changed what names mean in the session
	kept      net.Conn            // the socket, once more, after the driver has closed it; see linger
	broken    error               // why the connection is lost; nil while it is not
	stmts     statements
}

// lentSince is when the current loan began; false if there is none.
func (e *entry) lentSince() (began int64, lent bool) {
	state, since := e.item.Since()
	return since, state == bag.InUse
}

// idleSince is when the connection was returned last, or opened. While it is lent
// that is when the loan began.
func (e *entry) idleSince() int64 {
	_, since := e.item.Since()
	return since
}

// held notes who uses the connection, and how firmly it is held from now on. It
// is one word: the same caller mostly holds it in the same way as the last time,
// and loading is much cheaper than storing.
func (e *entry) held(g grip) {
	if u := callerID() | uintptr(g)<<1; u != e.user.Load() {
		e.user.Store(u)
	}
}

// heldBy is who has used the connection last, as callerID has it, and how firmly.
func (e *entry) heldBy() (caller uintptr, g grip) {
	u := e.user.Load()
	return u &^ (grips << 1), grip(u >> 1 & grips)
}

func (e *entry) info() ConnInfo {
	return ConnInfo{ID: e.id, BackendID: e.probes.backendID, Name: e.name}
}

func (e *entry) String() string { return e.name }

// nameOf is what the log calls a connection: driver, number and, where it is
// known, the server's number.
func nameOf(p profile, id, backend uint64) string {
	if backend == 0 {
		return fmt.Sprintf("%s@%d", p.name, id)
	}
	return fmt.Sprintf("%s@%d(backend %d)", p.name, id, backend)
}

// alive reports what the driver itself says, without asking the server.
func (e *entry) alive() bool {
	if e.probes.closed != nil && e.probes.closed() {
		return false
	}
	if e.validator != nil {
		return e.validator.IsValid()
	}
	return true
}

// lives is alive, of a driver that may panic.
func (e *entry) lives() (lives bool) {
	defer func() {
		if recover() != nil {
			lives = false
		}
	}()
	return e.alive()
}

// loanTime is how long the current loan has lasted at the time now.
func (e *entry) loanTime(now int64) time.Duration {
	return time.Duration(now - e.idleSince())
}
