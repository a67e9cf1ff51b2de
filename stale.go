package akari

import (
	"strings"

	"github.com/akaripool/akari/internal/sessionstate"
)

// A prepared statement is more than its text: the server has looked up what the
// names in it mean. When tables change, or the session changes how it looks names
// up, a statement that is kept is no longer what the program would get without a
// pool, whose driver prepares each text anew:
//
//   - PostgreSQL refuses it if its result would change (0A000), which loses a
//     transaction; the types of its parameters stay as they were, without a word;
//   - MySQL goes on in the database, and with the sql_mode, in which it was
//     prepared.
//
// So the cache forgets when a text changes any of that. Changes to tables made by
// others than the pool's own borrowers are not seen; it is the same with every
// cache of statements, as pgx's and JDBC's.

// change is what a text may do to the meaning of others.
type change uint8

const (
	noChange     change = iota
	ownNames            // for its session: search_path, the database, temporary tables
	sharedTables        // for everybody
)

// changeOf looks for the words of DDL anywhere in the text. One that is a name or
// in a literal costs no more than to prepare again.
func changeOf(d Dialect, effect sessionstate.Effect, query string) change {
	const names = sessionstate.Temporary | sessionstate.Prepared | sessionstate.Opaque
	switch d {
	case DialectSQLite:
		return noChange // it prepares again by itself
	case DialectPostgreSQL:
	default:
		if effect&(names|sessionstate.Settings) != 0 {
			return ownNames
		}
		return noChange
	}
	found := noChange
	if effect&names != 0 {
		found = ownNames
	}
	// SET LOCAL leaves nothing behind, and no effect tells of it.
	setting := effect&sessionstate.Settings != 0 || callsSetConfig(query)
	first := true
	for word := range strings.FieldsFuncSeq(query, notInWord) {
		setting = setting || first && is(word, "set")
		first = false
		switch {
		case effect&sessionstate.Opaque != 0 && is(word, "do"), // a block, which may do anything
			is(word, "alter", "drop"), is(word, "create") && effect&sessionstate.Temporary == 0:
			return max(found, sharedTables)
		case setting && is(word, "search_path", "schema", "role", "authorization", "reset"),
			effect&sessionstate.Settings != 0 && is(word, "set_config"):
			found = max(found, ownNames)
		}
	}
	if found == noChange && strings.Contains(strings.ReplaceAll(query, " ", ""), "set_config($") {
		return ownNames // of whatever setting
	}
	return found
}

func callsSetConfig(query string) bool {
	for word := range strings.FieldsFuncSeq(query, notInWord) {
		if is(word, "set_config") {
			return true
		}
	}
	return false
}

// endsTx reports whether a text may end a transaction that it begins in.
func endsTx(d Dialect, effect sessionstate.Effect, query string) bool {
	if effect&(sessionstate.TxEnd|sessionstate.Opaque) != 0 {
		return true
	}
	if d == DialectMySQL { // DDL commits
		for word := range strings.FieldsFuncSeq(query, notInWord) {
			if is(word, "alter", "create", "drop", "truncate", "rename", "grant", "revoke", "lock", "begin", "start") {
				return true
			}
		}
	}
	return false
}

// demarcates reports whether a text certainly begins or ends a transaction.
func demarcates(effect sessionstate.Effect, query string) bool {
	if effect&sessionstate.TxEnd != 0 {
		return true
	}
	if effect&(sessionstate.TxBegin|sessionstate.Opaque) == sessionstate.TxBegin {
		for word := range strings.FieldsFuncSeq(query, notInWord) {
			if is(word, "begin", "start") {
				return true
			}
		}
	}
	return false
}

// undoes reports whether a text may take back what was done in a transaction.
func undoes(query string) bool {
	for word := range strings.FieldsFuncSeq(query, notInWord) {
		if is(word, "rollback", "abort") {
			return true
		}
	}
	return false
}

// is compares a word with others, in lower case.
func is(word string, others ...string) bool {
	for _, o := range others {
		if strings.EqualFold(word, o) {
			return true
		}
	}
	return false
}

func notInWord(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r >= 0x80)
}

// meaningChanged takes down what a text that was executed, or partly, may have done.
func (e *entry) meaningChanged(c change) {
	switch c {
	case noChange:
		return
	case sharedTables:
		e.stmts.discardAll()
		e.tables = true
	default:
		e.stmts.unshare(e.uses.Load())
	}
	e.moved = e.moved || c != sharedTables
}

// rawChanged takes down that the driver's own connection was handed out.
func (e *entry) rawChanged(p *Pool) {
	e.changed |= sessionstate.Opaque
	if e.caps.profile.dialect == DialectPostgreSQL && p.caches(&e.caps.profile) {
		e.meaningChanged(sharedTables) // it may have been ALTER TABLE
	}
	e.meaningChanged(ownNames)
}

// settleTables is called when nothing can be taken back any more, txOver when a
// transaction has ended, whichever way: what was prepared since a table was changed
// may be as stale as what was before.
func (e *entry) settleTables(p *Pool, txOver bool) {
	if e.tables {
		e.tables = false
		e.stmts.discardAll()
		p.tableChanges.Add(1)
	} else if e.moved && txOver {
		e.stmts.unshare(e.uses.Load()) // SET LOCAL is over
	}
}

// freshStatements drops statements that were prepared before tables were changed.
func (e *entry) freshStatements(p *Pool) {
	if n := p.tableChanges.Load(); n != e.stmts.tableChanges {
		e.stmts.unshare(e.uses.Load())
		e.stmts.tableChanges = n
	}
}
