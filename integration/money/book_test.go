package money

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/akaripool/akari/txn"
)

// fate is what has become of something, as callers were told.
type fate uint8

const (
	undecided fate = iota
	kept
	undone
	unknown
)

func (f fate) String() string {
	return [...]string{"undecided", "committed", "rolled back", "unknown"}[f]
}

// group is what is kept or undone together: a transaction, what was done since a
// savepoint in one, or a statement by itself.
type group struct {
	parent *group // of a savepoint: what it is in
	plan   *errandPlan
	what   string // which scope it is

	mu     sync.Mutex // guards what follows
	fate   fate       // its own: that of what is around it comes on top
	told   string     // the error
	broken string     // why it must not be kept
	marked bool       // by SetRollbackOnly of its own scope: undone without an error
	status []txn.Status
	byTxn  bool  // it is a transaction of package txn, which has a status
	first  *move // of it
}

// breaks says that the group must not be kept.
func (g *group) breaks(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken == "" {
		g.broken = why
	}
}

// overstays says that the context has ended before the function of the scope has. A
// transaction in which nothing was done does not mind.
func (g *group) overstays() {
	g.mu.Lock()
	did := g.first != nil
	g.mu.Unlock()
	if did || g.parent != nil {
		g.breaks("its context had ended")
	}
}

// done notes a transfer that has succeeded.
func (g *group) done(m *move) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.first == nil {
		g.first = m
	}
}

func (g *group) root() *group {
	for g.parent != nil {
		g = g.parent
	}
	return g
}

// end is what callers were told.
func (g *group) end(f fate, told error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fate, g.told = f, fmt.Sprint(told)
}

// whole is the fate of what was done in the group, that of all around it considered.
func (g *group) whole() fate {
	for at := g; at != nil; at = at.parent {
		if at.fate == undone || at.parent == nil {
			return at.fate
		}
	}
	return undecided
}

// move is a row that was, or was not, written.
type move struct {
	id     int64
	group  *group
	ok     bool // its statements have succeeded
	hooked bool // hooks are to tell the journal of it
	own    fate // of a statement by itself
}

// fate is what the row must be.
func (m *move) fate() fate {
	switch {
	case m.own != undecided:
		return m.own
	case !m.ok:
		return undone
	}
	return m.group.whole()
}

// book has all that was done, and what hooks have told.
type book struct {
	ids atomic.Int64

	mu      sync.Mutex // guards what follows
	moves   []*move
	groups  []*group
	wrong   []string
	journal map[int64]*entry
	tally   map[string]int
}

// entry is how often hooks have told of a move.
type entry struct{ committed, undone int }

func newBook() *book { return &book{journal: map[int64]*entry{}, tally: map[string]int{}} }

func (b *book) open(g *group) *move {
	m := &move{id: b.ids.Add(1), group: g}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moves = append(b.moves, m)
	return m
}

func (b *book) group(parent *group, plan *errandPlan, what string) *group {
	g := &group{parent: parent, plan: plan, what: what}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.groups = append(b.groups, g)
	return g
}

func (b *book) fault(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

func (b *book) faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.wrong)
}

func (b *book) count(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tally[what]++
}

// heard is what hooks call.
func (b *book) heard(id int64, committed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.journal[id]
	if e == nil {
		e = &entry{}
		b.journal[id] = e
	}
	if committed {
		e.committed++
	} else {
		e.undone++
	}
}

// audit compares the book with the rows of the table.
func (b *book) audit(there map[int64]int) {
	rows := maps.Clone(there)
	unknowns := map[*group]map[bool]int64{} // of each: whether it is there, and one that is or is not
	for _, m := range b.moves {
		n := rows[m.id]
		delete(rows, m.id)
		f := m.fate()
		least, most := 0, 0
		switch f {
		case kept:
			least, most = 1, 1
		case unknown:
			most = 1
		case undecided:
			b.fault("transfer %d: nobody was told of its end%s", m.id, m.story())
			continue
		}
		if n < least || n > most {
			b.fault("transfer %d is there %d times, and was reported as %v%s", m.id, n, f, m.story())
		}
		if f == unknown && m.own == undecided {
			if r := m.group.root(); unknowns[r] == nil {
				unknowns[r] = map[bool]int64{n > 0: m.id}
			} else {
				unknowns[r][n > 0] = m.id
			}
		}
		b.auditHooks(m, f)
	}
	for g, seen := range unknowns {
		if len(seen) > 1 {
			b.fault("a transaction whose outcome is unknown was committed in part: %d is there, %d is not\n\t%v", seen[true], seen[false], g.plan)
		}
	}
	for id, n := range rows {
		b.fault("transfer %d is there %d times, and nobody has made it", id, n)
	}
	for _, g := range b.groups {
		b.auditGroup(g)
	}
}

// auditHooks: AfterCommit was called if the row is there, AfterRollback if it is not,
// and neither if nobody knows.
func (b *book) auditHooks(m *move, f fate) {
	var got, want entry
	if e := b.journal[m.id]; e != nil {
		got = *e
	}
	if m.hooked {
		switch f {
		case kept:
			want.committed = 1
		case undone:
			want.undone = 1
		}
	}
	if got != want {
		b.fault("transfer %d (%v): AfterCommit was called %d times, AfterRollback %d times, want %d and %d%s",
			m.id, f, got.committed, got.undone, want.committed, want.undone, m.story())
	}
}

// auditGroup: what must not be kept was not, and AfterCompletion told the same as the
// scope.
func (b *book) auditGroup(g *group) {
	if g.broken != "" && g.fate == kept {
		b.fault("%s was reported as committed, and must not be: %s\n\t%v", g.what, g.broken, g.plan)
	}
	if !g.byTxn {
		return
	}
	want := map[fate]txn.Status{kept: txn.StatusCommitted, undone: txn.StatusRolledBack, unknown: txn.StatusUnknown}[g.fate]
	if len(g.status) != 1 || g.status[0] != want {
		b.fault("%s is %v (%s), and AfterCompletion said %v\n\t%v", g.what, g.fate, g.told, g.status, g.plan)
	}
}

// story is where a move comes from, and what was told of what it is in.
func (m *move) story() string {
	text := ""
	for g := m.group; g != nil; g = g.parent {
		text += fmt.Sprintf("\n\tin %s: %v, told %s", g.what, g.fate, g.told)
	}
	if m.group != nil {
		text += fmt.Sprintf("\n\t%v", m.group.plan)
	}
	return text
}

// transactions is how many transactions of package txn have ended how.
func (b *book) transactions() map[fate]int64 {
	n := map[fate]int64{}
	for _, g := range b.groups {
		if g.byTxn {
			n[g.fate]++
		}
	}
	return n
}
