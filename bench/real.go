package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// realSize is how many connections each pool has here.
const realSize = 8

// realDatabases compares reads of one row by its primary key from databases that
// are started for it. The first contestant of each database is akari; the ratios
// are akari's to each of the others, above 1 where akari does better.
//
// Clients and server share the processors: most of a read is the work of the
// driver and of the server, which is the same for all.
func realDatabases(p plan) error {
	callers := []int{8, 128}
	if p.full {
		callers = []int{8, 32, 128, 256}
	}
	fmt.Fprintf(p.out, "Reads of one row by its primary key, %d connections, the server on the same processors; milliseconds with the wait; %s\n", realSize, times(p.rounds, 3*p.turn))
	fmt.Fprintf(p.out, "%-40s %8s %8s %8s %8s %14s %10s\n", "", "callers", "reads/s", "p50", "p99", "ratio: reads/s", "p99")
	for _, kind := range []localdb.Kind{localdb.Postgres, localdb.MariaDB} {
		if err := p.realServer(kind, callers); err != nil {
			return err
		}
	}
	return nil
}

// realServer compares the contestants on one server, which lives as long.
func (p plan) realServer(kind localdb.Kind, callers []int) error {
	ctx := context.Background()
	server, err := startTable(ctx, kind)
	var missing *localdb.NotInstalledError
	switch {
	case errors.As(err, &missing), errors.Is(err, errors.ErrUnsupported):
		fmt.Fprintf(p.out, "%v is left out: %v\n", kind, err)
		return nil
	case err != nil:
		return err
	}
	for _, t := range targets {
		if t.kind != kind {
			continue
		}
		if err := p.readAll(ctx, t, server, callers); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", t.name, err), server.Close())
		}
	}
	return server.Close()
}

// readAll has the contestants of a target read in turns, and prints what they did.
func (p plan) readAll(ctx context.Context, t target, server *localdb.Server, callers []int) error {
	fmt.Fprintln(p.out, t.name)
	opened := make([]reader, len(t.contestants))
	for i, c := range t.contestants {
		var err error
		if opened[i], err = c.open(ctx, t, t.dsn(server)); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		defer opened[i].close()
	}
	for _, n := range callers {
		did := make([][]readTurn, len(opened))
		err := inTurns(p.rounds, len(opened), func(i int) error {
			if _, err := readFor(ctx, opened[i], n, p.turn/2); err != nil { // to warm up
				return fmt.Errorf("%s: %w", t.contestants[i].name, err)
			}
			turn, err := readFor(ctx, opened[i], n, 3*p.turn)
			if err != nil {
				return fmt.Errorf("%s: %w", t.contestants[i].name, err)
			}
			did[i] = append(did[i], turn)
			return nil
		})
		if err != nil {
			return err
		}
		p.showReads(t, n, did)
	}
	return nil
}

// showReads prints a line for each contestant of a target, with what it did in
// each round.
func (p plan) showReads(t target, callers int, did [][]readTurn) {
	for i, c := range t.contestants {
		fmt.Fprintf(p.out, "  %-38s %8d %8.0f %8.2f %8.2f", c.name, callers,
			of(did[i], readTurn.rate), of(did[i], readTurn.p50), of(did[i], readTurn.p99))
		if i > 0 {
			var rates, tails []float64
			for round, mine := range did[0] {
				its := did[i][round]
				rates, tails = append(rates, mine.rate()/its.rate()), append(tails, its.p99()/mine.p99())
			}
			fmt.Fprintf(p.out, " %14.2f %10.2f", median(rates), median(tails))
		}
		fmt.Fprintln(p.out)
	}
}

// readTurn is what callers have read in a turn.
type readTurn struct {
	took  time.Duration
	waits []time.Duration // of each read, sorted, from asking to having the row
}

func (r readTurn) rate() float64 { return float64(len(r.waits)) / r.took.Seconds() }
func (r readTurn) p50() float64  { return ms(r.waits, 0.5) }
func (r readTurn) p99() float64  { return ms(r.waits, 0.99) }

// of is the median of a figure of several turns.
func of(turns []readTurn, figure func(readTurn) float64) float64 {
	var all []float64
	for _, t := range turns {
		all = append(all, figure(t))
	}
	return median(all)
}

// readFor has callers read rows at random for a while. A row that is not the one
// asked for is an error.
func readFor(ctx context.Context, r reader, callers int, turn time.Duration) (readTurn, error) {
	each := make([][]time.Duration, callers)
	began := time.Now()
	_, _, err := crowd(callers, turn, func(caller int) error {
		its, cancel := context.WithCancel(ctx) // one that can end, as requests have
		defer cancel()
		want := table[rand.IntN(len(table))]
		asked := time.Now()
		got, err := r.read(its, want.id)
		each[caller] = append(each[caller], time.Since(asked))
		if err == nil && got != want {
			err = fmt.Errorf("asked for %+v, got %+v", want, got)
		}
		return err
	})
	did := readTurn{took: time.Since(began), waits: slices.Concat(each...)} // with what was under way at the end, and its time
	slices.Sort(did.waits)
	return did, err
}
