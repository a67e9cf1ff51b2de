package main

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// A chart shows its row of the grid, and a peer without figures has no line.
func TestChartShowsItsRow(t *testing.T) {
	field, none := []contender{{name: "quick"}, {name: "brisk"}, {name: "absent"}}, math.NaN()
	grid := []cell{
		{size: 8, callers: 1, field: field, ns: []float64{10, 20, none}},
		{size: 8, callers: 128, field: field, ns: []float64{11, 0, none}},
		{size: 32, callers: 128, field: field, ns: []float64{12, 22, none}},
	}
	for _, c := range []struct {
		chart chart
		want  [][]point
	}{
		{callersChart(grid), [][]point{{{1, 10}, {128, 11}}, {{1, 20}}}},
		{sizeChart(grid), [][]point{{{8, 11}, {32, 12}}, {{32, 22}}}},
	} {
		for i, want := range c.want {
			if got := c.chart.lines[i].points; !slices.Equal(got, want) {
				t.Errorf("%s, %s: %v, wanted %v", c.chart.name, c.chart.lines[i].name, got, want)
			}
		}
		svg, err := c.chart.svg()
		if err != nil {
			t.Fatal(err)
		}
		if text := wellFormed(t, svg); !strings.Contains(text, "brisk") || strings.Contains(text, "absent") {
			t.Errorf("%s does not show just the peers that have figures: %s", c.chart.name, text)
		}
	}
}
