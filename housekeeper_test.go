package akari

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/internal/bag"
)

// TestHousekeeperReadsTheClock has a housekeeper without a pool, on a clock of
// its own: monotonic and wall time as the case wants them.
func TestHousekeeperReadsTheClock(t *testing.T) {
	const period = 30 * time.Second
	base := time.Date(2026, 3, 29, 1, 59, 0, 0, time.UTC)
	for _, c := range []struct {
		name       string
		mono, wall time.Duration // passed since the last pass
		does       string
		says       string
	}{
		{"on time", period, period, "trim fill", ""},
		{"a little late", period + 5*time.Second, period + 5*time.Second, "trim fill", ""},
		{"starved", 50 * time.Second, 50 * time.Second, "suspect trim fill", "Thread starvation or clock leap detected (housekeeper delta=50s)."},
		{"stopped for minutes", 10 * time.Minute, 10 * time.Minute, "suspect trim fill", "Thread starvation or clock leap detected (housekeeper delta=10m0s)."},
		{"the machine slept", period, time.Hour, "suspect trim fill", "Thread starvation or clock leap detected (housekeeper delta=1h0m0s)."},
		{"the wall clock was put back", period, period - time.Hour, "suspect trim fill", "clock leap detected (housekeeper delta=-59m30s)."},
		{"a monotonic clock that runs back", -time.Second, period, "evict", "Retrograde clock change detected (housekeeper delta=-1s), soft-evicting connections from pool."},
		{"it runs back by what NTP may do", -100 * time.Millisecond, -100 * time.Millisecond, "trim fill", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var did, said []string
			mono, wall := time.Hour, base
			h := housekeeper{period: period, env: housekeeperEnv{
				clock:    func() (time.Duration, time.Time) { return mono, wall },
				settings: func() *Settings { return &Settings{MaximumPoolSize: 2, MinimumIdle: 1, IdleTimeout: time.Minute} },
				idle:     func() []*entry { did = append(did, "trim"); return nil },
				now:      func() int64 { return 0 },
				evictAll: func() int { did = append(did, "evict"); return 0 },
				suspect:  func() { did = append(did, "suspect") },
				fill:     func() bool { did = append(did, "fill"); return true },
				stats:    func(string) {},
				advise:   func() {},
				log:      func(l slog.Level, text string, _ ...slog.Attr) { said = append(said, text) },
			}}
			h.mono, h.wall = mono, wall
			mono, wall = mono+c.mono, wall.Add(c.wall)
			h.pass()
			if got := strings.Join(did, " "); got != c.does {
				t.Errorf("it does %q, want %q", got, c.does)
			}
			if got := strings.Join(said, "; "); c.says == "" && got != "" || !strings.Contains(got, c.says) {
				t.Errorf("it says %q, want %q", got, c.says)
			}
		})
	}
}

func TestIdleConnectionsAreTrimmedOldestFirst(t *testing.T) {
	entries := make([]*entry, 5)
	for i := range entries {
		entries[i] = &entry{id: uint64(i)}
		bag.New[*entry](1, bag.Hooks{}).Add(&entries[i].item, int64(i)*int64(time.Second))
	}
	var closed, said []string
	h := housekeeper{env: housekeeperEnv{
		settings: func() *Settings { return &Settings{MaximumPoolSize: 10, MinimumIdle: 2, IdleTimeout: 10 * time.Second} },
		idle:     func() []*entry { return []*entry{entries[3], entries[0], entries[4], entries[2], entries[1]} },
		now:      func() int64 { return int64(11*time.Second) + 1 },
		doom:     func(e *entry, r CloseReason) { closed = append(closed, fmt.Sprint(e.id, r)) },
		stats:    func(prefix string) { said = append(said, prefix) },
	}}
	h.trim()
	if got := strings.Join(said, ","); got != "Before cleanup ,After cleanup  " {
		t.Errorf("it says %q", got)
	}
	if got := strings.Join(closed, ", "); got != "0 idle_timeout, 1 idle_timeout" {
		t.Errorf("closed %s", got)
	}
}

// wholePool makes a pool of a fixed size that is filled.
func wholePool(t *testing.T, size int, trace *Trace) (*Pool, *akaritest.Server) {
	t.Helper()
	server := akaritest.NewServer(akaritest.Full)
	akaritest.Verify(t, server)
	p, err := New(t.Context(), server.Connector(), Config{
		MaximumPoolSize: size, MaxLifetime: Disabled, KeepaliveTime: 2 * time.Minute, Trace: trace, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	synctest.Wait()
	return p, server
}

// passAfter has the housekeeper look after a pool on a clock that has leapt.
func (p *Pool) passAfter(mono, wall time.Duration) {
	p.keeper.stop()
	clock := p.keeper.env.clock
	p.keeper.env.clock = func() (time.Duration, time.Time) {
		m, w := clock()
		return m + mono, w.Add(wall)
	}
	p.keeper.pass()
	time.Sleep(10 * time.Millisecond)
	synctest.Wait()
}

func TestClockThatRunsBackReplacesEveryConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server := wholePool(t, 5, nil)
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.passAfter(-time.Second, -time.Second)
		if s := p.Stats(); s.Closed[CloseEvicted] != 4 || s.Total != 5 || s.Active != 1 {
			t.Errorf("%d closed, %d in the pool, %d in use; want 4, 5 and 1", s.Closed[CloseEvicted], s.Total, s.Active)
		}
		c.Release()
		synctest.Wait()
		if s := p.Stats(); s.Closed[CloseEvicted] != 5 || s.Idle != 5 || server.Stats().Open != 5 {
			t.Errorf("%d closed, %d idle; want 5 and 5", s.Closed[CloseEvicted], s.Idle)
		}
	})
}

func TestClockThatLeapsHasEveryConnectionAsked(t *testing.T) {
	for name, leap := range map[string][2]time.Duration{
		"the process was stopped":       {10 * time.Minute, 10 * time.Minute},
		"the machine slept":             {0, 10 * time.Minute},
		"the wall clock was put back":   {0, -10 * time.Minute},
		"nothing, the clock is just so": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, server := wholePool(t, 5, nil)
				c, err := p.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				idle, used := 4, 1
				if leap == [2]time.Duration{} {
					idle, used = 0, 0
				}
				server.Inject(akaritest.OpPing, akaritest.Fault{Delay: time.Millisecond}) // the answer is younger than the question
				pings := server.Calls(akaritest.OpPing)
				p.passAfter(leap[0], leap[1])
				if n := server.Calls(akaritest.OpPing) - pings; n != idle {
					t.Errorf("%d of 4 idle connections were asked, want %d", n, idle)
				}
				c.Release()
				pings = server.Calls(akaritest.OpPing)
				for range 5 { // the one that was in use is asked before it is lent
					c, err := p.Acquire(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					defer c.Release()
				}
				if n := server.Calls(akaritest.OpPing) - pings; n != used {
					t.Errorf("%d connections were asked before they were lent, want %d", n, used)
				}
				if n := p.Stats().TotalClosed(); n != 0 {
					t.Errorf("%d connections were closed", n)
				}
			})
		})
	}
}

func TestKeepalivesOfConnectionsOpenedTogetherAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, soonest, latest = 10, 96 * time.Second, 2 * time.Minute
		var mu sync.Mutex
		pings := map[uint64][]time.Duration{}
		start := time.Now()
		wholePool(t, size, &Trace{KeptAlive: func(e ValidatedEvent) {
			mu.Lock()
			defer mu.Unlock()
			pings[e.Conn.ID] = append(pings[e.Conn.ID], time.Since(start))
		}})
		time.Sleep(10 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(pings) != size {
			t.Errorf("%d connections were pinged, want %d", len(pings), size)
		}
		var first []time.Duration
		for id, at := range pings {
			if n := len(at); n < 5 || n > 6 {
				t.Errorf("connection %d was pinged %d times in ten minutes", id, n)
			}
			for i, d := range at {
				if i > 0 {
					d -= at[i-1]
				}
				if d <= soonest || d > latest {
					t.Errorf("connection %d was pinged after %v, want %v to %v", id, d, soonest, latest)
				}
			}
			first = append(first, at[0])
		}
		if spread := slices.Max(first) - slices.Min(first); spread < (latest-soonest)/8 {
			t.Errorf("all were pinged within %v: %v", spread, first)
		}
	})
}
