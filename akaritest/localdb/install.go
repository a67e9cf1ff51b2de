package localdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Install installs the programs of those of the kinds (none given: all) that
// [Find] does not find. It does so only for root on Debian, Ubuntu and their
// kin; elsewhere it returns the [*NotInstalledError] of what is missing. If
// nothing is missing it does nothing.
//
// It runs "apt-get update" and "apt-get install" without asking questions, and
// sees to it that no service is started or enabled for the next boot and that
// no database cluster is created: what runs on the machine stays as it was.
// Several processes may call it at once. Progress goes to log, unless it is nil.
//
// Give ctx a few minutes. When it ends, apt-get is asked to stop, which it does
// at the next safe point.
func Install(ctx context.Context, log io.Writer, kinds ...Kind) error {
	if len(kinds) == 0 {
		kinds = Kinds()
	}
	absent, reason := missing(kinds)
	if len(absent) == 0 || reason == nil || !canInstall() {
		return reason
	}
	unlock, err := lockFile(ctx, "/run/akari-localdb-install.lock")
	if err != nil {
		return fmt.Errorf("localdb: install: %w", err)
	}
	defer unlock()
	// Another process may have installed them while this one waited.
	if absent, reason = missing(kinds); len(absent) == 0 {
		return reason
	}
	a := apt{ctx: ctx, log: log, tail: newTail(log)}
	if err := a.install(absent); err != nil {
		return fmt.Errorf("localdb: install: %w%s", err, a.tail.quote())
	}
	_, reason = missing(kinds)
	return reason
}

// missing returns the kinds that are not found, and why. An unknown kind or a
// wrong override is a reason that no installation mends; then absent is empty.
func missing(kinds []Kind) (absent []Kind, reason error) {
	var reasons []error
	for _, kind := range kinds {
		_, err := Find(kind)
		if err == nil {
			continue
		}
		reasons = append(reasons, err)
		notFound, ok := errors.AsType[*NotInstalledError](err)
		if !ok || notFound.Override != "" {
			return nil, errors.Join(reasons...)
		}
		absent = append(absent, kind)
	}
	return absent, errors.Join(reasons...)
}

func canInstall() bool {
	_, apt := exec.LookPath("apt-get")
	_, dpkg := exec.LookPath("dpkg")
	return os.Geteuid() == 0 && apt == nil && dpkg == nil
}

// apt runs Debian's package tools.
type apt struct {
	ctx  context.Context
	log  io.Writer
	tail *tail
}

func (a *apt) install(kinds []Kind) (err error) {
	undo, err := holdServices("/usr/sbin/policy-rc.d")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, undo()) }()
	if slices.Contains(kinds, Postgres) {
		undo, err := holdClusters("/etc/postgresql-common/createcluster.d")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, undo()) }()
	}
	if err := a.run("apt-get", "update"); err != nil {
		return err
	}
	args := []string{"install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"}
	for _, kind := range kinds {
		args = append(args, packages[kind])
	}
	if err := a.run("apt-get", args...); err != nil {
		return err
	}
	if slices.Contains(kinds, PgBouncer) {
		// Its package enables the service for the next boot.
		return a.run("update-rc.d", "pgbouncer", "disable")
	}
	return nil
}

func (a *apt) run(program string, args ...string) error {
	cmd := exec.CommandContext(a.ctx, program, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "LC_ALL=C.UTF-8")
	cmd.Stdout, cmd.Stderr = a.tail, a.tail
	// A kill in the middle of an installation would leave it half done.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Minute
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	return nil
}

const policy = `#!/bin/sh
# Written by akari's localdb for as long as it runs apt-get, so that no service
# is started. If you find it afterwards, you may delete it.
exit 101
`

// holdServices makes Debian's packages start no service, by the policy file
// that they ask before they do. A policy that is there already is kept if it
// forbids starting as well.
func holdServices(path string) (undo func() error, err error) {
	err = writeNew(path, policy, 0o755)
	if err == nil {
		return func() error { return os.Remove(path) }, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	ask := exec.Command(path, "pgbouncer", "start")
	if err := ask.Run(); ask.ProcessState == nil || ask.ProcessState.ExitCode() != 101 {
		return nil, fmt.Errorf("%s lets packages start services (asked about one, it ended with %w instead of status 101): install the packages yourself", path, err)
	}
	if old, err := os.ReadFile(path); err == nil && string(old) == policy {
		// Left by an installation that was killed: it ends with this one.
		return func() error { return os.Remove(path) }, nil
	}
	return func() error { return nil }, nil
}

// holdClusters keeps Debian's postgresql package from creating and starting a
// cluster of its own.
func holdClusters(folder string) (undo func() error, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "akari-localdb.conf")
	err = writeNew(path, "create_main_cluster = false\n", 0o644)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return func() error { return os.Remove(path) }, nil
}

func writeNew(path, text string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Chmod(mode), f.Close())
}
