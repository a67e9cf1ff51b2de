//go:build linux

package localdb_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// soon bounds every wait for something that must happen.
const soon = 30 * time.Second

// eventually polls until ok or fails the test.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", soon, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// leavesNothing fails the test if, at its end, this process has left a
// goroutine, a descriptor, a child, a server's folder or shared memory behind.
// It must be the first thing a test calls. Other processes may run servers
// meanwhile.
func leavesNothing(t *testing.T) {
	t.Helper()
	// The runtime opens its poller on first use and keeps it.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	before := leftovers(t)
	t.Cleanup(func() {
		var after []string
		deadline := time.Now().Add(5 * time.Second)
		for {
			if after = more(leftovers(t), before); len(after) == 0 {
				return
			}
			if time.Now().After(deadline) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		stacks := make([]byte, 1<<20)
		t.Errorf("left behind:\n%s\n%s", strings.Join(after, "\n"), stacks[:runtime.Stack(stacks, true)])
	})
}

// leftovers lists what could be left. Things that are only counted appear once
// for each.
func leftovers(t *testing.T) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	for i := range runtime.NumGoroutine() {
		all[fmt.Sprintf("goroutine no. %d", i+1)] = true
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for i := range fds {
		all[fmt.Sprintf("descriptor no. %d", i+1)] = true
	}
	for _, folder := range foldersOf(os.Getpid()) {
		all["folder "+folder] = true
	}
	for _, name := range unusedMemory(t) {
		all["shared memory "+name] = true
	}
	for _, child := range children(t) {
		all["child "+child] = true
	}
	return all
}

func more(after, before map[string]bool) []string {
	var fresh []string
	for name := range after {
		if !before[name] {
			fresh = append(fresh, name)
		}
	}
	return fresh
}

// foldersOf returns the folders of the servers that a process owns.
func foldersOf(owner int) []string {
	folders, _ := filepath.Glob(filepath.Join(os.TempDir(), fmt.Sprintf("akari-localdb-%d-*", owner)))
	return folders
}

// unusedMemory returns the shared memory that no process uses and no folder of
// a server answers for: System V segments, and PostgreSQL's POSIX files.
func unusedMemory(t *testing.T) []string {
	t.Helper()
	table, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	claimed := claimedSegments()
	var all []string
	for line := range strings.Lines(string(table)) {
		// key, shmid, perms, size, cpid, lpid, nattch
		if fields := strings.Fields(line); len(fields) > 6 && fields[6] == "0" && !claimed[fields[1]] {
			all = append(all, "segment "+fields[1])
		}
	}
	files, _ := filepath.Glob("/dev/shm/PostgreSQL.*")
	if len(files) == 0 {
		return all
	}
	used := mappedMemory(allPids())
	for _, file := range files {
		if !used[file] {
			all = append(all, file)
		}
	}
	return all
}

// claimedSegments returns the segments of all servers that localdb runs now,
// killed ones included that will be started again.
func claimedSegments() map[string]bool {
	claimed := make(map[string]bool)
	files, _ := filepath.Glob(filepath.Join(os.TempDir(), "akari-localdb-*", "data", "postmaster.pid"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if lines := strings.Split(string(text), "\n"); len(lines) > 6 {
			if fields := strings.Fields(lines[6]); len(fields) == 2 {
				claimed[fields[1]] = true
			}
		}
	}
	return claimed
}

// mappedMemory returns the files of PostgreSQL's POSIX shared memory that the
// processes use.
func mappedMemory(pids []int) map[string]bool {
	used := make(map[string]bool)
	for _, pid := range pids {
		maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
		for line := range strings.Lines(string(maps)) {
			if fields := strings.Fields(line); len(fields) > 5 && strings.HasPrefix(fields[5], "/dev/shm/PostgreSQL.") {
				used[fields[5]] = true
			}
		}
	}
	return used
}

func allPids() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// children returns the children of this process, ended ones that nobody has
// waited for included.
func children(t *testing.T) []string {
	t.Helper()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var all []string
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		text := string(stat)
		end := strings.LastIndexByte(text, ')')
		if fields := strings.Fields(text[end+1:]); len(fields) > 1 && fields[1] == fmt.Sprint(os.Getpid()) {
			all = append(all, text[:end+1])
		}
	}
	return all
}

// expectGone fails unless no trace of the closed server is left.
func expectGone(t *testing.T, s *localdb.Server) {
	t.Helper()
	if pids := s.Pids(); len(pids) > 0 {
		t.Errorf("processes %v of %v are left", pids, s)
	}
	if _, err := os.Stat(s.Folder()); !os.IsNotExist(err) {
		t.Errorf("the folder of %v is left: %v", s, err)
	}
	expectPortFree(t, s)
}

func expectPortFree(t *testing.T, s *localdb.Server) {
	t.Helper()
	ln, err := net.Listen("tcp", s.Addr())
	if err != nil {
		t.Errorf("the port of %v is not free: %v", s, err)
		return
	}
	ln.Close()
}
