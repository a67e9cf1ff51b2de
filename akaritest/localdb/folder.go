package localdb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A server's folder is named after its owner, so that what a dead owner has
// left can be told from what a living one uses:
//
//	akari-localdb-<pid>-<start of the process>-<pid namespace>-<random>
//
// It holds the folder data, which belongs to the server, and the server's
// configuration. The folder itself belongs to this process, so that a server
// that runs as somebody else cannot exchange what root writes there.
const (
	folderPrefix  = "akari-localdb-"
	folderPattern = folderPrefix + "%d-%d-%d-"
)

// makeFolder creates a server's folder, with data in it, under parent.
func makeFolder(parent string, as *account) (folder string, err error) {
	real, err := filepath.Abs(parent)
	if err == nil {
		// The kernel shows a process's working directory with links resolved.
		real, err = filepath.EvalSymlinks(real)
	}
	pid := os.Getpid()
	stamp := fmt.Sprintf(folderPattern, pid, startTime(pid), pidSpace())
	if err == nil {
		folder, err = os.MkdirTemp(real, stamp+"*")
	}
	if err != nil {
		return "", fmt.Errorf("localdb: make a folder for the server in %s: %w", parent, err)
	}
	if err := furnish(folder, as); err != nil {
		os.RemoveAll(folder)
		return "", err
	}
	return folder, nil
}

func furnish(folder string, as *account) error {
	if as != nil {
		// The server passes through and can list nothing.
		if err := os.Chmod(folder, 0o711); err != nil {
			return fmt.Errorf("localdb: %w", err)
		}
	}
	data := filepath.Join(folder, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return fmt.Errorf("localdb: %w", err)
	}
	if err := as.own(data); err != nil {
		return fmt.Errorf("localdb: %w", err)
	}
	return as.canEnter(data)
}

// sweepStale removes the servers under parent whose owners have died together
// with their keepers. It is an act of tidiness: what cannot be removed stays.
func sweepStale(ctx context.Context, parent string) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	found, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
	for _, folder := range found {
		if isStale(folder) {
			sweep(ctx, folder)
		}
	}
}

func isStale(folder string) bool {
	var pid int
	var start, space uint64
	if n, _ := fmt.Sscanf(filepath.Base(folder), folderPattern, &pid, &start, &space); n != 3 {
		return false
	}
	// Only one's own folders, and only if the pid means anything here: /tmp may
	// be shared with containers.
	info, err := os.Lstat(folder)
	if err != nil || !info.IsDir() || !ours(info) {
		return false
	}
	return start != 0 && space == pidSpace() && startTime(pid) != start
}
