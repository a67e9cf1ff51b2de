package template

import "strings"

// kind is what a token is.
type kind uint8

const (
	end     kind = iota // of the text
	word                // without quotes
	quoted              // an identifier in quotes; with MySQL also "…", which is a string there
	literal             // a string or a number
	param               // a placeholder of the server: ? or $1
	named               // :name
	symbol              // anything else: one byte, or :: and :=
)

// token is text[start:end].
type token struct {
	kind       kind
	start, end int
}

// lexer cuts a text into tokens as a server of the dialect does; of one that is
// not known, as most do. Comments are left out.
type lexer struct {
	dialect Dialect
	text    string
	pos     int

	// doubt is set where it may not have cut as the server does: a literal that
	// does not end, an executable comment of MySQL.
	doubt bool
}

// at returns the byte n places after the current one, 0 after the end.
func (l *lexer) at(n int) byte {
	if l.pos+n < len(l.text) {
		return l.text[l.pos+n]
	}
	return 0
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// next returns the next token.
func (l *lexer) next() token {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case c == ' ' || '\t' <= c && c <= '\r':
			l.pos++
		case isLetter(c):
			return l.word()
		case isDigit(c):
			return l.run(literal, 1)
		default:
			if !l.comment() {
				return l.mark(c)
			}
		}
	}
	return token{end, l.pos, l.pos}
}

// tokens returns all of them but the end.
func (l *lexer) tokens() []token {
	var all []token
	for t := l.next(); t.kind != end; t = l.next() {
		all = append(all, t)
	}
	return all
}

// fixed reads a token of n bytes.
func (l *lexer) fixed(k kind, n int) token {
	l.pos += n
	return token{k, l.pos - n, l.pos}
}

// run reads a token of n bytes and what follows of a word.
func (l *lexer) run(k kind, n int) token {
	start := l.pos
	l.pos += n
	for c := l.at(0); isLetter(c) || isDigit(c) || c == '$' && k != named; c = l.at(0) {
		l.pos++
	}
	return token{k, start, l.pos}
}

// word reads a word, or a string with backslashes of PostgreSQL, E'…'.
func (l *lexer) word() token {
	t := l.run(word, 1)
	if l.dialect == PostgreSQL && t.end == t.start+1 && l.text[t.start]|0x20 == 'e' && l.at(0) == '\'' {
		s := l.quote(literal, '\'', true)
		return token{literal, t.start, s.end}
	}
	return t
}

// mark reads a token that begins with c, neither a letter nor a digit.
func (l *lexer) mark(c byte) token {
	switch c {
	case '\'':
		return l.quote(literal, c, l.dialect == MySQL)
	case '"':
		return l.quote(quoted, c, l.dialect == MySQL)
	case '`':
		if l.dialect != PostgreSQL {
			return l.quote(quoted, c, false)
		}
	case '[':
		if l.dialect == SQLite {
			return l.quote(quoted, ']', false)
		}
	case '?':
		if l.dialect == SQLite {
			return l.run(param, 1)
		}
		if l.dialect != PostgreSQL { // there it is an operator
			return l.fixed(param, 1)
		}
	case '$':
		return l.dollar()
	case '@':
		if l.dialect == SQLite && isLetter(l.at(1)) {
			return l.run(param, 1)
		}
	case ':':
		return l.colon()
	}
	return l.fixed(symbol, 1)
}

// quote reads from the current byte to the next q that is neither doubled nor
// after a backslash that counts.
func (l *lexer) quote(k kind, q byte, escapes bool) token {
	start := l.pos
	for i := start + 1; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '\\' && escapes:
			i++
		case c != q:
		case q != ']' && i+1 < len(l.text) && l.text[i+1] == q:
			i++
		default:
			l.pos = i + 1
			return token{k, start, l.pos}
		}
	}
	return l.unfinished(k, start)
}

// unfinished is a token that the text ends in.
func (l *lexer) unfinished(k kind, start int) token {
	l.doubt = true
	l.pos = len(l.text)
	return token{k, start, l.pos}
}

// dollar reads $1 or a string in dollar quotes of PostgreSQL, $name of SQLite.
func (l *lexer) dollar() token {
	switch {
	case l.dialect == SQLite && (isLetter(l.at(1)) || isDigit(l.at(1))):
		return l.run(param, 1)
	case l.dialect != PostgreSQL:
		return l.fixed(symbol, 1)
	case isDigit(l.at(1)):
		n := 1
		for isDigit(l.at(n)) {
			n++
		}
		return l.fixed(param, n)
	}
	n := 1
	for isLetter(l.at(n)) || n > 1 && isDigit(l.at(n)) {
		n++
	}
	if l.at(n) != '$' {
		return l.fixed(symbol, 1)
	}
	start := l.pos
	tag := l.text[start : start+n+1]
	body := start + len(tag)
	i := strings.Index(l.text[body:], tag)
	if i < 0 {
		return l.unfinished(literal, start)
	}
	l.pos = body + i + len(tag)
	return token{literal, start, l.pos}
}

// colon reads ::, := or :name. A colon right after a word is none of a name: it
// is that of a slice, a[lo:hi].
func (l *lexer) colon() token {
	switch c := l.at(1); {
	case c == ':' || c == '=':
		return l.fixed(symbol, 2)
	case !isLetter(c):
		return l.fixed(symbol, 1)
	case l.pos > 0 && (isLetter(l.text[l.pos-1]) || isDigit(l.text[l.pos-1])):
		return l.fixed(symbol, 1)
	}
	return l.run(named, 1)
}

// comment skips a comment if one begins at the current byte.
func (l *lexer) comment() bool {
	switch c := l.text[l.pos]; {
	case c == '-' && l.at(1) == '-':
		// In MySQL 1--1 is a subtraction.
		if l.dialect == MySQL && l.at(2) > ' ' {
			return false
		}
	case c == '#' && l.dialect == MySQL:
	case c == '/' && l.at(1) == '*':
		l.block()
		return true
	default:
		return false
	}
	if n := strings.IndexByte(l.text[l.pos:], '\n'); n >= 0 {
		l.pos += n + 1
	} else {
		l.pos = len(l.text)
	}
	return true
}

// block skips a comment like this one: /* … */. PostgreSQL's may be nested, and
// what looks like a comment may be code for MySQL or MariaDB.
func (l *lexer) block() {
	if l.dialect == MySQL && (l.at(2) == '!' || l.at(2) == 'M' && l.at(3) == '!') {
		l.doubt = true
	}
	start := l.pos
	for depth := 0; l.pos < len(l.text); {
		switch {
		case l.at(0) == '*' && l.at(1) == '/':
			l.pos += 2
			if depth--; depth == 0 {
				return
			}
		case l.at(0) == '/' && l.at(1) == '*' && (depth == 0 || l.dialect == PostgreSQL):
			l.pos += 2
			depth++
		default:
			l.pos++
		}
	}
	l.unfinished(symbol, start)
}

// is reports whether a token is a keyword, which is given in upper case.
func (l *lexer) is(t token, keyword string) bool {
	return t.kind == word && strings.EqualFold(l.text[t.start:t.end], keyword)
}

// isAny reports whether a token is one of some keywords.
func (l *lexer) isAny(t token, keywords ...string) bool {
	for _, k := range keywords {
		if l.is(t, k) {
			return true
		}
	}
	return false
}

// isSymbol reports whether a token is the symbol s.
func (l *lexer) isSymbol(t token, s string) bool {
	return t.kind == symbol && l.text[t.start:t.end] == s
}

// hasWord reports whether a keyword stands in a text, outside of parentheses.
func hasWord(d Dialect, text, keyword string) bool {
	l := lexer{dialect: d, text: text}
	depth := 0
	for t := l.next(); t.kind != end; t = l.next() {
		switch {
		case l.isSymbol(t, "("):
			depth++
		case l.isSymbol(t, ")"):
			depth--
		case depth == 0 && l.is(t, keyword):
			return true
		}
	}
	return false
}
