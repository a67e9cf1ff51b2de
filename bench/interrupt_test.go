//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A process that is told to end while a JVM starts leaves no folder.
func TestInterruptLeavesNothing(t *testing.T) {
	if os.Getenv("AKARI_BENCH_STARTS_JAVA") != "" {
		_, err := startHikari() // ends with the process
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(s) {
			continue // whoever runs the tests wants it so, as nohup does
		}
		programs, temp := t.TempDir(), t.TempDir()
		running := filepath.Join(programs, "running")
		if err := syscall.Mkfifo(running, 0o600); err != nil {
			t.Fatal(err)
		}
		java := "#!/bin/sh\necho here > " + running + "\nexec cat\n" // which ends with its input, and says nothing
		if err := os.WriteFile(filepath.Join(programs, "java"), []byte(java), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run", "^TestInterruptLeavesNothing$")
		cmd.Env = append(os.Environ(), "AKARI_BENCH_STARTS_JAVA=1", "HIKARI_CLASSPATH=x", "TMPDIR="+temp,
			"PATH="+programs+string(filepath.ListSeparator)+os.Getenv("PATH"))
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.ReadFile(running); err != nil { // waits for java
			t.Fatal(err)
		}
		if made, _ := filepath.Glob(filepath.Join(temp, "akari-bench-*")); len(made) != 1 {
			t.Fatalf("%v is there while java starts", made)
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if left, _ := filepath.Glob(filepath.Join(temp, "akari-bench-*")); left != nil || !strings.Contains(said.String(), s.String()) {
			t.Errorf("%v: %v is left; said: %s", s, left, &said)
		}
	}
}
