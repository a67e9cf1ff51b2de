package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy forwards TCP connections from a loopback address to a target and
// spoils them as told. Create one with [New]; all methods may be called from
// any goroutine.
type Proxy struct {
	ln   *net.TCPListener
	addr string

	// ctx ends when Close begins; it stops dials and everything that waits.
	ctx    context.Context
	cancel context.CancelFunc
	// wg counts the accept loop and one goroutine for each connection, which
	// in turn waits for its own.
	wg sync.WaitGroup

	// arrivals carries a new mode for arriving connections to the accept loop,
	// which alone touches the listener's state. setArrivals lets one caller at
	// a time do that.
	arrivals    chan arrivalChange
	setArrivals sync.Mutex

	counters counters

	mu sync.Mutex
	// Guarded by mu.
	target       string
	connectDelay time.Duration
	conns        map[*conn]struct{} // connections being served
	maxOpen      int                // the largest len(conns) so far
	loss         *lossRule          // nil: no reply is lost

	// shape is replaced as a whole and read without a lock.
	shape atomic.Pointer[shape]
}

// New starts a proxy on a free port of 127.0.0.1 that forwards to target, an
// address "host:port". Nothing needs to listen there yet: a connection whose
// target cannot be reached is reset.
func New(target string) (*Proxy, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	ln, err := listen()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{
		ln:       ln,
		addr:     ln.Addr().String(),
		ctx:      ctx,
		cancel:   cancel,
		arrivals: make(chan arrivalChange),
		target:   target,
		conns:    make(map[*conn]struct{}),
	}
	p.shape.Store(newShape())
	p.wg.Go(p.acceptLoop)
	return p, nil
}

// listen binds a port that the kernel has just called free, by its number: only
// a port bound by number stays ours while the listener is shut down for Refuse.
func listen() (*net.TCPListener, error) {
	var err error
	for range 10 {
		var probe, ln net.Listener
		if probe, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			break
		}
		addr := probe.Addr().String()
		probe.Close()
		if ln, err = net.Listen("tcp", addr); err == nil {
			return ln.(*net.TCPListener), nil
		}
	}
	return nil, fmt.Errorf("faultproxy: no port to listen on: %w", err)
}

func checkTarget(target string) error {
	host, port, err := net.SplitHostPort(target)
	if err != nil || host == "" || port == "" {
		return fmt.Errorf(`faultproxy: target %q is not an address of the form "host:port"`, target)
	}
	return nil
}

// Addr returns the address to connect to, "127.0.0.1:port". It stays the same
// for the life of the proxy.
func (p *Proxy) Addr() string { return p.addr }

// SetTarget leads new connections to another server, as a name does after a
// failover. Open connections stay with the server they have; see
// [Proxy.ResetAll] and [Proxy.CloseAll].
func (p *Proxy) SetTarget(target string) error {
	if err := checkTarget(target); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	return nil
}

// SetConnectDelay makes each new connection wait for d after it was accepted
// and before anything is forwarded, so that its handshake with the server is
// slow. 0 ends it for later connections.
func (p *Proxy) SetConnectDelay(d time.Duration) {
	mustNotBeNegative("connect delay", d)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connectDelay = d
}

// Stall makes every open connection half-open: nothing passes in either
// direction, neither bytes nor the end of the connection, and nobody is told.
// Connections made later are not stalled. A stalled connection stays open, and
// counted so, even after both its ends have closed; [Proxy.Unstall] lets it go
// on, [Proxy.ResetAll] and [Proxy.CloseAll] end it.
func (p *Proxy) Stall() { p.eachConn((*conn).stall) }

// Unstall lets stalled connections go on. What was sent meanwhile is delivered.
func (p *Proxy) Unstall() { p.eachConn((*conn).unstall) }

// ResetAll ends every open connection, the silent and stalled ones too, with a
// RST to both sides.
func (p *Proxy) ResetAll() { p.eachConn(func(c *conn) { c.end(byRST) }) }

// CloseAll ends every open connection with a FIN to both sides, as a server or
// a load balancer does that closes idle connections. A side that had sent bytes
// that nobody has read gets a RST after the FIN, as from any kernel.
func (p *Proxy) CloseAll() { p.eachConn(func(c *conn) { c.end(byFIN) }) }

// Heal ends every fault: new connections are forwarded without delay, stalled
// ones go on, the bytes flow freely and replies are kept. Connections that were
// accepted while [Silent] stay silent, as they do when a network heals.
func (p *Proxy) Heal() error {
	p.SetConnectDelay(0)
	p.KeepReplies()
	p.shape.Load().supersede(p, func(s *shape) { *s = shape{} })
	p.Unstall()
	return p.SetArrivals(Forward)
}

// Close stops listening, resets what is still open and waits until every
// goroutine of the proxy has ended. A second call does nothing.
func (p *Proxy) Close() error {
	p.cancel()
	err := p.ln.Close()
	p.ResetAll()
	p.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// acceptLoop is the only goroutine that accepts and the only one that changes
// what the listening socket does.
func (p *Proxy) acceptLoop() {
	a := arrivalState{p: p}
	defer a.drop()
	for {
		if !a.accepting() {
			select {
			case change := <-p.arrivals:
				change.done <- a.enter(change.mode)
			case <-p.ctx.Done():
				return
			}
			continue
		}
		client, err := p.ln.AcceptTCP()
		switch {
		case err == nil:
			a.admit(client)
		case p.ctx.Err() != nil:
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Somebody in SetArrivals has set the deadline to be heard, or had
			// set it before Close.
			select {
			case change := <-p.arrivals:
				change.done <- a.enter(change.mode)
			case <-p.ctx.Done():
				return
			}
		default:
			// Out of descriptors, or a client gone before it was accepted:
			// neither is a reason to stop, only to wait a little.
			p.pause(5 * time.Millisecond)
		}
	}
}

// pause waits for d or for Close, whichever is first.
func (p *Proxy) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.ctx.Done():
	}
}

// serve takes over an accepted connection and returns at once.
func (p *Proxy) serve(client *net.TCPConn, silent bool) {
	c := newConn(p, client)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		// Close has begun and may already have ended what it found.
		c.end(byRST)
		return
	}
	p.conns[c] = struct{}{}
	p.maxOpen = max(p.maxOpen, len(p.conns))
	target, delay := p.target, p.connectDelay
	p.wg.Go(func() {
		defer p.forget(c)
		if silent {
			c.discard()
			return
		}
		c.forward(target, delay)
	})
}

// forget lets go of a connection that has ended by itself or is ended by Close.
func (p *Proxy) forget(c *conn) {
	if p.ctx.Err() != nil {
		c.end(byRST)
	}
	c.end(byFIN)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *Proxy) eachConn(do func(*conn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		do(c)
	}
}

func mustNotBeNegative(what string, d time.Duration) {
	if d < 0 {
		panic(fmt.Sprintf("faultproxy: the %s %v is negative", what, d))
	}
}
