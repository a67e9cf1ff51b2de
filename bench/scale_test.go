package main

import (
	"context"
	"database/sql/driver"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// small is a run that takes hardly any time.
func small(out *strings.Builder) plan {
	return plan{out: out, rounds: 1, turn: 2 * time.Millisecond}
}

func TestConnectionsHaveNoGoroutines(t *testing.T) {
	for _, candidate := range resting {
		t.Run(candidate.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // where nobody else's goroutines begin and end
				b, err := idleBurden(time.Second, func() (func(), error) { return candidate.open(300, &stub{}) })
				if err != nil {
					t.Fatal(err)
				}
				if b.goroutines > 2 {
					t.Errorf("%d goroutines for 300 idle connections", b.goroutines)
				}
			})
		})
	}
}

// What is idle is measured: goroutines and memory that are there show.
func TestBurdenShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 8 << 20
		var kept []byte
		b, err := idleBurden(time.Second, func() (func(), error) {
			end := make(chan struct{})
			for range 5 {
				go func() { <-end }()
			}
			kept = make([]byte, size)
			return func() { close(end); kept[0] = 1 }, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if b.goroutines != 5 || b.bytes < size/2 || b.bytes > size*2 {
			t.Errorf("%d goroutines and %.0f bytes, not 5 and %d", b.goroutines, b.bytes, size)
		}
	})
}

func TestProcessorTimePasses(t *testing.T) {
	before := processorTime()
	if before == 0 {
		t.Skip("the processor's time is not known here")
	}
	for end := time.Now().Add(10 * time.Second); processorTime() == before; {
		if time.Now().After(end) {
			t.Fatal("ten busy seconds have taken no processor time")
		}
	}
}

func TestPassesAreSeen(t *testing.T) {
	for _, c := range []struct {
		period time.Duration
		want   int
	}{{100 * time.Millisecond, 8}, {time.Hour, 0}} { // half of them without callers
		synctest.Test(t, func(t *testing.T) {
			k, err := keeping(50, c.period, 400*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(k.passes); n < c.want-1 || n > c.want+1 {
				t.Errorf("%d passes seen, not %d", n, c.want)
			}
			if none := len(k.passes) == 0; math.IsNaN(k.pass) != none || math.IsNaN(k.cpu) != none {
				t.Errorf("of %d passes each takes %v ms, the processor's %v", len(k.passes), k.pass, k.cpu)
			}
			if len(k.waits) == 0 {
				t.Error("no caller has waited")
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	const size = 400
	for _, candidate := range mortal {
		t.Run(candidate.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, err := expire(candidate.open, size, 20*time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				if len(x.closed) < size || len(x.before) == 0 || len(x.during) == 0 {
					t.Fatalf("of %d connections %d were closed; %d waits before, %d meanwhile", size, len(x.closed), len(x.before), len(x.during))
				}
				switch n, least := most(x.closed, 100*time.Millisecond), fewest(size, x); candidate.name {
				case "akari": // 5.3 on average
					if n > size/15 || least < size*9/10 || len(x.opened) != size {
						t.Errorf("%d of %d are closed in 100 ms, %d are left at least, %d are opened", n, size, least, len(x.opened))
					}
				default: // so that it is known that a herd would show
					if n < size*9/10 || least > size/10 {
						t.Errorf("%d of %d are closed in 100 ms, %d are left at least", n, size, least)
					}
				}
			})
		})
	}
}

func TestMostAndFewest(t *testing.T) {
	var base time.Time
	at := func(ms ...int) (times []time.Time) {
		for _, m := range ms {
			times = append(times, base.Add(time.Duration(m)*time.Millisecond))
		}
		return times
	}
	if n := most(at(0, 50, 99, 100, 149, 300), 100*time.Millisecond); n != 4 {
		t.Errorf("%d within 100 ms, not the 4 from 50 to 149", n)
	}
	if n := most(nil, time.Second); n != 0 {
		t.Errorf("%d of none", n)
	}
	if n := fewest(10, expired{closed: at(0, 10, 20, 30), opened: at(15, 16, 40)}); n != 8 {
		t.Errorf("%d were open at least, not 8", n)
	}
}

func TestGrowthRuns(t *testing.T) {
	var out strings.Builder
	if err := small(&out).growth(100); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"akari", "database/sql", "puddle"} {
		if n := strings.Count(out.String(), name); n != 2 {
			t.Errorf("%s has %d lines, not 2, in\n%s", name, n, &out)
		}
	}
}

// A pool that stays behind is an error, and is closed.
func TestPoolThatDoesNotFillIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		_, err := ready(quiet(3), few{s})
		if err == nil || !strings.Contains(err.Error(), "2 of 3") {
			t.Errorf("got %v", err)
		}
		if n := s.open.Load(); n != 0 {
			t.Errorf("%d connections are left open", n)
		}
	})
}

// few has room for two connections.
type few struct{ *stub }

func (f few) Connect(ctx context.Context) (driver.Conn, error) {
	if f.open.Load() >= 2 {
		return nil, context.DeadlineExceeded
	}
	return f.stub.Connect(ctx)
}
