package akari

import "sync/atomic"

// suspicion is what one dead connection teaches about the others: none of them
// that the server has not answered on since is lent without asking. So a
// restart of the server costs callers nothing, though connections are
// otherwise lent unasked.
type suspicion struct {
	since    atomic.Int64 // on the pool's clock, before it to begin with; raised only
	sweeping atomic.Bool  // one sweep at a time
}

// sweepers bounds the connections that a sweep asks at once.
const sweepers = 16

// suspect raises the suspicion against every connection that the server has not
// answered on since now, and looks after the idle ones in the background.
func (p *Pool) suspect() {
	now := p.now()
	for {
		was := p.suspicion.since.Load()
		if now <= was || p.suspicion.since.CompareAndSwap(was, now) {
			break
		}
	}
	if p.suspicion.sweeping.CompareAndSwap(false, true) {
		p.spawn(p.sweep)
	}
}

// sweep asks all idle connections under suspicion, several at a time: those
// that answer are back in the pool at once, the others are replaced.
func (p *Pool) sweep() {
	defer p.suspicion.sweeping.Store(false)
	places := make(chan struct{}, sweepers)
	for _, it := range p.bag.All() {
		e := it.Value
		if e.lastSeen.Load() > p.suspicion.since.Load() {
			continue
		}
		places <- struct{}{}
		if !p.bag.Reserve(it) {
			<-places
			continue
		}
		x := p.examine(e, sweeping)
		p.spawn(func() {
			<-x.done
			<-places
		})
	}
}
