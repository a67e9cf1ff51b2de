package faultproxy_test

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/faultproxy"
)

// TestVerbsMayBeCalledAtOnce lets clients run while every verb is called from
// several goroutines, then heals the network and sees that it is sound.
func TestVerbsMayBeCalledAtOnce(t *testing.T) {
	leavesNothing(t)
	target := echoServer(t, "")
	p := newProxy(t, target)
	verbs := []func(){
		p.Stall, p.Unstall, p.ResetAll, p.CloseAll, p.KeepReplies,
		func() { p.SetArrivals(faultproxy.Forward) },
		func() { p.SetArrivals(faultproxy.Refuse) },
		func() { p.SetArrivals(faultproxy.Reset) },
		func() { p.SetArrivals(faultproxy.Silent) },
		func() { p.SetTarget(target) },
		func() { p.SetConnectDelay(rand.N(time.Millisecond)) },
		func() { p.SetLatency(0, rand.N(time.Millisecond)) },
		func() { p.SetBandwidth(rand.N(100_000)) },
		func() { p.SetTrickle(rand.N(time.Microsecond)) },
		func() { p.LoseReplies(faultproxy.ReplyLoss{Probability: 0.1}) },
		func() { p.Heal() },
		func() { p.Stats() },
	}
	var all sync.WaitGroup
	stop := make(chan struct{})
	stopped := func() bool {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	for range 4 {
		all.Go(func() {
			for !stopped() {
				verbs[rand.N(len(verbs))]()
			}
		})
	}
	for range 16 {
		all.Go(func() {
			for !stopped() {
				c, err := net.DialTimeout("tcp", p.Addr(), 20*time.Millisecond)
				if err != nil {
					continue
				}
				c.SetDeadline(time.Now().Add(20 * time.Millisecond))
				for range 5 {
					if _, err := c.Write([]byte("hello")); err != nil {
						break
					}
					if _, err := c.Read(make([]byte, 16)); err != nil {
						break
					}
				}
				c.Close()
			}
		})
	}
	time.AfterFunc(time.Second, func() { close(stop) })
	all.Wait()
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	p.ResetAll()
	echo(t, dial(t, p), "sound")
	expectStats(t, p, "only the last connection open", func(s faultproxy.Stats) bool { return s.Open == 1 })
}

// TestCloseMayMeetAnything closes the proxy while connections come and verbs run.
func TestCloseMayMeetAnything(t *testing.T) {
	leavesNothing(t)
	target := echoServer(t, "hello")
	for range 50 {
		p, err := faultproxy.New(target)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if c, err := net.DialTimeout("tcp", p.Addr(), soon); err == nil {
					c.SetDeadline(time.Now().Add(soon))
					c.Read(make([]byte, 5))
					c.Close()
				}
			})
		}
		all.Go(func() { p.SetArrivals(faultproxy.Refuse) })
		all.Go(p.Stall)
		all.Go(func() { p.Heal() })
		all.Go(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if s := p.Stats(); s.Open != 0 {
			t.Fatalf("%d connections open after Close", s.Open)
		}
	}
}
