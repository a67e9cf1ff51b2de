package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// order is what a run is asked for.
type order struct {
	plan
	args     []string // as they were given
	parts    []string // none: all
	document string   // to be written; empty: none
	partial  bool     // it is written even if contestants are missing
}

func (o *order) flags() *flag.FlagSet {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(io.Discard) // main says what is wrong
	f.BoolVar(&o.full, "full", false, "every size and every number of callers")
	f.BoolVar(&o.jvm, "jvm", true, "HikariCP as well, if there is a JVM with it")
	f.IntVar(&o.rounds, "rounds", 5, "how often each pool has its turn, at least 1")
	f.DurationVar(&o.turn, "turn", 100*time.Millisecond, "how long a turn takes, more than 0")
	f.StringVar(&o.document, "write", "", "`document` to put the results into, between its marks")
	f.BoolVar(&o.partial, "partial", false, "write the document even if contestants are missing on this machine")
	return f
}

// parse reads the command's arguments. What is wrong with them is said before
// anything is measured.
func parse(args []string) (order, error) {
	o := order{args: args}
	f := o.flags()
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, fmt.Errorf("%w; -h lists flags and parts", err)
	}
	o.parts = f.Args()
	switch {
	case o.rounds < 1:
		return o, fmt.Errorf("-rounds is %d: it must be at least 1", o.rounds)
	case o.turn <= 0:
		return o, fmt.Errorf("-turn is %v: it must be more than 0", o.turn)
	case o.partial && o.document == "":
		return o, errors.New("-partial is for documents: it needs -write")
	}
	for _, name := range o.parts {
		switch {
		case slices.Contains(partNames(), name):
		case strings.HasPrefix(name, "-"):
			return o, fmt.Errorf("%s stands behind a part: flags come first", name)
		default:
			return o, fmt.Errorf("there is no part %q; there are %s", name, strings.Join(partNames(), ", "))
		}
	}
	return o, nil
}

func usage() string {
	var flags strings.Builder
	f := new(order).flags()
	f.SetOutput(&flags)
	f.PrintDefaults()
	return fmt.Sprintf(`Compares the pool with its peers: ratios of one run in which they take turns.

usage: go run ./bench [flags] [part ...]

parts: %s; all, if none is named

flags, which come before the parts:
%s
-write puts what a part prints between these lines of the document, which it must have:
  <!-- bench: PART -->
  %s
`, strings.Join(partNames(), ", "), flags.String(), end)
}

// carryOut does what is asked for: it prints results, and what a reader of them
// should know besides.
func (o order) carryOut(out, warnings io.Writer) error {
	if o.document != "" {
		var err error
		if o.parts, err = o.partsOfDocument(warnings); err != nil {
			return err
		}
	}
	if err := o.lookForGuests(warnings); err != nil {
		return err
	}
	command := strings.Join(append([]string{"go run ./bench"}, o.args...), " ")
	about := fmt.Sprintf("%s; %s; %s, `%s`.", machine(), versions(), time.Now().UTC().Format(time.DateOnly), command)
	if _, err := fmt.Fprintln(out, about); err != nil {
		return err
	}
	o.out, o.kept = out, &results{printed: map[string]string{}}
	if err := o.run(o.parts); err != nil || o.document == "" {
		return err
	}
	return o.kept.write(o.document, partNames(), about)
}

// partsOfDocument are those that are measured for it: what is asked for, for
// nothing all that it has marks for. Whatever would keep the results from being
// written is an error.
func (o order) partsOfDocument(warnings io.Writer) ([]string, error) {
	path, err := filepath.EvalSymlinks(o.document)
	if err != nil {
		return nil, err
	}
	d, err := readDocument(path, partNames())
	if err != nil {
		return nil, err
	}
	chosen, err := d.choose(o.parts, partNames())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.document, err)
	}
	if len(o.parts) == 0 && len(chosen) < len(parts) {
		rest := slices.DeleteFunc(partNames(), func(name string) bool { return slices.Contains(chosen, name) })
		fmt.Fprintf(warnings, "bench: not measured, as %s has no marks for it: %s\n", o.document, strings.Join(rest, ", "))
	}
	return chosen, writable(path)
}
