package akaritest

import (
	"context"
	"database/sql/driver"
)

// stmt is a prepared statement.
type stmt struct {
	conn   *conn  // read only
	text   string // read only
	closed bool   // guarded by conn.mu
}

// openStmt hands a statement to the client; from now on it counts as open.
func (c *conn) openStmt(text string) driver.Stmt {
	c.mu.Lock()
	c.stmts++
	c.mu.Unlock()
	s := c.server
	s.stmts.Add(1)
	s.mu.Lock()
	s.prepared++
	s.mu.Unlock()
	ds, _ := (&stmt{conn: c, text: text}).with(s.profile.Stmt) // NewServer has checked
	return ds
}

// numInput is the number of ? in the statement, or unknown if there is none:
// ECHO takes as many arguments as there are.
func (st *stmt) numInput() int {
	if n := placeholders(st.conn.server.program(st.text)); n > 0 {
		return n
	}
	return -1
}

func (st *stmt) exec(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if st.isClosed() {
		st.conn.violate("Exec of a closed statement")
		return nil, errClosed
	}
	return st.conn.exec(ctx, &Call{
		Op: OpExec, ConnID: st.conn.id, Text: st.text, Args: args, Prepared: true,
	})
}

func (st *stmt) query(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if st.isClosed() {
		st.conn.violate("Query of a closed statement")
		return nil, errClosed
	}
	return st.conn.query(ctx, &Call{
		Op: OpQuery, ConnID: st.conn.id, Text: st.text, Args: args, Prepared: true,
	})
}

func (st *stmt) isClosed() bool {
	st.conn.mu.Lock()
	defer st.conn.mu.Unlock()
	return st.closed
}

// close closes the statement whatever else goes wrong in it.
func (st *stmt) close() error {
	c := st.conn
	call := Call{Op: OpStmtClose, ConnID: c.id, Text: st.text}
	defer c.leave(c.enter(&call))
	c.server.arrived(&call)
	if st.isClosed() {
		c.violate("StmtClose of a closed statement")
		return errClosed
	}
	if c.fate.Load() == closed {
		c.violate("StmtClose after Close")
		return errClosed
	}
	defer st.forget()
	if err := c.server.before(context.Background(), c, &call); err != nil {
		return unlessNil(err)
	}
	st.forget()
	return unlessNil(c.depart(context.Background(), &call))
}

func (st *stmt) forget() {
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.closed {
		return
	}
	st.closed = true
	if c.stmts > 0 { // 0 after Close of the connection, which counted them off
		c.stmts--
		c.server.stmts.Add(-1)
	}
}
