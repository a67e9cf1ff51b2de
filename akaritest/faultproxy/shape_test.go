package faultproxy_test

import (
	"strings"
	"testing"
	"time"
)

func TestLatencyDelaysEachWay(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, ""))
	c := dial(t, p)
	echo(t, c, "fast")
	p.SetLatency(50*time.Millisecond, 60*time.Millisecond)
	start := time.Now()
	echo(t, c, "slow")
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("there and back took %v; want at least twice 50ms", took)
	}
}

func TestBandwidthIsLimited(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, ""))
	c := dial(t, p)
	p.SetBandwidth(10_000)
	start := time.Now()
	echo(t, c, strings.Repeat("x", 2000))
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("2000 bytes at 10000 bytes a second took %v; want at least 200ms", took)
	}
}

func TestTrickleSendsByteByByte(t *testing.T) {
	leavesNothing(t)
	srv := listen(t)
	p := newProxy(t, srv.Addr().String())
	c := dial(t, p)
	s := srv.next(t)
	p.SetTrickle(20 * time.Millisecond)
	start := time.Now()
	send(t, s, "abcde")
	for _, want := range "abcde" {
		buf := make([]byte, 5)
		n, err := c.Read(buf)
		if err != nil || string(buf[:n]) != string(want) {
			t.Fatalf("read %q, %v; want %q alone", buf[:n], err, want)
		}
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("5 bytes took %v; want at least 5 times 20ms", took)
	}
}

func TestHealWakesWhatIsSlow(t *testing.T) {
	for name, slow := range map[string]func(setLatency func(min, max time.Duration), setTrickle func(time.Duration)){
		"latency": func(setLatency func(min, max time.Duration), _ func(time.Duration)) { setLatency(time.Hour, time.Hour) },
		"trickle": func(_ func(min, max time.Duration), setTrickle func(time.Duration)) { setTrickle(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			p := newProxy(t, echoServer(t, ""))
			c := dial(t, p)
			echo(t, c, "fast")
			slow(p.SetLatency, p.SetTrickle)
			send(t, c, "slow")
			expectSilence(t, c)
			if err := p.Heal(); err != nil {
				t.Fatal(err)
			}
			expect(t, c, "slow")
		})
	}
}

func TestCloseDoesNotWaitForSlowBytes(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, ""))
	c := dial(t, p)
	echo(t, c, "fast")
	p.SetLatency(time.Hour, time.Hour)
	send(t, c, "slow")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	expectRST(t, c)
}
