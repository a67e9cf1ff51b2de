package load

import (
	"regexp"
	"strings"
	"unicode"
)

// A piece is a run of a SQL text of one sort.
type piece struct {
	sort pieceSort
	text string
	open bool // the text ends before the quote or comment does
}

type pieceSort uint8

const (
	pieceCode      pieceSort = iota
	pieceQuoted              // a string or a quoted name
	pieceComment             // with its end: the newline stays outside
	pieceSemicolon           // between statements
)

// pieces splits a text, so that what stands in quotes and comments is not taken
// for SQL. It knows as much of the dialects as that needs, no more.
func pieces(d dialect, text string) []piece {
	var out []piece
	code := 0 // where the pending code begins
	add := func(from, to int, sort pieceSort, closed bool) {
		if code < from {
			out = append(out, piece{sort: pieceCode, text: text[code:from]})
		}
		out = append(out, piece{sort, text[from:to], !closed})
		code = to
	}
	for i := 0; i < len(text); {
		n, sort, closed := 0, pieceQuoted, true
		switch rest := text[i:]; {
		case rest[0] == ';':
			n, sort = 1, pieceSemicolon
		case startsLineComment(d, rest):
			n, sort = lineLength(rest), pieceComment
		case strings.HasPrefix(rest, "/*"):
			sort = pieceComment
			n, closed = blockLength(d, rest)
		case rest[0] == '\'' || rest[0] == '"' || rest[0] == '`' && d != postgres:
			n, closed = quoteLength(rest, hasEscapes(d, text[:i], rest[0]))
		case rest[0] == '[' && d == sqlite:
			n = strings.IndexByte(rest, ']') + 1 // a name; without its end SQLite refuses it
		case rest[0] == '$' && d == postgres && !endsInWord(text[:i]):
			n, closed = dollarLength(rest)
		}
		if n == 0 {
			i++
			continue
		}
		add(i, i+n, sort, closed)
		i += n
	}
	if code < len(text) {
		out = append(out, piece{sort: pieceCode, text: text[code:]})
	}
	return out
}

func startsLineComment(d dialect, s string) bool {
	if d == mysql {
		return s[0] == '#' || s == "--" || strings.HasPrefix(s, "--") && unicode.IsSpace(rune(s[2]))
	}
	return strings.HasPrefix(s, "--")
}

func lineLength(s string) int {
	if n := strings.IndexByte(s, '\n'); n >= 0 {
		return n
	}
	return len(s)
}

// blockLength is the length of a comment /* … */; PostgreSQL's nest.
func blockLength(d dialect, s string) (n int, closed bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "/*") && (depth == 0 || d == postgres):
			depth++
			i++
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i++
			if depth == 0 {
				return i + 1, true
			}
		}
	}
	return len(s), false
}

// quoteLength is the length of something in quotes. A doubled quote inside ends
// it and begins it again, which comes to the same.
func quoteLength(s string, escapes bool) (n int, closed bool) {
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == s[0]:
			return i + 1, true
		}
	}
	return len(s), false
}

// hasEscapes reports whether a backslash escapes in the quotes that follow
// before: always in MySQL's strings, in PostgreSQL's only after E.
func hasEscapes(d dialect, before string, quote byte) bool {
	switch d {
	case mysql:
		return quote != '`'
	case postgres:
		if quote != '\'' || before == "" {
			return false
		}
		last := before[len(before)-1]
		return (last == 'e' || last == 'E') && !endsInWord(before[:len(before)-1])
	}
	return false
}

var dollarTag = regexp.MustCompile(`^\$([A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$`)

// dollarLength is the length of $tag$ … $tag$, 0 if s does not begin with one.
func dollarLength(s string) (n int, closed bool) {
	tag := dollarTag.FindString(s)
	if tag == "" {
		return 0, true
	}
	if end := strings.Index(s[len(tag):], tag); end >= 0 {
		return end + 2*len(tag), true
	}
	return len(s), false
}

func endsInWord(s string) bool {
	if s == "" {
		return false
	}
	c := s[len(s)-1]
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
