package template

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// insert is what is known of the text of a batch.
type insert struct {
	text    string
	dialect Dialect

	params int // arguments of one item; -1: not known

	// loop says why the text cannot be rewritten for several rows; "" if it can.
	loop string

	first, last int     // the list of values is text[first:last], parentheses included
	marks       []token // its placeholders
	ended       int     // where the statement ends, before a semicolon

	// For COPY, if noCopy is "".
	noCopy  string
	table   []string
	columns []string
	order   []int // which argument each column gets
}

// What a batch does not run.
var (
	errSeveral   = errors.New("the text has several statements: a batch runs one")
	errReturning = errors.New("the text has RETURNING, and a batch returns no rows: use Query or InsertReturning")
)

// parseInsert looks at the text of a batch. It is no parser: whatever it does not
// know well is left to the prepared loop.
func parseInsert(d Dialect, text string) (insert, error) {
	ins := insert{text: text, dialect: d, params: -1, ended: len(text)}
	if !d.savepoints() {
		ins.loop = "the driver is not recognised: name its dialect"
		ins.noCopy = ins.loop
		return ins, nil
	}
	l := &lexer{dialect: d, text: text}
	tokens := l.tokens()
	if l.doubt {
		ins.loop = "the text has an executable comment, or a literal that does not end"
		ins.noCopy = ins.loop
		return ins, nil
	}
	for len(tokens) > 0 && l.isSymbol(tokens[len(tokens)-1], ";") {
		tokens = tokens[:len(tokens)-1]
	}
	if len(tokens) == 0 {
		return ins, errors.New("the text is empty")
	}
	ins.ended = tokens[len(tokens)-1].end
	depth := 0
	for _, t := range tokens {
		switch {
		case l.isSymbol(t, "("):
			depth++
		case l.isSymbol(t, ")"):
			depth--
		case l.isSymbol(t, ";"):
			return ins, errSeveral
		case depth == 0 && l.is(t, "RETURNING"):
			return ins, errReturning
		}
	}
	ins.count(l, tokens)
	ins.loop = ins.shape(l, tokens)
	if ins.loop != "" {
		ins.noCopy = ins.loop
	}
	return ins, nil
}

// count finds out how many arguments the text takes.
func (ins *insert) count(l *lexer, tokens []token) {
	n := 0
	for _, t := range tokens {
		switch mark := l.text[t.start:t.end]; {
		case t.kind == named, t.kind == param && ins.dialect == SQLite && mark != "?":
			return // SQLite knows them by name, or by number
		case t.kind != param:
		case mark == "?":
			n++
		default:
			number, err := strconv.Atoi(mark[1:])
			if err != nil {
				return
			}
			n = max(n, number)
		}
	}
	ins.params = n
}

// shape finds the parts of a plain INSERT of one row. It returns why the text is
// none, or "".
func (ins *insert) shape(l *lexer, tokens []token) string {
	if !l.isAny(tokens[0], "INSERT", "REPLACE") {
		return "the text is no INSERT"
	}
	v, depth := 0, 0
	for v < len(tokens) && (depth > 0 || !l.is(tokens[v], "VALUES")) {
		switch t := tokens[v]; {
		case l.isSymbol(t, "("):
			depth++
		case l.isSymbol(t, ")"):
			depth--
		case l.is(t, "SELECT"), t.kind == param, t.kind == named:
			return "the text has more than names before VALUES"
		}
		v++
	}
	open := v + 1
	if open >= len(tokens) || !l.isSymbol(tokens[open], "(") {
		return "the text has no VALUES (…)"
	}
	closing, why := ins.values(l, tokens, open)
	if why != "" {
		return why
	}
	ins.first, ins.last = tokens[open].start, tokens[closing].end
	rest := tokens[closing+1:]
	if why := suffix(l, rest); why != "" {
		return why
	}
	ins.copyable(l, tokens[:v], tokens[open+1:closing], rest)
	return ""
}

// harmless are functions whose value does not depend on the rows that the same
// statement has inserted before.
var harmless = strings.Fields(`NEXTVAL NOW UUID GEN_RANDOM_UUID CURRENT_TIMESTAMP LOCALTIMESTAMP UTC_TIMESTAMP
	UNIX_TIMESTAMP FROM_UNIXTIME TO_TIMESTAMP DATETIME DATE STRFTIME JULIANDAY UNIXEPOCH
	LOWER UPPER TRIM LTRIM RTRIM CONCAT REPLACE SUBSTR SUBSTRING COALESCE IFNULL NULLIF CAST ROUND ABS
	HEX UNHEX MD5 SHA1 SHA2 SHA256 ENCODE DECODE UUID_TO_BIN JSON JSONB TO_JSON TO_JSONB JSON_OBJECT JSON_ARRAY
	VARCHAR CHAR NUMERIC DECIMAL TIMESTAMP TIMESTAMPTZ TIME INTERVAL`)

// values reads the list of values from its opening parenthesis to the closing one.
// A query or an unknown function among them might see the rows before, and in one
// statement there are none yet; so might a variable of the session.
func (ins *insert) values(l *lexer, tokens []token, open int) (closing int, why string) {
	depth := 0
	for i := open; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case l.isSymbol(t, "("):
			depth++
		case l.isSymbol(t, ")"):
			if depth--; depth > 0 {
				continue
			}
			if len(ins.marks) == 0 {
				return 0, "there is no placeholder in VALUES"
			}
			return i, ""
		case t.kind == param:
			if mark := l.text[t.start:t.end]; ins.params < 0 || mark == "$0" {
				return 0, "the placeholders are not plain ones"
			}
			ins.marks = append(ins.marks, t)
		case t.kind == named:
			return 0, "the text has :names"
		case l.isAny(t, "SELECT", "TABLE", "WITH"), l.isSymbol(t, "@"), l.isSymbol(t, ":="):
			return 0, "there is a query or a variable in VALUES"
		case t.kind == word || t.kind == quoted:
			if i+1 < len(tokens) && l.isSymbol(tokens[i+1], "(") && !l.isAny(t, harmless...) {
				return 0, "VALUES calls a function that is not known to be harmless"
			}
		}
	}
	return 0, "VALUES does not end"
}

// suffix says what is wrong with what follows the values.
func suffix(l *lexer, rest []token) string {
	if len(rest) == 0 {
		return ""
	}
	if !l.isAny(rest[0], "ON", "AS") {
		return "something unknown follows VALUES (…)"
	}
	for _, t := range rest {
		if t.kind == param || t.kind == named || l.is(t, "SELECT") || l.isSymbol(t, "@") {
			return "there are placeholders, queries or variables after VALUES (…)"
		}
	}
	return ""
}

// copyable finds the names of the table and its columns, for COPY.
func (ins *insert) copyable(l *lexer, head, values, rest []token) {
	ins.noCopy = "the text is not just INSERT INTO table (columns) VALUES (placeholders)"
	if len(rest) > 0 || len(head) < 6 || !l.is(head[0], "INSERT") || !l.is(head[1], "INTO") {
		return
	}
	i := 2
	var table, columns []string
	for ; i < len(head); i++ {
		if part, ok := ins.identifier(l, head[i]); ok && (i == 2 || l.isSymbol(head[i-1], ".")) {
			table = append(table, part)
		} else if !l.isSymbol(head[i], ".") {
			break
		}
	}
	if i >= len(head) || !l.isSymbol(head[i], "(") || !l.isSymbol(head[len(head)-1], ")") {
		return
	}
	for i++; i < len(head); i += 2 {
		part, ok := ins.identifier(l, head[i])
		if !ok || i+1 == len(head) || !l.isSymbol(head[i+1], ",") && i+2 != len(head) {
			return
		}
		columns = append(columns, part)
	}
	var order []int
	for k, t := range values {
		switch {
		case k%2 == 1 && l.isSymbol(t, ","):
		case k%2 == 0 && t.kind == param:
			order = append(order, ins.argument(t, len(order)))
		default:
			return
		}
	}
	if len(order) == len(columns) && len(values)%2 == 1 {
		ins.table, ins.columns, ins.order, ins.noCopy = table, columns, order, ""
	}
}

// identifier returns a name as the server has it.
func (ins *insert) identifier(l *lexer, t token) (string, bool) {
	text := l.text[t.start:t.end]
	switch {
	case t.kind == quoted:
		q := text[:1]
		return strings.ReplaceAll(text[1:len(text)-1], q+q, q), true
	case t.kind != word:
		return "", false
	case ins.dialect == PostgreSQL:
		return strings.ToLower(text), true
	}
	return text, true
}

// argument is which of an item's arguments a placeholder stands for, n
// placeholders being before it.
func (ins *insert) argument(t token, n int) int {
	if mark := ins.text[t.start:t.end]; mark != "?" {
		number, _ := strconv.Atoi(mark[1:]) // count has read it before
		return number - 1
	}
	return n
}

// rows returns the text for a number of rows.
func (ins *insert) rows(n int) string {
	if n == 1 {
		return ins.text[:ins.ended]
	}
	text := make([]byte, 0, ins.first+n*(ins.last-ins.first+12)+ins.ended-ins.last)
	text = append(text, ins.text[:ins.first]...)
	for row := range n {
		if row > 0 {
			text = append(text, ", "...)
		}
		from := ins.first
		for k, mark := range ins.marks {
			text = append(text, ins.text[from:mark.start]...)
			text = ins.dialect.appendPlaceholder(text, row*ins.params+ins.argument(mark, k)+1)
			from = mark.end
		}
		text = append(text, ins.text[from:ins.last]...)
	}
	return string(append(text, ins.text[ins.last:ins.ended]...))
}

// refuse is the error of a mode that the text does not allow.
func refuse(mode, why string) error {
	return fmt.Errorf("%s is not possible: %s", mode, why)
}
