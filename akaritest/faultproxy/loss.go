package faultproxy

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// ReplyLoss says which replies are lost. The zero value loses every one.
type ReplyLoss struct {
	// Match chooses by the request; nil matches every request, those of a
	// login too. It is called from several goroutines at once and must neither
	// keep nor change the bytes.
	Match func(request []byte) bool

	// Probability is the chance, from 0 to 1, that the reply to a matching
	// request is lost. 0 is the same as 1: every one.
	Probability float64

	// Count is the number of replies to lose before the rule ends by itself.
	// 0 means no end.
	Count int

	// Reset ends the connection of a lost reply with a RST instead of a FIN.
	Reset bool
}

// lossRule is a ReplyLoss in force.
type lossRule struct {
	ReplyLoss
	ending ending

	mu   sync.Mutex
	left int // replies still to lose; only counts if Count > 0. Guarded by mu.
}

// LoseReplies puts loss in force in place of the rule before it: the request
// reaches the server, the first bytes of its reply are dropped, and both sides
// of the connection are closed.
func (p *Proxy) LoseReplies(loss ReplyLoss) {
	if loss.Probability < 0 || loss.Probability > 1 {
		panic(fmt.Sprintf("faultproxy: the probability %v is not between 0 and 1", loss.Probability))
	}
	if loss.Count < 0 {
		panic(fmt.Sprintf("faultproxy: the count %d is negative", loss.Count))
	}
	rule := &lossRule{ReplyLoss: loss, left: loss.Count}
	if loss.Reset {
		rule.ending = byRST
	}
	p.setLoss(rule)
}

// KeepReplies ends [Proxy.LoseReplies].
func (p *Proxy) KeepReplies() { p.setLoss(nil) }

func (p *Proxy) setLoss(rule *lossRule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loss = rule
}

// lostReply returns the rule by which the reply to request is to be lost, or
// nil. No request means that these bytes go on with a reply already begun, or
// that the server speaks first.
func (p *Proxy) lostReply(request []byte) *lossRule {
	if len(request) == 0 {
		return nil
	}
	p.mu.Lock()
	rule := p.loss
	p.mu.Unlock()
	if rule == nil || !rule.strikes(request) {
		return nil
	}
	p.counters.repliesLost.Add(1)
	return rule
}

func (r *lossRule) strikes(request []byte) bool {
	if r.Match != nil && !r.Match(request) {
		return false
	}
	if r.Probability > 0 && rand.Float64() >= r.Probability {
		return false
	}
	if r.Count == 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 {
		return false
	}
	r.left--
	return true
}

// request collects what the client has sent since the server last answered.
// The two pumps of a connection share it.
type request struct {
	mu    sync.Mutex
	bytes []byte // guarded by mu
}

// maxRequest bounds what is kept for Match to look at.
const maxRequest = 1 << 20

// add must be called before the bytes are sent on, so that no reply overtakes it.
func (r *request) add(chunk []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes = append(r.bytes, chunk[:min(len(chunk), maxRequest-len(r.bytes))]...)
}

func (r *request) take() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.bytes
	r.bytes = nil
	return taken
}
