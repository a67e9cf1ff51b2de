package faultproxy_test

import (
	"bytes"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/akaripool/akari/akaritest/faultproxy"
)

func contains(text string) func([]byte) bool {
	return func(request []byte) bool { return bytes.Contains(request, []byte(text)) }
}

func TestLostReplyMeansTheServerHasDoneTheWork(t *testing.T) {
	leavesNothing(t)
	addr, did := lines(t)
	p := newProxy(t, addr)
	c := dial(t, p)
	p.LoseReplies(faultproxy.ReplyLoss{Match: contains("commit")})

	send(t, c, "insert\n")
	expect(t, c, "did insert\n")
	send(t, c, "commit\n")
	expectFIN(t, c)

	if got, want := did(), []string{"insert", "commit"}; !slices.Equal(got, want) {
		t.Errorf("the server did %q; want %q", got, want)
	}
	expectStats(t, p, "one reply lost, none open", func(s faultproxy.Stats) bool {
		return s.RepliesLost == 1 && s.Open == 0
	})
}

func TestReplyCanBeLostWithAReset(t *testing.T) {
	leavesNothing(t)
	addr, _ := lines(t)
	p := newProxy(t, addr)
	p.LoseReplies(faultproxy.ReplyLoss{Reset: true})
	c := dial(t, p)
	send(t, c, "x\n")
	expectRST(t, c)
}

func TestOnlySoManyRepliesAreLost(t *testing.T) {
	leavesNothing(t)
	addr, did := lines(t)
	p := newProxy(t, addr)
	p.LoseReplies(faultproxy.ReplyLoss{Count: 2, Match: contains("x")})
	for range 2 {
		c := dial(t, p)
		send(t, c, "x\n")
		expectFIN(t, c)
	}
	c := dial(t, p)
	send(t, c, "x\n")
	expect(t, c, "did x\n")
	if n := len(did()); n != 3 {
		t.Errorf("the server did %d things; want 3", n)
	}
}

func TestKeepRepliesEndsTheLoss(t *testing.T) {
	leavesNothing(t)
	addr, _ := lines(t)
	p := newProxy(t, addr)
	p.LoseReplies(faultproxy.ReplyLoss{})
	p.KeepReplies()
	c := dial(t, p)
	send(t, c, "x\n")
	expect(t, c, "did x\n")
}

func TestRepliesAreLostWithTheGivenProbability(t *testing.T) {
	leavesNothing(t)
	addr, _ := lines(t)
	p := newProxy(t, addr)
	const n, chance = 400, 0.3
	p.LoseReplies(faultproxy.ReplyLoss{Probability: chance})
	lost := 0
	c := dial(t, p)
	for range n {
		send(t, c, "x\n")
		buf := make([]byte, len("did x\n"))
		if _, err := io.ReadFull(c, buf); err != nil {
			lost++
			c.Close()
			c = dial(t, p)
		}
	}
	// Six standard deviations: a false alarm in a billion runs.
	slack := 6 * math.Sqrt(n*chance*(1-chance))
	if math.Abs(float64(lost)-n*chance) > slack {
		t.Errorf("%d of %d replies lost; want %v ± %.0f", lost, n, n*chance, slack)
	}
	if got := p.Stats().RepliesLost; got != int64(lost) {
		t.Errorf("RepliesLost = %d; the client lost %d", got, lost)
	}
}

func TestGreetingIsNoReply(t *testing.T) {
	leavesNothing(t)
	p := newProxy(t, echoServer(t, "hello"))
	p.LoseReplies(faultproxy.ReplyLoss{})
	c := dial(t, p)
	expect(t, c, "hello")
	send(t, c, "x")
	expectFIN(t, c)
}

func TestRequestIsMatchedAcrossChunks(t *testing.T) {
	leavesNothing(t)
	srv := listen(t)
	p := newProxy(t, srv.Addr().String())
	p.LoseReplies(faultproxy.ReplyLoss{Match: contains("COMMIT")})
	c := dial(t, p)
	s := srv.next(t)
	send(t, c, "COM")
	expect(t, s, "COM")
	send(t, c, "MIT")
	expect(t, s, "MIT")
	send(t, s, "done")
	expectFIN(t, c)
}

func TestRestOfALongReplyIsNotAnotherReply(t *testing.T) {
	leavesNothing(t)
	srv := listen(t)
	p := newProxy(t, srv.Addr().String())
	c := dial(t, p)
	s := srv.next(t)
	send(t, c, "query")
	expect(t, s, "query")
	send(t, s, "first ")
	expect(t, c, "first ")
	p.LoseReplies(faultproxy.ReplyLoss{})
	send(t, s, "rest")
	expect(t, c, "rest")
}
