package load

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	t := &text{b}
	t.head(r)
	if r.Comparison != nil {
		t.comparison(r)
	}
	for i := range r.Sides {
		t.side(&r.Sides[i], len(r.Sides) > 1)
	}
	t.verdicts(r.Limits)
	if len(r.Notes) > 0 {
		t.line("")
	}
	for _, n := range r.Notes {
		t.line("note: %s", n)
	}
	return b.Flush()
}

// text lays a report out. Errors of writing come out of Flush.
type text struct{ w *bufio.Writer }

func (t *text) line(format string, args ...any) {
	fmt.Fprintln(t.w, Printable(strings.TrimRight(fmt.Sprintf(format, args...), " ")))
}

func (t *text) head(r *Report) {
	t.line("%s, %s, driver %s", r.Database.Version, r.Database.Where, r.Database.Driver)
	l := &r.Load
	if l.Rate > 0 {
		t.line("%s load, %s operations per second by a schedule (%s), at most %d at the same time", l.Workload, number(l.Rate), l.Arrivals, l.Workers)
	} else {
		t.line("%s load, %d workers, each with one operation after the other", l.Workload, l.Workers)
	}
	if r.Comparison != nil {
		t.line("%s measured for each side, seed %d", long(r.Sides[0].Measured), l.Seed)
	} else {
		t.line("%s measured after %s of warm-up, seed %d", long(r.Sides[0].Measured), long(l.Warmup), l.Seed)
	}
	if p := r.Sides[0].Pool; p != nil {
		settings := []string{fmt.Sprintf("MaximumPoolSize=%d", p.MaximumPoolSize), fmt.Sprintf("MinimumIdle=%d", p.MinimumIdle)}
		for _, name := range slices.Sorted(maps.Keys(l.Settings)) {
			if name != "MaximumPoolSize" && name != "MinimumIdle" {
				settings = append(settings, name+"="+l.Settings[name])
			}
		}
		t.line("pool %s: %s", p.Name, strings.Join(settings, ", "))
	}
}

func (t *text) side(s *SideReport, several bool) {
	t.line("")
	if several {
		t.line("=== %s", s.Name)
	}
	t.line("%s", s.headline())
	if s.Response != nil {
		t.line("schedule: %s dropped, %s begun more than %v late, the latest %s late", count(s.Dropped), count(s.Late), lateAfter, short(s.MostLate))
	}
	t.line("")
	t.latencies(s)
	t.errors(s.ErrorTypes)
	if s.Pool != nil {
		t.pool(s.Pool)
	}
	if s.Plain != nil {
		t.plain(s.Plain)
	}
}

// headline says how much was done. Of an overloaded schedule most operations end
// after the measured time: then both numbers are told, since they do not fit
// together.
func (s *SideReport) headline() string {
	done := s.Operation.Count
	if done == 0 && s.Errors == 0 {
		return "nothing was measured in " + long(s.Measured)
	}
	inTime := ""
	if few := done - done/100; s.InTime < few {
		inTime = fmt.Sprintf(", of which %s ended in time", count(s.InTime))
	}
	return fmt.Sprintf("%s operations per second: %s in %s%s, %s", number(s.PerSecond), count(done), long(s.Measured), inTime, errorCount(s.Errors))
}

const nameWidth = 22

func (t *text) latencies(s *SideReport) {
	t.line("%-*s %11s %9s %9s %9s %9s %9s %9s", nameWidth, "", "count", "mean", "p50", "p90", "p99", "p99.9", "max")
	row := func(name string, l *Latency) {
		t.line("%-*s %11s %9s %9s %9s %9s %9s %9s", nameWidth, name, count(l.Count),
			short(l.Mean), short(l.P50), short(l.P90), short(l.P99), short(l.P999), short(l.Max))
	}
	if s.Wait != nil {
		row("wait for a connection", s.Wait)
	}
	row("operation", &s.Operation)
	if s.Response != nil {
		row("response", s.Response)
	}
	if s.Failed.Count > 0 {
		row("failed operation", &s.Failed)
	}
	if len(s.Steps) > 1 {
		for i := range s.Steps {
			row("  "+shorten(s.Steps[i].Name, nameWidth-2), &s.Steps[i].Latency)
		}
	}
	if s.Wait != nil {
		t.line("The wait is the pool's own account of each caller, 0 if a connection was idle; callers sent away count too.")
	} else {
		t.line("database/sql tells of waits no more than their sum: see below.")
	}
	t.line("The wait is part of the operation, and of the step that borrowed the connection.")
	if s.Response != nil {
		t.line("The response counts from when the operation was due by the schedule, so that it shows what a stall does to all users.")
	}
}

func (t *text) errors(types []ErrorReport) {
	if len(types) == 0 {
		return
	}
	width := nameWidth
	for i := range types {
		width = max(width, 2+len(types[i].name()))
	}
	t.line("")
	t.line("%-*s %11s  %s", width, "errors", "count", "the first")
	for i := range types {
		e := &types[i]
		t.line("  %-*s %11s  %s", width-2, e.name(), count(e.Count), e.Example)
	}
}

// name is the class with the code.
func (e *ErrorReport) name() string {
	if e.Code == "" {
		return e.Class
	}
	return e.Class + ", " + e.Code
}

func (t *text) pool(p *PoolReport) {
	t.line("")
	t.line("the pool, warm-up included")
	t.line("  loans             %s, each for %s on average; %s callers had to wait", count(p.Acquired), short(mean(p.HoldTime, p.Acquired)), count(p.AcquireWaited))
	t.line("  sent away         %s timed out, %s cancelled, %s refused, %s by pool-lock", count(p.AcquireTimeouts), count(p.AcquireCanceled), count(p.AcquireRejected), count(p.PoolLocks))
	t.line("  opened            %s, in %s on average; %s attempts failed", count(p.Opened), short(mean(p.OpenTime, p.Opened)), count(p.OpenFailed))
	closed := []string{}
	total := int64(0)
	for _, reason := range slices.Sorted(maps.Keys(p.Closed)) {
		closed = append(closed, fmt.Sprintf("%s %s", reason, count(p.Closed[reason])))
		total += p.Closed[reason]
	}
	if total > 0 {
		t.line("  closed            %s: %s", count(total), strings.Join(closed, ", "))
	} else {
		t.line("  closed            0")
	}
	t.line("  validations       %s, %s failed; %s keepalives", count(p.Validations), count(p.ValidationFails), count(p.Keepalives))
	t.line("  session resets    %s", count(p.SessionResets))
	t.line("  statement cache   %s hits, %s misses", count(p.StatementHits), count(p.StatementMisses))
	t.line("  suspected leaks   %s", count(p.Leaks))
}

func (t *text) plain(p *PlainStats) {
	t.line("")
	t.line("database/sql, warm-up included")
	t.line("  open              %d of at most %d", p.Open, p.MaxOpen)
	t.line("  waits             %s, each %s on average", count(p.WaitCount), short(mean(p.WaitDuration, p.WaitCount)))
	t.line("  closed            %s for their age, %s above the idle limit", count(p.MaxLifetimeClosed), count(p.MaxIdleClosed))
}

func (t *text) comparison(r *Report) {
	a, b, c := &r.Sides[0], &r.Sides[1], r.Comparison
	t.line("")
	t.line("%-*s %14s %14s %9s", nameWidth, "", a.Name, b.Name, "ratio")
	row := func(name, a, b string, ratio float64) {
		shown := ""
		if ratio > 0 {
			shown = fmt.Sprintf("%.2f", ratio)
		}
		t.line("%-*s %14s %14s %9s", nameWidth, name, a, b, shown)
	}
	row("operations per second", number(a.PerSecond), number(b.PerSecond), c.PerSecond)
	x, y, what := &a.Operation, &b.Operation, "operation"
	if a.Response != nil {
		x, y, what = a.Response, b.Response, "response"
	}
	for _, l := range []struct {
		name  string
		ratio float64
	}{{"mean", c.Mean}, {"p50", c.P50}, {"p90", c.P90}, {"p99", c.P99}, {"p99.9", c.P999}, {"max", c.Max}} {
		row(what+" "+l.name, short(x.named(l.name)), short(y.named(l.name)), l.ratio)
	}
	row("callers that waited", count(a.Waited), count(b.Waited), 0)
	row("their wait, mean", short(mean(a.WaitTime, a.Waited)), short(mean(b.WaitTime, b.Waited)), 0)
	row("errors", count(a.Errors), count(b.Errors), 0)
	t.line("Both sides took turns of %s, each with a warm-up of its own. The pool's trace was on, which costs it some nanoseconds.", long(a.Measured/rounds))
}

func (t *text) verdicts(vs []Verdict) {
	if len(vs) > 0 {
		t.line("")
	}
	for _, v := range vs {
		kept := "kept"
		if !v.Kept {
			kept = "NOT KEPT"
		}
		actual, most := short(time.Duration(v.Actual)), time.Duration(v.Most).String()
		switch v.Limit {
		case "errors", "dropped", "abandoned":
			actual, most = count(v.Actual), count(v.Most)
		}
		if v.Actual == 0 && !v.Kept {
			t.line("limit %s <= %s: %s, nothing was measured", v.Limit, most, kept)
			continue
		}
		t.line("limit %s <= %s: %s, it was %s", v.Limit, most, kept, actual)
	}
}

func mean(total time.Duration, n int64) time.Duration {
	if n == 0 {
		return 0
	}
	return total / time.Duration(n)
}

func errorCount(n int64) string {
	switch n {
	case 0:
		return "no errors"
	case 1:
		return "1 error"
	}
	return count(n) + " errors"
}
