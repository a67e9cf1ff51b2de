package faultproxy

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// shape says how fast bytes pass. It is immutable once it is in force.
type shape struct {
	minLatency, maxLatency time.Duration
	bandwidth              int           // bytes per second; 0: no limit
	trickle                time.Duration // time per byte; 0: no trickle

	// superseded is closed when another shape is in force, so that nobody
	// sleeps on for a time that no longer applies.
	superseded chan struct{}
}

func newShape() *shape { return &shape{superseded: make(chan struct{})} }

// SetLatency delays every chunk of bytes, in both directions, by a time drawn
// evenly from min to max. A chunk is what the sender's write delivered in one
// piece, at most 32 KiB; chunks keep their order. Two zeros end it.
func (p *Proxy) SetLatency(min, max time.Duration) {
	mustNotBeNegative("latency", min)
	if min > max {
		panic(fmt.Sprintf("faultproxy: the least latency %v is larger than the largest, %v", min, max))
	}
	p.shape.Load().supersede(p, func(s *shape) { s.minLatency, s.maxLatency = min, max })
}

// SetBandwidth limits each direction of each connection to that many bytes per
// second. 0 ends it.
func (p *Proxy) SetBandwidth(bytesPerSecond int) {
	if bytesPerSecond < 0 {
		panic(fmt.Sprintf("faultproxy: the bandwidth %d is negative", bytesPerSecond))
	}
	p.shape.Load().supersede(p, func(s *shape) { s.bandwidth = bytesPerSecond })
}

// SetTrickle lets the bytes of each direction pass one by one, interval apart,
// so that a reader is never without progress and never done. 0 ends it.
func (p *Proxy) SetTrickle(interval time.Duration) {
	mustNotBeNegative("trickle interval", interval)
	p.shape.Load().supersede(p, func(s *shape) { s.trickle = interval })
}

// supersede puts a changed copy of the shape in force. Started from a shape
// that is no longer in force, it starts again from the one that is.
func (s *shape) supersede(p *Proxy, change func(*shape)) {
	for {
		next := *s
		change(&next)
		next.superseded = make(chan struct{})
		if p.shape.CompareAndSwap(s, &next) {
			close(s.superseded)
			return
		}
		s = p.shape.Load()
	}
}

// latency draws the delay of one chunk.
func (s *shape) latency() time.Duration {
	if s.maxLatency == s.minLatency {
		return s.minLatency
	}
	return s.minLatency + rand.N(s.maxLatency-s.minLatency+1)
}

// piece returns how many of n bytes to send next and how long to wait before.
func (s *shape) piece(n int) (size int, wait time.Duration) {
	if s.trickle > 0 {
		return 1, s.trickle
	}
	if s.bandwidth > 0 {
		// About fifty pieces a second are smooth enough and cheap.
		size = min(n, max(1, s.bandwidth/50))
		return size, time.Duration(size) * time.Second / time.Duration(s.bandwidth)
	}
	return n, 0
}
