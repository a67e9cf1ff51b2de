package load

import (
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/akaripool/akari"
)

// ReportSchema is the version of the JSON document; see README.md. New fields
// do not change it.
const ReportSchema = 1

// Report is what a load has come to. As JSON it is a contract, described in
// README.md. All times are in nanoseconds.
type Report struct {
	Schema      int            `json:"schema"`
	Started     time.Time      `json:"started"`
	Interrupted bool           `json:"interrupted"` // ended early
	Database    DatabaseReport `json:"database"`
	Load        Work           `json:"load"`
	Sides       []SideReport   `json:"sides"`                // the pool; in a comparison plain database/sql too
	Comparison  *Comparison    `json:"comparison,omitempty"` // the pool's numbers divided by those of database/sql
	Limits      []Verdict      `json:"limits"`               // empty if none were given
	Notes       []string       `json:"notes"`                // what a reader must know to trust the numbers
}

// DatabaseReport says what the load was put on.
type DatabaseReport struct {
	Version string `json:"version"` // "PostgreSQL 17.2"
	Driver  string `json:"driver"`  // as registered with database/sql
	Where   string `json:"where"`   // "in a temporary file", "on a private server", or where the user's is
}

// Work says what load it was.
type Work struct {
	Workload string            `json:"workload"`
	Workers  int               `json:"workers"`
	Rate     float64           `json:"rate"`               // operations per second; 0: closed loop
	Arrivals string            `json:"arrivals,omitempty"` // "poisson" or "uniform", with a rate
	Duration time.Duration     `json:"duration_ns"`        // as planned
	Warmup   time.Duration     `json:"warmup_ns"`          // as planned
	Seed     uint64            `json:"seed"`
	Settings map[string]string `json:"settings"` // of the pool, as given
}

// SideReport is what was measured of the pool or of plain database/sql.
type SideReport struct {
	Name      string        `json:"name"`        // "akari" or "database/sql"
	Measured  time.Duration `json:"measured_ns"` // without warm-up
	PerSecond float64       `json:"per_second"`  // successful operations that ended within the measured time
	InTime    int64         `json:"in_time"`     // their number; those due in it that ended later are in Operation only
	Errors    int64         `json:"errors"`      // operations that failed
	Abandoned int64         `json:"abandoned"`   // operations that did not return even when cancelled; in no other number
	Dropped   int64         `json:"dropped"`     // with a rate: operations due that were not begun
	Late      int64         `json:"late"`        // with a rate: begun more than 5 ms after they were due
	MostLate  time.Duration `json:"most_late_ns"`

	Operation Latency  `json:"operation"`          // successes, from their begin to their end
	Response  *Latency `json:"response,omitempty"` // with a rate: successes, from when they were due
	Failed    Latency  `json:"failed"`             // failures, from their begin to their end
	Wait      *Latency `json:"wait,omitempty"`     // for a connection; the pool only

	// The same in sums, which both sides can tell: callers that had to wait
	// for a connection, and how long all together.
	Waited   int64         `json:"waited"`
	WaitTime time.Duration `json:"wait_time_ns"`

	Steps      []StepReport  `json:"steps"`
	ErrorTypes []ErrorReport `json:"error_types"` // most frequent first

	Pool  *PoolReport `json:"pool,omitempty"`         // of the pool, warm-up included
	Plain *PlainStats `json:"database_sql,omitempty"` // of database/sql, warm-up included
}

// Latency is a distribution of times. Percentiles are exact to three digits,
// those of steps and failures to two.
type Latency struct {
	Count int64         `json:"count"`
	Mean  time.Duration `json:"mean_ns"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

// StepReport is one statement of the workload, in operations that succeeded.
type StepReport struct {
	Name    string  `json:"name"`
	SQL     string  `json:"sql"`
	Latency Latency `json:"latency"`
}

// ErrorReport is one type of error.
type ErrorReport struct {
	Class   string `json:"class"`
	Code    string `json:"code,omitempty"` // "SQLSTATE 23505", "MySQL 1062", "SQLite 2067"
	Count   int64  `json:"count"`
	Example string `json:"example"` // the first one met, and the step it came from
}

// PoolReport are the pool's own counters, since it was opened.
type PoolReport struct {
	Name            string           `json:"name"`
	MaximumPoolSize int              `json:"maximum_pool_size"`
	MinimumIdle     int              `json:"minimum_idle"`
	Acquired        int64            `json:"acquired"`
	AcquireWaited   int64            `json:"acquire_waited"`
	AcquireTimeouts int64            `json:"acquire_timeouts"`
	AcquireCanceled int64            `json:"acquire_canceled"`
	AcquireRejected int64            `json:"acquire_rejected"`
	PoolLocks       int64            `json:"pool_locks"`
	HoldTime        time.Duration    `json:"hold_time_ns"` // all loans together
	Opened          int64            `json:"opened"`
	OpenTime        time.Duration    `json:"open_time_ns"` // all together
	OpenFailed      int64            `json:"open_failed"`
	Closed          map[string]int64 `json:"closed"` // by reason
	Validations     int64            `json:"validations"`
	ValidationFails int64            `json:"validation_failures"`
	Keepalives      int64            `json:"keepalives"`
	Leaks           int64            `json:"leaks"`
	SessionResets   int64            `json:"session_resets"`
	StatementHits   int64            `json:"statement_hits"`
	StatementMisses int64            `json:"statement_misses"`
}

// PlainStats are database/sql's counters.
type PlainStats struct {
	MaxOpen           int           `json:"max_open"`
	Open              int           `json:"open"`
	WaitCount         int64         `json:"wait_count"`
	WaitDuration      time.Duration `json:"wait_duration_ns"`
	MaxIdleClosed     int64         `json:"max_idle_closed"`
	MaxLifetimeClosed int64         `json:"max_lifetime_closed"`
}

// Comparison are ratios, the pool's number divided by that of database/sql; 0
// where the latter is 0.
type Comparison struct {
	PerSecond float64 `json:"per_second"`
	Mean      float64 `json:"mean"`
	P50       float64 `json:"p50"`
	P90       float64 `json:"p90"`
	P99       float64 `json:"p99"`
	P999      float64 `json:"p999"`
	Max       float64 `json:"max"`
}

// report puts together what the run has measured.
func (r *run) report(interrupted bool) *Report {
	p := r.plan
	rep := &Report{
		Schema:      ReportSchema,
		Started:     r.began.UTC(),
		Interrupted: interrupted,
		Database:    DatabaseReport{r.db.version, r.db.driver, r.db.where},
		Load: Work{Workload: p.Workload, Workers: p.Workers, Rate: p.Rate, Duration: p.Duration, Warmup: p.Warmup,
			Seed: p.Seed, Settings: maps.Clone(p.Settings)},
		Limits: []Verdict{},
	}
	if p.Rate > 0 {
		rep.Load.Arrivals = "poisson"
		if p.Uniform {
			rep.Load.Arrivals = "uniform"
		}
	}
	if rep.Load.Settings == nil {
		rep.Load.Settings = map[string]string{}
	}
	for _, s := range r.sides {
		rep.Sides = append(rep.Sides, s.report())
	}
	rep.Limits = append(rep.Limits, p.Limits.judge(&rep.Sides[0])...)
	if len(rep.Sides) > 1 {
		rep.Comparison = compare(&rep.Sides[0], &rep.Sides[1])
	}
	rep.Notes = r.notes(rep)
	return rep
}

func (s *side) report() SideReport {
	sum := s.recorders.sum()
	out := SideReport{
		Name:      s.name,
		Measured:  time.Duration(s.measured.Load()),
		InTime:    sum.finished,
		Abandoned: int64(s.abandoned),
		Errors:    sum.failed.TotalCount(),
		Dropped:   s.dropped,
		Late:      sum.late,
		MostLate:  sum.latest,
		Operation: latencyOf(sum.operation),
		Failed:    latencyOf(sum.failed),
		Waited:    s.waited,
		WaitTime:  s.waitTime,
	}
	if out.Measured > 0 {
		out.PerSecond = float64(sum.finished) / out.Measured.Seconds()
	}
	if sum.response != nil {
		l := latencyOf(sum.response)
		out.Response = &l
	}
	if s.waits != nil {
		l := latencyOf(s.waits.sum())
		out.Wait = &l
	}
	for i, h := range sum.steps {
		st := s.recorders.script.Steps[i]
		out.Steps = append(out.Steps, StepReport{st.Name, st.SQL, latencyOf(h)})
	}
	out.ErrorTypes = errorTypes(sum.failures)
	if s.pool != nil {
		out.Pool = poolReport(s.pool.Stats())
	} else {
		out.Plain = plainStats(s.db.Stats())
	}
	return out
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(percentile float64) time.Duration { return time.Duration(h.ValueAtPercentile(percentile)) }
	return Latency{
		Count: h.TotalCount(),
		Mean:  time.Duration(h.Mean()),
		P50:   at(50),
		P90:   at(90),
		P99:   at(99),
		P999:  at(99.9),
		Max:   time.Duration(h.Max()),
	}
}

// Fruitless returns an error of one line if a side has no operation that
// succeeded: such a load has shown nothing about the database.
func (r *Report) Fruitless() error {
	for i := range r.Sides {
		s := &r.Sides[i]
		if s.Operation.Count > 0 {
			continue
		}
		through := ""
		if len(r.Sides) > 1 {
			through = " through " + s.Name
		}
		switch {
		case s.Errors > 0:
			return fmt.Errorf("no operation has succeeded%s: %s", through, s.ErrorTypes[0].Example)
		case s.Dropped > 0:
			return fmt.Errorf("no operation was measured%s: the workers were busy with what was due before; lower the -rate, or give more -workers", through)
		}
		return fmt.Errorf("no operation was measured%s: none was due in the measured time; give a longer -duration", through)
	}
	return nil
}

// named is the number that an Objective names.
func (l *Latency) named(name string) time.Duration {
	switch name {
	case "mean":
		return l.Mean
	case "p50":
		return l.P50
	case "p90":
		return l.P90
	case "p99":
		return l.P99
	case "p99.9":
		return l.P999
	}
	return l.Max
}

func errorTypes(failures map[failureKey]*failure) []ErrorReport {
	all := []ErrorReport{}
	for key, f := range failures {
		all = append(all, ErrorReport{key.class, key.code, f.count, f.example})
	}
	slices.SortFunc(all, func(a, b ErrorReport) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Code, b.Code))
	})
	return all
}

func poolReport(s akari.Stats) *PoolReport {
	p := &PoolReport{
		Name:            s.PoolName,
		MaximumPoolSize: s.MaximumPoolSize,
		MinimumIdle:     s.MinimumIdle,
		Acquired:        s.Acquired,
		AcquireWaited:   s.AcquireWaited,
		AcquireTimeouts: s.AcquireTimeouts,
		AcquireCanceled: s.AcquireCanceled,
		AcquireRejected: s.AcquireRejected,
		PoolLocks:       s.PoolLocks,
		HoldTime:        s.HoldTime,
		Opened:          s.Opened,
		OpenTime:        s.OpenTime,
		OpenFailed:      s.OpenFailed,
		Closed:          map[string]int64{},
		Validations:     s.Validations,
		ValidationFails: s.ValidationFailures,
		Keepalives:      s.Keepalives,
		Leaks:           s.Leaks,
		SessionResets:   s.SessionResets,
		StatementHits:   s.StatementHits,
		StatementMisses: s.StatementMisses,
	}
	for reason, n := range s.Closed {
		p.Closed[reason.String()] = n
	}
	return p
}

func plainStats(s sql.DBStats) *PlainStats {
	return &PlainStats{s.MaxOpenConnections, s.OpenConnections, s.WaitCount, s.WaitDuration, s.MaxIdleClosed, s.MaxLifetimeClosed}
}

func compare(a, b *SideReport) *Comparison {
	ratio := func(a, b float64) float64 {
		if b == 0 {
			return 0
		}
		return a / b
	}
	x, y := &a.Operation, &b.Operation
	if a.Response != nil {
		x, y = a.Response, b.Response
	}
	of := func(a, b time.Duration) float64 { return ratio(float64(a), float64(b)) }
	return &Comparison{
		PerSecond: ratio(a.PerSecond, b.PerSecond),
		Mean:      of(x.Mean, y.Mean),
		P50:       of(x.P50, y.P50),
		P90:       of(x.P90, y.P90),
		P99:       of(x.P99, y.P99),
		P999:      of(x.P999, y.P999),
		Max:       of(x.Max, y.Max),
	}
}
