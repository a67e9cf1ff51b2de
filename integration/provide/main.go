// Provide sees to it that what the tests need is on the machine, the database
// servers and a C compiler for the race detector: it finds them, or, on Debian
// and Ubuntu as root, installs them.
// Where it can do neither it says in one line what is missing.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	if err := localdb.Install(ctx, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1) //nolint:gocritic // nothing else is deferred
	}
	for _, k := range localdb.Kinds() {
		path, err := localdb.Find(k)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("%-10s %s\n", k, path)
	}
	path, err := compiler(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%-10s %s\n", "compiler", path)
}
