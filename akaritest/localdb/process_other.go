//go:build !linux

package localdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"runtime"
	"syscall"
)

// supported reports why servers cannot be run on this system. Everything else
// in this file is there to be compiled, not to be reached.
func supported() error {
	return fmt.Errorf("localdb: servers can be started on Linux, not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

const (
	sigKill      = syscall.Signal(9)
	sigStop      = syscall.Signal(19)
	sigContinue  = syscall.Signal(18)
	sigInterrupt = syscall.Signal(2)
	sigQuit      = syscall.Signal(3)
	sigTerminate = syscall.Signal(15)
)

func detach(*exec.Cmd, *account)    {}
func signalPid(int, syscall.Signal) {}
func serverPids(string) []int       { return nil }
func startTime(int) uint64          { return 0 }
func pidSpace() uint64              { return 0 }
func ours(fs.FileInfo) bool         { return false }
func lockFile(context.Context, string) (func(), error) {
	return nil, supported()
}
