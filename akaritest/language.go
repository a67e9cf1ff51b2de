package akaritest

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A verb is the first word of a statement. The language is described in the
// package comment.
type verb int

const (
	unknownVerb verb = iota
	nop
	connVerb
	setVerb
	getVerb
	resetVerb
	discardVerb
	stateVerb
	tempVerb
	lockVerb
	unlockVerb
	beginVerb
	commitVerb
	rollbackVerb
	savepointVerb
	releaseVerb
	insertVerb
	selectVerb
	countVerb
	rowsVerb
	sleepVerb
	echoVerb
	outVerb
	failVerb
)

var verbs = map[string]verb{
	"NOP": nop, "CONN": connVerb,
	"SET": setVerb, "GET": getVerb, "RESET": resetVerb, "DISCARD": discardVerb, "STATE": stateVerb,
	"TEMP": tempVerb, "LOCK": lockVerb, "UNLOCK": unlockVerb,
	"BEGIN": beginVerb, "COMMIT": commitVerb, "ROLLBACK": rollbackVerb,
	"SAVEPOINT": savepointVerb, "RELEASE": releaseVerb,
	"INSERT": insertVerb, "SELECT": selectVerb, "COUNT": countVerb,
	"ROWS": rowsVerb, "SLEEP": sleepVerb, "ECHO": echoVerb, "OUT": outVerb, "FAIL": failVerb,
}

// command is one statement, split into its verb and the rest.
type command struct {
	verb verb
	word string // the verb as written
	tail string
}

// nextCommand takes the first statement off a text; ok is false if there is
// none left.
func nextCommand(text string) (cmd command, rest string, ok bool) {
	for text != "" {
		var one string
		one, text, _ = strings.Cut(text, ";")
		if one = strings.TrimSpace(one); one != "" {
			word, tail, _ := strings.Cut(one, " ")
			return command{verbs[strings.ToUpper(word)], word, strings.TrimSpace(tail)}, text, true
		}
	}
	return command{}, "", false
}

// parse is what the server does to prepare a statement.
func (c *conn) parse(text string) error {
	rest := c.server.program(text)
	for {
		cmd, next, ok := nextCommand(rest)
		if !ok {
			return nil
		}
		if cmd.verb == unknownVerb {
			return c.server.unknownStatement(cmd.word)
		}
		rest = next
	}
}

func (s *Server) unknownStatement(word string) error {
	return s.fail(badStatement, "no statement %q: package akaritest says which there are, "+
		"Server.Define adds others", word)
}

// placeholders counts the words ? in a text.
func placeholders(text string) int {
	n := 0
	for word := range strings.FieldsSeq(strings.ReplaceAll(text, ";", " ")) {
		if word == "?" {
			n++
		}
	}
	return n
}

// operands reads the words after the verb; a word ? takes the next argument.
type operands struct {
	server *Server
	verb   string
	tail   string
	args   []driver.NamedValue // not used yet
}

// word returns the next operand.
func (o *operands) word() (string, error) {
	word, tail, _ := strings.Cut(o.tail, " ")
	o.tail = strings.TrimSpace(tail)
	if word == "" {
		return "", o.server.fail(badStatement, "%s needs one more operand", o.verb)
	}
	return o.bind(word)
}

// rest returns everything that is left as one operand.
func (o *operands) rest() (string, error) {
	tail := o.tail
	o.tail = ""
	return o.bind(tail)
}

func (o *operands) bind(word string) (string, error) {
	if word != "?" {
		return word, nil
	}
	if len(o.args) == 0 {
		return "", o.server.fail(badArguments, "%s has more ? than there are arguments", o.verb)
	}
	value := o.args[0].Value
	o.args = o.args[1:]
	switch v := value.(type) {
	case []byte:
		return string(v), nil
	case string:
		return v, nil
	}
	return fmt.Sprint(value), nil
}

// number returns the next operand as a whole number.
func (o *operands) number() (int64, error) {
	word, err := o.word()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return 0, o.server.fail(badStatement, "%s %s: that is not a whole number; "+
			"Server.Define gives a meaning to other statements", o.verb, word)
	}
	return n, nil
}

// duration returns the next operand as a time; a plain number, such as a
// time.Duration given as an argument, is nanoseconds.
func (o *operands) duration() (time.Duration, error) {
	word, err := o.word()
	if err != nil {
		return 0, err
	}
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		return time.Duration(n), nil
	}
	d, err := time.ParseDuration(word)
	if err != nil {
		return 0, o.server.fail(badStatement, "%s %s: that is not a time such as 20ms", o.verb, word)
	}
	return d, nil
}

// failure returns the error that FAIL asks for.
func (o *operands) failure() error {
	code, err := o.word()
	if err != nil {
		return err
	}
	message, err := o.rest()
	if err != nil {
		return err
	}
	if len(code) == 5 {
		return &Error{Code: code, Message: message}
	}
	n, err := strconv.ParseUint(code, 10, 16)
	if err != nil {
		return o.server.fail(badStatement, "FAIL %s: give an SQLSTATE of five characters or a number", code)
	}
	return &MySQLError{Number: uint16(n), SQLState: [5]byte([]byte("HY000")), Message: message}
}

// assign stores a text where an output parameter points.
func assign(dest any, text string) error {
	switch d := dest.(type) {
	case *string:
		*d = text
	case *[]byte:
		*d = []byte(text)
	case *any:
		*d = text
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		*d = n
	case *int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		*d = n
	default:
		return errors.New("the destination has to be a *string, *[]byte, *any, *int or *int64")
	}
	return nil
}
