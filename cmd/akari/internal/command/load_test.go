package command

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari/cmd/akari/internal/load"
)

// brief makes a load short.
func brief(args ...string) []string {
	return append([]string{"load", "-duration", "700ms", "-warmup", "100ms", "-rows", "200"}, args...)
}

func TestArgumentsThatMakeNoSense(t *testing.T) {
	leavesNothing(t)
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	script := file("bad.sql", "SELECT 1;\nCOMMIT;\n")
	mistyped := file("mistyped.sql", "SELECT 1;\nselect :nope(3);\n")
	binary := file("binary.sql", "SELECT 1;\n\x7fELF\x00\n")
	for _, c := range []struct {
		args []string
		want string // all of stderr
	}{
		{[]string{"-nothing"}, "akari load: flag provided but not defined: -nothing; see akari load -h\n"},
		{[]string{"-workers", "x"}, "akari load: invalid value \"x\" for flag -workers: parse error; see akari load -h\n"},
		{[]string{"-workers"}, "akari load: flag needs an argument: -workers; see akari load -h\n"},
		{[]string{"fast"}, "akari load: argument \"fast\" is no flag: everything is said by flags, see akari load -h\n"},
		{[]string{"postgres://me:hush@db/x"}, "akari load: argument \"<masked>\" is no flag: everything is said by flags, see akari load -h\n"},
		{[]string{"-workers", "0"}, "akari load: -workers must be more than 0; leave it out for the default\n"},
		{[]string{"-workers", "-1"}, "akari load: -workers is -1: must be from 1 to 100000\n"},
		{[]string{"-rate", "0"}, "akari load: -rate must be more than 0; leave it out for the default\n"},
		{[]string{"-rate", "NaN"}, "akari load: -rate is NaN: must be more than 0 and at most 1000000 operations per second\n"},
		{[]string{"-rate", "+Inf"}, "akari load: -rate is +Inf: must be more than 0 and at most 1000000 operations per second\n"},
		{[]string{"-duration", "0s"}, "akari load: -duration is 0s: must be more than 0 and at most 24h0m0s\n"},
		{[]string{"-warmup", "-1s"}, "akari load: -warmup is -1s: must not be negative, and at most 24h0m0s\n"},
		{[]string{"-rows", "-5"}, "akari load: -rows is -5: must be from 1 to 10000000\n"},
		{[]string{"-arrivals", "odd", "-rate", "1"}, "akari load: -arrivals is \"odd\": must be poisson or uniform\n"},
		{[]string{"-arrivals", "uniform"}, "akari load: -arrivals says how a -rate goes: give one\n"},
		{[]string{"-max-errors", "-1"}, "akari load: -max-errors must not be negative; leave it out if any number may fail\n"},
		{[]string{"-slo", "p99"}, "akari load: invalid value \"p99\" for flag -slo: \"p99\" is no objective: write p99=20ms, with one of p50, p90, p99, p99.9, max and mean; see akari load -h\n"},
		{[]string{"-log", "loud"}, "akari load: -log is \"loud\": must be debug, info, warn, error or off\n"},
		{[]string{"-db", "oracle"}, "akari load: -db is \"oracle\": must be sqlite, postgres or mariadb\n"},
		{[]string{"-driver", "pgx"}, "akari load: -driver pgx needs a -dsn for your own database, or a -db for a private one\n"},
		{[]string{"-dsn", "me:hush@x"}, "akari load: -dsn needs a -driver: pgx, postgres (lib/pq), mysql or sqlite\n"},
		{[]string{"-driver", "sqlite", "-dsn", "/nowhere/x.db"}, "akari load: there is no file /nowhere/x.db: create the database first, or leave -driver and -dsn out for a temporary one\n"},
		{[]string{"-workload", "/nowhere/x.sql"}, "akari load: there is no file \"/nowhere/x.sql\": -workload takes read, write, mixed or the path of a file with SQL\n"},
		{[]string{"-workload", "/"}, "akari load: / is no file: -workload takes read, write, mixed or the path of a file with SQL\n"},
		{[]string{"-workload", script}, "akari load: " + script + ": \"COMMIT\" ends a transaction that has not begun\n"},
		{[]string{"-compare", "-schema", "other"}, "akari load: -schema is other: cannot be set together with -compare: plain database/sql has no such setting; say it in the -dsn, so that both sides get it\n"},
		{[]string{"-workers", "-1", "-max-lifetime", "1s", "-housekeepingPeriod", "1ms"}, "akari load: -workers is -1: must be from 1 to 100000\n" +
			"akari load: -max-lifetime is 1s: must be at least 30s; disabled switches it off\n" +
			"akari load: -housekeepingPeriod is 1ms: must be at least 100ms\n"},
		{[]string{"-maximum-pool-size", "-1", "-minimumIdle", "-7", "-keepalive-time", "40s", "-max-lifetime", "40s"},
			"akari load: -maximum-pool-size is -1: must be at least 1\n" +
				"akari load: -minimumIdle is -7: must be 1 to -maximum-pool-size (-1), or none to keep no idle connections\n" +
				"akari load: -keepalive-time is 40s: must be less than -max-lifetime (40s), else no connection lives to see it; disabled switches it off\n"},
		{[]string{"-dialect", "mysql"}, "akari load: -dialect is MySQL: the driver is sqlite, which is for SQLite; leave -dialect out\n"},
		{[]string{"-keep"}, "akari load: -keep keeps tables in your own database: name it by -driver and -dsn\n"},
		{[]string{"-keep", "-db", "postgres"}, "akari load: -keep keeps tables in your own database: name it by -driver and -dsn\n"},
		{[]string{"-driver", "mysql", "-dsn", "postgres://me:hush@db/x"}, "akari load: the -dsn is one for -driver pgx or postgres, not for -driver mysql\n"},
		{[]string{"-read-only"}, "akari load: the workload mixed writes, which -read-only does not let it: take -workload read\n"},
		{[]string{"-workload", mistyped}, "akari load: " + mistyped + ":2: :nope(…) is no placeholder; there are :rand(low,high), :text(length) and :unique\n"},
		{[]string{"-workload", binary}, "akari load: " + binary + ":2: there is a NUL byte in it: a workload is SQL as text in UTF-8\n"},
		{[]string{"-\x1b[2J"}, "akari load: flag provided but not defined: -�[2J; see akari load -h\n"},
		{[]string{"-maximum-pool-size", "many", "-connection-timeout", "2"},
			"akari load: -maximum-pool-size is \"many\": must be a whole number\n" +
				"akari load: -connection-timeout is \"2\": must be a duration such as 250ms, 30s or 10m; a number alone has no unit: for milliseconds write 2ms\n"},
	} {
		r := run(t, append([]string{"load"}, c.args...)...)
		if r.code != exitCannot || r.out != "" || r.err != c.want {
			t.Errorf("%q: exit code %d, stdout %q, stderr\n %swant\n %s", c.args, r.code, r.out, r.err, c.want)
		}
	}
}

func TestHelpShowsAllFlagsInGroups(t *testing.T) {
	r := run(t, "load", "-h")
	if r.code != exitOK || r.err != "" {
		t.Fatalf("%+v", r)
	}
	last := 0
	for _, part := range []string{"\nThe load\n", "  -workers number ", "  -duration time ", "(default 10s)", "\nThe database", "  -db kind ", "\nThe pool",
		"  -maximum-pool-size number ", "  -idle-timeout duration|disabled ", "  -initialization-fail-timeout duration|try-once|dont-try\n",
		"  -session-reset dirty|always|off "} {
		i := strings.Index(r.out, part)
		if i < last {
			t.Errorf("%q is missing or in the wrong place:\n%s", part, r.out)
		}
		last = max(last, i)
	}
	f := newLoadFlags()
	f.set.VisitAll(func(fl *flag.Flag) {
		if s, ok := fl.Value.(*setting); ok {
			if kebab, _ := spellings(s.field.Name); fl.Name != kebab {
				return // HikariCP's spelling is told of as a whole
			}
		}
		if !strings.Contains(r.out, "\n  -"+fl.Name) {
			t.Errorf("-%s is missing", fl.Name)
		}
	})
	for _, line := range strings.Split(r.out, "\n") {
		if len(line) > 140 {
			t.Errorf("a line of %d characters: %s", len(line), line)
		}
	}
}

var figure = regexp.MustCompile(`\d[\d,.]*(ns|µs|ms|s|%)?`)
var gap = regexp.MustCompile(` {2,}`)

// shape is a report without its numbers.
func shape(report string) string {
	return gap.ReplaceAllString(figure.ReplaceAllString(report, "N"), "  ")
}

const defaultShape = `SQLite N  in a temporary file, driver sqlite
mixed load, N workers, each with one operation after the other
N measured after N of warm-up, seed N
pool AkariPool-N: MaximumPoolSize=N MinimumIdle=N

N operations per second: N in N no errors

  count  mean  pN  pN  pN  pN  max
wait for a connection  N  N  N  N  N  N  N
operation  N  N  N  N  N  N  N
  BEGIN  N  N  N  N  N  N  N
  read  N  N  N  N  N  N  N
  read again  N  N  N  N  N  N  N
  update  N  N  N  N  N  N  N
  insert  N  N  N  N  N  N  N
  COMMIT  N  N  N  N  N  N  N
The wait is the pool's own account of each caller, N if a connection was idle; callers sent away count too.
The wait is part of the operation, and of the step that borrowed the connection.

the pool, warm-up included
  loans  N each for N on average; N callers had to wait
  sent away  N timed out, N cancelled, N refused, N by pool-lock
  opened  N in N on average; N attempts failed
  closed  N
  validations  N N failed; N keepalives
  session resets  N
  statement cache  N hits, N misses
  suspected leaks  N
`

// sameShape compares apart from spaces and the commas that a number may swallow.
func sameShape(got, want string) bool {
	plain := func(s string) string {
		return strings.Join(strings.Fields(strings.NewReplacer(",", "").Replace(s)), " ")
	}
	return plain(shape(got)) == plain(want)
}

func TestDefaultLoad(t *testing.T) {
	leavesNothing(t)
	r := run(t, "load", "-duration", "1s", "-warmup", "200ms")
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	// On a slow machine it is told how many of the operations ended in time.
	if !sameShape(regexp.MustCompile(`, of which [\d,]+ ended in time`).ReplaceAllString(r.out, ""), defaultShape) {
		t.Errorf("the report is\n%s\nits shape\n%s", r.out, shape(r.out))
	}
	if !regexp.MustCompile(`^(  \d\.\d+s +\d+%  (warming up|[\d,.]+/s  p99 [\d.]+[a-zµ]+)  AkariPool-\d+ - Pool stats \(total=4, active=\d, idle=\d, waiting=\d\)\n)+$`).MatchString(r.err) {
		t.Errorf("progress %q", r.err)
	}
}

func TestProgressOnATerminalIsOneLine(t *testing.T) {
	leavesNothing(t)
	r := runIn(t, t.Context(), &Env{Args: brief(), Width: func() int { return 120 }})
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	frames := strings.Split(strings.TrimPrefix(r.err, "\r"), "\r")
	if len(frames) < 3 || strings.Contains(r.err, "\n") {
		t.Fatalf("progress %q", r.err)
	}
	for i, f := range frames {
		text, ok := strings.CutSuffix(f, "\x1b[K")
		if !ok || len([]rune(text)) > 119 {
			t.Errorf("frame %q", f)
		}
		if last := i == len(frames)-1; last != (text == "") {
			t.Errorf("frame %d of %d: %q", i+1, len(frames), f)
		}
	}
}

func TestJSONIsAllThereIsOnStdout(t *testing.T) {
	leavesNothing(t)
	r := run(t, brief("-json", "-workload", "read", "-rate", "60", "-maximum-pool-size", "3", "-connectionTimeout", "5s", "-slo", "p99=10s", "-max-errors", "0")...)
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	dec := json.NewDecoder(strings.NewReader(r.out))
	dec.DisallowUnknownFields()
	var report load.Report
	if err := dec.Decode(&report); err != nil {
		t.Fatalf("%v\n%s", err, r.out)
	}
	if dec.More() {
		t.Errorf("there is something after the document:\n%s", r.out)
	}
	s := &report.Sides[0]
	if report.Schema != 1 || report.Load.Rate != 60 || report.Load.Arrivals != "poisson" || report.Load.Workers != 1000 ||
		time.Since(report.Started) > time.Minute || report.Interrupted || len(report.Sides) != 1 {
		t.Errorf("%+v", report)
	}
	if want := map[string]string{"MaximumPoolSize": "3", "ConnectionTimeout": "5s"}; !reflect.DeepEqual(report.Load.Settings, want) {
		t.Errorf("settings %v, want %v", report.Load.Settings, want)
	}
	if s.Pool.MaximumPoolSize != 3 || s.Pool.Opened != 3 || s.Response == nil || s.Response.Count != s.Operation.Count || s.Operation.Count < 10 {
		t.Errorf("%+v", s)
	}
	if l := report.Limits; len(l) != 3 || !l[2].Kept || l[2].Limit != "dropped" || !l[0].Kept || l[0].Limit != "errors" || !l[1].Kept || l[1].Limit != "p99" {
		t.Errorf("limits %+v", l)
	}
	// The names that a program would look for, as the README has them.
	var raw map[string]any
	if err := json.Unmarshal([]byte(r.out), &raw); err != nil {
		t.Fatal(err)
	}
	side := raw["sides"].([]any)[0].(map[string]any)
	for _, path := range []string{"operation.p99_ns", "response.p999_ns", "wait.max_ns", "pool.statement_hits", "pool.closed"} {
		outer, inner, _ := strings.Cut(path, ".")
		if _, ok := side[outer].(map[string]any)[inner]; !ok {
			t.Errorf("sides[0].%s is missing", path)
		}
	}
	for _, name := range []string{"limits", "notes"} {
		if _, ok := raw[name].([]any); !ok {
			t.Errorf("%s is no array", name)
		}
	}
}

func TestComparisonIsShownSideBySide(t *testing.T) {
	leavesNothing(t)
	r := run(t, brief("-compare", "-workload", "write")...)
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	last := 0
	for _, part := range []string{"akari  database/sql  ratio", "operations per second  N  N  N", "operation pN  N  N  N", "callers that waited", "=== akari", "=== database/sql", "database/sql, warm-up included"} {
		i := strings.Index(shape(r.out), part)
		if i < last {
			t.Errorf("%q is missing or in the wrong place:\n%s", part, r.out)
		}
		last = max(last, i)
	}
}

func TestLimitsDecideTheExitCode(t *testing.T) {
	leavesNothing(t)
	bad, some := filepath.Join(t.TempDir(), "bad.sql"), filepath.Join(t.TempDir(), "some.sql")
	if err := os.WriteFile(bad, []byte("SELECT * FROM nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	// It fails while one of the few keys is taken.
	if err := os.WriteFile(some, []byte(`CREATE TABLE IF NOT EXISTS few (id INTEGER PRIMARY KEY);
DELETE FROM few WHERE id = :rand(1,4);
INSERT INTO few VALUES (:rand(1,4));`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		part string
	}{
		{[]string{"-slo", "p50=1ns"}, exitMissed, "limit p50 <= 1ns: NOT KEPT"},
		{[]string{"-slo", "p50=1m", "-slo", "max=1h"}, exitOK, "limit max <= 1h0m0s: kept"},
		{[]string{"-workload", some}, exitOK, "constraint, SQLite 1555"},
		{[]string{"-workload", some, "-max-errors", "0"}, exitMissed, "limit errors <= 0: NOT KEPT"},
		{[]string{"-workload", some, "-max-errors", "100000"}, exitOK, "limit errors <= 100,000: kept"},
		{[]string{"-workload", bad, "-max-errors", "100000"}, exitCannot, "limit errors <= 100,000: kept"},
		{[]string{"-workload", "read", "-slo", "max=1h", "-workers", "1", "-rate", "1e6", "-warmup", "0s"}, exitMissed, "limit dropped <= 0: NOT KEPT, it was "},
		{[]string{"-workload", "read", "-workers", "1", "-rate", "1e6", "-warmup", "0s"}, exitOK, "dropped, "},
	} {
		r := run(t, brief(c.args...)...)
		if r.code != c.code || !strings.Contains(r.out, c.part) {
			t.Errorf("%q: exit code %d, want %d; the report must say %q\n%s%s", c.args, r.code, c.code, c.part, r.out, r.err)
		}
	}
}

func TestLoadWithoutASuccessIsAnError(t *testing.T) {
	leavesNothing(t)
	bad := filepath.Join(t.TempDir(), "bad.sql")
	if err := os.WriteFile(bad, []byte("SELEKT 1;"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{nil, {"-json"}, {"-compare"}} {
		r := run(t, brief(append(more, "-workload", bad)...)...)
		lines := strings.Split(strings.TrimSuffix(r.err, "\n"), "\n")
		last := lines[len(lines)-1]
		if r.code != exitCannot || !strings.HasPrefix(last, "akari load: no operation has succeeded") || !strings.Contains(last, `: SELEKT 1: SQL logic error: near "SELEKT": syntax error`) {
			t.Errorf("%q: exit code %d, stderr %q", more, r.code, r.err)
		}
		if !strings.Contains(r.out, "no operation has succeeded") {
			t.Errorf("%q: the report is missing: %s", more, r.out)
		}
	}
}

func TestSeedOfTheUsersSQLIsAnotherInEachRun(t *testing.T) {
	seed := func(args ...string) uint64 {
		t.Helper()
		plan, err := newLoadFlags().parse(&Env{Getenv: func(string) string { return "" }}, args)
		if err != nil {
			t.Fatal(err)
		}
		return plan.Seed
	}
	if a, b := seed("-workload", "my.sql"), seed("-workload", "my.sql"); a == b {
		t.Errorf("two runs have the seed %d", a)
	}
	if a, b := seed("-workload", "my.sql", "-seed", "1"), seed("-workload", "read"); a != 1 || b != 1 {
		t.Errorf("seeds %d and %d, want 1", a, b)
	}
}

func TestDataSourceNameOfTheEnvironmentNeedsADriver(t *testing.T) {
	leavesNothing(t)
	getenv := func(name string) string { return map[string]string{"AKARI_DSN": "postgres://me:hush@db/x"}[name] }
	r := runIn(t, t.Context(), &Env{Args: []string{"load"}, Getenv: getenv})
	expectOneLine(t, r, "akari load: AKARI_DSN needs a -driver: pgx, postgres (lib/pq), mysql or sqlite; for a temporary database say -db sqlite")
	if r := runIn(t, t.Context(), &Env{Args: brief("-db", "sqlite"), Getenv: getenv}); r.code != exitOK {
		t.Errorf("%+v", r)
	}
}

func TestOwnSQL(t *testing.T) {
	leavesNothing(t)
	file := filepath.Join(t.TempDir(), "own.sql")
	if err := os.WriteFile(file, []byte(`
-- name: make it
CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, grade INTEGER UNIQUE, text TEXT);
BEGIN;
-- name: add
INSERT INTO note (id, grade, text) VALUES (:unique, :rand(1,3), :text(5));
SELECT count(*) FROM note WHERE text <> ':unique';
COMMIT;
`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, brief("-workload", file, "-json", "-warmup", "0s")...)
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	var report load.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatal(err)
	}
	s := &report.Sides[0]
	var steps []string
	for _, st := range s.Steps {
		steps = append(steps, st.Name)
	}
	if want := []string{"make it", "BEGIN", "add", "SELECT count(*) FROM note WHERE text <>…", "COMMIT"}; !reflect.DeepEqual(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
	// There is room for three grades.
	if s.Operation.Count > 3 || len(s.ErrorTypes) != 1 || s.ErrorTypes[0].Class != "constraint" || s.ErrorTypes[0].Code != "SQLite 2067" ||
		!strings.HasPrefix(s.ErrorTypes[0].Example, "add: ") {
		t.Errorf("%d successes, errors %+v", s.Operation.Count, s.ErrorTypes)
	}
}

func TestInterruptedLoad(t *testing.T) {
	leavesNothing(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := runIn(t, ctx, &Env{Args: []string{"load", "-duration", "1h", "-warmup", "100ms", "-slo", "p50=1ns"}, Stderr: whenSaid{"/s  p99 ", cancel}})
	if r.code != exitInterrupted || !strings.Contains(r.out, "note: interrupted") || !strings.Contains(r.out, "operations per second") {
		t.Errorf("%+v", r)
	}
}

func TestInterruptBeforeTheLoad(t *testing.T) {
	leavesNothing(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := runIn(t, ctx, &Env{Args: brief("-db", "postgres")})
	if r.code != exitInterrupted || r.out != "" || !strings.Contains(r.err, "interrupted before anything was measured") {
		t.Errorf("%+v", r)
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestReportThatCannotBeWritten(t *testing.T) {
	leavesNothing(t)
	var err buffer
	code := Run(t.Context(), &Env{Args: brief(), Stdout: full{}, Stderr: &err, Getenv: os.Getenv})
	if code != exitCannot || !strings.Contains(err.String(), "akari load: cannot write the report: no space left\n") {
		t.Errorf("exit code %d, stderr %q", code, err.String())
	}
}

func TestProgramsAreMissing(t *testing.T) {
	leavesNothing(t)
	empty := t.TempDir()
	t.Setenv("AKARI_POSTGRES_BIN", empty)
	t.Setenv("AKARI_MARIADB_BIN", empty)
	for _, db := range []string{"postgres", "mariadb"} {
		r := run(t, brief("-db", db)...)
		expectOneLine(t, r, "is not a folder that holds ")
	}
}
