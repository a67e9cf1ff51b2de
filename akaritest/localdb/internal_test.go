//go:build linux

package localdb

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAnotherPortIsTakenIfTheFirstIsLost lets somebody else take the port in
// the moment between the choice and the start.
func TestAnotherPortIsTakenIfTheFirstIsLost(t *testing.T) {
	for _, e := range []engine{mariadb, pgbouncer} {
		t.Run(e.kind.String(), func(t *testing.T) {
			var thief net.Listener
			configure := e.configure
			if e.kind == PgBouncer {
				configure = func(s *Server) error { return configurePgBouncer(s, &Server{Kind: Postgres, Host: host, Port: 1}) }
			}
			e.configure = func(s *Server) error {
				if thief == nil && s.Port != 0 {
					var err error
					if thief, err = net.Listen("tcp", s.Addr()); err != nil {
						return err
					}
				}
				return configure(s)
			}
			s, err := start(t.Context(), e, Options{})
			if thief != nil {
				defer thief.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			if thief.Addr().String() == s.Addr() {
				t.Errorf("the server claims the thief's address %s", s.Addr())
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPortsKeepClearOfOutgoingConnections(t *testing.T) {
	for local, want := range map[string][2]int{
		"32768\t60999\n": {10000, 32767},
		"1024 20000":     {20001, 65535},
		"1024 65535":     {10000, 65535}, // nothing is left, so anything goes
		"":               {10000, 32767},
		"60999 32768":    {10000, 32767},
	} {
		low, high := fixedPorts([]byte(local), nil)
		if low != want[0] || high != want[1] {
			t.Errorf("outgoing %q: ports %d to %d; want %v", local, low, high, want)
		}
	}
	if low, high := fixedPorts(nil, os.ErrNotExist); low != 10000 || high != 32767 {
		t.Errorf("outgoing unknown: ports %d to %d", low, high)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if portIsFree(ln.Addr().(*net.TCPAddr).Port) {
		t.Error("a port that is listened on counts as free")
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var all strings.Builder
	l := newTail(&all)
	if got := l.quote(); got != "; nothing was logged" {
		t.Errorf("quote of nothing: %q", got)
	}
	fmt.Fprintln(l, "first")
	mark := l.mark()
	fmt.Fprintln(l, "second")
	if got := l.since(mark); got != "second\n" {
		t.Errorf("since the mark: %q", got)
	}
	if got := l.quote(); got != "; the log ends with:\n\tfirst\n\tsecond" {
		t.Errorf("quote: %q", got)
	}
	for i := range 100_000 {
		fmt.Fprintln(l, "line", i)
	}
	if len(l.kept) > 2*maxTail {
		t.Errorf("%d bytes are kept; want at most %d", len(l.kept), 2*maxTail)
	}
	if got := l.since(mark); len(got) < maxTail || !strings.HasSuffix(got, "line 99999\n") {
		t.Errorf("since an old mark: %d bytes ending in %q", len(got), got[max(0, len(got)-20):])
	}
	if got := strings.Split(l.quote(), "\n"); len(got) != 21 || got[20] != "\tline 99999" {
		t.Errorf("quote of much: %q", got)
	}
	if !strings.HasPrefix(all.String(), "first\nsecond\nline 0\n") || !strings.HasSuffix(all.String(), "line 99999\n") {
		t.Error("not everything was passed on")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestTailOutlivesABrokenLog(t *testing.T) {
	l := newTail(brokenWriter{})
	if n, err := l.Write([]byte("text")); n != 4 || err != nil {
		t.Errorf("Write: %d, %v; a server would stop", n, err)
	}
}

func TestOnlyFoldersOfDeadOwnersAreStale(t *testing.T) {
	dir := t.TempDir()
	mine, space := startTime(os.Getpid()), pidSpace()
	if mine == 0 || space == 0 {
		t.Fatalf("start time %d, pid namespace %d", mine, space)
	}
	for name, want := range map[string]bool{
		fmt.Sprintf("akari-localdb-%d-%d-%d-1", os.Getpid(), mine, space):     false, // alive
		fmt.Sprintf("akari-localdb-%d-%d-%d-1", os.Getpid(), mine-1, space):   true,  // the pid was given again
		fmt.Sprintf("akari-localdb-%d-%d-%d-1", 1<<30, mine, space):           true,  // no such process
		fmt.Sprintf("akari-localdb-%d-%d-%d-1", os.Getpid(), mine-1, space+1): false, // of another container
		fmt.Sprintf("akari-localdb-%d-%d-%d-1", 1<<30, 0, space):              false, // unknown start
		"akari-localdb-":      false,
		"akari-localdb-notes": false,
		"something-else":      false,
	} {
		folder := filepath.Join(dir, name)
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if got := isStale(folder); got != want {
			t.Errorf("%s is stale: %v; want %v", name, got, want)
		}
	}
	// Not a folder, but a way out of it.
	link := filepath.Join(dir, fmt.Sprintf("akari-localdb-%d-%d-%d-2", 1<<30, mine, space))
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if isStale(link) {
		t.Error("a symbolic link is stale")
	}
	if isStale(filepath.Join(dir, "not there")) {
		t.Error("what is not there is stale")
	}
}

func TestEndedProcessHasNoStartTime(t *testing.T) {
	r := &run{done: make(chan struct{})}
	if !r.running() {
		t.Error("a run that is not done does not run")
	}
	close(r.done)
	if r.running() || (*run)(nil).running() {
		t.Error("a run that is done, or none, runs")
	}
	r.wait(time.Hour)
	if startTime(1<<30) != 0 {
		t.Error("a process that is not there has a start time")
	}
}

func TestSettingsReplaceChoicesUnderEitherName(t *testing.T) {
	o := Options{Settings: map[string]string{"sync-binlog": "1", "other": "x"}}
	lines, err := o.settings(map[string]string{"sync_binlog": "0", "kept": "y"}, []setting{{"port", "1"}})
	want := "[{kept y} {other x} {sync-binlog 1} {port 1}]"
	if got := fmt.Sprint(lines); got != want || err != nil {
		t.Errorf("settings: %s, %v; want %s", got, err, want)
	}
}
