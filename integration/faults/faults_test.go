package faults

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// lab has the servers of all tests of the package.
var lab *Lab

func TestMain(m *testing.M) {
	if child := os.Getenv(childEnv); child != "" {
		os.Exit(children[child]())
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	err := localdb.Install(ctx, os.Stderr)
	cancel()
	if err == nil {
		lab, err = NewLab()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := lab.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// verdict judges the figures of one trial.
type verdict struct {
	t    *testing.T
	f    Figures
	slow []string // what was too slow, or came of slowness
}

// mostTrials is how often a fault is tried before a time that was too long
// counts as the pool's: a busy machine is no fault of it. Everything else has to
// be right in each trial.
const mostTrials = 3

// onAkari tries a fault on each of akari's peers. What must hold after every
// fault is looked at here, the rest by want.
func onAkari(t *testing.T, f Fault, want func(Peer, *verdict)) {
	for _, p := range f.Peers {
		if p.Pool != Akari {
			continue
		}
		t.Run(p.Driver, func(t *testing.T) {
			for trial := 1; ; trial++ {
				fig, err := lab.Try(t.Context(), f, p)
				if err != nil {
					t.Fatal(err)
				}
				t.Log(f.Tell(fig))
				v := &verdict{t: t, f: fig}
				v.invariants(f)
				want(p, v)
				if t.Failed() && fig.FirstError != nil {
					t.Logf("one of the errors: %v", fig.FirstError)
				}
				if t.Failed() || len(v.slow) == 0 {
					return
				}
				if trial == mostTrials {
					t.Fatalf("%q in trial %d, and too slow in each before", v.slow, trial)
				}
				t.Logf("trial %d: %q", trial, v.slow)
			}
		})
	}
}

// invariants hold after every fault: the server has what callers were told it
// has, it never had more connections than the pool has places, the counters add
// up, nothing remains.
func (v *verdict) invariants(f Fault) {
	v.t.Helper()
	if !v.f.Ledger.Agrees() || v.f.Ledger.Written == 0 && !f.serverless {
		v.t.Errorf("the server does not have what callers were told, or nothing: %+v", v.f.Ledger)
	}
	if !f.unheard {
		v.mostly("connections at the server at once", v.f.MaxAtServer, v.f.Places+leaving)
		v.atMost("connections at the server at once", v.f.MaxAtServer, v.f.Places+max(leaving, v.f.Places/10)) // however busy
	}
	if v.f.Samples == 0 && v.f.Places > 0 {
		v.t.Error("nobody has counted the connections at the server")
	}
	if l := v.f.Left; !l.Nothing() {
		v.t.Errorf("after Close %d goroutines, %d files and %d connections at the server were left (Close hangs: %v)\n%s",
			l.Goroutines, l.Files, l.Backends, l.CloseHangs, l.Stacks)
	}
	if len(v.f.Numbers) > 0 {
		v.t.Errorf("counters do not add up: %v", v.f.Numbers)
	}
}

// only fails for errors of other classes than those given.
func (v *verdict) only(classes ...string) {
	v.t.Helper()
	if v.f.Calls == 0 {
		v.t.Error("no call was made")
	}
	if v.f.Errors.Except(classes...) > 0 {
		v.t.Errorf("callers saw other errors than %q: %v", classes, v.f.Errors)
	}
}

// noErrors fails if a caller saw one.
func (v *verdict) noErrors() {
	v.t.Helper()
	v.only()
}

// within notes a time that was too long, on a machine without a race detector.
func (v *verdict) within(what string, got, most time.Duration) { v.byClock(what, got, most*slowdown) }

// byClock is within for what depends on timers and not on the machine.
func (v *verdict) byClock(what string, got, most time.Duration) {
	if got > most {
		v.slow = append(v.slow, fmt.Sprintf("%s: %s, wanted at most %v", what, sayTime(got), most))
	}
}

// unhurried notes that there is more of something than there is on a machine
// that is not too busy: connects that take long are tried a second time.
func (v *verdict) unhurried(what string, got, most int) { v.mostly(what, got, most*slowdown) }

// mostly is unhurried for what the race detector does not multiply.
func (v *verdict) mostly(what string, got, most int) {
	if got > most {
		v.slow = append(v.slow, fmt.Sprintf("%s: %s, wanted at most %s", what, thousands(got), thousands(most)))
	}
}

// atMost fails if there is more of something.
func (v *verdict) atMost(what string, got, most int) {
	v.t.Helper()
	if got > most {
		v.t.Errorf("%s: %s, wanted at most %s", what, thousands(got), thousands(most))
	}
}
