package sqlerr

import (
	"context"
	"database/sql/driver"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// diagnosis is what all errors of a tree mean together.
type diagnosis struct {
	first Class
	all   uint32 // a bit for each class
	again bool   // one says that the transaction may be run again
	ended bool   // one is a context's
}

func (d *diagnosis) has(classes ...Class) bool {
	for _, c := range classes {
		if d.all&(1<<c) != 0 {
			return true
		}
	}
	return false
}

func (d *diagnosis) retryable() bool { return d.again && !d.ended && !d.has(ConnectionLost) }

func (d *diagnosis) add(c Class) {
	d.all |= 1 << c
	if d.first == Unknown {
		d.first = c
	}
}

func diagnose(err error) *diagnosis {
	var d diagnosis
	network, before := false, Unknown
	for e := range tree(err) {
		f := look(e)
		d.again = d.again || f.again
		d.ended = d.ended || f.ended
		switch {
		case f.class == Unknown:
		case f.network:
			if !network {
				network, before = true, d.first
			}
		default:
			d.add(f.class)
		}
	}
	if network && !d.ended {
		d.add(ConnectionLost)
		if before == Unknown {
			d.first = ConnectionLost
		}
	}
	return &d
}

// finding is what one error means, without those below it.
type finding struct {
	class   Class
	again   bool // the transaction may be run again
	network bool // the class does not count if a context has ended
	ended   bool // a context has
}

func look(err error) (f finding) {
	defer func() { _ = recover() }()
	if c := codeIn(err); c != (code{}) {
		f.class = c.class(err.Error)
		f.again = c.again(f.class)
		if f.class != Unknown {
			return f
		}
	}
	switch {
	case is(err, context.Canceled), is(err, context.DeadlineExceeded):
		return finding{class: Cancelled, ended: true}
	case is(err, driver.ErrBadConn):
		return finding{class: ConnectionLost}
	case isNetwork(err):
		return finding{class: ConnectionLost, network: true}
	}
	switch text := err.Error(); {
	case text == "invalid connection", // go-sql-driver/mysql, after something was sent
		text == "conn closed": // pgx
		return finding{class: ConnectionLost, network: true}
	case strings.HasPrefix(text, "akari: connection lost"), // its outcome is unknown
		strings.HasPrefix(text, "txn: the transaction is lost with its connection"): // driver.ErrBadConn, hidden from database/sql
		return finding{class: ConnectionLost}
	}
	return f
}

// is is errors.Is for one error.
func is(err, target error) bool {
	if err == target {
		return true
	}
	e, ok := err.(interface{ Is(error) bool })
	return ok && e.Is(target)
}

func isNetwork(err error) bool {
	switch e := err.(type) {
	case *net.OpError, *net.DNSError:
		return true
	case syscall.Errno:
		switch e {
		case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, syscall.ETIMEDOUT,
			syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ECONNREFUSED, syscall.ENOTCONN:
			return true
		}
		return false
	}
	return err == io.EOF || err == io.ErrUnexpectedEOF || err == net.ErrClosed || err == os.ErrDeadlineExceeded
}
