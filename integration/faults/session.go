package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// sessionState: what one borrower did to his session meets the next one.
var sessionState = Fault{
	ID:   "F7",
	Name: "Session state of one borrower seen by the next",
	Measured: "for each kind, on a pool of one connection in its default settings: a borrower changes his session and returns, " +
		"the next one looks, and sees what a fresh session does not have; then he writes",
	Wanted: "none",
	Peers:  everywhere,
	try: func(ctx context.Context, s *site, f *Figures) error {
		t := newTally()
		defer t.into(f)
		for _, k := range kindsOf(s.peer) {
			leaked, err := s.leaks(ctx, k, t, f)
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			f.Tried++
			if leaked {
				f.Leaks = append(f.Leaks, k.name)
			}
		}
		return nil
	},
	tell: func(f Figures) string {
		if len(f.Leaks) == 0 {
			return fmt.Sprintf("0 of %d", f.Tried)
		}
		return fmt.Sprintf("**%d of %d**: %s", len(f.Leaks), f.Tried, strings.Join(f.Leaks, ", "))
	},
}

// leaks tries one kind on a pool of its own, so that kinds do not meet.
func (s *site) leaks(ctx context.Context, k sessionKind, t *tally, f *Figures) (bool, error) {
	fresh, err := s.seen(ctx, k, nil, t, f)
	if err != nil {
		return false, err
	}
	after, err := s.seen(ctx, k, k.do, t, f)
	return after != fresh, err
}

// seen is what a borrower sees when the one before him has run some statements.
// An error is a sight as well.
func (s *site) seen(ctx context.Context, k sessionKind, do []string, t *tally, f *Figures) (sight string, err error) {
	dsn := s.direct()
	if s.node != nil {
		dsn = s.dsn(s.Addr(), s.User, s.Password) // who may change his role
	}
	p, err := s.open(ctx, dsn, openOptions{size: 1})
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, s.closePool(ctx, p, f))
		if s.node != nil {
			err = errors.Join(err, s.waitUntilClosed(ctx, closing))
		}
	}()
	if !s.peer.postgres() && !s.peer.onFile() {
		// akari closes the first connection that it has to clean on MariaDB,
		// and learns from the next one what a session must look like.
		if err := p.exec(ctx, "SET @first = 1"); err != nil {
			return "", err
		}
	}
	h, err := p.hold(ctx)
	if err != nil {
		return "", err
	}
	for _, statement := range do {
		if err := h.exec(ctx, statement); err != nil {
			_ = h.release()
			return "", fmt.Errorf("%s: %w", statement, err)
		}
	}
	if err := h.release(); err != nil {
		return "", err
	}
	one, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	defer func() {
		_ = t.call(func() error { return s.ledger.write(one, p, s.peer) })
	}()
	if strings.HasPrefix(k.look, "SAVEPOINT") { // no query
		return s.nested(one, p)
	}
	if err := p.get(one, &sight, k.look); err != nil {
		return "error " + codeOf(err), nil
	}
	return sight, nil
}

// nested tells whether a transaction is open in SQLite: a second one cannot be
// begun.
func (s *site) nested(ctx context.Context, p pool) (string, error) {
	err := p.exec(ctx, "BEGIN; COMMIT")
	if err != nil && strings.Contains(err.Error(), "within a transaction") {
		return "in a transaction", nil
	}
	return "", err
}

// leftOpen: a borrower leaves a transaction open that the pool does not know of.
var leftOpen = Fault{
	ID:       "F19",
	Name:     "A borrower leaves BEGIN open; the next one's INSERT reports success",
	Measured: "on a pool of one connection; the row is looked for by somebody else when the pool has been closed",
	Wanted:   "the row is there",
	Peers:    everywhere,

	tellsLedger: true,
	try: func(ctx context.Context, s *site, f *Figures) error {
		p, err := s.open(ctx, s.direct(), openOptions{size: 1})
		if err != nil {
			return err
		}
		h, err := p.hold(ctx)
		if err != nil {
			return err
		}
		if err := h.exec(ctx, "BEGIN"); err != nil {
			return err
		}
		if err := h.release(); err != nil {
			return err
		}
		t := newTally()
		_ = t.call(func() error { return s.ledger.write(ctx, p, s.peer) })
		t.into(f)
		return nil
	},
	tell: func(f Figures) string {
		switch {
		case f.Ledger.Missing > 0:
			return "**the acknowledged row is lost**"
		case f.Errors.Total() > 0:
			return sayNoErrors(f)
		}
		return "the row is there"
	},
}
