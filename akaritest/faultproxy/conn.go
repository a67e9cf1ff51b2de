package faultproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// ending is how a connection is ended.
type ending int

const (
	byFIN ending = iota
	byRST
)

// conn is one client's connection and the one to the server that belongs to it.
type conn struct {
	p      *Proxy
	client *net.TCPConn

	// ctx ends when the connection does.
	ctx    context.Context
	cancel context.CancelFunc

	request request

	mu sync.Mutex
	// Guarded by mu.
	ended  bool
	how    ending        // only counts if ended
	server *net.TCPConn  // nil until the target has been reached
	flow   chan struct{} // nil while bytes may pass; closed by unstall
}

func newConn(p *Proxy, client *net.TCPConn) *conn {
	c := &conn{p: p, client: client}
	c.ctx, c.cancel = context.WithCancel(p.ctx)
	return c
}

// discard takes and forgets what the client sends until it goes away.
func (c *conn) discard() {
	io.Copy(io.Discard, c.client)
}

// forward connects to the target and returns when the connection has ended.
func (c *conn) forward(target string, delay time.Duration) {
	if !c.sleep(delay, nil) || !c.passable() {
		return
	}
	// Not c.ctx: a dial that is cancelled in its last moment ends by FIN, and
	// attach would not learn that the server has to be reset.
	var d net.Dialer
	up, err := d.DialContext(c.p.ctx, "tcp", target)
	if err != nil {
		if c.ctx.Err() == nil {
			c.p.counters.unreachable.Add(1)
		}
		c.passable() // a stalled client does not hear of it yet
		c.end(byRST)
		return
	}
	server := up.(*net.TCPConn)
	if !c.attach(server) {
		return
	}
	var pumps sync.WaitGroup
	pumps.Go(func() { c.pump(server, c.client, toServer) })
	pumps.Go(func() { c.pump(c.client, server, toClient) })
	pumps.Wait()
}

// attach makes server the far side. It reports false when the connection has
// ended meanwhile, and has then ended server in the same way.
func (c *conn) attach(server *net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		abort(server, c.how)
		return false
	}
	c.server = server
	return true
}

type direction int

const (
	toServer direction = iota
	toClient
)

// pump carries bytes one way until that way is closed, then closes it on the
// far side in the manner it was closed on the near one.
func (c *conn) pump(dst, src *net.TCPConn, way direction) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if !c.passable() {
			return
		}
		if n > 0 && !c.carry(dst, buf[:n], way) {
			return
		}
		if errors.Is(err, io.EOF) {
			dst.CloseWrite()
			return
		}
		if err != nil {
			c.end(byRST)
			return
		}
	}
}

// carry takes one chunk to dst, or loses it. It reports false when the
// connection has ended.
func (c *conn) carry(dst *net.TCPConn, chunk []byte, way direction) bool {
	if way == toServer {
		c.request.add(chunk)
	} else if loss := c.p.lostReply(c.request.take()); loss != nil {
		c.end(loss.ending)
		return false
	}
	return c.write(dst, chunk, way)
}

// write sends a chunk in the pieces and at the pace of the shape in force.
func (c *conn) write(dst *net.TCPConn, chunk []byte, way direction) bool {
	sh := c.p.shape.Load()
	if !c.sleep(sh.latency(), sh.superseded) {
		return false
	}
	for len(chunk) > 0 {
		sh = c.p.shape.Load()
		size, wait := sh.piece(len(chunk))
		// The wait comes first, so that a byte that is to take a second is not
		// there before the second is over.
		if !c.sleep(wait, sh.superseded) || !c.passable() {
			return false
		}
		n, err := dst.Write(chunk[:size])
		c.p.counters.bytes[way].Add(int64(n))
		if err != nil {
			c.end(byRST)
			return false
		}
		chunk = chunk[size:]
	}
	return true
}

// sleep waits for d, or until wake is closed. It reports false when the
// connection has ended.
func (c *conn) sleep(d time.Duration, wake <-chan struct{}) bool {
	if d <= 0 {
		return c.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-c.ctx.Done():
		return false
	}
	return true
}

// passable waits while the connection is stalled. It reports false when the
// connection has ended.
func (c *conn) passable() bool {
	for {
		c.mu.Lock()
		flow, ended := c.flow, c.ended
		c.mu.Unlock()
		if ended {
			return false
		}
		if flow == nil {
			return true
		}
		select {
		case <-flow:
		case <-c.ctx.Done():
			return false
		}
	}
}

func (c *conn) stall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flow == nil {
		c.flow = make(chan struct{})
	}
}

func (c *conn) unstall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flow != nil {
		close(c.flow)
		c.flow = nil
	}
}

// end closes both sides. Only the first call counts.
func (c *conn) end(how ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended, c.how = true, how
	c.cancel()
	abort(c.client, how)
	if c.server != nil {
		abort(c.server, how)
	}
}

func abort(c *net.TCPConn, how ending) {
	if how == byRST {
		c.SetLinger(0)
	} else {
		// Close alone sends a RST and no FIN when there are unread bytes.
		c.CloseWrite()
	}
	c.Close()
}
