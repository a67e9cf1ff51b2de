package faultproxy

import (
	"fmt"
	"net"
	"time"
)

// Arrival says what becomes of new connections.
type Arrival int

const (
	// Forward connects the client to the target. It is the mode a proxy
	// starts in.
	Forward Arrival = iota
	// Refuse answers a connect with a RST (ECONNREFUSED), as a host does on
	// which no server runs. On systems other than Linux it is the same as Reset.
	Refuse
	// Reset accepts a connection and resets it at once.
	Reset
	// Silent accepts a connection, takes what the client sends and never
	// answers, as a load balancer does in front of a dead server. The
	// connection stays silent for its life, whatever the mode becomes.
	Silent
	// Unanswered leaves even the connect without an answer, as a firewall does
	// that drops packets. The client's kernel tries again after 1, 3, 7, …
	// seconds; the first try after the mode has changed succeeds. Linux only.
	//
	// A client that connects in the very moment the mode is set may still be
	// accepted; it is then forwarded when the mode changes back.
	Unanswered
)

// String returns the name of the mode.
func (a Arrival) String() string {
	switch a {
	case Forward:
		return "Forward"
	case Refuse:
		return "Refuse"
	case Reset:
		return "Reset"
	case Silent:
		return "Silent"
	case Unanswered:
		return "Unanswered"
	}
	return fmt.Sprintf("Arrival(%d)", int(a))
}

type arrivalChange struct {
	mode Arrival
	done chan<- error
}

// SetArrivals changes what becomes of new connections; open ones are not
// touched. When it returns, the mode is in force. The error is
// [errors.ErrUnsupported] for Unanswered on a system other than Linux, and
// [net.ErrClosed] after Close.
func (p *Proxy) SetArrivals(mode Arrival) error {
	if mode < Forward || mode > Unanswered {
		return fmt.Errorf("faultproxy: there is no arrival mode %v", mode)
	}
	p.setArrivals.Lock()
	defer p.setArrivals.Unlock()
	// The accept loop hears of the change when its Accept times out.
	p.ln.SetDeadline(time.Unix(1, 0))
	done := make(chan error, 1)
	select {
	case p.arrivals <- arrivalChange{mode, done}:
		return <-done
	case <-p.ctx.Done():
		return fmt.Errorf("faultproxy: %w", net.ErrClosed)
	}
}

// arrivalState belongs to the accept loop.
type arrivalState struct {
	p    *Proxy
	mode Arrival
	// filler occupies the listening socket's queue while the mode is
	// Unanswered; nil if a client got there first.
	filler net.Conn
	// fillerAddr is the filler's own address, so that it is not served when it
	// is accepted at last.
	fillerAddr string
}

func (a *arrivalState) accepting() bool {
	return !listenerIsDeaf(a.mode)
}

// enter changes the mode. On an error the old mode stays.
func (a *arrivalState) enter(mode Arrival) error {
	a.p.ln.SetDeadline(time.Time{})
	if mode == a.mode {
		return nil
	}
	if mode == Unanswered && !listenerIsDeaf(mode) {
		return unsupported(mode)
	}
	if !a.accepting() {
		if err := openEars(a.p.ln); err != nil {
			return err
		}
		a.drop()
		a.mode = Forward
	}
	switch {
	case mode == Refuse && listenerIsDeaf(mode):
		if err := refuse(a.p.ln); err != nil {
			return err
		}
		a.fillerAddr = "" // it was reset with the queue
	case mode == Unanswered:
		if err := a.fill(); err != nil {
			return err
		}
	}
	a.mode = mode
	return nil
}

// fill makes the kernel drop every SYN: the queue of connections to be accepted
// is cut to one place, and that place is taken.
func (a *arrivalState) fill() error {
	if err := shrinkQueue(a.p.ln); err != nil {
		return err
	}
	filler, err := net.DialTimeout("tcp", a.p.addr, 100*time.Millisecond)
	if err != nil {
		// The place is taken by a client already: just as good.
		return nil
	}
	a.filler, a.fillerAddr = filler, filler.LocalAddr().String()
	return nil
}

// drop lets go of the filler.
func (a *arrivalState) drop() {
	if a.filler != nil {
		a.filler.Close()
		a.filler = nil
	}
}

// admit does with an accepted connection what the mode says.
func (a *arrivalState) admit(client *net.TCPConn) {
	if a.fillerAddr != "" && client.RemoteAddr().String() == a.fillerAddr {
		a.fillerAddr = ""
		client.Close()
		return
	}
	if a.mode == Refuse || a.mode == Reset {
		a.p.counters.refused.Add(1)
		client.SetLinger(0)
		client.Close()
		return
	}
	a.p.counters.accepted.Add(1)
	a.p.serve(client, a.mode == Silent)
}
