package exampletest

import (
	"bytes"
	"context"
	"net"
	"sync"
	"time"
)

// wire counts the sockets that a driver has open to its server. They count from
// the first byte that the client sends until they are closed. PostgreSQL's
// requests to cancel a statement come by a socket that is no connection to the
// database, and do not count.
type wire struct {
	mu         sync.Mutex // guards what follows
	open, most int
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &socket{TCPConn: c.(*net.TCPConn), wire: w}, nil
}

// Dial, DialTimeout and DialContext make it a dialer for lib/pq.
func (w *wire) Dial(network, addr string) (net.Conn, error) {
	return w.dial(context.Background(), network, addr)
}

func (w *wire) DialTimeout(network, addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return w.dial(ctx, network, addr)
}

func (w *wire) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return w.dial(ctx, network, addr)
}

func (w *wire) add(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open += n
	w.most = max(w.most, w.open)
}

// counts returns how many are open and how many were at most.
func (w *wire) counts() (open, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open, w.most
}

// socket is a TCP connection in every respect: drivers and pool look at what is
// below.
type socket struct {
	*net.TCPConn
	wire *wire

	first, last sync.Once
	counted     bool // written inside first, read after first
}

// cancelRequest is the code of such a request, after its length.
var cancelRequest = []byte{4, 210, 22, 46}

func (s *socket) Write(b []byte) (int, error) {
	s.first.Do(func() {
		if len(b) >= 8 && bytes.Equal(b[4:8], cancelRequest) {
			return
		}
		s.counted = true
		s.wire.add(1)
	})
	return s.TCPConn.Write(b)
}

func (s *socket) Close() error {
	err := s.TCPConn.Close()
	s.first.Do(func() {})
	s.last.Do(func() {
		if s.counted {
			s.wire.add(-1)
		}
	})
	return err
}
