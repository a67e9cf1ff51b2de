package akari

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/akaripool/akari/internal/sessionstate"
)

// effects remembers, for each text of a statement, what it may do to the
// session, and whether it was seen before. In two generations: when the younger
// one is full it becomes the older, and what is in use comes back from there.
type effects struct {
	young, old atomic.Pointer[sync.Map] // of string to *statement; keys are clones, so a driver or library that reuses a string's memory does no harm

	mu   sync.Mutex // guards what follows and the change of young and old; nothing else is taken while it is held
	size int        // of young, in texts
	room int        // in young, in bytes
}

// statement is what the pool knows of a text. It does not change but for seen.
type statement struct {
	query  string // the text, in memory of its own; empty if it is too long to be kept
	effect sessionstate.Effect
	change change
	endsTx bool

	// demarcates: it begins or ends a transaction, and in a scope of package txn
	// is refused.
	demarcates bool

	undoes bool         // ROLLBACK, also to a savepoint
	copies bool         // COPY … FROM STDIN: prepared by lib/pq in its own way
	seen   atomic.Int64 // how many times it was asked about
}

// maxStatements bounds the memory for texts. A program that writes values into
// its statements has no end of them; then nothing is gained by remembering.
const (
	maxStatements     = 4096    // in a generation
	maxStatementBytes = 4 << 20 // in a generation
	maxStatementSize  = 16 << 10
)

// of returns what is known about a statement, after a look at it if it is new.
func (f *effects) of(p *Pool, d Dialect, query string) *statement {
	if s := find(f.young.Load(), query); s != nil {
		return s
	}
	s := find(f.old.Load(), query)
	if s == nil {
		s = p.lookAt(d, query)
	}
	if len(query) > maxStatementSize {
		return s
	}
	if s.query == "" {
		s.query = strings.Clone(query)
	}
	return f.add(s)
}

func find(m *sync.Map, query string) *statement {
	if m == nil {
		return nil
	}
	s, _ := m.Load(query)
	found, _ := s.(*statement)
	return found
}

func (f *effects) add(s *statement) *statement {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.young.Load() == nil || f.size >= maxStatements || f.room < len(s.query) {
		f.old.Store(f.young.Load())
		f.young.Store(new(sync.Map))
		f.size, f.room = 0, maxStatementBytes
	}
	there, loaded := f.young.Load().LoadOrStore(s.query, s)
	if !loaded {
		f.size++
		f.room -= len(s.query)
	}
	return there.(*statement)
}

// lookAt classifies a text.
func (p *Pool) lookAt(d Dialect, query string) *statement {
	s := &statement{effect: sessionstate.Classify(d.words(), query), copies: isCopy(query)}
	if s.effect&sessionstate.Lasting == 0 && p.asksToChange(query) {
		s.effect |= sessionstate.Opaque
	}
	s.change = changeOf(d, s.effect, query)
	s.endsTx = endsTx(d, s.effect, query)
	s.demarcates = demarcates(s.effect, query)
	s.undoes = undoes(query)
	return s
}

// asksToChange asks Config.ChangesSession. If it panics the answer is yes.
func (p *Pool) asksToChange(query string) (yes bool) {
	f := p.cfg.ChangesSession
	if f == nil {
		return false
	}
	defer func() {
		if r := recover(); r != nil {
			p.log(slog.LevelError, fmt.Sprintf("Config.ChangesSession panicked: %v", r))
			yes = true
		}
	}()
	return f(query)
}

func isCopy(query string) bool {
	q := strings.TrimLeft(query, " \t\r\n(")
	return len(q) > 4 && strings.EqualFold(q[:4], "copy")
}
