// Command report tries the faults of package faults on all peers and writes the
// table into docs/reliability.md. Run it from the folder of the integration
// module, or as "make faults", which takes about ten minutes.
//
//	go run ./faults/report -run F3,F4   only these, printed
//	go run ./faults/report -list        what there is
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/integration/faults"
)

func main() {
	doc := flag.String("doc", "../docs/reliability.md", "document to write the table into; empty: print it")
	only := flag.String("run", "", "IDs of the faults to try, separated by commas; then the table is only printed")
	list := flag.Bool("list", false, "list the faults and try none")
	flag.Parse()
	if *list {
		for _, f := range faults.All() {
			fmt.Printf("%-5s %s\n", f.ID, f.Name)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *doc, *only); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, doc, only string) (err error) {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	if err := localdb.Install(ctx, os.Stderr); err != nil {
		return err
	}
	lab, err := faults.NewLab()
	if err != nil {
		return err
	}
	defer func() {
		if e := lab.Close(); err == nil {
			err = e
		}
	}()
	report, err := faults.Measure(ctx, lab, chosen, os.Stderr)
	if err != nil {
		return err
	}
	if only != "" || doc == "" {
		fmt.Print(report.Markdown())
	} else if err := report.WriteInto(doc); err != nil {
		return err
	}
	if report.Missing > 0 {
		return fmt.Errorf("%d trials of akari could not be made", report.Missing)
	}
	return nil
}

// choose returns the faults with the given IDs, all for none.
func choose(ids string) ([]faults.Fault, error) {
	all := faults.All()
	if ids == "" {
		return all, nil
	}
	var chosen []faults.Fault
	for id := range strings.SplitSeq(ids, ",") {
		i := slices.IndexFunc(all, func(f faults.Fault) bool { return f.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("there is no fault %q; -list shows those there are", id)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
