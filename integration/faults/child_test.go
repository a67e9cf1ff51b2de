package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/akaripool/akari"
)

// Some faults need a process of their own: it is this test binary again, with
// the name of what it is to do in the environment, and the data source. It says
// what it found as one line of JSON.
const (
	childEnv  = "AKARI_FAULTS_CHILD"
	dsnEnv    = "AKARI_FAULTS_DSN"
	driverEnv = "AKARI_FAULTS_DRIVER"
)

var children = map[string]func() int{
	"files": func() int { return childMain(outOfFiles) },
	"exit":  func() int { return childMain(useAndExit) },
}

// childResult is what a child found.
type childResult struct {
	Errors  Errors
	First   string // one of the errors
	Calls   int
	Granted int   // connections that the pool had while there were no more descriptors
	Failed  int64 // attempts to connect that failed
	Cause   string
	Grown   int // connections once there were descriptors again
	Slowest time.Duration
}

func childMain(do func(context.Context, Peer, string, *childResult) error) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var r childResult
	if err := do(ctx, Peer{Akari, os.Getenv(driverEnv)}, os.Getenv(dsnEnv), &r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// inChild runs a child on a server, and returns what it found.
func inChild(t *testing.T, name string, p Peer, n *node) (r childResult) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+name, dsnEnv+"="+n.dsn(n.Addr(), worker, password), driverEnv+"="+p.Driver)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("child %s: %v\n%s", name, err, complaints.String())
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("child %s said %q: %v", name, out, err)
	}
	return r
}

// forAkari runs a test on the server of each of akari's drivers.
func forAkari(t *testing.T, test func(*testing.T, Peer, *node)) {
	for _, p := range []Peer{AkariPgx, AkariPq, AkariMySQL} {
		t.Run(p.Driver, func(t *testing.T) {
			n, err := lab.common(t.Context(), p.kind())
			if err != nil {
				t.Fatal(err)
			}
			test(t, p, n)
		})
	}
}

// outOfFiles is catalogue 50: the process may open 8 more descriptors, the pool
// wants 30.
func outOfFiles(ctx context.Context, peer Peer, dsn string, r *childResult) error {
	const size, spare = 30, 8
	p, err := peer.open(ctx, dsn, openOptions{size: size, akari: akari.Config{MinimumIdle: akari.None}})
	if err != nil {
		return err
	}
	defer p.close()
	stats := p.(*sqlPool).akari.Stats
	if err := p.exec(ctx, "SELECT 1"); err != nil { // loads what needs descriptors
		return err
	}
	restore, err := limitFiles(spare)
	if err != nil {
		return err
	}
	t := newTally()
	nap := (&site{peer: peer}).nap(20 * time.Millisecond)
	burst(ctx, t, 200, 20*time.Second, 25*time.Second, func(ctx context.Context, _ int) error { return p.exec(ctx, nap) })
	s := stats()
	r.Granted, r.Failed = s.Total, s.OpenFailed
	if s.LastOpenError != nil {
		r.Cause = s.LastOpenError.Error()
	}
	if err := restore(); err != nil {
		return err
	}
	c := newCrowd(ctx, size, 10*time.Second, 0, func(ctx context.Context, _ int) error {
		return t.call(func() error { return p.exec(ctx, nap) })
	})
	until(ctx, 5*time.Second, func() bool { return stats().Total > spare+5 })
	c.stop(10 * time.Second)
	r.Grown = stats().Total
	r.Calls, r.Errors, r.Slowest = t.calls, t.errors, t.slowest()
	if t.first != nil {
		r.First = t.first.Error()
	}
	return nil
}

// limitFiles lets the process open only a few descriptors more.
func limitFiles(spare int) (restore func() error, err error) {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		return nil, err
	}
	// The limit is on the highest number, so the highest in use counts. New
	// descriptors take the lowest free number.
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	low := was
	low.Cur = uint64(len(open) - 1 + spare)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		return nil, err
	}
	return func() error { return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was) }, nil
}

func TestWithoutDescriptorsThePoolServesFromWhatItHas(t *testing.T) {
	forAkari(t, func(t *testing.T, p Peer, n *node) {
		r := inChild(t, "files", p, n)
		t.Logf("%+v", r)
		if r.Errors.Total() > 0 || r.Calls < 200 {
			t.Errorf("%d calls, errors: %v (%s)", r.Calls, r.Errors, r.First)
		}
		if r.Granted == 0 || r.Granted > 12 || r.Failed == 0 {
			t.Errorf("the pool had %d connections, %d attempts failed: the descriptors were not used up", r.Granted, r.Failed)
		}
		if r.Failed > 60 {
			t.Errorf("%d attempts to connect failed; wanted a few", r.Failed)
		}
		if r.Cause != "" && !strings.Contains(r.Cause, "too many open files") {
			t.Errorf("the pool says %q of it", r.Cause)
		}
		if r.Grown <= r.Granted {
			t.Errorf("with descriptors again the pool has %d connections, before it had %d", r.Grown, r.Granted)
		}
	})
}

// useAndExit is catalogue 54: the process uses a pool under load, closes it and
// ends at once.
func useAndExit(ctx context.Context, peer Peer, dsn string, r *childResult) error {
	p, err := peer.open(ctx, dsn, openOptions{size: 20})
	if err != nil {
		return err
	}
	c := newCrowd(ctx, 40, 10*time.Second, 0, func(ctx context.Context, _ int) error { return p.exec(ctx, "SELECT 1") })
	pass(ctx, 300*time.Millisecond)
	if !c.stop(5 * time.Second) {
		return errors.New("callers did not come back")
	}
	r.Calls, r.Errors, r.Granted = c.calls, c.errors, p.(*sqlPool).akari.Stats().Total
	return p.close()
}

func TestAProcessThatClosesItsPoolLeavesNoConnectionAtTheServer(t *testing.T) {
	forAkari(t, func(t *testing.T, p Peer, n *node) {
		r := inChild(t, "exit", p, n)
		if r.Errors.Total() > 0 || r.Calls == 0 || r.Granted == 0 {
			t.Errorf("%d calls on %d connections, errors: %v", r.Calls, r.Granted, r.Errors)
		}
		left, err := n.gone(t.Context(), time.Second)
		if err != nil || left > 0 {
			t.Errorf("%d connections are left at the server: %v", left, err)
		}
	})
}

// TestAProcessInUseHasConnectionsAtTheServer checks the count of the test above.
func TestAProcessInUseHasConnectionsAtTheServer(t *testing.T) {
	forAkari(t, func(t *testing.T, p Peer, n *node) {
		pool, err := p.open(t.Context(), n.dsn(n.Addr(), worker, password), openOptions{size: 3})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.close()
		if err := fill(t.Context(), pool, 3); err != nil {
			t.Fatal(err)
		}
		if got, err := n.clients(t.Context()); err != nil || got != 3 {
			t.Errorf("%d connections are counted at the server, wanted 3: %v", got, err)
		}
	})
}
