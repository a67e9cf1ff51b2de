package command

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/akaripool/akari/cmd/akari/internal/load"
)

// loadFlags are the arguments of akari load.
type loadFlags struct {
	set    *flag.FlagSet
	given  map[string]bool // by name, as soon as they were parsed
	groups []flagGroup
	pool   settings

	db, driver, dsn  string
	keep             bool
	workload         string
	rows, workers    int
	rate             float64
	arrivals         string
	duration, warmup time.Duration
	seed             uint64
	compare, json    bool
	maxErrors        int64
	objectives       objectives
	logLevel         string
}

// flagGroup is a part of the help.
type flagGroup struct {
	title string
	names []string
}

func newLoadFlags() *loadFlags {
	f := &loadFlags{set: flag.NewFlagSet("load", flag.ContinueOnError), pool: newSettings(), given: map[string]bool{}}
	f.set.SetOutput(io.Discard)
	f.set.Usage = func() {}

	fs := f.set
	fs.StringVar(&f.workload, "workload", "mixed", "`what` to do: read, write, mixed, or the path of a file with your own SQL")
	fs.IntVar(&f.workers, "workers", 0, "`number` of operations at the same time (default two for each connection of the pool; with -rate 1000)")
	fs.Float64Var(&f.rate, "rate", 0, "begin a `number` of operations per second by a schedule, whether or not those before have ended")
	fs.StringVar(&f.arrivals, "arrivals", "poisson", "`kind` of that schedule: poisson (at random) or uniform")
	fs.DurationVar(&f.duration, "duration", 10*time.Second, "`time` to measure, with -compare for each side")
	fs.DurationVar(&f.warmup, "warmup", time.Second, "`time` before that, not measured")
	fs.Uint64Var(&f.seed, "seed", 1, "`number` that all random values depend on (default 1; with your own SQL another one each time)")
	fs.IntVar(&f.rows, "rows", load.DefaultRows, "`number` of rows that the workloads read, write and mixed choose from")
	fs.BoolVar(&f.compare, "compare", false, "put the same load on plain database/sql too, in turn, and show both")
	fs.Int64Var(&f.maxErrors, "max-errors", 0, "exit with 1 if more than this `number` of operations fail; without it errors are only counted")
	fs.Var(&f.objectives, "slo", "exit with 1 if a `limit` is not kept: p99=20ms,max=1s with p50, p90, p99, p99.9, max, mean")
	fs.BoolVar(&f.json, "json", false, "report as one JSON document")
	fs.StringVar(&f.logLevel, "log", "warn", "show the pool's log from this `level` on: debug, info, warn, error, off")
	f.groups = append(f.groups, flagGroup{"The load", []string{"workload", "workers", "rate", "arrivals", "duration", "warmup", "seed", "rows",
		"compare", "max-errors", "slo", "json", "log"}})

	fs.StringVar(&f.db, "db", "", "`kind` of a private one that is started and removed: sqlite, postgres or mariadb")
	fs.StringVar(&f.driver, "driver", "", "for your own: `driver` pgx, postgres (lib/pq), mysql or sqlite")
	fs.StringVar(&f.dsn, "dsn", "", "for your own: data source `name`, as the driver takes it (default the environment's AKARI_DSN)")
	fs.BoolVar(&f.keep, "keep", false, "in your own, do not drop the tables akari_load_… afterwards")
	f.groups = append(f.groups, flagGroup{"The database: a temporary SQLite file, or", []string{"db", "driver", "dsn", "keep"}})

	f.groups = append(f.groups, flagGroup{"The pool: any setting, also as HikariCP spells it", f.pool.register(fs)})
	return f
}

// objectives collects the values of -slo.
type objectives []load.Objective

func (o *objectives) String() string { return "" }

func (o *objectives) Set(text string) error {
	all, err := load.ParseObjectives(text)
	*o = append(*o, all...)
	return err
}

// parse reads the arguments.
func (f *loadFlags) parse(env *Env, args []string) (*load.Plan, error) {
	if err := f.set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, fmt.Errorf("%s; see akari load -h", oneLine(err))
	}
	if f.set.NArg() > 0 {
		return nil, fmt.Errorf("argument %q is no flag: everything is said by flags, see akari load -h", clip(f.set.Arg(0)))
	}
	given := f.given
	f.set.Visit(func(fl *flag.Flag) { given[fl.Name] = true })
	if f.driver != "" && f.dsn == "" && f.db == "" {
		f.dsn = env.Getenv("AKARI_DSN")
	}
	plan := &load.Plan{
		Target:   load.Target{Private: f.db, Driver: f.driver, DSN: f.dsn},
		Workload: f.workload,
		Rows:     f.rows,
		Workers:  f.workers,
		Rate:     f.rate,
		Uniform:  f.arrivals == "uniform",
		Duration: f.duration,
		Warmup:   f.warmup,
		Seed:     f.seed,
		Compare:  f.compare,
		Keep:     f.keep,
		Limits:   load.Limits{Objectives: f.objectives},
	}
	if plan.OwnSQL() && !given["seed"] {
		// Its values may be keys, which the run before has used.
		plan.Seed = uint64(rand.Uint32())
	}
	if given["max-errors"] {
		plan.Limits.Errors = &f.maxErrors
	}
	var err error
	plan.Pool, plan.Settings, err = f.pool.config()
	return plan, errors.Join(f.check(env, given), plan.Validate(), err)
}

// check refuses what makes no sense together.
func (f *loadFlags) check(env *Env, given map[string]bool) error {
	var problems []error
	if f.keep && f.dsn == "" {
		problems = append(problems, errors.New("-keep keeps tables in your own database: name it by -driver and -dsn"))
	}
	if f.db == "" && f.driver == "" && f.dsn == "" && env.Getenv("AKARI_DSN") != "" {
		problems = append(problems, errors.New("AKARI_DSN needs a -driver: pgx, postgres (lib/pq), mysql or sqlite; for a temporary database say -db sqlite"))
	}
	if f.arrivals != "poisson" && f.arrivals != "uniform" {
		problems = append(problems, fmt.Errorf("-arrivals is %q: must be poisson or uniform", f.arrivals))
	}
	if given["arrivals"] && !given["rate"] {
		problems = append(problems, errors.New("-arrivals says how a -rate goes: give one"))
	}
	for _, n := range []struct {
		name string
		zero bool
	}{{"workers", f.workers == 0}, {"rate", f.rate == 0}, {"rows", f.rows == 0}} {
		if given[n.name] && n.zero {
			problems = append(problems, fmt.Errorf("-%s must be more than 0; leave it out for the default", n.name))
		}
	}
	if f.maxErrors < 0 {
		problems = append(problems, errors.New("-max-errors must not be negative; leave it out if any number may fail"))
	}
	if _, _, err := logLevel(f.logLevel); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// logLevel reads -log.
func logLevel(text string) (level slog.Level, off bool, err error) {
	switch text {
	case "off":
		return 0, true, nil
	case "debug", "info", "warn", "error":
		err = level.UnmarshalText([]byte(text))
		return level, false, err
	}
	return 0, false, fmt.Errorf("-log is %q: must be debug, info, warn, error or off", text)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func runLoad(ctx context.Context, env *Env, args []string) int {
	f := newLoadFlags()
	plan, err := f.parse(env, args)
	if errors.Is(err, flag.ErrHelp) {
		f.help(env.Stdout)
		return exitOK
	}
	if err != nil {
		return fail(env, "load", f.pool.inFlags(err, f.given))
	}
	console := &load.Console{Out: env.Stderr, Width: env.Width, AtOnce: env.AtOnce}
	plan.Pool.Logger = slog.New(slog.DiscardHandler)
	if level, off, _ := logLevel(f.logLevel); !off {
		plan.Pool.Logger = slog.New(slog.NewTextHandler(console, &slog.HandlerOptions{Level: level}))
	}
	report, err := load.Run(ctx, *plan, console)
	code := exitOK
	if err != nil {
		code = fail(env, "load", f.pool.inFlags(err, f.given))
	}
	if report == nil && ctx.Err() != nil {
		console.Note("interrupted before anything was measured")
	}
	if report != nil {
		code = max(code, judge(report))
		if err := write(report, env.Stdout, f.json); err != nil {
			code = fail(env, "load", fmt.Errorf("cannot write the report: %w", err))
		}
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	if report != nil {
		if err := report.Fruitless(); err != nil {
			code = fail(env, "load", err)
		}
	}
	return code
}

func judge(r *load.Report) int {
	for _, v := range r.Limits {
		if !v.Kept {
			return exitMissed
		}
	}
	return exitOK
}

func write(r *load.Report, w io.Writer, asJSON bool) error {
	if !asJSON {
		return r.WriteText(w)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}
