package akaritest

import (
	"database/sql/driver"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// Op is a set of driver calls. Combine with |.
type Op uint32

// The calls of a driver. OpExec, OpQuery and OpCheck stand for the methods of
// the connection and of a prepared statement alike, with or without context.
const (
	OpConnect   Op = 1 << iota // Connector.Connect, Driver.Open
	OpPing                     // Conn.Ping
	OpPrepare                  // Conn.Prepare
	OpExec                     // Exec
	OpQuery                    // Query
	OpBegin                    // Conn.Begin
	OpCommit                   // Tx.Commit
	OpRollback                 // Tx.Rollback
	OpNext                     // Rows.Next
	OpNextSet                  // Rows.NextResultSet
	OpRowsClose                // Rows.Close
	OpStmtClose                // Stmt.Close
	OpCheck                    // CheckNamedValue
	OpReset                    // Conn.ResetSession
	OpIsValid                  // Conn.IsValid
	OpClose                    // Conn.Close

	// OpAny is every call.
	OpAny Op = 1<<iota - 1
)

var opNames = [...]string{
	"Connect", "Ping", "Prepare", "Exec", "Query", "Begin", "Commit", "Rollback",
	"Next", "NextSet", "RowsClose", "StmtClose", "Check", "Reset", "IsValid", "Close",
}

const numOps = len(opNames)

// index is the position of a single Op in arrays of numOps elements.
func (op Op) index() int { return bits.TrailingZeros32(uint32(op)) }

// String names the calls in the set: "Exec|Query".
func (op Op) String() string { return bitNames(uint(op), opNames[:]) }

// bitNames joins the names of the bits of set that are on.
func bitNames(set uint, names []string) string {
	var on []string
	for i, name := range names {
		if set&(1<<i) != 0 {
			on = append(on, name)
		}
	}
	if rest := set &^ (1<<len(names) - 1); rest != 0 {
		on = append(on, fmt.Sprintf("%#x", rest))
	}
	if len(on) == 0 {
		return "none"
	}
	return strings.Join(on, "|")
}

// Call is one call of a driver method, as predicates and recordings see it.
type Call struct {
	// Op is the call: one bit, never a combination.
	Op Op

	// ConnID says on which connection; 0 for OpConnect.
	ConnID int

	// Text is the statement, with OpPrepare, OpExec, OpQuery, OpNext,
	// OpNextSet, OpRowsClose and OpStmtClose.
	Text string

	// Args are the arguments, with OpExec and OpQuery. They are those of the
	// caller and may be read only while the predicate runs; a Recording has
	// copies.
	Args []driver.NamedValue

	// Prepared: Exec or Query of a prepared statement.
	Prepared bool
}

// String shows the call in one line, without its arguments: "3 Exec INSERT 7".
func (c Call) String() string {
	text := fmt.Sprintf("%d %s", c.ConnID, c.Op)
	if c.Prepared {
		text += " prepared"
	}
	if c.Text != "" {
		text += " " + c.Text
	}
	return text
}

func (c Call) clone() Call {
	c.Args = slices.Clone(c.Args)
	return c
}
