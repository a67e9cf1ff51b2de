package conformance

import (
	"path"
	"slices"
)

// Case is one situation.
type Case struct {
	Name string

	// Conns is how many connections the case needs at once; 0 is 1. It is left
	// out on targets that have fewer.
	Conns int

	// Needs are the features without which the case makes no sense.
	Needs Feature

	// Numbered: the case looks at whether two uses had the same connection. It
	// is left out on targets that change connections all the time.
	Numbered bool

	// Loose: the case uses several goroutines, so that the order of the driver
	// calls is left to chance. The transcript is not.
	Loose bool

	Run func(*Run)
}

// Feature is a set of things that not every database and driver can do.
type Feature uint

// The features.
const (
	SQL        Feature = 1 << iota // real SQL with the tables items and kinds
	Echoes                         // Dialect.Echo returns any argument as it came
	Sleeps                         // Dialect.Sleep ends early with its context, or soon
	FailsLate                      // there is a query that fails after some rows
	Sessions                       // a session has state that statements can set
	Killable                       // Target.Kill works
	Reopenable                     // Target.Reopen works
)

// Has reports whether all of the features in other are in the set.
func (f Feature) Has(other Feature) bool { return f&other == other }

// Cases returns all cases that are not for one driver only, in a fixed order.
func Cases() []Case {
	return slices.Concat(
		argumentCases(),
		statementCases(),
		preparedCases(),
		rowsCases(),
		scanCases(),
		transactionCases(),
		contextCases(),
		connCases(),
		panicCases(),
		concurrentCases(),
		lossCases(),
		randomCases(),
	)
}

// Select returns the cases whose names, or the folders they are in, match a
// pattern of path.Match: "rows" is all that begin with "rows/".
func Select(cases []Case, pattern string) []Case {
	var out []Case
	for _, c := range cases {
		if matches(pattern, c.Name) {
			out = append(out, c)
		}
	}
	return out
}

func matches(pattern, name string) bool {
	for {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
		name = path.Dir(name)
		if name == "." {
			return false
		}
	}
}
