package localdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// run is one run of a server's program.
type run struct {
	cmd  *exec.Cmd
	mark int           // where the log of this run begins
	done chan struct{} // closed when the program has ended and its log is read
	err  error         // how it ended; readable once done is closed
}

// running reports whether the program still runs. A nil run does not.
func (r *run) running() bool {
	if r == nil {
		return false
	}
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}

// wait waits until the program has ended, but not longer than d.
func (r *run) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-r.done:
	case <-t.C:
	}
}

// outcome says how the program has ended.
func (r *run) outcome() string {
	<-r.done
	if r.err != nil {
		return r.err.Error()
	}
	return "without an error"
}

// run starts the server's program.
func (s *Server) run() (*run, error) {
	cmd := s.command(context.Background(), s.program, s.engine.args(s)...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	// A program that the server has started may hold the log open longer.
	cmd.WaitDelay = 2 * time.Second
	mark := s.log.mark()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("localdb: start %v: %w", s.Kind, err)
	}
	r := &run{cmd: cmd, mark: mark, done: make(chan struct{})}
	go func() {
		r.err = cmd.Wait()
		close(r.done)
	}()
	return r, nil
}

// do runs a program that prepares the server and ends by itself.
func (s *Server) do(ctx context.Context, stdin io.Reader, program string, args ...string) error {
	cmd := s.command(ctx, program, args...)
	log := newTail(s.options.Log)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, log, log
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("localdb: prepare %v: %s: %w%s", s.Kind, program, errors.Join(ctx.Err(), err), log.quote())
	}
	return nil
}

// command returns a program to be run for the server: in the data folder, by
// which serverPids knows it, and with nothing of this process's environment
// that could change what the server does.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dataFolder()
	cmd.Env = []string{"PATH=" + safePath, "LC_ALL=C", "TZ=UTC", "HOME=" + s.dataFolder(), "TMPDIR=" + s.dataFolder()}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "LD_LIBRARY_PATH=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	detach(cmd, s.account)
	return cmd
}
