package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// subject is a pool that is measured. Crowds use it in this process (here), or
// where it lives (jvmPool).
type subject interface {
	// fill has the pool open n connections, if it has not.
	fill(n int) error
	// perTurn is what borrowing and giving back takes, as perTurn has it; NaN if so
	// many callers are too many for it.
	perTurn(callers int, turn time.Duration) (float64, error)
	// waits has callers come back for connections that they keep while hold runs,
	// which is known elsewhere by the name of the load.
	waits(callers int, turn time.Duration, load string, hold func()) (waited, error)
	// rush has callers come once, all at the same time. It returns how long it took
	// until the last was done.
	rush(callers int, hold time.Duration) (time.Duration, error)
	close()
}

// contender opens subjects, as a peer opens pools.
type contender struct {
	name, kind string
	open       func(size, warm int, s *stub) (subject, error)
}

// field is who takes part: the peers, and HikariCP after the other pools, if it is
// wanted and there is one. leave ends what it started.
func (p plan) field() (all []contender, leave func()) {
	for _, each := range peers {
		all = append(all, contender{each.name, each.kind, func(size, warm int, s *stub) (subject, error) {
			opened, err := each.open(size, warm, s)
			return here{opened}, err
		}})
	}
	if !p.jvm {
		fmt.Fprintf(p.out, "HikariCP is left out: %v\n", errNoJVM)
		return all, func() {}
	}
	j, err := startHikari()
	if err != nil {
		fmt.Fprintf(p.out, "HikariCP is left out: %v\n", err)
		return all, func() {}
	}
	fmt.Fprintln(p.out, j.versions)
	blocks := slices.IndexFunc(all, func(c contender) bool { return c.kind != "pool" })
	return slices.Insert(all, blocks, contender{"HikariCP", "pool", j.open}), j.stop
}

// here is a pool of this process.
type here struct{ peer }

func (h here) fill(n int) error { return fill(h.peer, n) }

func (h here) perTurn(callers int, turn time.Duration) (float64, error) {
	ctx, cancel := context.WithCancel(context.Background()) // callers' contexts can end
	defer cancel()
	return perTurn(callers, turn, func(int) error { return h.cycle(ctx, nil) })
}

func (h here) waits(callers int, turn time.Duration, _ string, hold func()) (waited, error) {
	return waits(h.peer, callers, turn, hold)
}

func (h here) rush(callers int, hold time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return together(callers, func(int) error {
		return h.cycle(ctx, func() { time.Sleep(hold) })
	})
}
