package faults

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari"
)

// ledger compares what callers were told about their writes with what the
// server has. Each write is one row with a number of its own; there is no
// unique key, so that a statement that is executed twice is seen.
type ledger struct {
	numbers atomic.Int64

	mu   sync.Mutex // guards told
	told map[int64]told
}

// told is what a caller knows about a write.
type told uint8

const (
	acknowledged told = iota + 1 // it is there
	refused                      // it is not there
	uncertain                    // nobody knows
)

// Audit is what the comparison says.
type Audit struct {
	Written int // rows at the server
	Doubled int // numbers that are there more than once
	Silent  int // of these, those that a caller was told had gone well
	Missing int // acknowledged and not there
	Denied  int // there, though the caller was told that it had not been executed
	Unknown int // the callers were told that nobody knows
}

// Agrees reports whether the server has exactly what callers were told.
func (a Audit) Agrees() bool { return a.Doubled == 0 && a.Missing == 0 && a.Denied == 0 }

const (
	ledgerTable = "CREATE TABLE ledger (id BIGINT NOT NULL)"
	dropLedger  = "DROP TABLE IF EXISTS ledger"
)

func newLedger() *ledger { return &ledger{told: map[int64]told{}} }

// write inserts a row with a new number and takes down what the pool says.
func (l *ledger) write(ctx context.Context, r runner, p Peer) error {
	id := l.numbers.Add(1)
	err := r.exec(ctx, insertRow(p), id)
	l.note(id, knownBy(err))
	return err
}

// writeLiteral inserts a row by a statement without parameters, which drivers
// send in another way than those with.
func (l *ledger) writeLiteral(ctx context.Context, r runner) error {
	id := l.numbers.Add(1)
	err := r.exec(ctx, fmt.Sprintf("INSERT INTO ledger VALUES (%d)", id))
	l.note(id, knownBy(err))
	return err
}

// writeSlowly is write by a statement that takes a time.
func (l *ledger) writeSlowly(ctx context.Context, r runner, p Peer, takes time.Duration) error {
	id := l.numbers.Add(1)
	err := r.exec(ctx, fmt.Sprintf(p.pick(
		"INSERT INTO ledger SELECT %d FROM pg_sleep(%g)",
		"INSERT INTO ledger SELECT %d + SLEEP(%g)", // which is 0
	), id, takes.Seconds()))
	l.note(id, knownBy(err))
	return err
}

// writeIn inserts a row in a transaction that will be rolled back.
func (l *ledger) writeIn(ctx context.Context, r runner, p Peer) error {
	id := l.numbers.Add(1)
	l.note(id, refused)
	return r.exec(ctx, insertRow(p), id)
}

func insertRow(p Peer) string {
	return p.pick("INSERT INTO ledger VALUES ($1)", "INSERT INTO ledger VALUES (?)")
}

// writeTx inserts a row in a transaction. What the caller knows depends on how
// far it came: before COMMIT was asked for, nothing can be there.
func (l *ledger) writeTx(ctx context.Context, p pool, peer Peer) error {
	id := l.numbers.Add(1)
	tx, err := p.begin(ctx, false)
	if err != nil {
		l.note(id, refused)
		return err
	}
	if err := tx.exec(ctx, insertRow(peer), id); err != nil {
		l.note(id, refused)
		_ = tx.rollback()
		return err
	}
	err = tx.commit()
	l.note(id, knownBy(err))
	return err
}

func (l *ledger) note(id int64, t told) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told[id] = t
}

// knownBy is what the error of a write on its own, or of a COMMIT, tells.
func knownBy(err error) told {
	var sentAway *akari.AcquireError
	switch {
	case err == nil:
		return acknowledged
	case errors.Is(err, akari.ErrOutcomeUnknown):
		return uncertain
	case errors.As(err, &sentAway):
		return refused
	}
	switch classOf(err) {
	case classDeadline, classReset, classEOF, classBadConn, classInvalid, classNetwork:
		return uncertain
	}
	return refused // the server's answer, or no connection
}

// audit reads the tables of all servers to which callers may have been led, and
// compares.
func (l *ledger) audit(ctx context.Context, servers ...*sql.DB) (a Audit, err error) {
	there := map[int64]int{}
	for _, db := range servers {
		if err := rowsOf(ctx, db, there); err != nil {
			return a, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, n := range there {
		a.Written += n
		if n > 1 {
			a.Doubled++
			if l.told[id] == acknowledged {
				a.Silent++
			}
		}
		if l.told[id] == refused {
			a.Denied++
		}
	}
	for id, t := range l.told {
		switch {
		case t == uncertain:
			a.Unknown++
		case t == acknowledged && there[id] == 0:
			a.Missing++
		}
	}
	return a, nil
}

// rowsOf adds what a table has: how often each number.
func rowsOf(ctx context.Context, db *sql.DB, there map[int64]int) error {
	rows, err := db.QueryContext(ctx, "SELECT id, COUNT(*) FROM ledger GROUP BY id")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return err
		}
		there[id] += n
	}
	return rows.Err()
}
