//go:build linux

package localdb_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// expectNoServer fails unless a start has failed for a reason that its error
// tells, in these words.
func expectNoServer(t *testing.T, s *localdb.Server, err error, words ...string) {
	t.Helper()
	if err == nil {
		s.Close()
		t.Fatal("the server was started")
	}
	if s != nil {
		t.Error("an error and a server")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q; want it to tell %q", err, word)
		}
	}
}

func TestWrongOptionsAreExplained(t *testing.T) {
	leavesNothing(t)
	for _, c := range []struct {
		options localdb.Options
		word    string
	}{
		{localdb.Options{MaxConnections: -1}, "MaxConnections"},
		{localdb.Options{Upstream: "127.0.0.1:1"}, "for PgBouncer"},
		{localdb.Options{Dir: "/does/not/exist"}, "/does/not/exist"},
		{localdb.Options{Settings: map[string]string{"port": "1"}}, "port is set by localdb"},
		{localdb.Options{Settings: map[string]string{"a b": "1"}}, `"a b" is not the name`},
		{localdb.Options{Settings: map[string]string{"": "1"}}, `"" is not the name`},
		{localdb.Options{Settings: map[string]string{"work_mem": "1\nport = 2"}}, "must be one line"},
	} {
		s, err := localdb.StartPostgres(t.Context(), c.options)
		expectNoServer(t, s, err, c.word)
	}
	s, err := localdb.StartMariaDB(t.Context(), localdb.Options{Settings: map[string]string{"Bind-Address": "0.0.0.0"}})
	expectNoServer(t, s, err, "set by localdb")
	s, err = localdb.StartPgBouncer(t.Context(), nil, localdb.Options{})
	expectNoServer(t, s, err, "StartPostgres")
	s, err = localdb.StartPgBouncer(t.Context(), &localdb.Server{Kind: localdb.Postgres}, localdb.Options{Upstream: "nowhere"})
	expectNoServer(t, s, err, "Upstream", "host:port")
}

func TestServersOwnReasonIsInTheError(t *testing.T) {
	leavesNothing(t)
	bad := func(name string) localdb.Options {
		return localdb.Options{Settings: map[string]string{name: "nonsense"}}
	}
	s, err := localdb.StartPostgres(t.Context(), bad("shared_buffers"))
	expectNoServer(t, s, err, `invalid value for parameter "shared_buffers"`, "exit status 1")
	s, err = localdb.StartMariaDB(t.Context(), bad("no_such_variable"))
	expectNoServer(t, s, err, "unknown variable", "no_such_variable")
	s, err = localdb.StartPgBouncer(t.Context(), nothing(), bad("pool_mode"))
	expectNoServer(t, s, err, "pool_mode", "exit status 1")
}

func TestProgramBehindAWrapperIsExplained(t *testing.T) {
	leavesNothing(t)
	program, err := localdb.Find(localdb.PgBouncer)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := os.MkdirTemp("", "localdb-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(bin)
	wrapper := filepath.Join(bin, "pgbouncer")
	renamed := filepath.Join(bin, "pgbouncer-renamed")
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Chmod(bin, 0o755),
		os.WriteFile(renamed, text, 0o755),
		os.WriteFile(wrapper, []byte("#!/bin/sh\nexec "+renamed+" \"$@\"\n"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("AKARI_PGBOUNCER_BIN", bin)
	s, err := localdb.StartPgBouncer(t.Context(), nothing(), localdb.Options{})
	expectNoServer(t, s, err, "is not itself the program", "AKARI_PGBOUNCER_BIN")
}

func TestEndedContextEndsTheStart(t *testing.T) {
	leavesNothing(t)
	// Some of these end while the data folder is prepared, some before.
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 300 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		s, err := localdb.StartPostgres(ctx, localdb.Options{})
		expectNoServer(t, s, err)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v; want DeadlineExceeded", after, err)
		}
		s, err = localdb.StartMariaDB(ctx, localdb.Options{})
		expectNoServer(t, s, err)
		cancel()
	}
}

func TestServerLivesInTheFolderItIsGiven(t *testing.T) {
	leavesNothing(t)
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		// A test's folder is closed to other users, and the server is one.
		s, err := localdb.StartPostgres(t.Context(), localdb.Options{Dir: dir})
		expectNoServer(t, s, err, "cannot enter", "Options.Dir")
		for open := dir; open != filepath.Clean(os.TempDir()); open = filepath.Dir(open) {
			if err := os.Chmod(open, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Through a link, as the folder for temporary files is on some systems.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	s := startPoolerOfNothing(t, localdb.Options{Dir: link})
	if filepath.Dir(s.Folder()) != dir {
		t.Errorf("the server is in %s; want it in %s", s.Folder(), dir)
	}
	if len(s.Pids()) != 1 {
		t.Errorf("found the processes %v; want the one there is", s.Pids())
	}
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
