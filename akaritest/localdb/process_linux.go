package localdb

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// supported reports why servers cannot be run on this system.
func supported() error { return nil }

const (
	sigKill      = syscall.SIGKILL
	sigStop      = syscall.SIGSTOP
	sigContinue  = syscall.SIGCONT
	sigInterrupt = syscall.SIGINT
	sigQuit      = syscall.SIGQUIT
	sigTerminate = syscall.SIGTERM
)

// detach gives cmd a session of its own, so that a Ctrl-C in the terminal does
// not reach it, and the rights of the account.
func detach(cmd *exec.Cmd, as *account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if as != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: as.uid, Gid: as.gid}
	}
}

func signalPid(pid int, sig syscall.Signal) { syscall.Kill(pid, sig) }

// serverPids returns the processes of the server whose data folder this is: all
// its programs have the folder as their working directory. A shell in which
// somebody has entered the folder does too; it runs another program.
func serverPids(data string) []int {
	var pids []int
	for _, pid := range allPids() {
		proc := "/proc/" + strconv.Itoa(pid)
		if cwd, err := os.Readlink(proc + "/cwd"); err != nil || cwd != data {
			continue
		}
		exe, err := os.Readlink(proc + "/exe")
		if err == nil && serverPrograms[strings.TrimSuffix(filepath.Base(exe), " (deleted)")] {
			pids = append(pids, pid)
		}
	}
	return pids
}

func allPids() []int {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// startTime returns when the process was started, in the kernel's ticks since
// boot: with the pid it names a process for good. Of a process that is not
// there, or has ended and waits for its parent, it returns 0.
func startTime(pid int) uint64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is the name in parentheses and may hold anything.
	_, rest, ok := strings.Cut(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 || fields[0] == "Z" {
		return 0
	}
	ticks, _ := strconv.ParseUint(fields[19], 10, 64)
	return ticks
}

// pidSpace returns the number of the pid namespace: in another one a pid means
// another process.
func pidSpace() uint64 {
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return 0
	}
	number, _ := strconv.ParseUint(strings.Trim(strings.TrimPrefix(link, "pid:"), "[]"), 10, 64)
	return number
}

// ours reports whether the file belongs to the user this process runs as.
func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// lockFile waits for the lock that the file at path stands for.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !pause(ctx, 100*time.Millisecond) {
			f.Close()
			return nil, fmt.Errorf("wait for another installation (it holds %s): %w", path, ctx.Err())
		}
	}
}
