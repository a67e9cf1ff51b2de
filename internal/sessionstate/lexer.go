package sessionstate

import "strings"

// kind is what a token is.
type kind uint8

const (
	end    kind = iota // of the text
	bare               // a word without quotes
	quoted             // a quoted identifier; in MySQL also "…", which may be a string there
	text               // a string literal
	number             // and PostgreSQL's $1
	symbol             // anything else: one byte, or one of the long symbols below
)

// Symbols of two bytes have values that no byte of a symbol has.
const (
	assign byte = 1 + iota // :=
	arrow                  // =>
	atAt                   // @@
)

// token is a piece of text[start:end]; for literals, what is between the quotes.
type token struct {
	kind       kind
	symbol     byte // of a symbol
	start, end int
}

// lexer cuts a text into tokens as a server of a dialect does. Where it does not
// cut exactly like the server, it cuts finer, or it raises doubt.
type lexer struct {
	*reading
	text string
	pos  int

	// doubt is set where the servers of the dialect differ or where this lexer
	// does not follow them.
	doubt bool

	// open is set when the text ends within a literal or a comment, or where
	// the server stops. No statement that does so is run (but by SQLite, which
	// takes the end of the text for the end of a comment).
	open bool

	// executable is set within an executable comment of MySQL.
	executable bool

	// PostgreSQL lets a string go on in the next line, by the rules of its first
	// part. afterString is set if the token before was a string, escaped if
	// that string had backslash escapes.
	afterString, escaped bool
}

// class is what a byte is outside of literals and comments: a set of bits.
type class uint8

const (
	blank  class = 1 << iota
	letter       // may begin a word
	digit
	inWord // may stand in a word
	inTag  // may stand between the dollars of PostgreSQL
)

var classes = func() (c [256]class) {
	for b := range c {
		switch {
		case b == ' ' || '\t' <= b && b <= '\r':
			c[b] = blank
		case 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b == '_' || b >= 0x80:
			c[b] = letter | inWord | inTag
		case '0' <= b && b <= '9':
			c[b] = digit | inWord | inTag
		case b == '$':
			c[b] = inWord
		}
	}
	return c
}()

// at returns the byte n places after the current one, 0 after the end.
func (l *lexer) at(n int) byte {
	if l.pos+n < len(l.text) {
		return l.text[l.pos+n]
	}
	return 0
}

// next returns the next token.
func (l *lexer) next() token {
	after := l.afterString
	l.afterString = false
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		switch class := classes[c]; {
		case class == blank:
			l.pos++
		case class&letter != 0:
			if c == byteOrderMark[0] && l.skipByteOrderMark() {
				continue
			}
			return l.word()
		case class&digit != 0:
			return l.number()
		default:
			if l.skipComment() {
				continue
			}
			return l.mark(c, after)
		}
	}
	return token{kind: end, start: len(l.text), end: len(l.text)}
}

const byteOrderMark = "\ufeff"

// skipByteOrderMark skips what editors put at the beginning of a file. SQLite
// takes it for a blank anywhere.
func (l *lexer) skipByteOrderMark() bool {
	if l.pos != 0 && l.dialect != SQLite || !strings.HasPrefix(l.text[l.pos:], byteOrderMark) {
		return false
	}
	l.pos += len(byteOrderMark)
	return true
}

// word reads a word, or the literal that it is the prefix of.
func (l *lexer) word() token {
	start := l.pos
	l.skip(inWord)
	if l.dialect == PostgreSQL && l.pos == start+1 {
		switch c, n := l.text[start]|0x20, l.at(0); {
		case c == 'e' && n == '\'':
			return l.string(true)
		case (c == 'b' || c == 'x') && n == '\'':
			return l.string(false)
		case c == 'u' && n == '&' && l.at(1) == '\'':
			l.pos++
			return l.string(false)
		case c == 'u' && n == '&' && l.at(1) == '"':
			l.doubt = true // any name may be written in escapes
			l.pos++
			return l.quote(quoted, '"', false)
		}
	}
	return token{kind: bare, start: start, end: l.pos}
}

// number reads a number. Letters right after it are a token of their own:
// where a server takes both for one identifier, that is none we look for.
func (l *lexer) number() token {
	start := l.pos
	l.skip(digit)
	if l.at(0) == '.' {
		l.pos++
		l.skip(digit)
	}
	if l.at(0)|0x20 == 'e' {
		n := 1
		if l.at(1) == '+' || l.at(1) == '-' {
			n = 2
		}
		if classes[l.at(n)]&digit != 0 {
			l.pos += n
			l.skip(digit)
		}
	}
	return token{kind: number, start: start, end: l.pos}
}

// skip skips bytes of a class.
func (l *lexer) skip(c class) {
	for l.pos < len(l.text) && classes[l.text[l.pos]]&c != 0 {
		l.pos++
	}
}

// mark reads a token that begins with c, neither a letter nor a digit.
// afterString says whether the token before was a string.
func (l *lexer) mark(c byte, afterString bool) token {
	switch c {
	case '\'':
		if l.dialect == PostgreSQL && afterString {
			return l.string(l.escaped)
		}
		return l.string(l.escapes&inSingle != 0)
	case '"':
		return l.quote(quoted, c, l.escapes&inDouble != 0)
	case '`':
		if l.dialect != PostgreSQL {
			return l.quote(quoted, c, false)
		}
	case '[':
		if l.brackets {
			return l.bracketed()
		}
	case '$':
		if l.dialect != SQLite {
			return l.dollar()
		}
	case ':':
		if l.at(1) == '=' {
			return l.symbol(assign, 2)
		}
	case '=':
		if l.at(1) == '>' {
			return l.symbol(arrow, 2)
		}
	case '@':
		if l.at(1) == '@' && l.dialect == MySQL {
			return l.symbol(atAt, 2)
		}
	}
	if l.dialect == SQLite {
		switch c {
		case '$', '@', ':', '#':
			return l.variable()
		}
	}
	return l.symbol(c, 1)
}

func (l *lexer) symbol(s byte, length int) token {
	start := l.pos
	l.pos += length
	return token{kind: symbol, symbol: s, start: start, end: l.pos}
}

// string reads a string literal and remembers its rules.
func (l *lexer) string(escapes bool) token {
	l.afterString, l.escaped = true, escapes
	return l.quote(text, '\'', escapes)
}

// quote reads from the current byte, a quote, to the next q that is neither
// doubled nor, if escapes is set, after a backslash.
func (l *lexer) quote(k kind, q byte, escapes bool) token {
	start := l.pos + 1
	for i := start; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '\\' && escapes:
			i++
		case c != q:
		case i+1 < len(l.text) && l.text[i+1] == q:
			i++
		default:
			l.pos = i + 1
			return token{kind: k, start: start, end: i}
		}
	}
	return l.unfinished()
}

// bracketed reads an identifier in square brackets. MariaDB lets the closing one
// be doubled, SQLite does not.
func (l *lexer) bracketed() token {
	if l.dialect == MySQL {
		return l.quote(quoted, ']', false)
	}
	start := l.pos + 1
	n := strings.IndexByte(l.text[start:], ']')
	if n < 0 {
		return l.unfinished()
	}
	l.pos = start + n + 1
	return token{kind: quoted, start: start, end: start + n}
}

// dollar reads a parameter or a string in dollar quotes of PostgreSQL.
func (l *lexer) dollar() token {
	i := l.pos + 1
	if l.dialect == PostgreSQL && classes[l.at(1)]&digit != 0 {
		start := l.pos
		l.pos++
		l.skip(digit)
		return token{kind: number, start: start, end: l.pos}
	}
	for i < len(l.text) && classes[l.text[i]]&inTag != 0 {
		i++
	}
	if i == len(l.text) || l.text[i] != '$' {
		return l.symbol('$', 1)
	}
	if l.dialect == MySQL {
		l.doubt = true // quotes a string since 8.1, begins an identifier before
		return l.symbol('$', 1)
	}
	tag := l.text[l.pos : i+1]
	start := l.pos + len(tag)
	n := strings.Index(l.text[start:], tag)
	if n < 0 {
		return l.unfinished()
	}
	l.pos = start + n + len(tag)
	return token{kind: text, start: start, end: start + n}
}

// variable reads a parameter of SQLite: $name, @name, :name or #name.
func (l *lexer) variable() token {
	start := l.pos
	l.pos++
	for {
		switch c := l.at(0); {
		case classes[c]&inWord != 0:
			l.pos++
			continue
		case c == ':' && l.at(1) == ':':
			l.pos += 2
			continue
		case c == '(' && l.pos > start+1:
			l.doubt = true // $name(…) is one token up to the bracket, quotes included
		case l.pos == start+1:
			return l.unfinished() // without a name: no server reads on
		}
		return token{kind: symbol, symbol: '$', start: start, end: l.pos}
	}
}

// unfinished ends the text before its end: see open.
func (l *lexer) unfinished() token {
	l.open = true
	l.pos = len(l.text)
	return token{kind: end, start: l.pos, end: l.pos}
}

// skipComment skips a comment if one begins at the current byte.
func (l *lexer) skipComment() bool {
	switch l.text[l.pos] {
	case '-':
		if l.at(1) != '-' {
			return false
		}
		// In MySQL 1--1 is a subtraction.
		if l.dialect == MySQL && l.at(2) > ' ' && l.at(2) != 0x7f {
			return false
		}
		l.skipLine()
		return true
	case '#':
		if l.dialect != MySQL {
			return false
		}
		l.skipLine()
		return true
	case '/':
		if l.at(1) != '*' {
			return false
		}
		l.skipBlock()
		return true
	case '*':
		if !l.executable || l.at(1) != '/' {
			return false
		}
		l.pos += 2
		return true
	}
	return false
}

func (l *lexer) skipLine() {
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		l.pos++
		if c == '\n' || c == '\r' && l.dialect == PostgreSQL {
			return
		}
	}
}

func (l *lexer) skipBlock() {
	switch l.dialect {
	case PostgreSQL:
		l.skipNested()
		return
	case MySQL:
		if l.skipExecutable() {
			return
		}
	}
	body := l.text[l.pos+2:]
	n := strings.Index(body, "*/")
	if n < 0 {
		l.unfinished()
		return
	}
	// A comment that begins with a plus may be a list of hints, which has
	// literals of its own, and those may hide the end.
	if l.dialect == MySQL && body[0] == '+' && strings.ContainsAny(body[:n], "'\"`") {
		l.doubt = true
	}
	l.pos += 2 + n + 2
}

// skipNested skips a comment that may contain others.
func (l *lexer) skipNested() {
	depth := 0
	for l.pos < len(l.text) {
		switch c, d := l.text[l.pos], l.at(1); {
		case c == '/' && d == '*':
			depth++
			l.pos += 2
		case c == '*' && d == '/':
			depth--
			l.pos += 2
			if depth == 0 {
				return
			}
		default:
			l.pos++
		}
	}
	l.unfinished()
}

// skipExecutable skips the beginning of a comment whose content is code for
// some servers: of MySQL or of MariaDB only, from some version on. What it
// hides from the others may change the meaning of all the rest.
func (l *lexer) skipExecutable() bool {
	n := 2
	if l.at(n) == 'M' {
		n++
	}
	if l.at(n) != '!' {
		return false
	}
	l.doubt = true
	l.executable = true
	l.pos += n + 1
	l.skip(digit)
	return true
}
