package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
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
	field, leave := p.field()
	defer leave()
	fmt.Fprintln(p.out, "Borrow and give back, ns per cycle; ratio: the fastest other pool to akari;", times(p.rounds, p.turn))
	fmt.Fprintf(p.out, "%6s %8s", "size", "callers")
	for _, c := range field {
		fmt.Fprintf(p.out, "  %*s", c.column(), c.name)
	}
	fmt.Fprintf(p.out, " %8s\n", "ratio")
	var grid []cell
	for _, size := range sizes {
		for _, n := range callers {
			c, err := p.borrowAt(field, size, n)
			if err != nil {
				return err
			}
			c.print(p.out)
			grid = append(grid, c)
		}
	}
	p.draw(sizeChart(grid), callersChart(grid))
	return nil
}

// cell is what one size of pools and one number of callers have come to.
type cell struct {
	size, callers int
	field         []contender
	ns            []float64 // of each, per cycle; NaN if it was not measured
	ratio         float64
}

func (c cell) print(out io.Writer) {
	fmt.Fprintf(out, "%6d %8d", c.size, c.callers)
	for i, one := range c.field {
		fmt.Fprintf(out, "  %*s", one.column(), number(c.ns[i], 0))
	}
	fmt.Fprintf(out, " %8.2f\n", c.ratio)
}

func (p plan) borrowAt(field []contender, size, callers int) (cell, error) {
	seen := make([][]float64, len(field))
	opened := make([]subject, len(field))
	for i, candidate := range field {
		var err error
		if opened[i], err = candidate.open(size, size, &stub{}); err != nil {
			return cell{}, err
		}
		defer opened[i].close()
		if err := opened[i].fill(size); err != nil {
			return cell{}, err
		}
	}
	err := inTurns(p.rounds, len(field), func(i int) error {
		ns, err := opened[i].perTurn(callers, p.turn)
		if err != nil {
			return fmt.Errorf("%s: %w", field[i].name, err)
		}
		seen[i] = append(seen[i], ns)
		return nil
	})
	if err != nil {
		return cell{}, err
	}
	var ratios []float64
	for round, mine := range seen[0] {
		best := math.Inf(1)
		for i, candidate := range field[1:] {
			if ns := seen[i+1][round]; candidate.kind == "pool" && ns < best { // not if it is NaN
				best = ns
			}
		}
		ratios = append(ratios, best/mine)
	}
	c := cell{size: size, callers: callers, field: field, ratio: median(ratios)}
	for _, ns := range seen {
		c.ns = append(c.ns, median(ns))
	}
	return c, nil
}

// number is a number of a table, or a dash if there is none.
func number(n float64, decimals int) string {
	if math.IsNaN(n) {
		return "–"
	}
	return strconv.FormatFloat(n, 'f', decimals, 64)
}

// column is how wide the column of a contender is.
func (c contender) column() int { return max(len(c.name), 7) }

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
