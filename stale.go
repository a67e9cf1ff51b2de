package akari

import (
	"strings"

	"github.com/akaripool/akari/internal/sessionstate"
)

// PostgreSQL refuses a prepared statement once a change of a table has changed
// what it returns (0A000, "cached plan must not change result type"). Outside of
// a transaction the pool prepares again; within one the transaction is lost. A
// program whose driver prepares each text anew never sees that error, and must
// not because of the pool's cache: so the cache forgets when a table changes.
//
// A change made by somebody else than the pool's own borrowers is met with the
// error. It is the same with every cache of statements, as pgx's and JDBC's.

// tableChange is what a text may do to tables.
type tableChange uint8

const (
	tablesStay   tableChange = iota
	ownTables                // those that only its session sees
	sharedTables             // those of all
)

// tableChangeOf looks for the words of DDL anywhere in the text. One that is a
// name or in a literal costs no more than to prepare again.
func tableChangeOf(d Dialect, effect sessionstate.Effect, query string) tableChange {
	if d != DialectPostgreSQL {
		return tablesStay // the others prepare again by themselves
	}
	for word := range strings.FieldsFuncSeq(query, notInWord) {
		switch {
		case strings.EqualFold(word, "alter"), strings.EqualFold(word, "drop"):
			return sharedTables
		case strings.EqualFold(word, "create"):
			if effect&sessionstate.Temporary == 0 {
				return sharedTables
			}
		}
	}
	if effect&(sessionstate.Temporary|sessionstate.Opaque) != 0 {
		return ownTables
	}
	return tablesStay
}

func notInWord(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r >= 0x80)
}

// tablesChanged takes down what a statement that has succeeded may have done to
// tables.
func (e *entry) tablesChanged(change tableChange) {
	if change != tablesStay {
		e.tables = max(e.tables, change)
		e.stmts.discardAll()
	}
}

// settleTables is called when a transaction, or a loan, has ended, whichever
// way: what was prepared since the change may be as stale as what was before.
func (e *entry) settleTables(p *Pool) {
	switch e.tables {
	case tablesStay:
		return
	case sharedTables:
		p.tableChanges.Add(1)
	}
	e.tables = tablesStay
	e.stmts.discardAll()
}

// freshStatements drops statements that were prepared before tables were changed.
func (e *entry) freshStatements(p *Pool) {
	if n := p.tableChanges.Load(); n != e.stmts.tableChanges {
		e.stmts.discardAll()
		e.stmts.tableChanges = n
	}
}
