package faultproxy

import "sync/atomic"

// Stats counts what a proxy has done since it was made.
type Stats struct {
	Accepted    int64 // connections accepted to be forwarded or to be silent
	Refused     int64 // connections accepted only to be reset; a kernel's refusal is not seen
	Unreachable int64 // accepted connections whose target could not be reached
	Open        int   // connections that are not yet closed on both sides
	MaxOpen     int   // the most that were open at once
	RepliesLost int64 // replies dropped by [Proxy.LoseReplies]

	BytesToServer int64
	BytesToClient int64
}

type counters struct {
	accepted, refused, unreachable, repliesLost atomic.Int64
	bytes                                       [2]atomic.Int64 // by direction
}

// Stats returns the counts of this moment.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	open, maxOpen := len(p.conns), p.maxOpen
	p.mu.Unlock()
	c := &p.counters
	return Stats{
		Accepted:      c.accepted.Load(),
		Refused:       c.refused.Load(),
		Unreachable:   c.unreachable.Load(),
		Open:          open,
		MaxOpen:       maxOpen,
		RepliesLost:   c.repliesLost.Load(),
		BytesToServer: c.bytes[toServer].Load(),
		BytesToClient: c.bytes[toClient].Load(),
	}
}
