package akari

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
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
		entries[i].lastUsed.Store(int64(i) * int64(time.Second))
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
