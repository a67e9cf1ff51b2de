package sessionstate

import "strings"

// word is one of the words that count within a statement, wherever it stands.
type word uint8

const (
	wOther word = iota
	wAnd
	wAs
	wAutocommit
	wBegin
	wChain
	wCommit
	wConstraints
	wCopy
	wCreate
	wData
	wDatabase
	wDefault
	wDrop
	wEvent
	wExecute
	wExists
	wExport
	wFor
	wFunction
	wGlobal
	wHold
	wIndex
	wInsert
	wInto
	wLocal
	wLock
	wMerge
	wOn
	wOnly
	wOpen
	wOr
	wPackage
	wPassword
	wPersist
	wPgSettings
	wPgTemp
	wPlan
	wPrepare
	wPrepared
	wProcedure
	wQuery
	wQueryOnly
	wRead
	wReadOnlySetting // a variable that makes transactions read-only
	wReferences
	wReplace
	wRoutine
	wSession
	wStart
	wStatement
	wTable
	wTemp
	wTo
	wTransaction
	wTrigger
	wTrue
	wUpdate
	wWith
	wWork
	wXML
)

// words are the spellings, grouped by their first letter below.
var words = []spelling{
	{"and", wAnd},
	{"as", wAs},
	{"autocommit", wAutocommit},
	{"begin", wBegin},
	{"chain", wChain},
	{"commit", wCommit},
	{"constraints", wConstraints},
	{"copy", wCopy},
	{"create", wCreate},
	{"data", wData},
	{"database", wDatabase},
	{"default", wDefault},
	{"default_transaction_read_only", wReadOnlySetting},
	{"drop", wDrop},
	{"event", wEvent},
	{"execute", wExecute},
	{"exists", wExists},
	{"export", wExport},
	{"for", wFor},
	{"function", wFunction},
	{"global", wGlobal},
	{"hold", wHold},
	{"index", wIndex},
	{"insert", wInsert},
	{"into", wInto},
	{"local", wLocal},
	{"lock", wLock},
	{"merge", wMerge},
	{"on", wOn},
	{"only", wOnly},
	{"open", wOpen},
	{"or", wOr},
	{"package", wPackage},
	{"password", wPassword},
	{"persist", wPersist},
	{"persist_only", wPersist},
	{"pg_settings", wPgSettings},
	{"pg_temp", wPgTemp},
	{"plan", wPlan},
	{"prepare", wPrepare},
	{"prepared", wPrepared},
	{"procedure", wProcedure},
	{"query", wQuery},
	{"query_only", wQueryOnly},
	{"read", wRead},
	{"references", wReferences},
	{"replace", wReplace},
	{"routine", wRoutine},
	{"schema", wDatabase},
	{"session", wSession},
	{"start", wStart},
	{"statement", wStatement},
	{"table", wTable},
	{"temp", wTemp},
	{"temporary", wTemp},
	{"to", wTo},
	{"transaction", wTransaction},
	{"transaction_read_only", wReadOnlySetting},
	{"trigger", wTrigger},
	{"true", wTrue},
	{"tx_read_only", wReadOnlySetting},
	{"update", wUpdate},
	{"with", wWith},
	{"work", wWork},
	{"xml", wXML},
}

type spelling struct {
	text string
	word word
}

// byLetter holds the spellings that begin with each letter, and which lengths
// they have: a bit for each. Most words of a text are none of them, and this
// tells so faster than a map.
var byLetter = func() (b [256]struct {
	lengths   uint64
	spellings []spelling
}) {
	for _, s := range words {
		letter := &b[s.text[0]]
		letter.lengths |= 1 << len(s.text)
		letter.spellings = append(letter.spellings, s)
	}
	return b
}()

// maxFolded is longer than any word or name of a function known here.
const maxFolded = 48

// folded is room for a word in lower case.
type folded [maxFolded]byte

// fold returns the first maxFolded bytes of s in lower case. Only ASCII is
// folded: no server has another letter in a word that we look for.
func (f *folded) fold(s string) []byte {
	n := copy(f[:], s)
	for i, c := range f[:n] {
		if 'A' <= c && c <= 'Z' {
			f[i] = c | 0x20
		}
	}
	return f[:n]
}

// lookUp returns which word s is.
func (f *folded) lookUp(s string) word {
	if s == "" {
		return wOther
	}
	letter := &byLetter[s[0]|0x20]
	if letter.lengths&(1<<len(s)) != 0 {
		lower := f.fold(s)
		for i := range letter.spellings {
			if w := &letter.spellings[i]; w.text == string(lower) {
				return w.word
			}
		}
	}
	const temporarySchema = "pg_temp_" // and a number
	if s[0]|0x20 == 'p' && len(s) > len(temporarySchema) && string(f.fold(s[:len(temporarySchema)])) == temporarySchema {
		return wPgTemp
	}
	return wOther
}

// holdsPgTemp reports whether a literal has the schema of temporary tables in it.
func holdsPgTemp(literal string) bool {
	const name = "pg_temp"
	for i := 0; i+len(name) <= len(literal); i++ {
		if strings.EqualFold(literal[i:i+len(name)], name) {
			return true
		}
	}
	return false
}
