package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/akaripool/akari/akaritest/localdb"
)

// guests are contestants, and servers, that a machine may lack. A part passes over
// what is missing; look says why it would.
var guests = []struct {
	name  string
	parts []string
	look  func(plan) error
}{
	{"HikariCP", []string{"borrow", "tail", "spike"}, func(p plan) error {
		if !p.jvm {
			return errNoJVM
		}
		j, err := startHikari()
		if err == nil {
			j.stop()
		}
		return err
	}},
	{"PostgreSQL", []string{"real", "batch"}, func(plan) error { return lookForServer(localdb.Postgres) }},
	{"MariaDB", []string{"real", "batch"}, func(plan) error { return lookForServer(localdb.MariaDB) }},
}

// errNoJVM is why HikariCP is missing if it is not wanted.
var errNoJVM = errors.New("-jvm=false")

func lookForServer(kind localdb.Kind) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("servers can be started on Linux only: %w", errors.ErrUnsupported)
	}
	_, err := localdb.Find(kind)
	return err
}

// lookForGuests warns of those that are missing, before the measuring. If a
// document is to be written it is an error, or lines that say that they are left
// out would take the place of what was measured where they were there.
func (o order) lookForGuests(warnings io.Writer) error {
	var missing []string
	for _, g := range guests {
		var without []string
		for _, name := range partNames() {
			if slices.Contains(g.parts, name) && (len(o.parts) == 0 || slices.Contains(o.parts, name)) {
				without = append(without, name)
			}
		}
		if len(without) == 0 {
			continue
		}
		switch err := g.look(o.plan); {
		case err == nil:
		case o.document != "" && !o.partial:
			missing = append(missing, fmt.Sprintf("%s is missing for %s: %v", g.name, strings.Join(without, ", "), err))
		case !errors.Is(err, errNoJVM): // or whoever reads it has said so
			fmt.Fprintf(warnings, "bench: %s is left out of %s: %v\n", g.name, strings.Join(without, ", "), err)
		}
	}
	if missing != nil {
		return fmt.Errorf("%s is not written: %s; -partial writes it without", o.document, strings.Join(missing, "; "))
	}
	return nil
}
