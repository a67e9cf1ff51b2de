package localdb

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// sweepScript removes a server. It is a shell script so that it can go on when
// this process is dead, without a second program to install.
//
//go:embed sweep.sh
var sweepScript string

// serverPrograms are the programs that sweep.sh and serverPids take for parts
// of a server if they run in its data folder.
var serverPrograms = map[string]bool{
	"postgres": true, "initdb": true, "mariadbd": true, "mysqld": true, "pgbouncer": true,
}

// keeper is a process that outlives its owner, the process that has started it,
// for just long enough to remove a server. It waits for the end of a pipe that
// the kernel closes when the owner dies.
//
// The kernel's own means, a signal to the child at its parent's death, would
// not do: it is bound to the thread that forked and not to the process, reaches
// one process of many, does nothing to one that is stopped, and removes no folder.
type keeper struct {
	cmd  *exec.Cmd
	pipe io.Closer // the owner's end
}

func startKeeper(folder string) (*keeper, error) {
	k := &keeper{cmd: sweepCommand(context.Background(), folder)}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("localdb: %w", err)
	}
	defer read.Close()
	k.cmd.Stdin, k.pipe = read, write
	if err := k.cmd.Start(); err != nil {
		write.Close()
		return nil, fmt.Errorf("localdb: start the keeper of %s: %w", folder, err)
	}
	return k, nil
}

// finish has the keeper do its work now, and does it here if the keeper was
// killed before it could.
func (k *keeper) finish(folder string) error {
	k.pipe.Close()
	if err := k.cmd.Wait(); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return sweep(ctx, folder)
}

// sweep removes what there is of the server in the folder.
func sweep(ctx context.Context, folder string) error {
	var stderr bytes.Buffer
	cmd := sweepCommand(ctx, folder)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("localdb: %w: %s", errors.Join(err, ctx.Err()), strings.TrimSpace(stderr.String()))
	}
	return nil
}

func sweepCommand(ctx context.Context, folder string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", sweepScript, "akari-localdb-keeper", folder)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + safePath, "LC_ALL=C"}
	cmd.WaitDelay = time.Second
	detach(cmd, nil)
	return cmd
}

// safePath is where the system's own programs are.
const safePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
