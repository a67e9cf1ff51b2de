package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	"files":   func() int { return childMain(outOfFiles) },
	"exit":    func() int { return childMain(useAndExit) },
	"stopped": func() int { return childMain(callAfterStop) },
}

// childResult is what a child found.
type childResult struct {
	Errors  Errors
	First   string // one of the errors
	Calls   int
	Granted int   // connections that the pool had while there were no more descriptors
	Failed  int64 // attempts to connect that failed
	Dead    int64 // connections that were found dead
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
func inChild(t *testing.T, name string, p Peer, n *node) childResult {
	t.Helper()
	return withChild(t, name, p, n, func(*os.Process) error { return nil })
}

// withChild does something to a child that halts, and lets it go on then.
func withChild(t *testing.T, name string, p Peer, n *node, do func(*os.Process) error) (r childResult) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+name, dsnEnv+"="+n.dsn(n.Addr(), worker, password), driverEnv+"="+p.Driver)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	if line, err := out.Peek(len(halted)); err == nil && string(line) == halted {
		_, _ = out.Discard(len(halted))
		if err := do(cmd.Process); err != nil {
			t.Error(err)
		}
		if err := stdin.Close(); err != nil {
			t.Error(err)
		}
	}
	decoding := json.NewDecoder(out).Decode(&r)
	if err := errors.Join(cmd.Wait(), decoding); err != nil {
		t.Fatalf("child %s: %v\n%s", name, err, complaints.String())
	}
	return r
}

const halted = "halted\n"

// halt lets the parent do what it likes, and returns when it has.
func halt() error {
	if _, err := os.Stdout.WriteString(halted); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
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

// callAfterStop is catalogue 48: the process is stopped while its connections
// are idle, and the server ends them.
func callAfterStop(ctx context.Context, peer Peer, dsn string, r *childResult) error {
	const size = 10
	p, err := peer.open(ctx, dsn, openOptions{size: size})
	if err != nil {
		return err
	}
	if err := fill(ctx, p, size); err != nil {
		return err
	}
	if err := halt(); err != nil {
		return err
	}
	t := newTally()
	burst(ctx, t, 3*size, 10*time.Second, 12*time.Second, func(ctx context.Context, i int) error {
		if i%2 == 0 {
			return p.exec(ctx, "SELECT 1")
		}
		return p.exec(ctx, "INSERT INTO other VALUES (1)")
	})
	r.Calls, r.Errors, r.Slowest = t.calls, t.errors, t.slowest()
	if t.first != nil {
		r.First = t.first.Error()
	}
	r.Granted, r.Dead = size, p.(*sqlPool).akari.Stats().Closed[akari.CloseDead]
	return p.close()
}

func TestAStoppedProcessGoesOnWithoutAnError(t *testing.T) {
	forAkari(t, func(t *testing.T, p Peer, n *node) {
		if err := n.do(t.Context(), "CREATE TABLE IF NOT EXISTS other (id INT)"); err != nil {
			t.Fatal(err)
		}
		r := withChild(t, "stopped", p, n, func(child *os.Process) error {
			if err := child.Signal(syscall.SIGSTOP); err != nil {
				return err
			}
			err := n.hangUp(t.Context())
			left, gone := n.gone(t.Context(), 5*time.Second)
			if left > 0 {
				err = fmt.Errorf("%d connections of a stopped process are still there", left)
			}
			pass(t.Context(), 2*time.Second)
			return errors.Join(err, gone, child.Signal(syscall.SIGCONT))
		})
		t.Logf("%+v", r)
		if r.Errors.Total() > 0 || r.Calls != 30 {
			t.Errorf("%d calls, errors: %v (%s)", r.Calls, r.Errors, r.First)
		}
		if r.Dead < int64(r.Granted) {
			t.Errorf("of %d connections that the server had ended only %d were found dead", r.Granted, r.Dead)
		}
		if r.Slowest > 5*time.Second {
			t.Errorf("the slowest caller took %v", r.Slowest)
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
