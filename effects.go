package akari

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/akaripool/akari/internal/sessionstate"
)

// effects remembers, for each text of a statement, what it may do to the
// session, and whether it was seen before.
type effects struct {
	known atomic.Pointer[map[string]*statement] // copied on each change; keys are clones, so a driver or library that reuses a string's memory does no harm

	mu sync.Mutex // guards the change of known; nothing else is taken while it is held
}

// statement is what the pool knows of a text. It does not change but for seen.
type statement struct {
	effect sessionstate.Effect
	tables tableChange
	copies bool         // COPY … FROM STDIN: prepared by lib/pq in its own way
	seen   atomic.Int64 // how many times it was asked about
}

// maxStatements bounds the memory for texts. A program that writes values into
// its statements has no end of them; then nothing is gained by remembering.
const (
	maxStatements    = 4096
	maxStatementSize = 16 << 10
)

// of returns what is known about a statement, after a look at it if it is new.
func (f *effects) of(p *Pool, d Dialect, query string) *statement {
	if known := f.known.Load(); known != nil {
		if s := (*known)[query]; s != nil {
			return s
		}
	}
	s := &statement{effect: sessionstate.Classify(d.words(), query), copies: isCopy(query)}
	s.tables = tableChangeOf(d, s.effect, query)
	if changes := p.cfg.ChangesSession; s.effect == 0 && changes != nil && changes(query) {
		s.effect = sessionstate.Opaque
	}
	if len(query) <= maxStatementSize {
		return f.add(query, s)
	}
	return s
}

func (f *effects) add(query string, s *statement) *statement {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.known.Load()
	size := 0
	if old != nil {
		if there := (*old)[query]; there != nil {
			return there
		}
		size = len(*old)
	}
	if size >= maxStatements {
		size, old = 0, nil // start afresh: what is in use comes back at once
	}
	next := make(map[string]*statement, size+1)
	if old != nil {
		for k, v := range *old {
			next[k] = v
		}
	}
	next[strings.Clone(query)] = s
	f.known.Store(&next)
	return s
}

func isCopy(query string) bool {
	q := strings.TrimLeft(query, " \t\r\n(")
	return len(q) > 4 && strings.EqualFold(q[:4], "copy")
}
