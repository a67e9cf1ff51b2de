package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// compiler sees to it that there is a C compiler, which the race detector needs.
// The go command takes CC, or gcc.
func compiler(ctx context.Context) (path string, err error) {
	out, err := exec.CommandContext(ctx, "go", "env", "CC").Output()
	if err != nil {
		return "", fmt.Errorf("go env CC: %w", err)
	}
	cc := strings.Fields(string(out) + " gcc")[0]
	path, missing := exec.LookPath(cc)
	if missing == nil {
		return path, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 || cc != "gcc" {
		return "", fmt.Errorf("the race detector needs a C compiler, and %w: install gcc and libc6-dev, or set CC", missing)
	}
	for _, args := range [][]string{{"update"}, {"install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "gcc", "libc6-dev"}} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", errors.Join(missing, fmt.Errorf("apt-get %s: %w\n%s", args[0], err, out))
		}
	}
	return exec.LookPath(cc)
}
