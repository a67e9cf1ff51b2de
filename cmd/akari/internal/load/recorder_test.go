package load

import (
	"testing"
	"time"
)

func oneStep() *Script { return &Script{Steps: []Step{{Name: "only"}}} }

// ran is the outcome of an operation that was meant to begin at a time, began
// late and then took some time.
func ran(late, took time.Duration) *outcome {
	intended := time.Now()
	start := intended.Add(late)
	return &outcome{intended: intended, start: start, end: start.Add(took), inTime: true, trial: &trial{took: []time.Duration{took}}}
}

func around(d, want time.Duration) bool { return (d - want).Abs() <= want/50 }

func TestResponseCountsFromWhenItWasDue(t *testing.T) {
	rs := newRecorders(oneStep(), 2, true)
	rs.of(0).note(ran(0, time.Millisecond))
	rs.of(1).note(ran(time.Second, time.Millisecond))
	sum := rs.sum()
	if got := time.Duration(sum.operation.Max()); !around(got, time.Millisecond) {
		t.Errorf("the longest operation took %v, want 1ms", got)
	}
	if got := time.Duration(sum.response.Max()); !around(got, time.Second+time.Millisecond) {
		t.Errorf("the longest response took %v, want 1.001s", got)
	}
	if sum.late != 1 || sum.latest != time.Second {
		t.Errorf("%d late, the latest by %v, want 1 by 1s", sum.late, sum.latest)
	}
}

func TestFailuresAreKeptApart(t *testing.T) {
	rs := newRecorders(oneStep(), 1, false)
	bad := ran(0, time.Minute)
	bad.class, bad.code, bad.example = classConstraint, "SQLSTATE 23505", "only: duplicate"
	rs.of(0).note(bad)
	bad.example = "only: another"
	rs.of(0).note(bad)
	rs.of(0).note(ran(0, time.Millisecond))
	sum := rs.sum()
	if n, most := sum.operation.TotalCount(), time.Duration(sum.operation.Max()); n != 1 || !around(most, time.Millisecond) {
		t.Errorf("%d successes of at most %v, want one of 1ms", n, most)
	}
	if sum.finished != 1 || sum.failed.TotalCount() != 2 {
		t.Errorf("%d finished, %d failed, want 1 and 2", sum.finished, sum.failed.TotalCount())
	}
	types := errorTypes(sum.failures)
	if want := (ErrorReport{classConstraint, "SQLSTATE 23505", 2, "only: duplicate"}); len(types) != 1 || types[0] != want {
		t.Errorf("%+v, want %+v", types, want)
	}
}

func TestOnlyWhatEndedInTimeCountsForThroughput(t *testing.T) {
	rs := newRecorders(oneStep(), 1, false)
	straggler := ran(0, time.Second)
	straggler.inTime = false
	rs.of(0).note(straggler)
	if sum := rs.sum(); sum.finished != 0 || sum.operation.TotalCount() != 1 {
		t.Errorf("%d finished in time, %d in all, want 0 and 1", sum.finished, sum.operation.TotalCount())
	}
	if done, _, p99 := rs.glance(); done != 0 || !around(p99, time.Second) {
		t.Errorf("progress shows %d and a p99 of %v, want 0 and 1s", done, p99)
	}
}

func TestManyWorkersShareRecorders(t *testing.T) {
	rs := newRecorders(oneStep(), 5000, false)
	if len(rs.all) != maxRecorders {
		t.Fatalf("%d recorders", len(rs.all))
	}
	for id := range 5000 {
		rs.of(id).note(ran(0, time.Millisecond))
	}
	if done, failed, p99 := rs.glance(); done != 5000 || failed != 0 || !around(p99, time.Millisecond) {
		t.Errorf("%d done, %d failed, p99 %v", done, failed, p99)
	}
}

func TestTimesOutOfRangeAreClamped(t *testing.T) {
	h := newHistogram(3)
	record(h, -time.Second)
	record(h, 24*time.Hour)
	if l := latencyOf(h); l.Count != 2 || !around(l.Max, longest) {
		t.Errorf("%+v", l)
	}
}

func TestWaitsCountCallersOfTheMeasuredTime(t *testing.T) {
	w := newWaits()
	w.note(0) // before
	w.countFrom(time.Now())
	w.note(0)
	w.note(time.Nanosecond)
	w.note(time.Hour) // came long before
	w.pause()
	w.note(0) // after
	if l := latencyOf(w.sum()); l.Count != 2 || l.Max > time.Microsecond {
		t.Errorf("%+v, want the two callers that came while it was measured", l)
	}
}
