package load

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/akaripool/akari"
	mysqldriver "github.com/go-sql-driver/mysql"
)

// The classes of errors, as they are reported.
const (
	classTimeout    = "timeout"    // no connection within ConnectionTimeout
	classPoolLock   = "pool-lock"  // failed to break a pool-lock
	classRefused    = "refused"    // too many waiters, pool suspended or closed
	classConstraint = "constraint" // the database says that the data do not fit
	classLost       = "lost"       // the connection was lost; what was under way may have been done or not
	classCancelled  = "cancelled"  // a context ended
	classCutOff     = "cut off"    // still under way some time after the end of the load
	classOther      = "other"
)

// classify says what kind of error a statement has failed with, and the
// database's code for it, "" if it has none.
func classify(err error) (class, code string) {
	code, state := codeOf(err)
	var sqliteErr interface{ Code() int }
	switch {
	case errors.Is(err, akari.ErrPoolLock):
		return classPoolLock, ""
	case errors.Is(err, akari.ErrAcquireTimeout):
		return classTimeout, ""
	case errors.Is(err, akari.ErrTooManyWaiters), errors.Is(err, akari.ErrPoolSuspended), errors.Is(err, akari.ErrPoolClosed):
		return classRefused, ""
	case isLost(err, state):
		return classLost, code
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return classCancelled, ""
	case strings.HasPrefix(state, "23"), code == "MySQL 3819":
		return classConstraint, code
	case errors.As(err, &sqliteErr) && sqliteErr.Code()&0xff == 19:
		return classConstraint, code
	}
	return classOther, code
}

// codeOf is the database's code as it is shown, and the SQLSTATE where there is
// one.
func codeOf(err error) (code, state string) {
	var my *mysqldriver.MySQLError
	if errors.As(err, &my) {
		if my.SQLState[0] != 0 {
			state = string(my.SQLState[:])
		}
		return fmt.Sprintf("MySQL %d", my.Number), state
	}
	var s interface{ SQLState() string }
	if errors.As(err, &s) && s.SQLState() != "" {
		return "SQLSTATE " + s.SQLState(), s.SQLState()
	}
	var lite interface{ Code() int }
	if errors.As(err, &lite) {
		return fmt.Sprintf("SQLite %d", lite.Code()), ""
	}
	return "", ""
}

// lostStates are those with which PostgreSQL ends a connection.
var lostStates = []string{"57P01", "57P02", "57P03", "57P05"}

func isLost(err error, state string) bool {
	if errors.Is(err, akari.ErrOutcomeUnknown) || strings.HasPrefix(state, "08") || slices.Contains(lostStates, state) {
		return true
	}
	for _, lost := range []error{driver.ErrBadConn, sql.ErrConnDone, mysqldriver.ErrInvalidConn, io.EOF, io.ErrUnexpectedEOF,
		net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var network *net.OpError
	return errors.As(err, &network) || errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded)
}

func isDuplicateTable(err error) bool {
	code, _ := codeOf(err)
	return code == "SQLSTATE 42P07" || code == "MySQL 1050" ||
		code == "SQLite 1" && strings.Contains(err.Error(), "already exists")
}

// advice says what to do about a database that cannot be opened.
func (db *database) advice(err error) string {
	code, state := codeOf(err)
	switch {
	case strings.HasPrefix(err.Error(), "running ConnectionInitSQL"):
		return "correct the -connection-init-sql"
	case strings.HasPrefix(err.Error(), "setting session defaults"):
		return "check the -schema"
	case strings.HasPrefix(state, "28"), code == "MySQL 1045", code == "MySQL 1698":
		return "check the user name and the password in the -dsn"
	case state == "3D000", code == "MySQL 1049", code == "MySQL 1044":
		return "check the name of the database in the -dsn, and that the user may use it"
	case strings.HasPrefix(state, "53"), code == "MySQL 1040", code == "MySQL 1203":
		return "free some of the server's connections, or raise its limit"
	case isLost(err, state), errors.Is(err, context.DeadlineExceeded):
		return "check that the server runs at the address in the -dsn"
	}
	return "check the -driver and the -dsn"
}
