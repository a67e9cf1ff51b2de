// Package sessionstate looks at the text of SQL statements and says what they
// may leave behind in the database session that runs them, so that a pool
// knows when a connection must be cleaned before the next borrower gets it.
//
// # Not a parser
//
// The package scans words. It knows how each kind of server tells code from
// literals and comments, which word a statement begins with, a few words that
// count anywhere, and the names of the servers' own functions that change a
// session. It decides by one rule: a change of the session is never missed; a
// false alarm, which costs the pool one cleaning, is allowed but kept away from
// ordinary statements.
//
// Where servers, their versions or their settings read a text differently, it
// either reads the text in each of the ways and adds up what it finds (the
// backslash in literals: standard_conforming_strings, NO_BACKSLASH_ESCAPES,
// ANSI_QUOTES), or, for things that hardly occur, answers [Opaque] (executable
// comments of MySQL, identifiers with Unicode escapes, NUL bytes, text that is
// not UTF-8 and the like). So no literal or comment can hide code.
//
// # What an answer covers
//
// An answer holds for a session that was clean before. State that builds on
// earlier state, such as a view made on a temporary table or a statement that
// runs while autocommit is off, is announced by the earlier statement: whoever
// asks adds up the answers for all statements of a borrower.
//
// # What it cannot see
//
//   - What a function, procedure, trigger, rule, view or operator made by a
//     user does inside. CALL and DO are always [Opaque], and a function whose
//     name begins with set_ is taken to set something, but SELECT tenant_in('a')
//     looks like any other SELECT.
//   - The functions of extensions and plug-ins, but for a few well-known ones.
//   - The last values of sequences and of generated keys (currval, lastval,
//     LAST_INSERT_ID, ROW_COUNT, FOUND_ROWS and the list of warnings): every
//     INSERT would have to be named.
//   - Servers other than PostgreSQL, MySQL, MariaDB, SQLite and those that
//     speak their language. [Unknown] means "one of these".
//   - Character sets in which an ASCII byte can be a part of another character
//     (gbk, big5, sjis, cp932, gb18030) as the character set of a connection.
//     A change to one by SET NAMES is seen like any other SET.
//
// A pool offers its users another way for those: to clean after every borrower,
// or a hook of their own.
package sessionstate

import (
	"strings"
	"unicode/utf8"
)

// Dialect says whose language a text is in.
type Dialect uint8

// The dialects.
const (
	Unknown    Dialect = iota // one of those below: what any of them would say
	PostgreSQL                // and those who speak like it
	MySQL                     // and MariaDB
	SQLite
	dialects
)

func (d Dialect) String() string {
	if d >= dialects {
		return "invalid dialect"
	}
	return [dialects]string{"unknown dialect", "PostgreSQL", "MySQL", "SQLite"}[d]
}

// Effect is a set of things that a text may do to its session. Each bit means
// "may", except [TxEnd].
type Effect uint16

// The effects.
const (
	// TxBegin: a transaction may be open afterwards. It says nothing about the
	// order within the text: after "COMMIT; BEGIN" and after "BEGIN; COMMIT"
	// both TxBegin and TxEnd are set, so whoever tracks transactions must let
	// TxBegin win.
	TxBegin Effect = 1 << iota

	// TxEnd: a transaction has certainly been ended on the way, if the text ran
	// without an error. It is the one bit that is left out when in doubt:
	// believing in an open transaction costs a ROLLBACK, believing in a closed
	// one can lose a write. MySQL's implicit commits do not set it.
	TxEnd

	// ReadOnlyTx: the text asks for a read-only transaction or session, so that
	// a later "read-only" error may be the user's own and no sign that the
	// server was demoted.
	ReadOnlyTx

	Settings  // a setting, the role, the user, the default database, a PRAGMA
	Temporary // a temporary table, view, sequence, function or slot; an attached database
	Locks     // a lock that outlives the transaction
	Listen    // LISTEN or UNLISTEN
	Prepared  // a statement prepared, or forgotten, by SQL text
	Cursor    // a cursor that outlives the transaction
	Variables // a user variable of MySQL
	Opaque    // nobody can tell: anything may have changed
	Permanent // what only the end of the session undoes: no command for cleaning does

	effects = iota
)

// Lasting is the set of effects that stay in the session when no transaction is
// open any more.
const Lasting = Settings | Temporary | Locks | Listen | Prepared | Cursor | Variables | Opaque | Permanent

// String returns the effects for a log, such as "settings|temp tables".
func (e Effect) String() string {
	names := [effects]string{
		"begin", "end", "read-only", "settings", "temp tables", "locks",
		"listen", "prepared", "cursor", "variables", "opaque", "permanent",
	}
	var set []string
	for i, name := range names {
		if e&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	if e>>effects != 0 {
		set = append(set, "invalid")
	}
	if set == nil {
		return "none"
	}
	return strings.Join(set, "|")
}

// Classify returns what the statements in query, one or several separated by
// semicolons, may do to the session that runs them. An unknown value of d is
// taken as [Unknown]. It may be called from any goroutine, does not allocate
// and takes time in proportion to the length of query, whatever is in it.
func Classify(d Dialect, query string) Effect {
	if d >= dialects {
		d = Unknown
	}
	var found Effect
	ends := TxEnd
	for i := range readings[d] {
		r := &readings[d][i]
		if !r.differs(query) {
			continue
		}
		e := read(query, r)
		found |= e &^ TxEnd
		ends &= e
	}
	// A server stops at a NUL byte or refuses it, and what is not UTF-8 may be
	// cut into characters in other ways than here.
	if strings.IndexByte(query, 0) >= 0 || !utf8.ValidString(query) {
		found |= Opaque
	}
	if found&Opaque != 0 {
		ends = 0
	}
	return found | ends
}

// literals is a set of kinds of literal.
type literals uint8

const (
	inSingle literals = 1 << iota // '…'
	inDouble                      // "…"
)

// reading is one way in which a server may understand a text.
type reading struct {
	dialect Dialect
	union   bool // the server may be of another dialect: its words are none of ours

	escapes  literals // where a backslash takes away the meaning of the next byte
	brackets bool     // […] quotes an identifier

	// onlyWith holds the bytes without which a text reads as in the first
	// reading of the dialect.
	onlyWith string
}

// differs reports whether query has to be read in this way, too.
func (r *reading) differs(query string) bool {
	for i := range len(r.onlyWith) {
		if strings.IndexByte(query, r.onlyWith[i]) < 0 {
			return false
		}
	}
	return true
}

// readings are the ways to read a text of each dialect: all that its servers'
// settings allow.
var readings = func() (r [dialects][]reading) {
	r[PostgreSQL] = []reading{
		{dialect: PostgreSQL},
		{dialect: PostgreSQL, escapes: inSingle, onlyWith: `\`}, // standard_conforming_strings = off
	}
	// By sql_mode. MSSQL is one of MariaDB and includes ANSI_QUOTES.
	r[MySQL] = []reading{
		{dialect: MySQL, escapes: inSingle | inDouble},
		{dialect: MySQL, escapes: inSingle, onlyWith: `\`},                 // ANSI_QUOTES
		{dialect: MySQL, onlyWith: `\`},                                    // NO_BACKSLASH_ESCAPES
		{dialect: MySQL, escapes: inSingle, brackets: true, onlyWith: `[`}, // MSSQL
		{dialect: MySQL, brackets: true, onlyWith: `[\`},                   // MSSQL, NO_BACKSLASH_ESCAPES
	}
	r[SQLite] = []reading{
		{dialect: SQLite, brackets: true},
	}
	for d := Unknown + 1; d < dialects; d++ {
		for _, one := range r[d] {
			one.union = true
			r[Unknown] = append(r[Unknown], one)
		}
	}
	return r
}()
