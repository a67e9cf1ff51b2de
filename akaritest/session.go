package akaritest

import (
	"database/sql/driver"
	"maps"
	"slices"
)

// session is what the server keeps for one connection; guarded by conn.mu.
type session struct {
	vars  map[string]string   // SET
	temps map[string]struct{} // TEMP
	tx    *transaction        // nil: none is open
}

// transaction is an open transaction.
type transaction struct {
	opts       driver.TxOptions
	undo       []func() // what ROLLBACK does, newest last; run under conn.mu
	savepoints []savepoint
	failed     bool // with Profile.ErrorAborts: only a rollback helps
}

type savepoint struct {
	name string
	mark int // length of undo when it was set
}

// onRollback says how to undo what was just done. Outside a transaction it is
// done for good.
func (s *session) onRollback(undo func()) {
	if s.tx != nil {
		s.tx.undo = append(s.tx.undo, undo)
	}
}

// back undoes everything after mark.
func (t *transaction) back(mark int) {
	for _, undo := range slices.Backward(t.undo[mark:]) {
		undo()
	}
	t.undo = t.undo[:mark]
}

func (s *session) set(key, value string) {
	old, had := s.vars[key]
	s.onRollback(func() {
		if had {
			s.vars[key] = old
		} else {
			delete(s.vars, key)
		}
	})
	if s.vars == nil {
		s.vars = make(map[string]string)
	}
	s.vars[key] = value
}

func (s *session) reset(key string) {
	if old, had := s.vars[key]; had {
		s.onRollback(func() { s.vars[key] = old })
		delete(s.vars, key)
	}
}

func (s *session) addTemp(name string) (added bool) {
	if _, ok := s.temps[name]; ok {
		return false
	}
	if s.temps == nil {
		s.temps = make(map[string]struct{})
	}
	s.temps[name] = struct{}{}
	s.onRollback(func() { delete(s.temps, name) })
	return true
}

// clearLocked puts the session into the state of a new one: transaction rolled
// back, variables, temporary things and locks gone.
func (c *conn) clearLocked() {
	if c.session.tx != nil {
		_ = c.rollbackLocked() // cannot fail
	}
	c.session = session{}
	c.unlockAll()
}

func (c *conn) beginLocked(opts driver.TxOptions) error {
	s := c.server
	if c.session.tx != nil {
		return s.fail(transactionOpen, "BEGIN: a transaction is open on this connection")
	}
	c.session.tx = &transaction{opts: opts}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
	s.openTxs++
	return nil
}

// commitLocked commits the open transaction; there must be one.
func (c *conn) commitLocked() error {
	s := c.server
	if c.session.tx.failed {
		_ = c.rollbackLocked() // cannot fail
		return s.fail(transactionAborted, "COMMIT: the transaction had failed and was rolled back")
	}
	c.session.tx = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.commit(c)
	s.committed++
	s.openTxs--
	return nil
}

// rollbackLocked rolls the open transaction back; there must be one.
func (c *conn) rollbackLocked() error {
	c.session.tx.back(0)
	c.session.tx = nil
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rolledBack++
	s.openTxs--
	return nil
}

// failTx notes that a statement has failed.
func (c *conn) failTx() {
	if !c.server.profile.ErrorAborts {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session.tx != nil {
		c.session.tx.failed = true
	}
}

func (t *transaction) find(name string) (index int, ok bool) {
	for i, s := range slices.Backward(t.savepoints) {
		if s.name == name {
			return i, true
		}
	}
	return 0, false
}

// lock takes a lock of the server for the session, and reports false if another
// one has it. Locks outlive the transaction.
func (c *conn) lock(name string) bool {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if holder, ok := s.locks[name]; ok {
		return holder == c
	}
	s.locks[name] = c
	return true
}

func (c *conn) unlock(name string) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks[name] == c {
		delete(s.locks, name)
	}
}

func (c *conn) unlockAll() {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.locks, func(_ string, holder *conn) bool { return holder == c })
}

// heldLocks returns the names of the session's locks in order.
func (c *conn) heldLocks() []string {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name, holder := range s.locks {
		if holder == c {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
