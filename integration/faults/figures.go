package faults

import (
	"math"
	"time"
)

// never is a duration for what did not come to pass while it was watched.
const never time.Duration = math.MaxInt64

// Figures are what a trial has measured. What a fault does not measure stays
// zero.
type Figures struct {
	Calls      int    // made by callers
	OK         int    // of these, how many succeeded
	Errors     Errors // what the others got
	FirstError error  // one of them

	P50, P99, Max time.Duration // how long calls took
	Late          int           // calls that took longer than their time, see the fault
	Caught        Errors        // what those got whose statements were under way

	Outage      time.Duration // how long the server was away
	Dials       int64         // TCP connections tried, those to cancel statements included
	Recovered   time.Duration // from the end of the fault to the first success
	AllWell     time.Duration // from the end of the fault until every caller had success again
	MaxAtServer int           // the most connections at the server at once, sampled there
	Samples     int           // how often they were counted
	Places      int           // the sizes of the pools that were open at once
	MaxTCP      int           // the most TCP connections at once, those to cancel statements included

	InVain       int      // callers who waited in vain while the server was away
	Explained    int      // of these, or of all errors whose text says what is wrong
	Leaks        []string // kinds of session state that reached the next borrower, or of driver faults that did harm
	Tried        int      // kinds that were tried
	Wrong        int      // answers that were wrong, without an error
	Inversions   float64  // part of all pairs of callers that were served in the wrong order
	Displacement int      // the most places by which a caller was served too early or too late

	Ledger  Audit    // what the server has against what callers were told
	Left    Left     // what remained after the pool was closed
	Numbers []string // of akari: what its counters say that cannot be
}

// Left is what remains of a pool some time after it was closed.
type Left struct {
	Goroutines, Files, Backends int
	CloseHangs                  bool
	Stacks                      string // of all goroutines, if any are left
}

// Nothing reports whether nothing is left.
func (l Left) Nothing() bool {
	return l.Goroutines == 0 && l.Files == 0 && l.Backends == 0 && !l.CloseHangs
}
