//go:build linux

package localdb_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// ownerVariable makes the test program a process that owns servers and then
// ends in the way the variable's value says.
const ownerVariable = "AKARI_LOCALDB_TEST_OWNER"

// owned is what an owner tells of its servers.
type owned struct {
	Folders []string
	Pids    []int
	Keepers []int
}

// ownServers runs in the owner's process.
func ownServers(how string) {
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	ctx := context.Background()
	pooler, err := localdb.StartPgBouncer(ctx, nothing(), localdb.Options{})
	check(err)
	servers := []*localdb.Server{pooler}
	if how == "wait" || how == "pause" {
		pg, err := localdb.StartPostgres(ctx, localdb.Options{})
		check(err)
		maria, err := localdb.StartMariaDB(ctx, localdb.Options{})
		check(err)
		servers = append(servers, pg, maria)
	}
	var all owned
	for _, s := range servers {
		if how == "pause" {
			check(s.Pause())
		}
		all.Folders = append(all.Folders, s.Folder())
		all.Pids = append(all.Pids, s.Pids()...)
		all.Keepers = append(all.Keepers, s.KeeperPid())
	}
	check(json.NewEncoder(os.Stdout).Encode(all))
	switch how {
	case "start":
		_, err := localdb.StartPostgres(ctx, localdb.Options{})
		check(err)
	case "exit":
		os.Exit(0)
	case "panic":
		go panic("on purpose")
	}
	time.Sleep(soon) // the test kills this process long before
}

// startOwner starts an owner and returns when its servers run.
func startOwner(t *testing.T, how string) (*exec.Cmd, owned) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), ownerVariable+"="+how)
	cmd.Stderr = os.Stderr
	if how == "panic" {
		cmd.Stderr = nil
	}
	// A process group, to be interrupted as a terminal does it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the owner said %q, %v", line, err)
	}
	var all owned
	if err := json.Unmarshal([]byte(line), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Folders) == 0 || len(all.Pids) == 0 {
		t.Fatalf("the owner has %d servers of %d processes; want some", len(all.Folders), len(all.Pids))
	}
	return cmd, all
}

func (o owned) gone() bool {
	for _, folder := range o.Folders {
		if _, err := os.Stat(folder); !os.IsNotExist(err) {
			return false
		}
	}
	for _, pid := range append(o.Pids, o.Keepers...) {
		if alive(pid) {
			return false
		}
	}
	return true
}

// initdbMemory waits until the owner is about to have a second server, for
// which initdb runs one that has POSIX shared memory, and returns its files.
func initdbMemory(t *testing.T, owner int) map[string]bool {
	t.Helper()
	var files map[string]bool
	eventually(t, "initdb's server has shared memory", func() bool {
		var pids []int
		for _, folder := range foldersOf(owner) {
			pids = append(pids, localdb.ServerPids(filepath.Join(folder, "data"))...)
		}
		files = mappedMemory(pids)
		return len(files) > 0
	})
	return files
}

// alive reports whether a process runs; one that has ended and is not yet
// collected does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	return len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"
}

func TestServersEndWithTheirOwner(t *testing.T) {
	kill := func(owner *os.Process) error { return owner.Kill() }
	nothing := func(*os.Process) error { return nil }
	for name, c := range map[string]struct {
		how string // what the owner does when its servers run
		end func(owner *os.Process) error
	}{
		"killed":              {"wait", kill},
		"killed while paused": {"pause", kill},
		"interrupted by Ctrl-C": {"sleep", func(owner *os.Process) error {
			return syscall.Kill(-owner.Pid, syscall.SIGINT)
		}},
		"os.Exit": {"exit", nothing},
		"panic":   {"panic", nothing},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			owner, all := startOwner(t, c.how)
			if err := c.end(owner.Process); err != nil {
				t.Fatal(err)
			}
			owner.Wait()
			eventually(t, "all processes and folders of the owner are gone", all.gone)
		})
	}
}

func TestServerIsRemovedThatItsOwnerWasStarting(t *testing.T) {
	leavesNothing(t)
	owner, all := startOwner(t, "start")
	files := initdbMemory(t, owner.Process.Pid)
	owner.Process.Kill()
	owner.Wait()
	eventually(t, "all processes and folders of the owner are gone", func() bool {
		return all.gone() && len(foldersOf(owner.Process.Pid)) == 0
	})
	for file := range files {
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", file, err)
		}
	}
}

// TestLeftoversOfDeadOwnersAreRemoved kills the owner and the keepers at once,
// as the end of a container or an out-of-memory killer may do.
func TestLeftoversOfDeadOwnersAreRemoved(t *testing.T) {
	leavesNothing(t)
	owner, all := startOwner(t, "wait")
	for _, pid := range all.Keepers {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	for _, pid := range all.Keepers {
		eventually(t, "the keeper is dead", func() bool { return !alive(pid) })
	}
	owner.Process.Kill()
	owner.Wait()
	for _, folder := range all.Folders {
		if _, err := os.Stat(folder); err != nil {
			t.Fatalf("the test has lost what it is about: %v", err)
		}
	}
	// What cannot be a leftover must stay: another name, a living owner.
	innocent := []string{
		filepath.Join(os.TempDir(), "akari-localdb-notes"),
		filepath.Join(os.TempDir(), "akari-localdb-1-0-0-x"),
	}
	for _, folder := range innocent {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(folder)
	}
	living := startPoolerOfNothing(t, localdb.Options{})
	startPoolerOfNothing(t, localdb.Options{})
	if !all.gone() {
		t.Error("a new start has not removed what a dead owner left")
	}
	if len(living.Pids()) == 0 {
		t.Error("a new start has ended a living server")
	}
	for _, folder := range innocent {
		if _, err := os.Stat(folder); err != nil {
			t.Errorf("removed what it should not have: %v", err)
		}
	}
}

// TestKillSparesOthersInTheFolder enters the data folder with a shell, as a
// developer may do who looks around.
func TestKillSparesOthersInTheFolder(t *testing.T) {
	leavesNothing(t)
	s := startPoolerOfNothing(t, localdb.Options{})
	shell := exec.Command("sleep", "3600")
	shell.Dir = filepath.Join(s.Folder(), "data")
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		shell.Process.Kill()
		shell.Wait()
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !alive(shell.Process.Pid) {
		t.Error("Close has killed a process that is none of the server's")
	}
}
