// Package command is the command line of akari: the commands, their flags, and
// what they print where. Each command has a file of its own.
package command

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/akaripool/akari/cmd/akari/internal/load"
)

// Exit codes.
const (
	exitOK          = 0
	exitMissed      = 1   // the load went over a limit that was given
	exitCannot      = 2   // wrong arguments, or something is missing or unreachable
	exitInterrupted = 130 // by SIGINT or SIGTERM
)

// Env is what a command sees of the process it runs in.
type Env struct {
	Args   []string // without the program's name
	Stdout io.Writer
	Stderr io.Writer

	// Width of the terminal behind Stderr, in characters. Nil, or 0, where no
	// line may be redrawn.
	Width func() int

	Getenv func(string) string

	// AtOnce is what a command wants done if the process ends without letting
	// it clean up.
	AtOnce *load.AtOnce
}

type command struct {
	name    string
	summary string
	run     func(ctx context.Context, env *Env, args []string) int
}

// commands are all there are, in the order of the help.
func commands() []command {
	return []command{
		{"load", "put a measured load on a database through the pool, and report it", runLoad},
		{"version", "print the version", runVersion},
		{"help", "print this, or with the name of a command its flags", runHelp},
	}
}

// Run runs the command that the arguments name and returns the exit code. The
// end of ctx interrupts it.
func Run(ctx context.Context, env *Env) int {
	if len(env.Args) == 0 {
		printHelp(env.Stderr)
		return exitCannot
	}
	name := env.Args[0]
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-version", "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(ctx, env, env.Args[1:])
		}
	}
	fmt.Fprintf(env.Stderr, "akari: there is no command %q; see akari help\n", clip(name))
	return exitCannot
}

func runHelp(ctx context.Context, env *Env, args []string) int {
	if len(args) == 0 || args[0] == "help" {
		printHelp(env.Stdout)
		return exitOK
	}
	inner := *env
	inner.Args = []string{args[0], "-h"}
	return Run(ctx, &inner)
}

func printHelp(w io.Writer) {
	fmt.Fprint(w, "Akari is a database connection pool for Go; this is its command.\n\nUsage: akari <command> [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nakari load, without any flags, is a good beginning.\n")
}

// fail prints an error, on one line or one for each problem, and returns the
// exit code.
func fail(env *Env, name string, err error) int {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !strings.HasPrefix(line, "akari: ") {
			line = "akari " + name + ": " + line
		}
		fmt.Fprintln(env.Stderr, load.Printable(line))
	}
	return exitCannot
}

// clip shortens an argument that is shown in an error. One that may hold a
// password is not shown.
func clip(arg string) string {
	const most = 60
	switch {
	case strings.Contains(arg, "@") || strings.Contains(strings.ToLower(arg), "passw"):
		return "<masked>"
	case len(arg) > most:
		return arg[:most] + "…"
	}
	return arg
}
