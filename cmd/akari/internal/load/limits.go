package load

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Limits are what a load must keep to.
type Limits struct {
	Errors     *int64 // the most operations that may fail; nil: any number
	Objectives []Objective
}

// Objective bounds a number of the distribution of times: of the response times
// with a Rate, else of the operations.
type Objective struct {
	Name string // as in Latency: "p50", "p90", "p99", "p99.9", "max" or "mean"
	Most time.Duration
}

var objectiveName = regexp.MustCompile(`^(p50|p90|p99|p99\.9|max|mean)$`)

// ParseObjectives reads "p99=20ms,max=1s".
func ParseObjectives(text string) ([]Objective, error) {
	var all []Objective
	for part := range strings.SplitSeq(text, ",") {
		name, most, ok := strings.Cut(strings.TrimSpace(part), "=")
		d, err := time.ParseDuration(most)
		if !ok || !objectiveName.MatchString(name) || err != nil || d <= 0 {
			return nil, fmt.Errorf("%q is no objective: write p99=20ms, with one of p50, p90, p99, p99.9, max and mean", part)
		}
		all = append(all, Objective{name, d})
	}
	return all, nil
}

// Verdict tells whether a limit was kept.
type Verdict struct {
	Limit  string `json:"limit"`  // "p99" and so on, or "errors", "dropped", "abandoned"
	Most   int64  `json:"most"`   // nanoseconds, or a number of operations
	Actual int64  `json:"actual"` // the same
	Kept   bool   `json:"kept"`
}

// judge compares a side's numbers with the limits. A load without a success has
// met no objective. With any limit the load must have been applied as well: the
// other numbers say nothing about operations that were not begun or have not
// ended.
func (l *Limits) judge(s *SideReport) []Verdict {
	var all []Verdict
	if l.Errors != nil {
		all = append(all, Verdict{"errors", *l.Errors, s.Errors, s.Errors <= *l.Errors})
	}
	seen := &s.Operation
	if s.Response != nil {
		seen = s.Response
	}
	for _, o := range l.Objectives {
		actual := seen.named(o.Name)
		all = append(all, Verdict{o.Name, int64(o.Most), int64(actual), seen.Count > 0 && actual <= o.Most})
	}
	if len(all) == 0 {
		return nil
	}
	if s.Response != nil {
		all = append(all, Verdict{"dropped", 0, s.Dropped, s.Dropped == 0})
	}
	if s.Abandoned > 0 {
		all = append(all, Verdict{"abandoned", 0, s.Abandoned, false})
	}
	return all
}
