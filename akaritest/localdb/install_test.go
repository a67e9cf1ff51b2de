//go:build linux

package localdb

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestInstallDoesNothingTwice relies on TestMain, which has installed all.
func TestInstallDoesNothingTwice(t *testing.T) {
	t.Setenv("PATH", "/nonexistent") // no apt-get to be run
	if err := Install(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestInstallWithoutAptSaysWhatIsMissing(t *testing.T) {
	searchOnly(t, MariaDB, "/nonexistent")
	searchOnly(t, PgBouncer, "/nonexistent")
	err := Install(t.Context(), nil)
	for _, word := range []string{"apt-get install mariadb-server-core", "apt-get install pgbouncer"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("Install: %v; want it to tell %q", err, word)
		}
	}
}

func TestInstallReportsWhatAptSays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("apt-get is run by root only")
		return
	}
	bin := t.TempDir()
	for name, script := range map[string]string{
		"apt-get": "#!/bin/sh\necho E: no such mirror >&2\nexit 100\n",
		"dpkg":    "#!/bin/sh\n",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := os.ReadFile("/usr/sbin/policy-rc.d")
	searchOnly(t, PgBouncer, bin)
	var log strings.Builder
	err := Install(t.Context(), &log, PgBouncer)
	if err == nil || !strings.Contains(err.Error(), "exit status 100") || !strings.Contains(err.Error(), "no such mirror") {
		t.Errorf("Install: %v; want what apt-get says", err)
	}
	if !strings.Contains(log.String(), "no such mirror") {
		t.Errorf("the log is %q", log.String())
	}
	if after, _ := os.ReadFile("/usr/sbin/policy-rc.d"); string(after) != string(before) {
		t.Error("the machine's policy has changed")
	}
}

func status(path string) int {
	cmd := exec.Command(path, "pgbouncer", "start")
	cmd.Run()
	return cmd.ProcessState.ExitCode()
}

func TestServicesAreHeldWhileInstalling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy-rc.d")
	for range 2 {
		undo, err := holdServices(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := status(path); got != 101 {
			t.Errorf("the policy answers %d; want 101, which forbids", got)
		}
		if err := undo(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the policy is left: %v", err)
		}
	}

	// Left by an installation that was killed: it goes.
	if _, err := holdServices(path); err != nil {
		t.Fatal(err)
	}
	undo, err := holdServices(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the policy is left: %v", err)
	}
}

func TestMachinesOwnPolicyIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy-rc.d")
	const forbids = "#!/bin/sh\nexit 101\n"
	if err := os.WriteFile(path, []byte(forbids), 0o755); err != nil {
		t.Fatal(err)
	}
	undo, err := holdServices(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); string(text) != forbids || err != nil {
		t.Errorf("the policy has become %q, %v", text, err)
	}

	const allows = "#!/bin/sh\nexit 0\n"
	if err := os.WriteFile(path, []byte(allows), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := holdServices(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a policy that lets services start: %v; want a refusal", err)
	}
	if text, err := os.ReadFile(path); string(text) != allows || err != nil {
		t.Errorf("the policy has become %q, %v", text, err)
	}
}

func TestClustersAreHeldWhileInstalling(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "createcluster.d")
	undo, err := holdClusters(folder)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(folder, "*.conf")) // the only ones read
	if len(files) != 1 {
		t.Fatalf("files %v; want one", files)
	}
	if text, err := os.ReadFile(files[0]); string(text) != "create_main_cluster = false\n" || err != nil {
		t.Errorf("%s holds %q, %v", files[0], text, err)
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(files[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", files[0], err)
	}
}

func TestOnlyOneInstallsAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := lockFile(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("locked twice: %v", err)
	}
	second := make(chan error, 1)
	go func() {
		unlock, err := lockFile(t.Context(), path)
		if err == nil {
			unlock()
		}
		second <- err
	}()
	unlock()
	if err := <-second; err != nil {
		t.Error(err)
	}
}
