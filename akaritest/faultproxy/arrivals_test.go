package faultproxy_test

import (
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/faultproxy"
)

func setArrivals(t *testing.T, p *faultproxy.Proxy, mode faultproxy.Arrival) {
	t.Helper()
	if err := p.SetArrivals(mode); err != nil {
		t.Fatal(err)
	}
}

func TestRefuseAnswersConnectsWithRSTAndKeepsThePort(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, ""))
	before := dial(t, p)
	echo(t, before, "before")
	for range 3 {
		setArrivals(t, p, faultproxy.Refuse)
		c, err := net.DialTimeout("tcp", p.Addr(), soon)
		if runtime.GOOS != "linux" && err == nil {
			expectRST(t, c)
			c.Close()
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("connect: %v; want ECONNREFUSED", err)
		}
		if ln, err := net.Listen("tcp", p.Addr()); err == nil {
			ln.Close()
			t.Fatal("somebody else could take the port")
		}
		setArrivals(t, p, faultproxy.Forward)
		echo(t, dial(t, p), "again")
	}
	echo(t, before, "untouched")
}

func TestResetAcceptsAndResets(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, ""))
	setArrivals(t, p, faultproxy.Reset)
	expectResetConn(t, p)
	expectStats(t, p, "one refused, none open", func(s faultproxy.Stats) bool {
		return s.Refused == 1 && s.Accepted == 0 && s.Open == 0
	})
}

func TestSilentAcceptsAndNeverAnswers(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, "hello"))
	setArrivals(t, p, faultproxy.Silent)
	c := dial(t, p)
	send(t, c, "anybody?")
	expectSilence(t, c)

	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	expect(t, dial(t, p), "hello")
	expectSilence(t, c) // it was accepted by nobody, and stays so

	p.ResetAll()
	expectRST(t, c)
}

func TestSilentConnectionEndsWithItsClient(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, ""))
	setArrivals(t, p, faultproxy.Silent)
	c := dial(t, p)
	expectStats(t, p, "one open", func(s faultproxy.Stats) bool { return s.Open == 1 })
	c.Close()
	expectStats(t, p, "none open", func(s faultproxy.Stats) bool { return s.Open == 0 })
}

func TestUnansweredLeavesConnectsHanging(t *testing.T) {
	if runtime.GOOS != "linux" {
		p := newProxy(t, echoServer(t, ""))
		if err := p.SetArrivals(faultproxy.Unanswered); !errors.Is(err, errors.ErrUnsupported) {
			t.Fatalf("SetArrivals: %v; want ErrUnsupported", err)
		}
		return
	}
	leavesNothing(t)
	p := newProxy(t, echoServer(t, ""))
	before := dial(t, p)
	echo(t, before, "before")

	for range 2 {
		setArrivals(t, p, faultproxy.Unanswered)
		for range 3 {
			c, err := net.DialTimeout("tcp", p.Addr(), quiet)
			if err == nil {
				c.Close()
			}
			if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
				t.Fatalf("connect: %v; want a timeout", err)
			}
		}
		echo(t, before, "open ones pass")

		// A connect that is under way succeeds when its kernel tries again.
		connected := make(chan error, 1)
		go func() {
			c, err := net.DialTimeout("tcp", p.Addr(), soon)
			if err == nil {
				c.Close()
			}
			connected <- err
		}()
		select {
		case err := <-connected:
			t.Fatalf("connected, error %v", err)
		case <-time.After(quiet):
		}
		setArrivals(t, p, faultproxy.Forward)
		echo(t, dial(t, p), "healed")
		if err := <-connected; err != nil {
			t.Fatalf("the connect under way: %v", err)
		}
	}
	// What the proxy itself did to leave the others unanswered is no client.
	// The last one is connected before it is accepted.
	eventually(t, "all clients are accepted", func() bool { return p.Stats().Accepted >= 5 })
	if got := p.Stats().Accepted; got != 5 {
		t.Errorf("%d connections accepted; want 5", got)
	}
}

func TestConnectionEndedWhileItsTargetIsDialled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("needs the mode Unanswered")
		return
	}
	leavesNothing(t)
	srv := listen(t)
	slow := newProxy(t, srv.Addr().String())
	setArrivals(t, slow, faultproxy.Unanswered)
	p := newProxy(t, slow.Addr())
	c := dial(t, p)
	expectSilence(t, c)
	p.ResetAll()
	expectRST(t, c)
	setArrivals(t, slow, faultproxy.Forward)
	expectRST(t, srv.next(t)) // when the dial succeeds, it is for nothing
	expectStats(t, p, "none open", func(s faultproxy.Stats) bool { return s.Open == 0 })
}

func TestModesFollowEachOtherInAnyOrder(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, ""))
	modes := []faultproxy.Arrival{faultproxy.Forward, faultproxy.Refuse, faultproxy.Reset, faultproxy.Silent}
	if runtime.GOOS == "linux" {
		modes = append(modes, faultproxy.Unanswered)
	}
	for _, from := range modes {
		for _, to := range modes {
			setArrivals(t, p, from)
			setArrivals(t, p, to)
			setArrivals(t, p, faultproxy.Forward)
			c := dial(t, p)
			echo(t, c, from.String()+" to "+to.String())
			c.Close()
		}
	}
}

func TestConnectDelayHoldsTheFirstBytesBack(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, "hello"))
	p.SetConnectDelay(200 * time.Millisecond)
	start := time.Now()
	c := dial(t, p)
	if took := time.Since(start); took > 150*time.Millisecond {
		t.Errorf("the connect itself took %v", took)
	}
	expect(t, c, "hello")
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("the first bytes came after %v, before the delay was over", took)
	}
}

func TestCloseDoesNotWaitForADelayedConnection(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, "hello"))
	p.SetConnectDelay(time.Hour)
	c := dial(t, p)
	expectStats(t, p, "one open", func(s faultproxy.Stats) bool { return s.Open == 1 })
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	expectRST(t, c)
}

func TestTargetCanBeChanged(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, "one"))
	old := dial(t, p)
	expect(t, old, "one")
	if err := p.SetTarget(echoServer(t, "two")); err != nil {
		t.Fatal(err)
	}
	expect(t, dial(t, p), "two")
	echo(t, old, "still with one")
}

func TestUnreachableTargetResetsTheClient(t *testing.T) {
	leavesNothing(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	ln.Close()
	p := newProxy(t, nobody)
	expectResetConn(t, p)
	expectStats(t, p, "one unreachable", func(s faultproxy.Stats) bool { return s.Unreachable == 1 && s.Open == 0 })
}

func TestBadInputIsRefused(t *testing.T) {
	for _, target := range []string{"", "localhost", "localhost:", ":5432", "::1:5432"} {
		if p, err := faultproxy.New(target); err == nil {
			p.Close()
			t.Errorf("New(%q) succeeded", target)
		}
	}
	p := newProxy(t, "127.0.0.1:1")
	if err := p.SetTarget("nowhere"); err == nil {
		t.Error("SetTarget accepted an address without a port")
	}
	for _, mode := range []faultproxy.Arrival{-1, 99} {
		if err := p.SetArrivals(mode); err == nil {
			t.Errorf("SetArrivals(%v) succeeded", mode)
		}
	}
	for name, call := range map[string]func(){
		"negative delay":       func() { p.SetConnectDelay(-1) },
		"negative latency":     func() { p.SetLatency(-2, -1) },
		"latency upside down":  func() { p.SetLatency(2, 1) },
		"negative bandwidth":   func() { p.SetBandwidth(-1) },
		"negative trickle":     func() { p.SetTrickle(-1) },
		"impossible chance":    func() { p.LoseReplies(faultproxy.ReplyLoss{Probability: 1.5}) },
		"negative reply count": func() { p.LoseReplies(faultproxy.ReplyLoss{Count: -1}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

func TestCloseFreesThePortAndIsFinal(t *testing.T) {
	leavesNothing(t)
	p, err := faultproxy.New(echoServer(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, p)
	echo(t, c, "hello")
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	expectRST(t, c)
	if s := p.Stats(); s.Open != 0 {
		t.Errorf("%d connections open after Close", s.Open)
	}
	if err := p.SetArrivals(faultproxy.Refuse); !errors.Is(err, net.ErrClosed) {
		t.Errorf("SetArrivals after Close: %v; want net.ErrClosed", err)
	}
	ln, err := net.Listen("tcp", p.Addr())
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	ln.Close()
}

func TestCloseWorksInEveryMode(t *testing.T) {
	for mode := faultproxy.Forward; mode <= faultproxy.Unanswered; mode++ {
		if mode == faultproxy.Unanswered && runtime.GOOS != "linux" {
			continue
		}
		t.Run(mode.String(), func(t *testing.T) {
			leavesNothing(t)
			p := newProxy(t, echoServer(t, ""))
			setArrivals(t, p, mode)
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
