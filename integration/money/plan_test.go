package money

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/akaripool/akari/txn"
)

// role is what a scope is to its transaction. A plan knows it beforehand.
type role uint8

const (
	outside role = iota // in no transaction
	owner               // it begins one
	nested              // it sets a savepoint
	joined              // it is a part of what is around it
	refused             // it must not be entered
)

// ending is how the function of a scope ends if nothing has failed.
type ending uint8

const (
	succeeds ending = iota
	fails           // with an error
	keeps           // with an error that commits, by CommitOn
	panics          // through as many scopes as levels says
	exits           // by runtime.Goexit, through all scopes of its goroutine
	lingers         // until its context has ended, and says nothing
)

// door is how a scope is opened.
type door uint8

const (
	byDo door = iota
	byGet
	byBegin
)

// node is a scope.
type node struct {
	propagation txn.Propagation
	role        role
	door        door
	isolation   sql.IsolationLevel
	readOnly    bool
	timeout     time.Duration
	patience    time.Duration // CommitTimeout
	retry       *txn.Retry
	soft        bool // SoftJoin
	early       bool // FailEarly
	eager       bool
	joinBegin   bool
	leaves      time.Duration // its context is cancelled after this time
	swallowed   bool          // its error is not passed on by what is around it
	before      hookKind      // BeforeCommit
	work        step          // what it does
	after       hookKind      // AfterCommit
	then        *node         // what AfterCommit does
	steps       []step
	end         ending
	levels      int
}

// hookKind is what a hook does.
type hookKind uint8

const (
	hookNone hookKind = iota
	hookFails
	hookPanics
	hookWorks // BeforeCommit: a transfer; AfterCommit: a transaction
)

// action is what a step does.
type action uint8

const (
	transfers  action = iota // between two accounts, by three statements
	notes                    // a transfer that changes no balance, by one statement
	looks                    // at the sum
	enters                   // a scope
	begins                   // a transaction of database/sql's
	connects                 // uses a sql.Conn
	parts                    // several goroutines
	trails                   // a goroutine that outlives the scope
	detaches                 // a goroutine that may outlive it, by Detach
	escapes                  // a statement with a context that knows nothing of the scope
	marks                    // SetRollbackOnly, of this scope
	marksOuter               // of the one around it
	pauses
)

// step is one thing that the function of a scope does.
type step struct {
	do       action
	src, dst int
	amount   int
	order    [3]int        // of a transfer's statements
	literal  bool          // values are in the text
	computed bool          // balances are read and written; else the server adds
	stubborn bool          // goes on after errors that must have ended the transaction
	hooked   bool          // AfterCommit and AfterRollback tell the journal
	within   time.Duration // deadline of the statements, 0: none
	takes    time.Duration
	undone   bool // a transaction of database/sql's is rolled back
	joins    bool // it is a part of the scope's, by JoinBegin
	scope    *node
	branches [][]step
}

// around is what a plan's scopes and steps know of where they are.
type around struct {
	inTx      bool
	isolation sql.IsolationLevel
	readOnly  bool
	joinBegin bool
	parallel  bool
	after     bool // in a hook
	depth     int
	role      role
	foreign   [accounts]bool  // accounts that the transactions around may have locked
	touched   *[accounts]bool // these, and the transaction's own
}

// planner makes plans.
type planner struct{ *rand.Rand }

// plan is the plan of one task: what it does is decided by the seed, the number of
// the worker, and that of the task.
func plan(seed, worker, task uint64) *errandPlan {
	p := planner{rand.New(rand.NewPCG(seed, worker<<32|task))}
	a := around{touched: new([accounts]bool)}
	e := &errandPlan{worker: worker, task: task, bind: p.chance(8)}
	e.hold = e.bind && p.chance(50)
	n := 1
	if e.bind {
		n = 1 + p.IntN(3)
		if p.chance(40) {
			e.steps = append(e.steps, p.note())
		}
	}
	for range n {
		e.steps = append(e.steps, step{do: enters, scope: p.node(a)})
	}
	if p.chance(6) {
		e.steps = append(e.steps, p.begin(a))
	}
	return e
}

// errandPlan is what a task does.
type errandPlan struct {
	worker, task uint64
	bind, hold   bool
	steps        []step
}

func (p planner) chance(percent int) bool { return p.IntN(100) < percent }

func (p planner) upTo(d time.Duration) time.Duration { return time.Duration(p.Int64N(int64(d))) + 1 }

// pick is one of several, each with a weight.
func pick[T any](p planner, weights []int, values ...T) T {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	n := p.IntN(sum)
	for i, w := range weights {
		if n -= w; n < 0 {
			return values[i]
		}
	}
	panic("no weight")
}

func (p planner) node(a around) *node {
	weights := []int{30, 18, 30, 8, 6, 8, 4}
	if !a.inTx {
		weights = []int{60, 10, 10, 4, 4, 2, 4}
	}
	n := &node{
		propagation: pick(p, weights, txn.Required, txn.RequiresNew, txn.Nested, txn.Supports, txn.NotSupported, txn.Mandatory, txn.Never),
		door:        pick(p, []int{60, 20, 20}, byDo, byGet, byBegin),
		early:       p.chance(10),
		swallowed:   p.chance(60),
		levels:      p.IntN(3),
	}
	n.role = roleOf(n.propagation, a.inTx)
	n.end = pick(p, []int{74, 10, 4, 5, 3, 4}, succeeds, fails, keeps, panics, exits, lingers)
	if a.parallel || a.after {
		n.levels = 0 // it must not leave its goroutine, or be taken for a hook's
	}
	if a.after && n.end == exits {
		n.end = fails
	}
	if n.end == keeps {
		n.door = byGet
	}
	if p.chance(12) {
		n.timeout = p.upTo(300 * time.Millisecond)
	}
	if p.chance(8) {
		n.leaves = p.upTo(200 * time.Millisecond)
	}
	if n.end == lingers {
		n.leaves, n.swallowed = p.upTo(30*time.Millisecond), true
	}
	in := a
	in.depth++
	in.role = n.role
	switch n.role {
	case owner:
		p.own(n, &in)
	case joined:
		n.soft = p.chance(20)
	case outside:
		in = around{depth: in.depth, parallel: in.parallel, after: in.after, role: outside, touched: in.touched}
	}
	switch n.role {
	case joined, nested:
		n.readOnly = a.readOnly
	case refused:
		return n
	default:
	}
	p.hooks(n, &in)
	n.steps = p.steps(in, 1+p.IntN(4))
	return n
}

func roleOf(p txn.Propagation, inTx bool) role {
	switch {
	case p == txn.RequiresNew, !inTx && (p == txn.Required || p == txn.Nested):
		return owner
	case p == txn.NotSupported, !inTx && (p == txn.Supports || p == txn.Never):
		return outside
	case p == txn.Never, !inTx:
		return refused
	case p == txn.Nested:
		return nested
	}
	return joined
}

// own decides what only those who begin a transaction do. One that is beside another
// leaves the other's accounts alone, or has a time.
func (p planner) own(n *node, in *around) {
	n.isolation = pick(p, []int{65, 25, 10}, sql.LevelDefault, sql.LevelSerializable, sql.LevelRepeatableRead)
	n.readOnly = p.chance(5)
	n.eager = p.chance(10)
	n.joinBegin = p.chance(20)
	if p.chance(15) {
		n.patience = p.upTo(40*time.Millisecond) + time.Millisecond
	}
	if n.door != byBegin && p.chance(40) {
		n.retry = &txn.Retry{Attempts: 2 + p.IntN(4), Base: time.Millisecond, Max: 10 * time.Millisecond, ConnectionLost: p.chance(50)}
	}
	foreign := *in.touched
	if foreign != [accounts]bool{} && (p.chance(15) || most(foreign)) {
		foreign = [accounts]bool{}
		n.timeout = p.upTo(150 * time.Millisecond)
	}
	touched := *in.touched
	*in = around{
		inTx: true, isolation: n.isolation, readOnly: n.readOnly, joinBegin: n.joinBegin,
		parallel: in.parallel, after: in.after, depth: in.depth, role: owner, foreign: foreign, touched: &touched,
	}
}

// most reports whether so many accounts are taken that there are not two others.
func most(taken [accounts]bool) bool {
	n := 0
	for _, t := range taken {
		if t {
			n++
		}
	}
	return n > accounts-2
}

func (p planner) hooks(n *node, in *around) {
	if !in.inTx || in.after {
		return
	}
	if p.chance(10) {
		n.before = pick(p, []int{20, 10, 70}, hookFails, hookPanics, hookWorks)
		n.work = p.transfer(*in)
		if in.readOnly {
			n.before = hookNone
		}
	}
	if p.chance(12) {
		n.after = pick(p, []int{30, 20, 50}, hookFails, hookPanics, hookWorks)
		if n.after == hookWorks {
			n.then = p.node(around{after: true, depth: 1, touched: new([accounts]bool)})
		}
	}
}

func (p planner) steps(a around, n int) []step {
	var all []step
	for range n {
		all = append(all, p.step(a))
	}
	return all
}

func (p planner) step(a around) step {
	switch {
	case a.inTx && !a.readOnly:
		w := []int{40, 4, 20, 6, 3, 6, 7, 2, 1, 2, 2, 5}
		if a.depth >= 5 {
			w[2], w[5] = 0, 0
		}
		if a.parallel {
			w[5], w[4] = 0, 0
		}
		switch do := pick(p, w, transfers, notes, enters, begins, connects, parts, trails, detaches, escapes, marks, marksOuter, pauses); do {
		case transfers:
			return p.transfer(a)
		case notes, trails, detaches, escapes:
			s := p.note()
			s.do = do
			return s
		case begins:
			return p.begin(a)
		case connects:
			return step{do: connects, branches: [][]step{p.plain(a)}}
		case parts:
			return p.parts(a)
		case enters:
			return step{do: enters, scope: p.node(a)}
		case pauses:
			return step{do: pauses, takes: p.upTo(8 * time.Millisecond)}
		default:
			return step{do: do}
		}
	case a.depth < 5:
		switch do := pick(p, []int{30, 30, 30}, looks, enters, notes); {
		case do == enters:
			return step{do: enters, scope: p.node(a)}
		case do == notes && !a.readOnly:
			return p.note()
		}
	}
	return step{do: looks}
}

func (p planner) note() step {
	account := p.IntN(accounts)
	return step{do: notes, src: account, dst: account, amount: 1, literal: p.chance(50)}
}

func (p planner) transfer(a around) step {
	s := step{do: transfers, amount: 1 + p.IntN(50), literal: p.chance(30), stubborn: p.chance(30), hooked: p.chance(70)}
	s.src = p.account(a.foreign, -1)
	s.dst = p.account(a.foreign, s.src)
	a.touched[s.src], a.touched[s.dst] = true, true
	copy(s.order[:], p.Perm(3))
	if s.computed = a.isolation == sql.LevelSerializable && !a.parallel && p.chance(60); s.computed {
		s.stubborn = false
	}
	if p.chance(4) {
		s.within = p.upTo(15 * time.Millisecond)
	}
	return s
}

// account is one that the transactions around have not locked: nobody would end them
// while this one waits.
func (p planner) account(foreign [accounts]bool, but int) int {
	for {
		if n := p.IntN(accounts); n != but && !foreign[n] {
			return n
		}
	}
}

// plain is some transfers.
func (p planner) plain(a around) []step {
	var all []step
	for range 1 + p.IntN(2) {
		s := p.transfer(a)
		s.hooked = false
		all = append(all, s)
	}
	return all
}

func (p planner) begin(a around) step {
	s := step{do: begins, undone: p.chance(30), joins: a.inTx && a.joinBegin}
	s.branches = [][]step{p.plain(a)}
	for i := range s.branches[0] {
		s.branches[0][i].stubborn = s.branches[0][i].stubborn && a.inTx // MySQL goes on by itself
	}
	if p.chance(30) {
		s.within = p.upTo(8 * time.Millisecond)
	}
	return s
}

// parts are goroutines: some that transfer, or some with scopes of their own.
func (p planner) parts(a around) step {
	s := step{do: parts}
	a.parallel = true
	scopes, both := p.chance(50), p.chance(20)
	for i := range 2 + p.IntN(3) {
		if scopes || both && i == 0 {
			n := p.node(a)
			n.swallowed = true
			s.branches = append(s.branches, []step{{do: enters, scope: n}})
			continue
		}
		s.branches = append(s.branches, p.plain(a))
	}
	return s
}

// String is the plan, for reports.
func (e *errandPlan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "worker %d, task %d:", e.worker, e.task)
	if e.bind {
		fmt.Fprintf(&b, " bind(hold=%v)", e.hold)
	}
	tell(&b, e.steps)
	return b.String()
}

func tell(b *strings.Builder, steps []step) {
	for i := range steps {
		b.WriteString(" ")
		steps[i].tell(b)
	}
}

func (s *step) tell(b *strings.Builder) {
	switch s.do {
	case enters:
		s.scope.tell(b)
		return
	case transfers:
		fmt.Fprintf(b, "%d→%d", s.src, s.dst)
	default:
		b.WriteString([...]string{"transfer", "note", "look", "scope", "begin", "conn", "parts", "trail", "detach", "escape", "mark", "mark-outer", "pause"}[s.do])
	}
	for _, f := range []struct {
		is   bool
		text string
	}{
		{s.computed, "="}, {s.stubborn, "!"}, {s.undone, " rolled back"}, {s.joins, " joins"}, {s.within > 0, " within " + s.within.String()},
	} {
		if f.is {
			b.WriteString(f.text)
		}
	}
	for _, branch := range s.branches {
		b.WriteString("[")
		tell(b, branch)
		b.WriteString(" ]")
	}
}

func (n *node) tell(b *strings.Builder) {
	b.WriteString(n.propagation.String())
	for _, f := range []struct {
		is   bool
		text string
	}{
		{n.door == byGet, "Get"}, {n.door == byBegin, "Begin"}, {n.isolation != 0, n.isolation.String()}, {n.readOnly, "ReadOnly"},
		{n.timeout > 0, "Timeout " + n.timeout.String()}, {n.patience > 0, "CommitTimeout " + n.patience.String()}, {n.retry != nil, "Retry"},
		{n.soft, "SoftJoin"}, {n.early, "FailEarly"}, {n.eager, "Eager"}, {n.joinBegin, "JoinBegin"}, {n.leaves > 0, "cancelled after " + n.leaves.String()},
		{n.before != hookNone, "BeforeCommit " + n.before.String()}, {n.after != hookNone, "AfterCommit " + n.after.String()},
	} {
		if f.is {
			b.WriteString("," + f.text)
		}
	}
	b.WriteString("{")
	tell(b, n.steps)
	if n.end != succeeds {
		fmt.Fprintf(b, " %v", n.end)
	}
	if n.end == panics {
		fmt.Fprintf(b, "×%d", n.levels+1)
	}
	b.WriteString(" }")
	if n.then != nil {
		b.WriteString("then ")
		n.then.tell(b)
	}
	if n.swallowed {
		b.WriteString("~")
	}
}

func (e ending) String() string {
	return [...]string{"succeeds", "fails", "fails and commits", "panics", "exits", "lingers"}[e]
}

func (h hookKind) String() string { return [...]string{"none", "fails", "panics", "works"}[h] }
