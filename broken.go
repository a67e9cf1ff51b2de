package akari

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"syscall"

	"github.com/akaripool/akari/sqlerr"
)

// Verdict is what Config.Adjudicate says of an error (HikariCP's
// SQLExceptionOverride).
type Verdict int

// The verdicts.
const (
	Continue   Verdict = iota // let the pool's own rules decide
	MustEvict                 // close the connection, whatever the rules say
	DoNotEvict                // keep it
)

// brokenStates are SQLSTATEs after which a connection is not lent again, beside
// class 08 (connection exceptions). The list is HikariCP's.
var brokenStates = map[string]bool{
	"0A000": true, // feature not supported (HikariCP #1003); a stale plan is told apart below
	"57P01": true, // admin shutdown
	"57P02": true, // crash shutdown
	"57P03": true, // cannot connect now
	"01002": true, // SQL-92 disconnect error
	"JZ0C0": true, // Sybase disconnects
	"JZ0C1": true,
	"25P03": true, // PostgreSQL idle_in_transaction_session_timeout: the server hangs up
	"57P05": true, // PostgreSQL idle_session_timeout
}

// brokenNumbers are vendors' error numbers with the same meaning.
var brokenNumbers = map[int]bool{
	500150: true, // Amazon Redshift: connection refused (HikariCP #650)
	2399:   true, // Oracle: maximum connect time exceeded
	1105:   true, // MySQL-compatible proxies: unknown error, connection unusable (HikariCP #1986)
	1053:   true, // MySQL: server shutdown in progress
	1927:   true, // MariaDB: connection was killed
	4031:   true, // MySQL 8.0.24: disconnected because of inactivity
}

// tooManyNumbers are MySQL's ways of saying that it has no room for another
// connection; PostgreSQL has class 53 (53300).
var tooManyNumbers = map[int]bool{1040: true, 1203: true, 1226: true}

// readOnlyNumbers are MySQL's errors of a write on a server that does not take
// writes; PostgreSQL has 25006.
var readOnlyNumbers = map[int]bool{1290: true, 1792: true, 1836: true}

// code is what a database's error says in numbers.
type code struct {
	state  string // SQLSTATE, "" if there is none
	number int    // the vendor's number, 0 if there is none
}

// codeOf finds the code of an error, its own or that of one it wraps or is
// joined with. The numbers that are known here are MySQL's.
func codeOf(err error) (c code) {
	c.state, c.number = sqlerr.Code(err)
	if sqlerr.ServerOf(err) != sqlerr.MySQL {
		c.number = 0
	}
	return c
}

// trouble is what an error means for the connection it came from.
type trouble uint8

const (
	troubleNone     trouble = iota
	troubleBroken           // the connection is lost
	troubleReadOnly         // the server takes no writes
	troubleStale            // a prepared statement's plan no longer fits the tables: nothing was executed
)

// judge says what an error of a statement means for its connection. A
// statement's own time-out (57014, MySQL 3024, MariaDB 1969), a deadlock or a
// lost race leaves the connection as good as it was.
func (p *Pool) judge(err error) trouble {
	switch p.adjudicate(err) {
	case MustEvict:
		return troubleBroken
	case DoNotEvict:
		return troubleNone
	}
	if isBadConn(err) || isNetwork(err) {
		return troubleBroken
	}
	c := codeOf(err)
	switch {
	case c.state == "0A000" && strings.Contains(err.Error(), "cached plan"):
		return troubleStale
	case c.number == 1615, c.number == 1243, c.state == "26000": // the last two: not there any more
		return troubleStale
	case strings.HasPrefix(c.state, "08") || brokenStates[c.state] || brokenNumbers[c.number]:
		return troubleBroken
	case c.state == "25006" || readOnlyNumbers[c.number] && !strings.Contains(err.Error(), "secure"): // 1290 is --secure-file-priv's too
		return troubleReadOnly
	}
	return troubleNone
}

// adjudicate asks Config.Adjudicate. If it panics the pool's own rules decide.
func (p *Pool) adjudicate(err error) (v Verdict) {
	f := p.cfg.Adjudicate
	if f == nil {
		return Continue
	}
	defer func() {
		if r := recover(); r != nil {
			p.log(slog.LevelError, fmt.Sprintf("Config.Adjudicate panicked: %v", r))
			v = Continue
		}
	}()
	return f(err)
}

func isBadConn(err error) bool { return errors.Is(err, driver.ErrBadConn) }

// isContext reports whether err is, or comes from, the end of a context.
func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func isDeadline(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

// isNetwork reports whether the network failed, and not the caller's context:
// a statement that was cancelled says nothing about the server. Whether its
// connection survived the driver knows, and is asked when it comes back.
func isNetwork(err error) bool {
	if isContext(err) {
		return false
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	for _, no := range []syscall.Errno{
		syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, syscall.ETIMEDOUT,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ECONNREFUSED, syscall.ENOTCONN,
	} {
		if errors.Is(err, no) {
			return true
		}
	}
	var op *net.OpError
	return errors.As(err, &op) || isInvalidConn(err)
}

// isInvalidConn recognises go-sql-driver/mysql's error for a connection lost
// after something was sent.
func isInvalidConn(err error) bool {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if e.Error() == "invalid connection" {
			return true
		}
	}
	return false
}

// wasRefused reports whether the error is the server's answer, and the session
// goes on: nothing was executed. PostgreSQL ends sessions with FATAL and PANIC,
// in whatever language, and a pooler says FATAL when it has lost its server.
func wasRefused(err error) bool {
	if c := codeOf(err); c.number != 0 {
		return c.number != 1053 && c.number != 1927 && c.number != 4031 // MySQL hangs up
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		v := structOf(e)
		for _, name := range []string{"SeverityUnlocalized", "Severity"} {
			if f := field(v, name); f.IsValid() && f.Kind() == reflect.String && f.String() != "" {
				return f.String() == "ERROR"
			}
		}
	}
	return false
}

// calling notes, before the driver is called, whether it has closed the
// connection.
func (e *entry) calling() {
	e.wasClosed = e.probes.closed != nil && e.probes.closed()
}

// died reports whether the connection was lost in the call that has just ended,
// as far as the driver says.
func (e *entry) died() bool {
	return e.probes.closed != nil && !e.wasClosed && e.probes.closed()
}

// nothingSent reports whether the driver vouches for not having sent anything,
// so that the statement may be run on another connection.
//
// pgx is not believed if the connection died in the call: when the reply to a
// statement without parameters is lost, pgx 5.12 forgets that, finds its
// connection closed, and says that it is safe to retry.
func nothingSent(e *entry, err error) bool {
	if e.died() {
		return false
	}
	p := &e.caps.profile
	var s interface{ SafeToRetry() bool } // pgx
	if errors.As(err, &s) && s.SafeToRetry() {
		return true
	}
	return p.honestBadConn && isBadConn(err)
}

// classifyOpen says what kind of failure to open err is.
func classifyOpen(err error) openTrouble {
	if err == nil {
		return troubleAny
	}
	c := codeOf(err)
	switch {
	case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE): // it is this machine that has no room
		return troubleFull
	case strings.HasPrefix(c.state, "28") || c.number == 1045 || c.number == 1044:
		return troubleAuth
	case strings.HasPrefix(c.state, "53") || tooManyNumbers[c.number]:
		return troubleFull
	}
	return troubleAny
}

// reportBroken says it in HikariCP's words, but for the codes that are not there:
// a network that failed has none.
func (p *Pool) reportBroken(e *entry, err error) {
	skipped, say := p.said.broken.allow(p.now())
	if !say {
		return
	}
	attrs := []slog.Attr{slog.Any("error", p.secrets.mask(err)), slog.Uint64("conn", e.id)}
	if skipped > 0 {
		attrs = append(attrs, slog.Int64("unreported", skipped))
	}
	why := ""
	if c := codeOf(err); c != (code{}) {
		why = " because of SQLSTATE(" + c.state + "), ErrorCode(" + strconv.Itoa(c.number) + ")"
	}
	p.log(slog.LevelWarn, "Connection "+e.name+" marked as broken"+why, attrs...)
}
