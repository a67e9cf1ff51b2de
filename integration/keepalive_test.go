package integration

import (
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/faultproxy"
)

// TestKeepaliveFindsABlackHoledConnectionBeforeACallerDoes: nothing tells the pool
// that the network has gone silent on an idle connection (catalogue 21 of the
// faults); new ones work. It takes KeepaliveTime, which is 30 s at least.
func TestKeepaliveFindsABlackHoledConnectionBeforeACallerDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	const size, keepalive, validation = 3, 30 * time.Second, 500 * time.Millisecond
	var pools []*silenced
	for _, d := range allServers(t) { // all wait at the same time
		far, net := overNetwork(t, d)
		p := open(t, far, akari.Config{MaximumPoolSize: size, KeepaliveTime: keepalive, ValidationTimeout: validation})
		eventually(t, "the pool is full", func() bool { return p.Stats().Idle == size })
		pools = append(pools, &silenced{d.name, p, net, net.Stats().Accepted})
		net.Stall()
		defer net.ResetAll() // or closing would wait for the silent connections
	}
	late := time.Now().Add(keepalive + patience)
	for _, s := range pools {
		t.Run(s.driver, func(t *testing.T) {
			by(t, "the pool finds its silent connections", late, func() bool { return s.found(size) })
			if now := s.Stats(); now.Keepalives == 0 || now.Acquired != 0 {
				t.Errorf("%d keepalives, %d loans; wanted the first only", now.Keepalives, now.Acquired)
			}
			soon(t, "the first caller", func() { mustExec(t, s.DB(), "SELECT 1") })
			if now := s.Stats(); now.AcquireWaited > 0 || now.TotalClosed() > size {
				t.Errorf("the first caller had to wait, or met a dead connection: %+v", now)
			}
			if n := s.net.Stats().Accepted - s.before; n > 2*size { // pgx dials once more to cancel its ping
				t.Errorf("%d connections were opened for %d", n, size)
			}
		})
	}
}

// silenced is a pool whose connections have gone silent.
type silenced struct {
	driver string
	*akari.Pool
	net    *faultproxy.Proxy
	before int64 // connections until then
}

// found reports whether the pool knows it of all of them, and has replaced them.
func (s *silenced) found(size int) bool {
	now := s.Stats()
	return now.Closed[akari.CloseDead] == int64(size) && now.Idle == size
}
