package faultproxy_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/faultproxy"
)

// soon bounds every wait for something that must happen.
const soon = 10 * time.Second

// quiet is how long a test listens to be sure that nothing comes.
const quiet = 60 * time.Millisecond

// eventually polls until ok or fails the test.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", soon, what)
		}
		time.Sleep(time.Millisecond)
	}
}

// leavesNothing fails the test if, at its end, it has left goroutines or file
// descriptors behind. It must be the first thing a test calls.
func leavesNothing(t *testing.T) {
	t.Helper()
	// The runtime opens its poller on first use and keeps it.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	goroutines, fds := runtime.NumGoroutine(), openFiles()
	t.Cleanup(func() {
		deadline := time.Now().Add(soon)
		for runtime.NumGoroutine() > goroutines || openFiles() > fds {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				stacks = stacks[:runtime.Stack(stacks, true)]
				t.Fatalf("left behind: %d goroutines (had %d), %d descriptors (had %d)\n%s",
					runtime.NumGoroutine(), goroutines, openFiles(), fds, stacks)
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not Linux: only goroutines are counted
	}
	return len(entries)
}

// server is a TCP server whose accepted connections the test holds.
type server struct {
	net.Listener
	conns chan *net.TCPConn
}

// listen starts a server that does nothing but accept.
func listen(t *testing.T) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{ln, make(chan *net.TCPConn, 64)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns <- c.(*net.TCPConn)
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
		close(s.conns)
		for c := range s.conns {
			c.Close()
		}
	})
	return s
}

// next returns the next accepted connection.
func (s *server) next(t *testing.T) *net.TCPConn {
	t.Helper()
	select {
	case c := <-s.conns:
		c.SetDeadline(time.Now().Add(soon))
		t.Cleanup(func() { c.Close() })
		return c
	case <-time.After(soon):
		t.Fatal("the server was not connected to")
		return nil
	}
}

// echoServer sends back what it is sent, with a greeting before it if there is one.
func echoServer(t *testing.T, greeting string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, greeting)
				// Bare, so that no splice leaves its pipe behind until the next GC.
				io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
			}()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

func newProxy(t *testing.T, target string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.New(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// dial connects through the proxy; every operation on the result is bounded.
func dial(t *testing.T, p *faultproxy.Proxy) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", p.Addr(), soon)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(soon))
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatalf("send %q: %v", text, err)
	}
}

func expect(t *testing.T, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("received %q, %v; want %q", got[:n], err, text)
	}
}

// echo sends text and expects it back.
func echo(t *testing.T, c net.Conn, text string) {
	t.Helper()
	send(t, c, text)
	expect(t, c, text)
}

// expectSilence fails if anything at all reaches c, its end included.
func expectSilence(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(quiet))
	n, err := c.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("received %d bytes, %v; want silence", n, err)
	}
	c.SetReadDeadline(time.Now().Add(soon))
}

// expectFIN fails unless the next thing to be read is an orderly end.
func expectFIN(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("received %d bytes, %v; want EOF", n, err)
	}
}

// expectRST fails unless the next thing to be read is a reset.
func expectRST(t *testing.T, c net.Conn) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	if n != 0 || !isReset(err) {
		t.Fatalf("received %d bytes, %v; want a reset", n, err)
	}
}

// expectResetConn connects and expects a reset, which may be so quick that the
// connect itself reports it.
func expectResetConn(t *testing.T, p *faultproxy.Proxy) {
	t.Helper()
	c, err := net.DialTimeout("tcp", p.Addr(), soon)
	if isReset(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(soon))
	expectRST(t, c)
}

func isReset(err error) bool {
	return err != nil && strings.Contains(err.Error(), "reset")
}

func expectStats(t *testing.T, p *faultproxy.Proxy, what string, ok func(faultproxy.Stats) bool) {
	t.Helper()
	eventually(t, what, func() bool { return ok(p.Stats()) })
}

// lines is a server that answers each line "x" with "did x\n" and keeps what it did.
func lines(t *testing.T) (addr string, done func() []string) {
	t.Helper()
	s := listen(t)
	did := make(chan string, 1024)
	stopped := make(chan struct{})
	t.Cleanup(func() { close(stopped) })
	go func() {
		for {
			select {
			case c := <-s.conns:
				if c != nil {
					go answerLines(c, did)
				}
			case <-stopped:
				return
			}
		}
	}()
	return s.Addr().String(), func() []string {
		var all []string
		for {
			select {
			case line := <-did:
				all = append(all, line)
			default:
				return all
			}
		}
	}
}

func answerLines(c net.Conn, did chan<- string) {
	defer c.Close()
	for {
		var line string
		if _, err := fmt.Fscanln(c, &line); err != nil {
			return
		}
		did <- line
		fmt.Fprintf(c, "did %s\n", line)
	}
}
