package sessionstate

// set is what is known of a SET so far.
type set struct {
	// scoped is set after a word that makes a SET of PostgreSQL end with the
	// transaction, unless the next token shows that the word was a part of the
	// name of a setting: SET LOCAL tenant, but SET local.tenant.
	scoped bool

	// For the assignments of MySQL, which are separated by commas: fresh before
	// the first token of one, target until its operator, operator at that,
	// system after @@.
	fresh, target, operator, system bool

	// readOnly is set after the name of a setting that makes transactions
	// read-only, until its value.
	readOnly bool
}

// followSet looks at a token after SET of PostgreSQL.
func (s *scanner) followSet(t token, key, w word) {
	s.lookForReadOnly(key)
	if w == wReadOnlySetting {
		s.set.readOnly = true
	}
	if s.set.scoped {
		s.set.scoped = false
		if t.kind == quoted || t.kind == bare && key != wTo {
			s.pending = 0
		}
		return
	}
	switch s.tokens {
	case 1:
		s.set.scoped = key == wLocal || key == wTransaction || key == wConstraints
	case 2:
		s.set.scoped = s.last == wSession && key == wTransaction
	}
}

// followAssignments looks at a token after SET of MySQL.
func (s *scanner) followAssignments(t token, key, w word) {
	s.set.operator = false
	switch {
	case t.symbol == ',' && s.parens == 0:
		s.found |= s.pending
		s.pending = Settings
		s.set.fresh, s.set.target = true, true
		return
	case s.set.fresh:
		s.set.fresh = false
		s.beginAssignment(t, key)
	case s.set.system:
		s.set.system = false
		if key == wGlobal || key == wPersist {
			s.pending = 0
		}
	}
	if s.pending == Settings {
		s.lookForReadOnly(key)
	}
	if !s.set.target {
		return
	}
	switch {
	case t.symbol == '=' || t.symbol == assign:
		s.set.target, s.set.operator = false, true
	case s.pending == Settings && w == wAutocommit:
		s.found |= TxBegin // whatever the value, which may be an expression
	case s.pending == Settings && w == wReadOnlySetting:
		s.set.readOnly = true
	}
}

// beginAssignment looks at the first token of an assignment of MySQL.
func (s *scanner) beginAssignment(t token, key word) {
	switch {
	case t.symbol == '@':
		s.pending = Variables
	case t.symbol == atAt:
		s.set.system = true
	case key == wGlobal || key == wPersist:
		s.pending = 0
	case s.tokens != 1:
	case key == wPassword || key == wDefault: // SET PASSWORD, SET DEFAULT ROLE
		s.pending = 0
	case key == wStatement:
		s.pending = 0
		s.rule = assignsFor
	}
}

// followReadOnly looks for the value of a setting that makes transactions
// read-only.
func (s *scanner) followReadOnly(t token, key word) {
	switch {
	case t.kind == symbol && t.symbol != ')' || key == wTo:
		return // between the name and the value
	case !s.isOff(t):
		s.found |= ReadOnlyTx
	}
	s.set.readOnly = false
}

// isOff reports whether t is a value that turns a setting off.
func (s *scanner) isOff(t token) bool {
	switch string(s.folded.fold(s.text[t.start:t.end])) {
	case "off", "of", "false", "f", "no", "n", "0", "default":
		return true
	}
	return false
}
