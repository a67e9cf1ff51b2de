package faults

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/akaripool/akari"
	"github.com/go-sql-driver/mysql"
)

// Classes of errors, as far as they have no number of the server's: those have
// their SQLSTATE or MySQL's number for a name.
const (
	classWaited   = "no connection in time" // akari says so; the statement was not sent
	classUnknown  = "outcome unknown"       // akari says so
	classDeadline = "deadline"              // the caller's time ran out somewhere
	classPoolLock = "pool-lock"
	classRefused  = "ECONNREFUSED"
	classReset    = "ECONNRESET"
	classEOF      = "EOF"
	classBadConn  = "ErrBadConn"
	classInvalid  = "invalid connection"
	classNetwork  = "network"
	classStuck    = "never returned"
)

// classOf names the kind of an error for the tables.
func classOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, akari.ErrPoolLock):
		return classPoolLock
	case errors.Is(err, akari.ErrAcquireTimeout):
		return classWaited
	case errors.Is(err, akari.ErrOutcomeUnknown):
		return classUnknown
	}
	if code := codeOf(err); code != "" && code != "57014" { // which is how lib/pq puts a deadline
		return code
	}
	for _, k := range []struct {
		err  error
		name string
	}{
		{context.DeadlineExceeded, classDeadline}, {context.Canceled, classDeadline}, {os.ErrDeadlineExceeded, classDeadline},
		{syscall.ECONNREFUSED, classRefused}, {syscall.ECONNRESET, classReset}, {syscall.EPIPE, classReset},
		{io.EOF, classEOF}, {io.ErrUnexpectedEOF, classEOF}, {driver.ErrBadConn, classBadConn}, {mysql.ErrInvalidConn, classInvalid},
	} {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	var op *net.OpError
	switch {
	case codeOf(err) == "57014":
		return classDeadline
	case errors.As(err, &op):
		return classNetwork
	case strings.Contains(err.Error(), "akari:"):
		return err.Error() // an explanation
	}
	return firstWords(err.Error())
}

// codeOf is the server's code of an error, "" if the server did not speak.
func codeOf(err error) string {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState()
	}
	var number *mysql.MySQLError
	if errors.As(err, &number) {
		return fmt.Sprint(number.Number)
	}
	return ""
}

func firstWords(text string) string {
	const most = 60
	if text, _, _ = strings.Cut(text, "\n"); len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// Errors counts errors by class.
type Errors map[string]int

// Total is the number of errors.
func (e Errors) Total() (n int) {
	for _, k := range e {
		n += k
	}
	return n
}

// Except is the number of errors of other classes than those given.
func (e Errors) Except(classes ...string) (n int) {
	for class, k := range e {
		if !slices.Contains(classes, class) {
			n += k
		}
	}
	return n
}

// String lists the classes, the most frequent first.
func (e Errors) String() string {
	if len(e) == 0 {
		return "none"
	}
	classes := slices.SortedFunc(maps.Keys(e), func(a, b string) int {
		if e[a] != e[b] {
			return e[b] - e[a]
		}
		return strings.Compare(a, b)
	})
	parts := make([]string, len(classes))
	for i, c := range classes {
		parts[i] = fmt.Sprintf("%s %s", thousands(e[c]), c)
	}
	return strings.Join(parts, ", ")
}

// thousands writes a number as 12,345.
func thousands[N int | int64](n N) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
