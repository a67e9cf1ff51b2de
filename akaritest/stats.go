package akaritest

import (
	"cmp"
	"database/sql/driver"
	"maps"
	"slices"
	"time"
)

// Stats is the truth about connections as the server sees it, whatever a pool
// believes.
type Stats struct {
	// Connections. One counts as open from the moment the server has accepted
	// it until its Close has returned.
	Open     int // now
	MaxOpen  int // most at once, ever
	Opened   int // ever
	Sessions int // of Open, those the server has not ended

	// Connect calls under way, and most at once.
	Connecting, MaxConnecting int

	// Calls of Close of the connectors.
	ConnectorCloses int

	// Open now: handed to the client and not closed. Closing a connection
	// closes what it has; so does the loss of one, for transactions.
	Stmts, Rows, Txs int

	// Done ever: these took effect at the server.
	Prepared   int
	Statements int // texts executed, prepared or not
	Begun      int // transactions, by call or by statement
	Committed  int
	RolledBack int

	// Violations ever recorded.
	Violations int
}

// Stats returns the numbers of this moment.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Open:            len(s.conns),
		MaxOpen:         s.maxOpen,
		Opened:          s.lastID,
		Sessions:        s.sessions,
		Connecting:      s.connecting,
		MaxConnecting:   s.maxDialing,
		ConnectorCloses: s.closes,
		Stmts:           int(s.stmts.Load()),
		Rows:            int(s.rows.Load()),
		Txs:             s.openTxs,
		Prepared:        s.prepared,
		Statements:      s.statements,
		Begun:           s.begun,
		Committed:       s.committed,
		RolledBack:      s.rolledBack,
		Violations:      s.violated,
	}
}

// Calls returns how many calls of the given kinds have arrived, whatever came
// of them.
func (s *Server) Calls(ops Op) int {
	n := int64(0)
	for i := range numOps {
		if ops&(1<<i) != 0 {
			n += s.calls[i].Load()
		}
	}
	return int(n)
}

// Executions returns how often the server has executed a statement of exactly
// this text, prepared or not, with success or not.
func (s *Server) Executions(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.executions[text]
}

// Texts returns how often each statement has been executed.
func (s *Server) Texts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.executions)
}

// ConnInfo is one open connection.
type ConnInfo struct {
	ID      int
	Opened  time.Time
	Session bool // the server has not ended it

	Stmts, Rows int // open

	InTx bool
	Tx   driver.TxOptions // of the open transaction

	// State of the session: SET, TEMP, LOCK.
	Vars         map[string]string
	Temps, Locks []string
}

// Conns returns the open connections in the order they were opened.
func (s *Server) Conns() []ConnInfo {
	var infos []ConnInfo
	for _, c := range s.openConns() {
		infos = append(infos, c.info())
	}
	slices.SortFunc(infos, func(a, b ConnInfo) int { return cmp.Compare(a.ID, b.ID) })
	return infos
}

func (c *conn) info() ConnInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	info := ConnInfo{
		ID:      c.id,
		Opened:  c.opened,
		Session: c.fate.Load() == alive,
		Stmts:   c.stmts,
		Rows:    c.rows,
		Vars:    maps.Clone(c.session.vars),
		Temps:   slices.Sorted(maps.Keys(c.session.temps)),
		Locks:   c.heldLocks(),
	}
	if t := c.session.tx; t != nil {
		info.InTx, info.Tx = true, t.opts
	}
	return info
}
