package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// borrow compares borrowing and giving back: nanoseconds per cycle, of all callers
// together. Less is better; the ratio is that of the fastest other pool to akari.
func borrow(p plan) error {
	sizes, callers := []int{1, 8, 32, 1024}, []int{1, 8, 128, 1024}
	if p.full {
		sizes, callers = []int{1, 2, 8, 32, 256, 1024}, []int{1, 2, 8, 32, 128, 1024, 10000}
	}
	fmt.Fprintln(p.out, "Borrow and give back, ns per cycle; ratio: the fastest other pool to akari")
	fmt.Fprintf(p.out, "%6s %8s", "size", "callers")
	for _, peer := range peers {
		fmt.Fprintf(p.out, " %13s", peer.name)
	}
	fmt.Fprintf(p.out, " %8s\n", "ratio")
	for _, size := range sizes {
		for _, n := range callers {
			if err := p.borrowAt(size, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p plan) borrowAt(size, callers int) error {
	ctx, cancel := context.WithCancel(context.Background()) // callers' contexts can end
	defer cancel()
	times := make([][]float64, len(peers))
	var ratios []float64
	opened := make([]peer, len(peers))
	for i, candidate := range peers {
		var err error
		if opened[i], err = candidate.open(size, size, &stub{}); err != nil {
			return err
		}
		defer opened[i].close()
		if err := fill(opened[i], size); err != nil {
			return err
		}
	}
	for range p.rounds {
		best := 0.0
		var mine float64
		for i, candidate := range peers {
			ns, err := perTurn(callers, p.turn, func(int) error { return opened[i].cycle(ctx, nil) })
			if err != nil {
				return fmt.Errorf("%s: %w", candidate.name, err)
			}
			times[i] = append(times[i], ns)
			switch {
			case i == 0:
				mine = ns
			case candidate.kind == "pool" && (best == 0 || ns < best):
				best = ns
			}
		}
		ratios = append(ratios, best/mine)
	}
	fmt.Fprintf(p.out, "%6d %8d", size, callers)
	for _, t := range times {
		fmt.Fprintf(p.out, " %13.0f", median(t))
	}
	fmt.Fprintf(p.out, " %8.2f\n", median(ratios))
	return nil
}

// fill has the pool open all of its connections.
func fill(p peer, size int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var all sync.WaitGroup
	all.Add(size)
	_, err := together(size, func(int) error {
		held := false
		err := p.cycle(ctx, func() {
			held = true
			all.Done()
			all.Wait()
		})
		if !held {
			all.Done()
		}
		return err
	})
	return err
}
