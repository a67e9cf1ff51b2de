package load

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/akaripool/akari"
)

// Plan says what load to put on which database.
type Plan struct {
	Target   Target
	Workload string // "read", "write", "mixed", or the path of a file with SQL
	Rows     int    // accounts the built-in workloads choose from; 0 means DefaultRows

	// Workers bounds the operations under way at the same time. 0 means two
	// for each connection of the pool, or DefaultArrivalWorkers with a Rate.
	Workers int

	// Rate is how many operations begin per second, as a schedule says. 0 means
	// that each worker begins its next operation when the last has ended.
	Rate    float64
	Uniform bool // with a Rate: at equal distances, instead of at random

	Duration time.Duration // measured, for each side
	Warmup   time.Duration // before that, not measured
	Seed     uint64        // of everything random; 0 is a seed like others. Of a file of the user's each side draws other values

	// Pool is the pool's configuration. Its Logger and Trace are used as well.
	// A MaximumPoolSize of 0 is replaced by what suits the database.
	Pool akari.Config

	// Settings are those of Pool that the user has given, by the names of
	// Config's fields, as they are to be shown.
	Settings map[string]string

	Compare bool // the same load through plain database/sql too
	Keep    bool // do not drop the tables made in a database of the user's
	Limits  Limits
}

// Defaults and bounds of a Plan.
const (
	DefaultRows           = 10_000
	DefaultArrivalWorkers = 1000

	maxWorkers  = 100_000
	maxRate     = 1e6
	maxRows     = 10_000_000
	maxDuration = 24 * time.Hour
)

// Validate reports everything that is wrong with the plan, the pool's settings
// included, as one joined error.
func (p *Plan) Validate() error {
	var problems []error
	refuse := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	refuse(p.Workers >= 0 && p.Workers <= maxWorkers, "-workers is %d: must be from 1 to %d", p.Workers, maxWorkers)
	refuse(p.Rate >= 0 && p.Rate <= maxRate && !math.IsNaN(p.Rate), "-rate is %v: must be more than 0 and at most %.0f operations per second", p.Rate, maxRate)
	refuse(p.Duration > 0 && p.Duration <= maxDuration, "-duration is %v: must be more than 0 and at most %v", p.Duration, maxDuration)
	refuse(p.Warmup >= 0 && p.Warmup <= maxDuration, "-warmup is %v: must not be negative, and at most %v", p.Warmup, maxDuration)
	refuse(p.Rows >= 0 && p.Rows <= maxRows, "-rows is %d: must be from 1 to %d", p.Rows, maxRows)
	if p.Compare {
		for _, name := range sessionSettings {
			if value, given := p.Settings[name]; given {
				problems = append(problems, &akari.ConfigError{Field: name, Value: value,
					Problem: "cannot be set together with -compare: plain database/sql has no such setting; say it in the -dsn, so that both sides get it"})
			}
		}
	}
	refuse(!p.Pool.ReadOnly || p.OwnSQL() || p.Workload == "read", "the workload %s writes, which -read-only does not let it: take -workload read", p.Workload)
	problems = append(problems, p.Target.validate())
	problems = append(problems, p.Pool.Validate())
	return errors.Join(problems...)
}

// sessionSettings change what the statements themselves do, which would make a
// comparison unfair.
var sessionSettings = []string{"ConnectionInitSQL", "ReadOnly", "TransactionIsolation", "Schema"}

// complete fills in what depends on the database.
func (p *Plan) complete(d dialect) {
	if p.Rows == 0 {
		p.Rows = DefaultRows
	}
	if p.Pool.MaximumPoolSize == 0 && d == sqlite {
		// One connection writes at a time. The others wait for it inside SQLite,
		// which polls; the more of them, the longer some wait.
		p.Pool.MaximumPoolSize = 4
		p.Pool.MaximumPoolSize = max(p.Pool.MaximumPoolSize, p.Pool.MinimumIdle)
	}
	if p.Workers == 0 {
		if p.Rate > 0 {
			p.Workers = DefaultArrivalWorkers
		} else {
			p.Workers = 2 * poolSize(p.Pool)
		}
	}
}

// poolSize is MaximumPoolSize with its default.
func poolSize(c akari.Config) int {
	if c.MaximumPoolSize == 0 {
		return 10
	}
	return c.MaximumPoolSize
}
