package localdb

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// tail keeps the end of what a program writes and passes all of it on.
type tail struct {
	next io.Writer // may be nil

	mu      sync.Mutex
	kept    []byte // at most twice maxTail, to be cut seldom. Guarded by mu.
	written int    // bytes ever written. Guarded by mu.
}

// maxTail is larger than what any of the servers writes while it starts.
const maxTail = 64 << 10

func newTail(next io.Writer) *tail { return &tail{next: next} }

// Write never fails: a server must not stop because nobody listens.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.kept = append(t.kept, p...)
	if len(t.kept) > 2*maxTail {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-maxTail:]...)
	}
	t.written += len(p)
	t.mu.Unlock()
	if t.next != nil {
		t.next.Write(p)
	}
	return len(p), nil
}

// mark returns the place for since to begin at.
func (t *tail) mark() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written
}

// since returns what has been written after the mark, as far as it is kept.
func (t *tail) since(mark int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept[max(0, len(t.kept)-(t.written-mark)):])
}

// quote returns the last lines in the form of the end of an error's text.
func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(string(bytes.TrimSpace(t.kept)), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return "; nothing was logged"
	}
	const most = 20
	lines = lines[max(0, len(lines)-most):]
	return "; the log ends with:\n\t" + strings.Join(lines, "\n\t")
}
