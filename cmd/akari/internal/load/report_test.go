package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files of the reports anew")

// sample is a report with a number of its own in every place.
func sample() *Report {
	n := int64(0)
	next := func() int64 { n++; return n }
	latency := func() Latency {
		at := func() time.Duration { return time.Duration(next()) * 1_234_567 }
		return Latency{1000 * next(), at(), at(), at(), at(), at(), at()}
	}
	response, wait := latency(), latency()
	return &Report{
		Schema:   ReportSchema,
		Started:  time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Database: DatabaseReport{"PostgreSQL 17.2", "pgx", `in your database "orders" at db:5432`},
		Load: Work{Workload: "mixed", Workers: 50, Rate: 500, Arrivals: "poisson", Duration: 10 * time.Second, Warmup: time.Second, Seed: 7,
			Settings: map[string]string{"MaximumPoolSize": "20", "ConnectionTimeout": "2s"}},
		Sides: []SideReport{{
			Name: nameAkari, Measured: 10_004_000_000, PerSecond: 499.4, InTime: 4996, Errors: next(), Dropped: next(), Late: next(), MostLate: 12_345_678,
			Operation: latency(), Response: &response, Failed: latency(), Wait: &wait, Waited: next(), WaitTime: time.Second,
			Steps: []StepReport{{"BEGIN", "BEGIN", latency()}, {"find the account of the customer", "SELECT 1", latency()}, {"COMMIT", "COMMIT", latency()}},
			ErrorTypes: []ErrorReport{
				{classTimeout, "", 1200, "BEGIN: AkariPool-1 - Connection is not available, request timed out after 2001ms (total=10, active=10, idle=0, waiting=7)"},
				{classConstraint, "SQLSTATE 23505", 3, "insert: duplicate key value violates unique constraint"},
			},
			Pool: &PoolReport{
				Name: "AkariPool-1", MaximumPoolSize: 20, MinimumIdle: 15, Acquired: 5000, AcquireWaited: 1000 + next(), AcquireTimeouts: next(),
				AcquireCanceled: next(), AcquireRejected: next(), PoolLocks: next(), HoldTime: 5 * time.Second, Opened: 22, OpenTime: time.Second,
				OpenFailed: next(), Closed: map[string]int64{"max_lifetime": next(), "broken": next()}, Validations: next(), ValidationFails: next(),
				Keepalives: next(), Leaks: next(), SessionResets: next(), StatementHits: 1000 * next(), StatementMisses: next(),
			},
		}},
		Limits: []Verdict{{"errors", 10, 1203, false}, {"p99", int64(20 * time.Millisecond), 12_345_678, true}, {"max", int64(time.Second), 0, false}, {"dropped", 0, 16, false}},
		Notes:  []string{"interrupted: these are the numbers up to then"},
	}
}

// sampleComparison has a second side, and a closed loop.
func sampleComparison() *Report {
	r := sample()
	r.Load.Rate, r.Load.Arrivals, r.Limits, r.Notes = 0, "", nil, nil
	a := &r.Sides[0]
	a.Response, a.ErrorTypes, a.Errors, a.Failed = nil, nil, 0, Latency{}
	b := *a
	b.Name, b.PerSecond, b.InTime, b.Wait, b.Pool = namePlain, 400, 17_900, nil, nil // as many as need not be told
	b.Operation.P99 *= 3
	b.Plain = &PlainStats{20, 18, 4000, 8 * time.Second, 1, 2}
	r.Sides = append(r.Sides, b)
	r.Comparison = compare(a, &b)
	return r
}

func TestReportForPeople(t *testing.T) {
	for name, r := range map[string]*Report{"report.txt": sample(), "comparison.txt": sampleComparison()} {
		var b bytes.Buffer
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
	}
}

func TestReportForMachines(t *testing.T) {
	for name, r := range map[string]*Report{"report.json": sample(), "comparison.json": sampleComparison()} {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, append(b, '\n'))
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed (go test -update writes it anew); got\n%s", path, got)
	}
}

// TestContractNamesEveryField holds README.md and the document together.
func TestContractNamesEveryField(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var visit func(t reflect.Type) []string
	visit = func(t reflect.Type) (names []string) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice:
			return visit(t.Elem())
		case reflect.Struct:
			for i := range t.NumField() {
				f := t.Field(i)
				if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
					names = append(names, name)
					names = append(names, visit(f.Type)...)
				}
			}
		}
		return names
	}
	names := visit(reflect.TypeFor[Report]())
	if len(names) < 50 {
		t.Fatalf("only %d fields: %q", len(names), names)
	}
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("README.md does not tell of the field `%s`", name)
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestReportThatCannotBeWritten(t *testing.T) {
	if err := sample().WriteText(full{}); err == nil || err.Error() != "no space left" {
		t.Errorf("%v, want the reason", err)
	}
}

func TestReportObeysNoControlCharacters(t *testing.T) {
	r := sample()
	side := &r.Sides[0]
	side.Steps[0].Name, side.ErrorTypes[0].Example = "\x1b]0;owned\a", "near \"\x1b[2J\u202e\xff\": syntax error"
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\a\u202e") || !strings.Contains(b.String(), `near "�[2J��": syntax error`) {
		t.Errorf("%q", b.String())
	}
}

func TestLoadWithoutASuccessIsAnError(t *testing.T) {
	good := SideReport{Name: nameAkari, Operation: Latency{Count: 1}, Errors: 5}
	bad := SideReport{Name: namePlain, Errors: 5, ErrorTypes: []ErrorReport{{classOther, "", 4, "a: no"}, {classLost, "", 1, "b: no"}}}
	for _, c := range []struct {
		sides []SideReport
		want  string
	}{
		{[]SideReport{good}, "<nil>"},
		{[]SideReport{bad}, "no operation has succeeded: a: no"},
		{[]SideReport{good, bad}, "no operation has succeeded through database/sql: a: no"},
		{[]SideReport{{Dropped: 3}}, "no operation was measured: the workers were busy with what was due before; lower the -rate, or give more -workers"},
		{[]SideReport{{}}, "no operation was measured: none was due in the measured time; give a longer -duration"},
	} {
		if got := fmt.Sprint((&Report{Sides: c.sides}).Fruitless()); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestLimits(t *testing.T) {
	most := func(n int64) *int64 { return &n }
	side := &SideReport{Errors: 5, Operation: Latency{Count: 10, Mean: 1, P50: 2, P90: 3, P99: 4, P999: 5, Max: 6}}
	for _, c := range []struct {
		limits Limits
		side   *SideReport
		want   string
	}{
		{Limits{}, side, ""},
		{Limits{Errors: most(5)}, side, "{errors 5 5 true}"},
		{Limits{Errors: most(4)}, side, "{errors 4 5 false}"},
		{Limits{Objectives: []Objective{{"p99", 4}, {"p99", 3}, {"max", 6}, {"mean", 1}, {"p50", 1}, {"p90", 3}, {"p99.9", 4}}}, side,
			"{p99 4 4 true} {p99 3 4 false} {max 6 6 true} {mean 1 1 true} {p50 1 2 false} {p90 3 3 true} {p99.9 4 5 false}"},
		{Limits{Objectives: []Objective{{"p99", 5}}}, &SideReport{}, "{p99 5 0 false}"},
		{Limits{Objectives: []Objective{{"p99", 5}}}, &SideReport{Operation: side.Operation, Response: &Latency{Count: 1, P99: 7}}, "{p99 5 7 false} {dropped 0 0 true}"},
		// What was not begun keeps no limit.
		{Limits{Errors: most(9)}, &SideReport{Response: &Latency{}, Dropped: 3}, "{errors 9 0 true} {dropped 0 3 false}"},
		{Limits{Errors: most(9)}, &SideReport{Abandoned: 2}, "{errors 9 0 true} {abandoned 0 2 false}"},
		{Limits{}, &SideReport{Response: &Latency{}, Dropped: 3, Abandoned: 2}, ""},
	} {
		var got []string
		for _, v := range c.limits.judge(c.side) {
			got = append(got, fmt.Sprint(v))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %s, want %s", c.limits, got, c.want)
		}
	}
	for _, bad := range []string{"", "p99", "p98=1s", "p99=fast", "p99=0", "p99=1s,", "p99=-1s"} {
		if all, err := ParseObjectives(bad); err == nil {
			t.Errorf("%q was read as %v", bad, all)
		}
	}
	if all, err := ParseObjectives("p99=20ms, max=1s"); err != nil || fmt.Sprint(all) != "[{p99 20ms} {max 1s}]" {
		t.Errorf("%v, %v", all, err)
	}
}
