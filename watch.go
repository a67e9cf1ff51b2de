package akari

import (
	"context"
	"errors"
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
