//go:build unix

package command

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// process is the command in a process of its own.
type process struct {
	cmd      *exec.Cmd
	out, err buffer
	ended    chan struct{}
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asAkari+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// says waits until the process has written a text to stderr.
func (p *process) says(t *testing.T, text string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !strings.Contains(p.err.String(), text) {
		select {
		case <-p.ended:
			t.Fatalf("ended with %v; stdout %q, stderr %q", p.cmd.ProcessState, p.out.String(), p.err.String())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("stderr does not say %q: %q", text, p.err.String())
		}
	}
}

func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func (p *process) exitCode(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		t.Fatalf("does not end; stderr %q", p.err.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

func TestSignalEndsTheLoadEarlyWithAReport(t *testing.T) {
	for _, c := range []struct {
		sig  os.Signal
		args []string
	}{
		{syscall.SIGINT, nil},
		{syscall.SIGTERM, []string{"-db", "postgres"}},
	} {
		t.Run(c.sig.String(), func(t *testing.T) {
			leavesNothing(t)
			p := start(t, append([]string{"load", "-duration", "1h", "-warmup", "0s"}, c.args...)...)
			p.says(t, "/s  p99 ")
			p.signal(t, c.sig)
			if code := p.exitCode(t); code != exitInterrupted {
				t.Errorf("exit code %d, want %d", code, exitInterrupted)
			}
			if out := p.out.String(); !strings.Contains(out, "operations per second") || !strings.Contains(out, "note: interrupted") {
				t.Errorf("stdout %q", out)
			}
			if err := p.err.String(); !strings.Contains(err, "akari: stopping; once more to end at once") {
				t.Errorf("stderr %q", err)
			}
		})
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	leavesNothing(t)
	script := filepath.Join(t.TempDir(), "endless.sql")
	// Every operation takes very long, so that the first signal leads to a wait.
	endless := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;"
	if err := os.WriteFile(script, []byte(endless), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "load", "-duration", "1h", "-warmup", "1h", "-workload", script, "-workers", "1")
	p.says(t, "warming up")
	p.signal(t, os.Interrupt)
	p.says(t, "stopping")
	began := time.Now()
	p.signal(t, os.Interrupt)
	if code := p.exitCode(t); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v to end at once", took)
	}
	if out := p.out.String(); out != "" {
		t.Errorf("stdout %q", out)
	}
}

func TestSecondSignalTellsOfTablesLeftBehind(t *testing.T) {
	leavesNothing(t)
	s, dsn := server(t, localdb.Postgres)
	p := start(t, "load", "-duration", "1h", "-warmup", "0s", "-driver", "pgx", "-dsn", dsn, "-connection-timeout", "1m")
	p.says(t, "/s  p99 ")
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	p.signal(t, os.Interrupt)
	p.says(t, "stopping")
	p.signal(t, os.Interrupt)
	if code := p.exitCode(t); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if err := p.err.String(); !strings.Contains(err, "DROP TABLE akari_load_account; DROP TABLE akari_load_entry") {
		t.Errorf("stderr %q", err)
	}
}

func TestTemporaryDatabaseOfAKilledProcessIsRemovedLater(t *testing.T) {
	leavesNothing(t)
	folders := func(want int) []string {
		t.Helper()
		all, err := filepath.Glob(filepath.Join(os.TempDir(), "akari-load-sqlite-*"))
		if err != nil || len(all) != want {
			t.Fatalf("there is %q, %v, want %d", all, err, want)
		}
		return all
	}
	long := []string{"load", "-duration", "1h", "-warmup", "1h", "-workload", "read", "-rate", "10"}
	alive := start(t, long...)
	alive.says(t, "warming up")
	used := folders(1)[0]
	killed := start(t, long...)
	killed.says(t, "warming up")
	killed.signal(t, syscall.SIGKILL)
	killed.exitCode(t)
	folders(2)
	if r := run(t, brief()...); r.code != exitOK {
		t.Errorf("%+v", r)
	}
	if left := folders(1)[0]; left != used {
		t.Errorf("%s is left, want %s, which is in use", left, used)
	}
	alive.signal(t, os.Interrupt)
	alive.exitCode(t)
}

// A reader that goes away must not keep the command from cleaning up.
func TestReaderThatGoesAway(t *testing.T) {
	leavesNothing(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], brief()...)
	cmd.Env = append(os.Environ(), asAkari+"=1")
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	r.Close()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitCannot {
		t.Errorf("%v, want exit code %d", err, exitCannot)
	}
}
