package sessionstate

// read goes once through text under one reading and returns what it found.
func read(text string, r *reading) Effect {
	s := scanner{lexer: lexer{reading: r, text: text}}
	for s.step() {
	}
	return s.result()
}

// scanner reads statements.
type scanner struct {
	lexer
	statement
	found  Effect
	folded folded // room for one word

	// program is set when the text makes a stored program, whose statements
	// cannot be told from those that follow it.
	program bool
}

// result returns what was found up to the end of the text.
func (s *scanner) result() Effect {
	e := s.found
	if s.doubt {
		e |= Opaque
	}
	if s.program {
		e &^= TxEnd
	}
	return e
}

// statement is what is known of the current statement so far.
type statement struct {
	rule    rule
	tokens  int    // that came after the first word
	pending Effect // found at the end, unless a later word takes it back
	parens  int    // open ones

	// The two tokens before the current one, as far as they are bare words.
	last, before word

	// The token before the current one: what it is, and which word if it is the
	// name of a thing.
	previous token
	named    word

	// chain is the bare word before the last name and the names and dots that
	// qualify it.
	chain word

	calls calls
	set   set

	updates, pgSettings bool // the words UPDATE, pg_settings were seen
	valued              bool // the pragma was given a value
}

// step reads one token. It reports false at the end of the text.
func (s *scanner) step() bool {
	t := s.next()
	if t.kind == end || t.symbol == ';' {
		s.finish()
		s.statement = statement{}
		return t.kind != end
	}
	w := s.wordOf(t)
	key := wOther // what t says as a keyword
	if t.kind == bare {
		key = w
	}
	if s.set.readOnly {
		s.followReadOnly(t, key)
	}
	if s.rule == noWordYet {
		if t.symbol != '(' {
			s.begin(t)
		}
	} else if s.tokens++; s.rule != plain {
		s.follow(t, key, w)
	}
	if t.kind == text && s.dialect == PostgreSQL && (s.rule == sets || s.calls.depth > 0) && holdsPgTemp(s.text[t.start:t.end]) {
		s.found |= Temporary // in a list of schemas: what is created from now on goes there
	}
	if t.kind == symbol || w != wOther || s.calls.depth > 0 {
		s.anywhere(t, key, w)
	}
	s.remember(t, key, w)
	return true
}

// wordOf returns which word t is, quoted or not. String literals count only
// where they may name something.
func (s *scanner) wordOf(t token) word {
	switch t.kind {
	case bare, quoted:
	case text:
		if s.dialect != SQLite && s.calls.depth == 0 {
			return wOther
		}
	default:
		return wOther
	}
	return s.folded.lookUp(s.text[t.start:t.end])
}

// begin takes t for the first word of a statement.
func (s *scanner) begin(t token) {
	h := head{Opaque, plain}
	if t.kind == bare {
		h = headOf(s.reading, s.folded.fold(s.text[t.start:t.end]))
	}
	s.found |= h.effect
	s.rule = h.rule
	s.tokens = 0
	switch h.rule {
	case ends:
		s.pending = TxEnd
	case prepares:
		s.pending = Prepared
	case sets:
		s.pending = Settings
	case assigns:
		s.pending = Settings
		s.set = set{fresh: true, target: true}
	}
}

// follow looks at a token after the first word of a statement. key is the word
// that it is as a keyword, w the one that it is as a name.
func (s *scanner) follow(t token, key, w word) {
	first := s.tokens == 1
	switch s.rule {
	case begins:
		s.lookForReadOnly(key)
	case beginsBlock:
		if first && key != wWork {
			s.found |= Opaque
		}
	case starts:
		s.rule = plain
		if key == wTransaction {
			s.rule = begins
			s.found |= TxBegin
		} else {
			s.found |= Opaque
		}
	case ends:
		switch {
		case key == wTo || key == wPrepared:
			s.pending = 0
		case key == wChain && s.last == wAnd:
			s.found |= TxBegin
		}
	case sets:
		s.followSet(t, key, w)
	case assigns:
		s.followAssignments(t, key, w)
	case assignsFor:
		if key == wFor {
			s.rule = noWordYet
		}
	case creates:
		s.followCreate(t, key)
	case drops:
		switch {
		case first && key == wPrepare:
			s.found |= Prepared
		case first && key == wDatabase: // maybe the default one
			s.found |= Settings
		}
	case prepares:
		if s.tokens == 2 && s.last == wTransaction && t.kind == text {
			s.pending = TxEnd // PREPARE TRANSACTION 'name'
		}
	case declares:
		if key == wHold && s.last == wWith {
			s.found |= Cursor
		}
	case explains:
		if key == wExecute {
			s.found |= Opaque
		}
	case compiles:
		if key != wQuery && key != wPlan {
			s.begin(t) // some pragmas act even if only explained
		}
	case flushes:
		if key == wLock || key == wExport {
			s.found |= Locks
		}
	case handles:
		if key == wOpen {
			s.found |= Locks
		}
	case loads:
		switch {
		case first && key != wData && key != wXML && key != wIndex:
			s.found |= Opaque
		case t.symbol == '@':
			s.found |= Variables
		}
	case xa:
		if first && (key == wStart || key == wBegin) {
			s.found |= TxBegin
		}
	case pragma:
		s.followPragma(t, w)
	}
}

func (s *scanner) lookForReadOnly(key word) {
	if key == wOnly && s.last == wRead {
		s.found |= ReadOnlyTx
	}
}

func (s *scanner) followCreate(t token, key word) {
	switch key {
	case wProcedure, wFunction, wTrigger, wEvent, wPackage, wBegin:
		s.program = true
	case wExecute:
		if s.dialect == PostgreSQL && s.last == wAs {
			s.found |= Opaque // CREATE TABLE … AS EXECUTE
		}
	case wDrop:
		if s.dialect == PostgreSQL && s.last == wCommit && s.before == wOn {
			s.pending &^= Temporary // CREATE TEMP TABLE … ON COMMIT DROP
		}
	}
	if s.dialect == SQLite && t.symbol == '.' && s.named == wTemp {
		s.found |= Temporary
	}
}

func (s *scanner) followPragma(t token, w word) {
	if s.valued || t.symbol != '=' && t.symbol != '(' {
		return
	}
	s.valued = true
	if s.named == wQueryOnly {
		s.set.readOnly = true
	}
	p := s.previous
	if !asks(s.folded.fold(s.text[p.start:p.end])) {
		s.found |= Settings
	}
}

// anywhere looks for what counts in any statement.
func (s *scanner) anywhere(t token, key, w word) {
	if s.calls.depth > 0 {
		if w == wReadOnlySetting {
			s.set.readOnly = true
		}
		if s.calls.token(t, key, s.parens) {
			s.found |= Settings
		}
	}
	if w != wOther {
		s.anyWord(key, w)
	}
	switch t.symbol {
	case '(':
		s.parens++
		s.call()
	case ')':
		s.parens--
	case '@':
		if s.last == wInto && s.dialect == MySQL {
			s.found |= Variables
		}
	case assign:
		if s.dialect == MySQL && !s.set.operator {
			s.found |= Variables
		}
	}
}

func (s *scanner) anyWord(key, w word) {
	if key == wTemp && s.isTemporary() {
		s.pending |= Temporary
	}
	if s.dialect != PostgreSQL {
		return
	}
	switch w {
	case wPgTemp:
		s.found |= Temporary
	case wPgSettings:
		s.pgSettings = true
	case wUpdate:
		s.updates = true
	}
}

// isTemporary reports whether the word TEMP, the current token, is the keyword
// rather than a name.
func (s *scanner) isTemporary() bool {
	switch s.last {
	case wCreate, wDrop:
		return true
	case wReplace:
		return s.before == wOr
	case wInto:
		// SELECT … INTO TEMP t, but not INSERT INTO temp.
		return s.dialect == PostgreSQL && (s.tokens != 2 || s.before != wInsert && s.before != wMerge)
	case wLocal, wGlobal:
		return s.before == wCreate || s.before == wReplace || s.before == wInto
	}
	return false
}

// call looks whether the parenthesis that has just been opened belongs to a
// function that counts.
func (s *scanner) call() {
	if s.previous.kind != bare && s.previous.kind != quoted {
		return
	}
	switch s.chain {
	case wInto, wCopy, wTable, wExists, wReferences, wFunction, wProcedure, wRoutine:
		return // the name is that of a table with its columns, or nothing is called
	}
	p := s.previous
	name := s.folded.fold(s.text[p.start:p.end])
	if s.dialect == PostgreSQL && string(name) == setConfig && s.calls.begin(s.parens) {
		return
	}
	s.found |= call(s.dialect, name)
}

// remember makes t the token before the next one.
func (s *scanner) remember(t token, key, w word) {
	if (t.kind == bare || t.kind == quoted) && s.previous.symbol != '.' {
		s.chain = s.last
	}
	s.before, s.last = s.last, key
	s.previous, s.named = t, w
}

// finish ends a statement.
func (s *scanner) finish() {
	s.found |= s.pending
	if s.calls.depth > 0 || s.updates && s.pgSettings {
		s.found |= Settings // an UPDATE of the view pg_settings is a SET
	}
	if s.set.readOnly {
		s.found |= ReadOnlyTx
	}
}
