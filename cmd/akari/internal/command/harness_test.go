package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/cmd/akari/internal/load"
)

// asAkari makes this test program the command itself.
const asAkari = "AKARI_TEST_RUN_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asAkari) != "" {
		os.Exit(Main())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	err := localdb.Install(ctx, os.Stderr, localdb.Postgres, localdb.MariaDB)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer

	copy io.Writer // gets the same; may be nil
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.copy != nil {
		b.copy.Write(p)
	}
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// result is what a command has done.
type result struct {
	code     int
	out, err string
}

// run runs the command in this process.
func run(t *testing.T, args ...string) result {
	t.Helper()
	return runIn(t, t.Context(), &Env{Args: args})
}

// runIn is run with more said; a Stderr given gets a copy.
func runIn(t *testing.T, ctx context.Context, env *Env) result {
	t.Helper()
	out, err := &buffer{}, &buffer{copy: env.Stderr}
	env.Stdout, env.Stderr, env.AtOnce = out, err, &load.AtOnce{}
	if env.Getenv == nil {
		env.Getenv = func(string) string { return "" }
	}
	code := Run(ctx, env)
	return result{code, out.String(), err.String()}
}

// whenSaid calls a function each time a text is written to it.
type whenSaid struct {
	text string
	f    func()
}

func (o whenSaid) Write(p []byte) (int, error) {
	if strings.Contains(string(p), o.text) {
		o.f()
	}
	return len(p), nil
}

// leavesNothing fails the test if it leaves files, goroutines or descriptors.
// Temporary files go to a folder of the test's own until then.
func leavesNothing(t *testing.T) {
	t.Helper()
	// Servers run as other users, who must be able to enter.
	folder, err := os.MkdirTemp("", "akari-command-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", folder)
	goroutines, descriptors := runtime.NumGoroutine(), openFiles(t)
	t.Cleanup(func() {
		defer os.RemoveAll(folder)
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil || len(files) > 0 {
			t.Errorf("files left behind: %v %v", files, err)
		}
		deadline := time.Now().Add(5 * time.Second)
		for runtime.NumGoroutine() > goroutines || openFiles(t) > descriptors+1 { // the runtime's poller comes and stays
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Errorf("%d goroutines, before %d; %d descriptors, before %d\n%s", runtime.NumGoroutine(), goroutines,
					openFiles(t), descriptors, stacks[:runtime.Stack(stacks, true)])
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not on this system
	}
	n := 0
	for _, f := range all {
		// The runtime keeps its poller, an event for it and such.
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && !strings.HasPrefix(to, "anon_inode:") {
			n++
		}
	}
	return n
}

// expectOneLine fails the test unless a command could not run and said why on
// one line of stderr.
func expectOneLine(t *testing.T, r result, parts ...string) {
	t.Helper()
	if r.code != exitCannot || r.out != "" {
		t.Errorf("exit code %d, stdout %q; want %d and nothing", r.code, r.out, exitCannot)
	}
	if strings.Count(r.err, "\n") != 1 || !strings.HasSuffix(r.err, "\n") {
		t.Errorf("stderr is not one line: %q", r.err)
	}
	for _, part := range parts {
		if !strings.Contains(r.err, part) {
			t.Errorf("stderr %q does not say %q", r.err, part)
		}
	}
}
