//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package load

import (
	"os"
	"syscall"
)

// lockFolder locks a folder until the file returned is closed, at the latest by
// the end of the process. If another has the lock it waits for it, or fails.
func lockFolder(path string, wait bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		if err = syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
