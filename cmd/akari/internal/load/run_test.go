package load

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari"
)

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// quick is a plan of a short load on the temporary database.
func quick() Plan {
	return Plan{Workload: "read", Rows: 100, Duration: 400 * time.Millisecond, Warmup: 50 * time.Millisecond, Seed: 1,
		Pool: akari.Config{Logger: slog.New(slog.DiscardHandler)}}
}

// must runs a plan in a folder for temporary files that is empty afterwards.
func must(t *testing.T, plan Plan, opened func(*akari.Pool)) *Report {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	var out buffer
	r := &run{plan: &plan, con: &Console{Out: &out}, opened: opened}
	report, err := r.do(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return report
}

// stall suspends the pool for a while, some time after it was opened.
func stall(after, d time.Duration) func(*akari.Pool) {
	return func(p *akari.Pool) {
		time.AfterFunc(after, func() {
			p.Suspend()
			time.AfterFunc(d, func() { p.Resume() })
		})
	}
}

func TestStallIsSeenByTheScheduleAndHiddenByAClosedLoop(t *testing.T) {
	const length = 800 * time.Millisecond
	plan := quick()
	plan.Duration = 3 * time.Second
	plan.Workers = 2

	closed := must(t, plan, stall(500*time.Millisecond, length)).Sides[0]
	if most := closed.Operation.Max; most < length*9/10 {
		t.Fatalf("the longest operation took %v: there was no stall of %v", most, length)
	}
	if p99 := closed.Operation.P99; p99 > length/4 {
		t.Errorf("closed loop: the 99th percentile is %v, although two operations of %d met the stall", p99, closed.Operation.Count)
	}

	plan.Rate = 200
	open := must(t, plan, stall(500*time.Millisecond, length)).Sides[0]
	// A quarter of all operations were due in the stall.
	if p90, p99 := open.Response.P90, open.Response.P99; p90 < length/4 || p99 < length/2 {
		t.Errorf("schedule: the 90th percentile of the response is %v and the 99th %v, which does not show a stall of %v", p90, p99, length)
	}
	if p99 := open.Operation.P99; p99 > length/4 {
		t.Errorf("schedule: the 99th percentile of the operation itself is %v", p99)
	}
	if open.Late < 100 || open.MostLate < length/2 {
		t.Errorf("schedule: %d operations were late, the latest by %v", open.Late, open.MostLate)
	}
	if open.Dropped != 0 {
		t.Errorf("schedule: %d operations were dropped, although there was time to catch up", open.Dropped)
	}
	if got, want := open.Operation.Count, int64(600); got < want*8/10 || got > want*12/10 {
		t.Errorf("schedule: %d operations, want about %d", got, want)
	}
}

func TestStallIsSeenInTheWaitWithWorkersEnough(t *testing.T) {
	const length = 400 * time.Millisecond
	plan := quick()
	plan.Duration = 2 * time.Second
	plan.Rate = 200
	plan.Uniform = true
	side := must(t, plan, stall(500*time.Millisecond, length)).Sides[0]
	if p99 := side.Wait.P99; p99 < length/2 {
		t.Errorf("the 99th percentile of the wait is %v, which does not show a stall of %v", p99, length)
	}
	if n := side.Operation.Count + side.Dropped + side.Errors; n < 399 || n > 401 {
		t.Errorf("%d operations, %d dropped, %d errors, want the 400 in all that were due", side.Operation.Count, side.Dropped, side.Errors)
	}
}

func TestWhatIsNeverBegunIsTold(t *testing.T) {
	plan := quick()
	plan.Workers = 1
	plan.Rate = 2000
	plan.Duration = 600 * time.Millisecond
	// Suspended until long after the end of the schedule and its leeway.
	report := must(t, plan, stall(200*time.Millisecond, 2*leeway))
	if n := report.Sides[0].Dropped; n < 50 || n > 1200 {
		t.Errorf("%d operations were dropped, want those of the last 450ms", n)
	}
	if notes := strings.Join(report.Notes, "\n"); !strings.Contains(notes, "were due and not begun, all 1 workers being busy") {
		t.Errorf("the notes do not tell of it: %s", notes)
	}
}

func TestBacklogOfTheWarmUpIsNotMeasured(t *testing.T) {
	plan := quick()
	plan.Workers = 1
	plan.Rate = maxRate // more than anybody can do, so that the warm-up's operations take all the time
	plan.Warmup, plan.Duration = 500*time.Millisecond, 200*time.Millisecond
	report := must(t, plan, nil)
	side := &report.Sides[0]
	if side.Operation.Count > 0 || side.Pool.Acquired < 100 {
		t.Fatalf("%d operations, %d loans: there is no backlog", side.Operation.Count, side.Pool.Acquired)
	}
	if n := side.Wait.Count; n > 0 {
		t.Errorf("%d callers waited for none of the operations measured", n)
	}
	if got, want := side.headline(), "nothing was measured in 200ms"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if notes := strings.Join(report.Notes, "\n"); strings.Contains(notes, "succeeded") {
		t.Errorf("notes %s", notes)
	}
}

func TestRandomValuesOfTheUsersSQLDifferBetweenTheSides(t *testing.T) {
	dsn, _ := ownFile(t, "CREATE TABLE drawn (v INTEGER PRIMARY KEY)")
	script := filepath.Join(t.TempDir(), "draw.sql")
	// So many values that no two of some thousand are the same by chance.
	if err := os.WriteFile(script, []byte("INSERT INTO drawn VALUES (:rand(1,1000000000000000000))"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan := quick()
	plan.Workload, plan.Compare = script, true
	plan.Target = Target{Driver: "sqlite", DSN: dsn}
	for _, plan.Seed = range []uint64{1, 2} {
		for _, s := range must(t, plan, nil).Sides {
			if s.Operation.Count == 0 || s.Errors > 0 {
				t.Errorf("seed %d: %s: %d operations, %+v", plan.Seed, s.Name, s.Operation.Count, s.ErrorTypes)
			}
		}
	}
}

func TestOperationsThatDoNotEndAreCutOff(t *testing.T) {
	plan := quick()
	plan.Warmup = 0
	plan.Workers = 3
	plan.Pool.ConnectionTimeout = akari.Disabled
	report := must(t, plan, func(p *akari.Pool) {
		time.AfterFunc(300*time.Millisecond, func() { p.Suspend() }) // for ever
	})
	types := report.Sides[0].ErrorTypes
	if len(types) != 1 || types[0].Class != classCutOff || types[0].Count != 3 {
		t.Errorf("%+v, want the three operations under way", types)
	}
}

func TestTimeoutsAreCountedAndPartOfTheWait(t *testing.T) {
	plan := quick()
	plan.Workload = "mixed"
	plan.Duration = time.Second
	plan.Workers = 4
	plan.Pool.ConnectionTimeout = 250 * time.Millisecond
	report := must(t, plan, func(p *akari.Pool) {
		time.AfterFunc(300*time.Millisecond, func() { p.Suspend() })
	})
	side := &report.Sides[0]
	if len(side.ErrorTypes) != 1 || side.ErrorTypes[0].Class != classTimeout {
		t.Fatalf("%+v, want time-outs only", side.ErrorTypes)
	}
	e := side.ErrorTypes[0]
	if e.Count < 4 || e.Count != side.Errors || e.Count != side.Failed.Count || e.Count > side.Pool.AcquireTimeouts {
		t.Errorf("%d time-outs, %d errors, %d failed operations, the pool tells of %d", e.Count, side.Errors, side.Failed.Count, side.Pool.AcquireTimeouts)
	}
	if !strings.HasPrefix(e.Example, "BEGIN: ") || !strings.Contains(e.Example, "Connection is not available, request timed out after ") {
		t.Errorf("example %q", e.Example)
	}
	if most := side.Wait.Max; most < 245*time.Millisecond {
		t.Errorf("the longest wait is %v: time-outs are missing", most)
	}
	if side.Wait.Count < side.Operation.Count+e.Count {
		t.Errorf("%d waits of %d successes and %d time-outs", side.Wait.Count, side.Operation.Count, e.Count)
	}
}

func TestRefusalsDoNotBecomeABusyLoop(t *testing.T) {
	plan := quick()
	plan.Duration = 500 * time.Millisecond
	plan.Workers = 2
	plan.Pool.FailIfSuspended = true
	report := must(t, plan, func(p *akari.Pool) { p.Suspend() })
	// Each worker fails once in 10 ms at most.
	if n := report.Sides[0].Errors; n < 20 || n > 110 {
		t.Errorf("%d refusals in half a second, want at most a hundred", n)
	}
	if notes := strings.Join(report.Notes, "\n"); !strings.Contains(notes, "no operation has succeeded") {
		t.Errorf("the notes do not tell of it: %s", notes)
	}
}

func TestComparisonMeasuresBothSidesAlike(t *testing.T) {
	plan := quick()
	plan.Workload = "mixed"
	plan.Compare = true
	plan.Duration = 1200 * time.Millisecond
	report := must(t, plan, nil)
	if len(report.Sides) != 2 || report.Sides[0].Name != nameAkari || report.Sides[1].Name != namePlain {
		t.Fatalf("sides %+v", report.Sides)
	}
	for _, s := range report.Sides {
		if s.Measured != plan.Duration {
			t.Errorf("%s was measured for %v, want %v", s.Name, s.Measured, plan.Duration)
		}
		if s.Operation.Count == 0 || s.Errors > 0 {
			t.Errorf("%s: %d operations, errors %+v", s.Name, s.Operation.Count, s.ErrorTypes)
		}
		if s.Waited == 0 || s.WaitTime == 0 {
			t.Errorf("%s: %d callers waited for %v, with twice as many workers as connections", s.Name, s.Waited, s.WaitTime)
		}
	}
	a, b := &report.Sides[0], &report.Sides[1]
	if a.Pool == nil || a.Wait == nil || a.Plain != nil || b.Pool != nil || b.Wait != nil || b.Plain == nil {
		t.Error("a side has the other's counters")
	}
	if b.Plain.MaxOpen != a.Pool.MaximumPoolSize {
		t.Errorf("database/sql may have %d connections, the pool %d", b.Plain.MaxOpen, a.Pool.MaximumPoolSize)
	}
	if want := a.PerSecond / b.PerSecond; report.Comparison.PerSecond != want {
		t.Errorf("ratio %v, want %v", report.Comparison.PerSecond, want)
	}
}

func TestSidesTakeTurns(t *testing.T) {
	plan := quick()
	plan.Compare = true
	plan.Duration = 400 * time.Millisecond
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	var out buffer
	r := &run{plan: &plan, con: &Console{Out: &out}}
	var order []string
	r.began = time.Now()
	r.sides = []*side{{name: "A"}, {name: "B"}}
	r.each(t.Context(), func(s *side, round int) { order = append(order, s.name) })
	if want := []string{"A", "B", "B", "A", "A", "B", "B", "A"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}

func TestInterruptReportsWhatWasMeasured(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	plan := quick()
	plan.Duration, plan.Warmup = time.Hour, 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &run{plan: &plan, con: &Console{Out: &buffer{}}, opened: func(*akari.Pool) { time.AfterFunc(500*time.Millisecond, cancel) }}
	report, err := r.do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s := &report.Sides[0]
	if !report.Interrupted || s.Operation.Count == 0 || s.Measured > time.Minute || s.PerSecond < float64(s.Operation.Count)/s.Measured.Seconds()/2 {
		t.Errorf("interrupted %v, %d operations in %v, %.0f per second", report.Interrupted, s.Operation.Count, s.Measured, s.PerSecond)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestInterruptDoesNotWaitLongForOperations(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	plan := quick()
	plan.Duration, plan.Warmup = time.Hour, 0
	plan.Workers = 2
	plan.Pool.ConnectionTimeout = akari.Disabled
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stuck time.Time
	r := &run{plan: &plan, con: &Console{Out: &buffer{}}, opened: func(p *akari.Pool) {
		time.AfterFunc(300*time.Millisecond, func() {
			p.Suspend() // for ever
			time.AfterFunc(300*time.Millisecond, func() {
				stuck = time.Now()
				cancel()
			})
		})
	}}
	report, err := r.do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(stuck); took < hastyPatience || took > hastyPatience+2*time.Second {
		t.Errorf("it took %v, want %v", took, hastyPatience)
	}
	if types := report.Sides[0].ErrorTypes; len(types) != 1 || types[0].Class != classCutOff || types[0].Count != 2 {
		t.Errorf("%+v, want the two operations under way", types)
	}
}

func TestInterruptBeforeTheLoad(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report, err := Run(ctx, quick(), &Console{Out: &buffer{}})
	if report != nil || err != nil {
		t.Errorf("%v, %v, want neither a report nor an error", report, err)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAtOnceRemovesTheTemporaryDatabase(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	plan := quick()
	con := &Console{Out: &buffer{}, AtOnce: &AtOnce{}}
	db, err := plan.Target.open(t.Context(), &plan, con)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(folder); len(left) != 1 {
		t.Fatalf("the temporary database is not in %v", left)
	}
	con.AtOnce.Run()
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := db.shut(); err != nil {
		t.Error(err)
	}
	if n := len(con.AtOnce.funcs); n > 0 {
		t.Errorf("%d functions are left to call", n)
	}
}

// ownFile makes a SQLite database of the user's and returns its DSN, and what is
// in it in a form to compare.
func ownFile(t *testing.T, statements ...string) (dsn string, contents func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "own.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, s := range append([]string{"CREATE TABLE precious (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO precious (v) VALUES ('a'), ('b')"}, statements...) {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(query string) string {
		var s sql.NullString
		if err := db.QueryRow(query).Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s.String
	}
	return path + "?_pragma=busy_timeout(10000)&_txlock=immediate", func() string {
		return ask("SELECT group_concat(name || ' ' || sql, ';') FROM sqlite_master") + "\n" +
			ask("SELECT group_concat(id || v, ';') FROM precious") + "\n" + ask("PRAGMA journal_mode")
	}
}

func TestOwnDatabaseIsLeftAsItWas(t *testing.T) {
	dsn, contents := ownFile(t)
	before := contents()
	plan := quick()
	plan.Workload = "mixed"
	plan.Target = Target{Driver: "sqlite", DSN: dsn}
	report := must(t, plan, nil)
	if s := &report.Sides[0]; s.Operation.Count == 0 || s.Errors > 0 {
		t.Errorf("%d operations, %+v", s.Operation.Count, s.ErrorTypes)
	}
	if after := contents(); after != before {
		t.Errorf("the database was\n%s\nand is\n%s", before, after)
	}
}

func TestTablesAreKeptOnRequestAndUsedAgain(t *testing.T) {
	dsn, contents := ownFile(t)
	plan := quick()
	plan.Target = Target{Driver: "sqlite", DSN: dsn}
	plan.Keep = true
	report := must(t, plan, nil)
	if want := "kept in the database: akari_load_account, akari_load_entry"; !slices.Contains(report.Notes, want) {
		t.Errorf("notes %q, want %q", report.Notes, want)
	}
	kept := contents()
	if !strings.Contains(kept, accountTable) || !strings.Contains(kept, entryTable) {
		t.Fatalf("not kept: %s", kept)
	}
	plan.Keep = false
	report = must(t, plan, nil)
	if want := "the tables akari_load_account and akari_load_entry were there before and have been left"; !slices.Contains(report.Notes, want) {
		t.Errorf("notes %q, want %q", report.Notes, want)
	}
	if after := contents(); after != kept {
		t.Errorf("tables of before were changed:\n%s\n%s", kept, after)
	}
}

func TestForeignTableOfTheSameNameIsNotTouched(t *testing.T) {
	for _, c := range []struct {
		create, want string
		keep         bool // makes no difference, since there was no load
	}{
		{"CREATE TABLE akari_load_account (id INTEGER PRIMARY KEY, balance INTEGER, note TEXT)", "with 0 rows in place of 100", false},
		{"CREATE TABLE akari_load_account (something TEXT)", "cannot read the table akari_load_account", true},
	} {
		dsn, contents := ownFile(t, c.create)
		before := contents()
		plan := quick()
		plan.Target = Target{Driver: "sqlite", DSN: dsn}
		plan.Keep = c.keep
		report, err := Run(t.Context(), plan, &Console{Out: &buffer{}})
		if report != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, %v, want %q", report, err, c.want)
		}
		if after := contents(); after != before {
			t.Errorf("the database was\n%s\nand is\n%s", before, after)
		}
	}
}
