package akaritest

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// Error is an error of the server with an SQLSTATE, as PostgreSQL's drivers
// give it: by a method SQLState.
type Error struct {
	Code    string // five characters
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("akaritest: %s (SQLSTATE %s)", e.Message, e.Code)
}

// SQLState returns Code.
func (e *Error) SQLState() string { return e.Code }

// MySQLError is an error of the server with a number. It has the fields of the
// error type of github.com/go-sql-driver/mysql, and like that no method
// SQLState.
type MySQLError struct {
	Number   uint16
	SQLState [5]byte
	Message  string
}

func (e *MySQLError) Error() string {
	return fmt.Sprintf("akaritest: %s (error %d, SQLSTATE %s)", e.Message, e.Number, e.SQLState)
}

// ErrBusy is the answer to a call while rows are open on the connection, if the
// profile has RowsBlock.
var ErrBusy = errors.New("akaritest: connection busy: close the rows of the last query first")

// errClosed goes with a violation: the caller used something it had closed.
var errClosed = errors.New("akaritest: used after Close")

// errRefused is what Connect says while the server is shut down.
var errRefused error = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// A problem is an error of the server in both numberings.
type problem struct {
	code   string
	number uint16
}

var (
	duplicateID        = problem{"23505", 1062}
	inserting          = problem{"40001", 1213}
	readOnly           = problem{"25006", 1792}
	transactionOpen    = problem{"25001", 1568}
	noTransaction      = problem{"25P01", 1305}
	transactionAborted = problem{"25P02", 1815}
	noSavepoint        = problem{"3B001", 1305}
	tempExists         = problem{"42P07", 1050}
	lockTaken          = problem{"55P03", 3572}
	tooManyConnections = problem{"53300", 1040}
	badStatement       = problem{"42601", 1064}
	badArguments       = problem{"07001", 1210}
)

// fail makes an error of the server in the numbering of its profile.
func (s *Server) fail(p problem, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	if s.profile.MySQLErrors {
		e := &MySQLError{Number: p.number, Message: message}
		copy(e.SQLState[:], p.code)
		return e
	}
	return &Error{Code: p.code, Message: message}
}

// endsConnection reports whether a server that sends err ends the connection.
func endsConnection(err error) bool {
	switch e := err.(type) {
	case *Error:
		switch e.Code {
		case "57P01", "57P02", "57P05", "25P03":
			return true
		}
		return strings.HasPrefix(e.Code, "08")
	case *MySQLError:
		switch e.Number {
		case 1053, 1927, 3169, 4031:
			return true
		}
	}
	return false
}
