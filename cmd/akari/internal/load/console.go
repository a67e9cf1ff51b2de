package load

import (
	"fmt"
	"io"
	"sync"
)

// Console is where a run tells how it goes. What it has found out goes
// elsewhere, so that it can be piped on.
type Console struct {
	Out io.Writer

	// Width of the terminal, in characters. Nil, or 0, where there is no
	// terminal on which a line could be redrawn.
	Width func() int

	AtOnce *AtOnce // nil: nothing

	mu    sync.Mutex // guards what follows, and the order of what is written; nothing else is taken while it is held
	drawn bool       // the cursor stands behind a line that can be redrawn
}

// Note writes a line.
func (c *Console) Note(format string, args ...any) {
	fmt.Fprintf(c, "akari load: "+format+"\n", args...)
}

// Write writes whole lines, for a logger. It never fails: a load does not end
// because nobody watches it.
func (c *Console) Write(lines []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erase()
	_, _ = c.Out.Write(lines)
	return len(lines), nil
}

// draw shows a line in place of the one drawn last.
func (c *Console) draw(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.Out, "\r%s\x1b[K", line)
	c.drawn = true
}

// clear removes the line drawn last.
func (c *Console) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erase()
}

func (c *Console) erase() {
	if c.drawn {
		fmt.Fprint(c.Out, "\r\x1b[K")
		c.drawn = false
	}
}

// width is that of the terminal, 0 if there is none.
func (c *Console) width() int {
	if c.Width == nil {
		return 0
	}
	return c.Width()
}
