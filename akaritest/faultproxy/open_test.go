package faultproxy_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"strings"
	"testing"

	"github.com/akaripool/akari/akaritest/faultproxy"
)

func TestBytesPassUnchangedBothWays(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, ""))
	c := dial(t, p)
	sent := make([]byte, 1<<20)
	rand.Read(sent)
	go func() {
		c.Write(sent)
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c) // ends: the half-close reached the server, and its own came back
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes came back, not the %d that were sent", len(got), len(sent))
	}
	expectStats(t, p, "a megabyte each way and nothing open", func(s faultproxy.Stats) bool {
		return s.BytesToServer == 1<<20 && s.BytesToClient == 1<<20 && s.Open == 0 && s.Accepted == 1
	})
}

func TestResetPassesThrough(t *testing.T) {
	leavesNothing(t)
	srv := listen(t)
	p := newProxy(t, srv.Addr().String())

	c := dial(t, p)
	s := srv.next(t)
	s.SetLinger(0)
	s.Close()
	expectRST(t, c)

	c = dial(t, p)
	s = srv.next(t)
	c.SetLinger(0)
	c.Close()
	expectRST(t, s)
}

func TestStalledConnectionPassesNothing(t *testing.T) {
	leavesNothing(t)
	srv := listen(t)
	p := newProxy(t, srv.Addr().String())
	c := dial(t, p)
	s := srv.next(t)
	send(t, c, "a")
	expect(t, s, "a")

	p.Stall()
	send(t, c, "to the server")
	send(t, s, "to the client")
	c.CloseWrite() // its FIN must not pass either
	expectSilence(t, s)
	expectSilence(t, c)

	p.Unstall()
	expect(t, s, "to the server")
	expectFIN(t, s)
	expect(t, c, "to the client")
	s.Close()
	expectFIN(t, c)
}

func TestStalledResetIsHeldBack(t *testing.T) {
	leavesNothing(t)
	srv := listen(t)
	p := newProxy(t, srv.Addr().String())
	c := dial(t, p)
	s := srv.next(t)
	p.Stall()
	s.SetLinger(0)
	s.Close()
	expectSilence(t, c)
	p.Unstall()
	expectRST(t, c)
}

func TestStallSparesConnectionsMadeLater(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, ""))
	old := dial(t, p)
	echo(t, old, "old")
	p.Stall()
	p.Stall() // again is the same
	echo(t, dial(t, p), "new")
	send(t, old, "x")
	expectSilence(t, old)
	p.Unstall()
	expect(t, old, "x")
	p.Unstall()
}

func TestStalledConnectionCanBeReset(t *testing.T) {
	leavesNothing(t)
	srv := listen(t)
	p := newProxy(t, srv.Addr().String())
	c := dial(t, p)
	s := srv.next(t)
	p.Stall()
	send(t, c, "held")
	p.ResetAll()
	expectRST(t, c)
	expectRST(t, s)
}

func TestResetAllResetsBothSides(t *testing.T) {
	leavesNothing(t)
	srv := listen(t)
	p := newProxy(t, srv.Addr().String())
	c := dial(t, p)
	s := srv.next(t)
	p.ResetAll()
	expectRST(t, c)
	expectRST(t, s)
}

func TestCloseAllEndsBothSidesInOrder(t *testing.T) {
	leavesNothing(t)
	srv := listen(t)
	p := newProxy(t, srv.Addr().String())
	c := dial(t, p)
	s := srv.next(t)
	p.CloseAll()
	expectFIN(t, c)
	expectFIN(t, s)
	expectStats(t, p, "none open", func(s faultproxy.Stats) bool { return s.Open == 0 })
}

func TestCloseAllSendsItsFINFirstEvenIfBytesAreUnread(t *testing.T) {
	leavesNothing(t)
	srv := listen(t)
	p := newProxy(t, srv.Addr().String())
	c := dial(t, p)
	s := srv.next(t)
	p.Stall()
	send(t, s, strings.Repeat("x", 100_000)) // more than the proxy takes at once
	p.CloseAll()
	expectFIN(t, s)
	expectFIN(t, c)
}

func TestMaxOpenIsTheMostAtOnce(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, ""))
	a, b := dial(t, p), dial(t, p)
	echo(t, a, "a")
	echo(t, b, "b")
	a.Close()
	b.Close()
	expectStats(t, p, "none open", func(s faultproxy.Stats) bool { return s.Open == 0 })
	echo(t, dial(t, p), "c")
	if s := p.Stats(); s.MaxOpen != 2 || s.Open != 1 || s.Accepted != 3 {
		t.Errorf("stats %+v; want at most 2 open at once, 1 open now, 3 accepted", s)
	}
}
