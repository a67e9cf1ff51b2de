package command

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/akaripool/akari/cmd/akari/internal/load"
	"golang.org/x/term"
)

// Main runs the command of this process and returns its exit code.
func Main() int {
	env := &Env{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, AtOnce: &load.AtOnce{}}
	env.Width = widthOf(os.Stderr, os.Getenv)
	// When nobody reads any more, writing fails and the command cleans up, in
	// place of a signal that kills it.
	signal.Ignore(syscall.SIGPIPE)
	ctx, release := interruptible(env)
	defer release()
	return Run(ctx, env)
}

// interruptible returns a context that the first SIGINT or SIGTERM ends. The
// second ends the process.
func interruptible(env *Env) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-signals:
			}
			if n > 0 {
				env.AtOnce.Run()
				os.Exit(exitInterrupted)
			}
			fmt.Fprint(env.Stderr, "\nakari: stopping; once more to end at once\n")
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}

// widthOf tells the width of a terminal on which lines may be redrawn; nil if f
// is none, or the user wants none.
func widthOf(f *os.File, getenv func(string) string) func() int {
	if !term.IsTerminal(int(f.Fd())) || getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" {
		return nil
	}
	return func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0
		}
		return width
	}
}
