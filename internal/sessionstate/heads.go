package sessionstate

import (
	"maps"
	"strings"
)

// rule says what to look for in the words after the first one of a statement.
type rule uint8

const (
	noWordYet   rule = iota // the first word is still to come
	plain                   // nothing but what counts in any statement
	begins                  // BEGIN
	beginsBlock             // BEGIN of MySQL, which may begin a block of statements
	starts                  // START
	ends                    // COMMIT, ROLLBACK and the like
	sets                    // SET of PostgreSQL
	assigns                 // SET of MySQL
	assignsFor              // SET STATEMENT … FOR statement, of MariaDB
	creates                 // CREATE, ALTER
	drops                   // DROP of MySQL
	prepares                // PREPARE of PostgreSQL
	declares                // DECLARE of PostgreSQL
	explains                // EXPLAIN of PostgreSQL
	compiles                // EXPLAIN of SQLite
	flushes                 // FLUSH of MySQL
	handles                 // HANDLER of MySQL
	loads                   // LOAD of MySQL
	xa                      // XA of MySQL
	pragma                  // PRAGMA of SQLite
)

// head is what the first word of a statement says: what the statement does in
// any case, and what else to look for.
type head struct {
	effect Effect
	rule   rule
}

// heads holds, for each dialect, every word that a statement without harm may
// begin with, and those whose harm is known. All others are Opaque. The words
// that are in spite of being words of the dialect are listed too, for the sake
// of Unknown: what is harmless in MySQL, such as DO, may not be so elsewhere.
var heads = [dialects]map[string]head{
	PostgreSQL: join(all(Opaque, `call discard do execute`), all(Opaque|Permanent, `load`), all(0, `
		analyse analyze checkpoint close cluster comment copy delete fetch grant
		import insert lock merge move notify reassign refresh reindex release
		revoke savepoint security select show table truncate update upsert
		vacuum values with`),
		map[string]head{
			"abort":      {rule: ends},
			"alter":      {rule: creates},
			"begin":      {TxBegin, begins},
			"commit":     {rule: ends},
			"create":     {rule: creates},
			"deallocate": {Prepared, plain},
			"declare":    {rule: declares},
			"drop":       {rule: plain},
			"end":        {rule: ends},
			"explain":    {rule: explains},
			"listen":     {Listen, plain},
			"prepare":    {rule: prepares},
			"reset":      {Settings, plain},
			"rollback":   {rule: ends},
			"set":        {rule: sets},
			"start":      {rule: starts},
			"unlisten":   {Listen, plain},
		}),

	// END is harmless in MySQL since it only closes a block.
	MySQL: join(all(Opaque, `call declare execute`), all(0, `
		analyze cache check checksum delete desc describe do end explain grant
		help import insert kill optimize purge release rename repair replace
		resignal revoke savepoint select show signal table truncate update
		values with`),
		map[string]head{
			"alter":      {rule: creates},
			"backup":     {Locks, plain},
			"begin":      {TxBegin, beginsBlock},
			"commit":     {rule: ends},
			"create":     {rule: creates},
			"deallocate": {Prepared, plain},
			"drop":       {rule: drops},
			"flush":      {rule: flushes},
			"get":        {Variables, plain},
			"handler":    {rule: handles},
			"load":       {rule: loads},
			"lock":       {Locks, plain},
			"prepare":    {Prepared, plain},
			"rollback":   {rule: ends},
			"set":        {rule: assigns},
			"start":      {rule: starts},
			"unlock":     {Locks, plain},
			"use":        {Settings, plain},
			"xa":         {Opaque, xa},
		}),

	// SAVEPOINT begins a transaction where there is none. RELEASE may end one or
	// not, so it is no TxEnd.
	SQLite: join(all(0, `
		analyze delete drop insert reindex release replace select update vacuum
		values with`),
		map[string]head{
			"alter":     {rule: creates},
			"attach":    {Temporary, plain},
			"begin":     {TxBegin, begins},
			"commit":    {rule: ends},
			"create":    {rule: creates},
			"detach":    {Temporary, plain},
			"end":       {rule: ends},
			"explain":   {rule: compiles},
			"pragma":    {rule: pragma},
			"rollback":  {rule: ends},
			"savepoint": {TxBegin, plain},
		}),
}

// all gives words, separated by blanks, the same effect.
func all(e Effect, words string) map[string]head {
	m := make(map[string]head)
	for w := range strings.FieldsSeq(words) {
		m[w] = head{e, plain}
	}
	return m
}

// join returns what all of the lists hold together.
func join(lists ...map[string]head) map[string]head {
	m := make(map[string]head)
	for _, list := range lists {
		maps.Copy(m, list)
	}
	return m
}

// headOf returns what word, the first of a statement, says under r.
func headOf(r *reading, first []byte) head {
	if h, ok := heads[r.dialect][string(first)]; ok {
		return h
	}
	if r.union {
		for d := range heads {
			if _, ok := heads[d][string(first)]; ok {
				return head{rule: plain} // the reading for that dialect takes care of it
			}
		}
	}
	return head{Opaque, plain}
}
