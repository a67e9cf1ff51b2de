package akari

import (
	"context"
	"time"
)

// abortGrace is how long after the end of a statement's context its driver may
// take to notice.
const abortGrace = 100 * time.Millisecond

func noWatch() {}

// watch guards a call of a driver whose reads outlast their context: lib/pq
// waits for an answer even when the network has gone silent. Some time after
// the context has ended the socket is closed under it, which is safe from any
// goroutine, and the driver returns with an error. The connection is lost then,
// as it is with lib/pq after any cancelled statement.
//
// The function returned ends the watch.
func (s *session) watch(ctx context.Context, e *entry) func() {
	if !e.caps.profile.deafToContext || ctx.Done() == nil || e.probes.socket == nil {
		return noWatch
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		grace := time.NewTimer(abortGrace)
		defer grace.Stop()
		select {
		case <-done:
		case <-grace.C:
			_ = e.probes.socket.Close()
		}
	})
	return func() {
		close(done)
		stop()
	}
}
