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
// take to notice: lib/pq dials the server once more, to cancel the statement. If
// that takes longer the connection is lost, as it mostly is anyway.
const abortGrace = 100 * time.Millisecond

var errAborted = errors.New("akari: closed under a driver that did not mind the end of its context")

// endWatch ends a watch; nil if there is none.
type endWatch func()

func (w endWatch) end() {
	if w != nil {
		w()
	}
}

// watch guards a call of a driver whose reads outlast their context: lib/pq
// waits for an answer even when the network has gone silent. Some time after
// the context has ended the socket is closed under it, which is safe from any
// goroutine, and the driver returns with an error. The connection is lost then,
// as it is with lib/pq after any cancelled statement.
//
// It returns the context for the driver, and the function that ends the watch.
// Either that or the closing comes first: a connection that was closed at the
// last moment, when the call had succeeded, is not lent again.
func (s *session) watch(ctx context.Context, e *entry) (context.Context, endWatch) {
	if e.caps.profile.hangsUp {
		return linger(ctx, e)
	}
	if !e.caps.profile.deafToContext || ctx.Done() == nil {
		return ctx, nil
	}
	if e.probes.socket == nil {
		return ctx, func() { s.late = s.late || ctx.Err() != nil }
	}
	var over atomic.Bool // won by whoever is first
	returned := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		grace := time.NewTimer(abortGrace)
		defer grace.Stop()
		select {
		case <-returned:
		case <-grace.C:
			if over.CompareAndSwap(false, true) {
				_ = e.probes.socket.Close()
			}
		}
	})
	return ctx, func() {
		stop()
		if !over.CompareAndSwap(false, true) {
			e.broken = errAborted
		}
		s.late = s.late || ctx.Err() != nil
		close(returned)
	}
}

// watchStatement is watch for a statement. If it is prepared lib/pq would ask the
// server to cancel it, and wait for as long as the server, frozen say, does not
// take the request. So the pool asks, and the driver knows of no context.
func (s *session) watchStatement(ctx context.Context, e *entry, prepared bool) (context.Context, endWatch) {
	during, watch := s.watch(ctx, e)
	if !prepared || watch == nil || e.probes.cancel == nil || e.caps.profile.hangsUp {
		return during, watch
	}
	p := s.p // the session may have ended by then
	stop := context.AfterFunc(ctx, func() { p.spawn(e.probes.cancel) })
	return context.WithoutCancel(ctx), func() {
		stop()
		watch()
	}
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
			return // the socket will be closed, see watch
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

// endContexts is called at the end of a use: lib/pq has asked the server to cancel
// an operation whose context ended before it did, and does not know whether it was
// in time. A request that comes late cancels the next statement, which must not be
// another borrower's.
func (s *session) endContexts(e *entry) {
	if s.late && e.broken == nil {
		e.broken = errLateCancel
	}
}

var errLateCancel = errors.New("akari: the server may have been asked to cancel a statement that was over")
