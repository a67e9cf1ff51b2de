package load

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

func testSchedule(start time.Time, length time.Duration, rate float64, uniform bool) *openLoop {
	return newOpenLoop(start, start.Add(length), rate, uniform, rand.New(rand.NewPCG(1, 2)))
}

// gaps are the distances between all arrivals of a schedule, in seconds.
func gaps(o *openLoop) []float64 {
	var all []float64
	last := o.start
	for {
		due, ok := o.claim(o.end)
		if !ok {
			return all
		}
		all = append(all, due.Sub(last).Seconds())
		last = due
	}
}

func TestArrivalsComeAtTheRateAsked(t *testing.T) {
	const rate, seconds = 1000, 60
	for _, c := range []struct {
		uniform bool
		spread  float64 // standard deviation of the gaps, in mean gaps
		tallies int     // how far their number may be off
	}{
		{uniform: true, spread: 0, tallies: 1},
		{uniform: false, spread: 1, tallies: 4 * 245}, // four standard deviations of a Poisson count
	} {
		all := gaps(testSchedule(time.Now(), seconds*time.Second, rate, c.uniform))
		if off := len(all) - rate*seconds; off > c.tallies || off < -c.tallies {
			t.Errorf("uniform %v: %d arrivals, want %d give or take %d", c.uniform, len(all), rate*seconds, c.tallies)
		}
		sum := 0.0
		for _, g := range all {
			sum += (g*rate - 1) * (g*rate - 1)
		}
		if spread := math.Sqrt(sum / float64(len(all))); math.Abs(spread-c.spread) > 0.03 {
			t.Errorf("uniform %v: the gaps spread by %.3f of their mean, want %v", c.uniform, spread, c.spread)
		}
	}
}

func TestSameSeedGivesTheSameSchedule(t *testing.T) {
	start := time.Now()
	a, b := gaps(testSchedule(start, time.Second, 500, false)), gaps(testSchedule(start, time.Second, 500, false))
	if len(a) != len(b) || a[0] != b[0] || a[len(a)-1] != b[len(b)-1] {
		t.Errorf("%d arrivals and %d", len(a), len(b))
	}
}

func TestArrivalKeepsItsTimeHoweverLateItIsServed(t *testing.T) {
	// The schedule began half a second ago, and nobody was there.
	start := time.Now().Add(-500 * time.Millisecond)
	o := testSchedule(start, 600*time.Millisecond, 100, true)
	for i := 1; i <= 40; i++ {
		due, ok := o.next(nil)
		if want := start.Add(time.Duration(i) * 10 * time.Millisecond); !ok || due.Sub(want).Abs() > time.Microsecond {
			t.Fatalf("arrival %d: %v, %v, want %v", i, due, ok, want)
		}
	}
	// Of the 59 arrivals before the end 40 were begun.
	if n := o.dropped(start, o.end); n != 19 {
		t.Errorf("%d were dropped, want 19", n)
	}
}

func TestOnlyTheMeasuredTimeCountsAsDropped(t *testing.T) {
	start := time.Now().Add(-time.Hour)
	o := testSchedule(start, time.Second, 100, true)
	if _, ok := o.next(nil); ok {
		t.Error("an operation was begun long after the end of the schedule")
	}
	from, to := start.Add(295*time.Millisecond), start.Add(505*time.Millisecond)
	if n := o.dropped(from, to); n != 21 {
		t.Errorf("%d were dropped, want those from 300 to 500 ms", n)
	}
}

func TestArrivalIsWaitedFor(t *testing.T) {
	start := time.Now()
	o := testSchedule(start, time.Second, 20, true)
	due, ok := o.next(nil)
	if now := time.Now(); !ok || now.Before(due) || now.Sub(due) > 200*time.Millisecond {
		t.Errorf("due %v after the start, begun %v after it", due.Sub(start), now.Sub(start))
	}
}

func TestStopEndsEveryPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for _, p := range []pace{
			closedLoop{now.Add(time.Hour)},
			testSchedule(now, time.Hour, 0.001, true), // due in 1000 seconds
		} {
			stop := make(chan struct{})
			ended := make(chan bool)
			for range 3 {
				go func() {
					for {
						if _, ok := p.next(stop); !ok {
							ended <- true
							return
						}
						time.Sleep(time.Second)
					}
				}()
			}
			time.Sleep(10 * time.Second)
			close(stop)
			for range 3 {
				<-ended
			}
			if now := time.Since(now); now > time.Minute {
				t.Errorf("%T went on for %v after it was stopped", p, now)
			}
		}
	})
}

func TestClosedLoopEnds(t *testing.T) {
	if _, ok := (closedLoop{time.Now().Add(-1)}).next(nil); ok {
		t.Error("an operation was begun after the end")
	}
	c := closedLoop{time.Now().Add(time.Hour)}
	if at, ok := c.next(nil); !ok || time.Since(at) > time.Minute {
		t.Errorf("%v, %v", at, ok)
	}
}
