package akaritest

import (
	"maps"
	"slices"
)

// ledger is the server's one table, of unique numbers; guarded by Server.mu. A
// number inserted in a transaction is pending until that ends, and only its own
// session sees it.
type ledger struct {
	committed map[int64]struct{}
	pending   map[int64]*conn
	inserts   map[int64]int // INSERT statements executed for a number
}

func newLedger() ledger {
	return ledger{
		committed: make(map[int64]struct{}),
		pending:   make(map[int64]*conn),
		inserts:   make(map[int64]int),
	}
}

func (l *ledger) commit(c *conn) {
	for id, owner := range l.pending {
		if owner == c {
			delete(l.pending, id)
			l.committed[id] = struct{}{}
		}
	}
}

func (l *ledger) visible(id int64, c *conn) bool {
	_, ok := l.committed[id]
	return ok || l.pending[id] == c
}

func (l *ledger) count(c *conn) int {
	n := len(l.committed)
	for _, owner := range l.pending {
		if owner == c {
			n++
		}
	}
	return n
}

// insertLocked is the statement INSERT; c.mu is held.
func (c *conn) insertLocked(id int64) error {
	s := c.server
	t := c.session.tx
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.ledger
	l.inserts[id]++
	if t != nil && t.opts.ReadOnly {
		return s.fail(readOnly, "INSERT %d: the transaction is read-only", id)
	}
	if l.visible(id, c) {
		return s.fail(duplicateID, "INSERT %d: there is that number already", id)
	}
	if owner, ok := l.pending[id]; ok {
		return s.fail(inserting, "INSERT %d: connection %d is inserting that number", id, owner.id)
	}
	if t == nil {
		l.committed[id] = struct{}{}
		return nil
	}
	l.pending[id] = c
	c.session.onRollback(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(l.pending, id)
	})
	return nil
}

// Committed returns the numbers in the ledger that every session sees, in order.
func (s *Server) Committed() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.ledger.committed))
}

// Has reports whether a number is committed in the ledger.
func (s *Server) Has(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.ledger.committed[id]
	return ok
}

// Inserts returns how often the server has executed INSERT for a number,
// whatever came of it. More than once, without a retry by the caller, means that
// a statement was executed twice.
func (s *Server) Inserts(id int64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.inserts[id]
}
