package load

import (
	"bytes"
	"testing"
	"time"
)

func TestProgressFitsTheTerminal(t *testing.T) {
	p := progress{elapsed: 5 * time.Second, total: 10 * time.Second, perSecond: 5667, p99: 22_500_000, errors: 3,
		pool: "AkariPool-1 - Pool stats (total=10, active=4, idle=6, waiting=0)"}
	const text = " 50%  5,667/s  p99 22.5ms  errors 3  AkariPool-1 - Pool stats (total=10, active=4, idle=6, waiting=0)"
	const frame = 3 // brackets and a space
	for _, c := range []struct {
		width int
		want  string
	}{
		{len(text) + frame + 50, "[###############---------------] " + text},
		{len(text) + frame + 12, "[######------] " + text},
		{len(text) + frame + 10, "[#####-----] " + text},
		{len(text) + frame + 9, text}, // too little room for a bar
		{len(text), text},
		{20, text[:20]},
		{0, ""},
	} {
		if got := p.redrawn(c.width); got != c.want {
			t.Errorf("width %d:\n got %q\nwant %q", c.width, got, c.want)
		}
	}
	if got, want := p.line(), "  5.0s "+text; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	p = progress{elapsed: time.Second, total: 10 * time.Second, pool: "pool"}
	if got, want := p.line(), "  1.0s  10%  warming up  pool"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	p.measuring = true
	if got, want := p.line(), "  1.0s  10%  no operation yet  pool"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

func TestNotesDoNotMixWithARedrawnLine(t *testing.T) {
	var out bytes.Buffer
	c := &Console{Out: &out}
	c.draw("one")
	c.draw("two")
	c.Note("%d things", 3)
	c.draw("three")
	c.clear()
	c.clear()
	want := "\rone\x1b[K" + "\rtwo\x1b[K" + "\r\x1b[K" + "akari load: 3 things\n" + "\rthree\x1b[K" + "\r\x1b[K"
	if out.String() != want {
		t.Errorf("got %q\nwant %q", out.String(), want)
	}
}
