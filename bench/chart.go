package main

import (
	"bytes"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chart is a diagram of lines, with both axes logarithmic.
type chart struct {
	name        string // of its file
	title, x, y string
	lines       []line
}

type line struct {
	name   string
	points []point
}

type point struct{ x, y float64 }

// svg draws the chart on white, which can be read on a page of any colour.
func (c chart) svg() ([]byte, error) {
	sans := font.Font{Typeface: "Liberation", Variant: "Sans"}
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.title, c.x, c.y
	p.Title.Padding = vg.Points(4)
	p.X.Padding, p.Y.Padding = 0, 0
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks(c.ticks()), plot.LogTicks{Prec: -1}
	for style, size := range map[*font.Font]vg.Length{
		&p.Title.TextStyle.Font: 13, &p.X.Label.TextStyle.Font: 11, &p.Y.Label.TextStyle.Font: 11,
		&p.X.Tick.Label.Font: 10, &p.Y.Tick.Label.Font: 10,
	} {
		*style = font.From(sans, size)
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{Y: 225}, color.Gray{Y: 225}
	p.Add(grid)

	legend := plot.NewLegend()
	legend.TextStyle.Font = font.From(sans, 11)
	legend.Top, legend.Left, legend.Padding = true, true, vg.Points(4)
	for i, l := range c.lines {
		if len(l.points) == 0 {
			continue // a log scale has no place for nothing
		}
		var through plotter.XYs
		for _, at := range l.points {
			through = append(through, plotter.XY{X: at.x, Y: at.y})
		}
		drawn, marks, err := plotter.NewLinePoints(through)
		if err != nil {
			return nil, err
		}
		drawn.Color, marks.Color, marks.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		drawn.Width, marks.Radius = vg.Points(1.5), vg.Points(3)
		if i == 0 {
			drawn.Width = vg.Points(3) // the one that it is about
		}
		p.Add(drawn, marks)
		legend.Add(l.name, drawn, marks)
	}
	p.Y.Min, p.Y.Max = math.Pow10(int(math.Floor(math.Log10(p.Y.Min)))), math.Pow10(int(math.Ceil(math.Log10(p.Y.Max))))

	const width, height, aside = 640, 380, 110
	canvas := vgsvg.New(width, height)
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Rectangle.Path())
	p.Draw(draw.Crop(whole, 8, -aside, 8, -8))
	legend.Draw(draw.Crop(whole, width-aside+8, 0, 0, -36))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, err
	}
	// Arial's letters are as wide as those of Liberation Sans, which few have.
	return bytes.ReplaceAll(out.Bytes(), []byte("font-family:Liberation Sans;"),
		[]byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;")), nil
}

// ticks are at what was measured.
func (c chart) ticks() []plot.Tick {
	var at []float64
	for _, l := range c.lines {
		for _, p := range l.points {
			at = append(at, p.x)
		}
	}
	slices.Sort(at)
	var out []plot.Tick
	for _, x := range slices.Compact(at) {
		out = append(out, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'f', -1, 64)})
	}
	return out
}
