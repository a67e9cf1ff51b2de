package akari

import (
	"context"
	"io"
	"net"
	"os"
	"time"
)

// When the context of a statement ends, go-sql-driver/mysql closes its socket at
// once, while the server is still busy with the statement: the pool would open
// another connection, and the server have more than MaximumPoolSize. So the
// driver learns of the end a moment later than the pool, which keeps the socket
// open by a second descriptor, says with a FIN that there is nothing more to come,
// and holds the connection's place until the server has hung up (closeGrace at
// most).

// lateContext is a context for a driver that must learn of its end after the
// pool.
type lateContext struct {
	context.Context
	e    *entry
	kept net.Conn      // the socket, once more; written before done is closed
	done chan struct{} // closed after the context has ended
	stop func() bool
}

// linger returns the context for an operation, or for a query until its rows are
// closed, and the function that ends it. If the context ends before that the
// connection is lost: the driver closes it, or, if database/sql has closed the rows
// and so told the driver to read on to their end, the pool does.
func linger(ctx context.Context, e *entry) (context.Context, endWatch) {
	if ctx.Done() == nil || e.probes.socket == nil {
		return ctx, endWatch{}
	}
	l := &lateContext{Context: ctx, e: e, done: make(chan struct{})}
	l.stop = context.AfterFunc(ctx, func() {
		l.kept = again(e.probes.socket)
		close(l.done)
		time.AfterFunc(hangUpGrace, func() { _ = e.probes.socket.Close() })
	})
	return l, endWatch{l}
}

// hangUpGrace is the time the driver has to hang up itself, which gives the better
// error.
const hangUpGrace = 10 * time.Millisecond

// Done is closed when the pool is ready for what the driver does then.
func (l *lateContext) Done() <-chan struct{} { return l.done }

// Err is nil until Done is closed.
func (l *lateContext) Err() error {
	select {
	case <-l.done:
		return l.Context.Err()
	default:
		return nil
	}
}

// end settles what has become of the operation's context.
func (l *lateContext) end() {
	if l.stop() {
		return
	}
	<-l.done
	if l.e.broken == nil {
		l.e.broken = errAborted
	}
	if l.e.kept == nil {
		l.e.kept = l.kept
	} else if l.kept != nil {
		_ = l.kept.Close()
	}
}

// again opens a second descriptor of a socket, nil if that cannot be.
func again(c net.Conn) net.Conn {
	f, ok := c.(interface{ File() (*os.File, error) })
	if !ok {
		return nil
	}
	file, err := f.File()
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	kept, err := net.FileConn(file)
	if err != nil {
		return nil
	}
	return kept
}

// awaitHangUp waits until the server has closed a connection that its driver has
// closed already.
func awaitHangUp(c net.Conn) {
	defer func() { _ = c.Close() }()
	if w, ok := c.(interface{ CloseWrite() error }); !ok || w.CloseWrite() != nil {
		return
	}
	if c.SetReadDeadline(time.Now().Add(closeGrace)) == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}
