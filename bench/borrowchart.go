package main

import "fmt"

// sizeChart shows what the size of a pool costs: a row of the grid that every run
// has.
func sizeChart(grid []cell) chart {
	const callers = 128
	return chart{
		name: "size", title: fmt.Sprintf("Borrow and give back, %d callers", callers),
		x: "connections in the pool", y: "ns per cycle, of all callers together",
		lines: lines(grid, func(c cell) (x int, shown bool) { return c.size, c.callers == callers }),
	}
}

// callersChart shows what callers cost.
func callersChart(grid []cell) chart {
	const size = 8
	return chart{
		name: "callers", title: fmt.Sprintf("Borrow and give back, %d connections in the pool", size),
		x: "callers", y: "ns per cycle, of all callers together",
		lines: lines(grid, func(c cell) (x int, shown bool) { return c.callers, c.size == size }),
	}
}

// lines are those of the peers through the cells that are shown.
func lines(grid []cell, at func(cell) (x int, shown bool)) []line {
	out := make([]line, len(grid[0].field))
	for i, one := range grid[0].field {
		out[i].name = one.name
	}
	for _, c := range grid {
		x, shown := at(c)
		if !shown {
			continue
		}
		for i, ns := range c.ns {
			if ns > 0 { // what has a place on a logarithmic axis
				out[i].points = append(out[i].points, point{float64(x), ns})
			}
		}
	}
	return out
}
