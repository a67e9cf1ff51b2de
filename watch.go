package akari

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// abortGrace is how long after the end of a statement's context its driver may
// take to notice: the server is dialled once more, to cancel the statement. If
// that takes longer the connection is lost, as it mostly is anyway.
const abortGrace = 100 * time.Millisecond

var errAborted = errors.New("akari: closed under a driver that did not mind the end of its context")

// endWatch ends a watch, if there is one.
type endWatch struct{ ender interface{ end() } }

func (w endWatch) none() bool { return w.ender == nil }

func (w endWatch) end() {
	if !w.none() {
		w.ender.end()
	}
}

// deafWatch guards a call of a driver whose reads outlast their context: lib/pq
// waits for an answer even when the network has gone silent. Some time after
// the context has ended the socket is closed under it, which is safe from any
// goroutine, and the driver returns with an error. The connection is lost then,
// as it is with lib/pq after any cancelled statement.
//
// Either the end of the call or the closing comes first: a connection that was
// closed at the last moment, when the call had succeeded, is not lent again.
type deafWatch struct {
	s    *session // for end
	p    *Pool    // for ended: the session may have ended by then
	e    *entry
	ctx  context.Context
	ask  func()      // asks the server to cancel the statement; nil where the driver does
	stop func() bool // nil if there is nothing to do when the context ends
	over atomic.Bool // won by whoever is first
}

// watch begins the watch of a call. It returns the context for the driver, and
// what ends the watch.
func (s *session) watch(ctx context.Context, e *entry) (context.Context, endWatch) {
	if e.caps.profile.hangsUp {
		return linger(ctx, e)
	}
	return ctx, s.watchDeaf(ctx, e, nil)
}

// watchStatement is watch for a statement. If it is prepared lib/pq would ask the
// server to cancel it, and wait for as long as the server, frozen say, does not
// take the request. So the pool asks, and the driver knows of no context.
func (s *session) watchStatement(ctx context.Context, e *entry, prepared bool) (context.Context, endWatch) {
	if !prepared || e.probes.cancel == nil || e.caps.profile.hangsUp {
		return s.watch(ctx, e)
	}
	watch := s.watchDeaf(ctx, e, e.probes.cancel)
	if watch.none() {
		return ctx, watch
	}
	return context.WithoutCancel(ctx), watch
}

func (s *session) watchDeaf(ctx context.Context, e *entry, ask func()) endWatch {
	if !e.caps.profile.deafToContext || ctx.Done() == nil {
		return endWatch{}
	}
	w := &deafWatch{s: s, p: s.p, e: e, ctx: ctx, ask: ask}
	if ask != nil || e.probes.socket != nil {
		w.stop = context.AfterFunc(ctx, w.ended)
	}
	return endWatch{w}
}

// watchEnd is the watch of a COMMIT or ROLLBACK that has a bound of its own: no
// driver but pgx minds a context there.
func (s *session) watchEnd(ctx context.Context, e *entry) endWatch {
	if ctx.Done() == nil || e.probes.socket == nil {
		return endWatch{}
	}
	w := &deafWatch{s: s, p: s.p, e: e, ctx: ctx}
	w.stop = context.AfterFunc(ctx, w.ended)
	return endWatch{w}
}

// ended is called when the context has ended before the call.
func (w *deafWatch) ended() {
	if w.ask != nil {
		w.p.spawn(w.ask)
	}
	if w.e.probes.socket == nil {
		return
	}
	time.AfterFunc(abortGrace, func() {
		if w.over.CompareAndSwap(false, true) {
			_ = w.e.probes.socket.Close()
		}
	})
}

func (w *deafWatch) end() {
	if w.stop != nil {
		w.stop()
	}
	if !w.over.CompareAndSwap(false, true) {
		w.e.broken = errAborted
	}
	w.s.late = w.s.late || w.ctx.Err() != nil
}

// cancelRequest is PostgreSQL's: sent on a connection of its own, which the server
// closes once it has passed it on. It needs no TLS.
func cancelRequest(to net.Addr, pid uint32, key []byte) func() {
	const code = 80877102
	request := binary.BigEndian.AppendUint32(nil, uint32(12+len(key)))
	request = binary.BigEndian.AppendUint32(request, code)
	request = binary.BigEndian.AppendUint32(request, pid)
	request = append(request, key...)
	return func() {
		end := time.Now().Add(abortGrace)
		c, err := net.DialTimeout(to.Network(), to.String(), abortGrace)
		if err != nil {
			return // the socket will be closed, see deafWatch.ended
		}
		defer func() { _ = c.Close() }()
		if c.SetDeadline(end) != nil {
			return
		}
		if _, err := c.Write(request); err == nil {
			_, _ = io.Copy(io.Discard, c)
		}
	}
}

// endContexts is called at the end of a use: lib/pq, or the pool for it, has asked
// the server to cancel an operation whose context ended before it did, and does not
// know whether it was in time. A request that comes late cancels the next statement, which must not be
// another borrower's.
func (s *session) endContexts(e *entry) {
	if s.late && e.broken == nil {
		e.broken = errLateCancel
	}
}

var errLateCancel = errors.New("akari: the server may have been asked to cancel a statement that was over")
