package transactions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/txn"
)

// act is something that a function of a scope does.
type act struct {
	kind  string // insert, duplicate, mark, begin or scope
	id    int
	pass  bool // its error is the function's
	inner *plan
	keep  bool // begin: commits
}

// plan is a scope, and what its function does.
type plan struct {
	p           txn.Propagation
	soft, early bool
	acts        []act
	fails       bool
	panics      bool
}

func (p *plan) String() string {
	var b strings.Builder
	p.write(&b, "")
	return b.String()
}

func (p *plan) write(b *strings.Builder, in string) {
	fmt.Fprintf(b, "%s%v soft=%t early=%t fails=%t panics=%t\n", in, p.p, p.soft, p.early, p.fails, p.panics)
	for _, a := range p.acts {
		fmt.Fprintf(b, "%s  %s %d pass=%t keep=%t\n", in, a.kind, a.id, a.pass, a.keep)
		if a.inner != nil {
			a.inner.write(b, in+"    ")
		}
	}
}

func invent(r *rand.Rand, depth int, next *int, begun bool) *plan {
	p := &plan{p: txn.Propagation(r.IntN(7)), soft: r.IntN(6) == 0, early: r.IntN(6) == 0, fails: r.IntN(4) == 0, panics: r.IntN(12) == 0}
	if r.IntN(3) == 0 {
		p.p = txn.Nested
	}
	for range r.IntN(4) {
		a := act{pass: r.IntN(3) == 0, keep: r.IntN(3) > 0}
		switch n := r.IntN(12); {
		case n < 4:
			a.kind, a.id = "insert", *next
			*next++
		case n == 4:
			a.kind = "duplicate"
		case n == 5:
			a.kind = "mark"
		case n == 7 && depth > 1:
			a.kind, a.pass = "above", false
		case n == 6 && !begun:
			a.kind, a.id = "begin", *next
			*next++
		case depth < 5:
			a.kind, a.inner = "scope", invent(r, depth+1, next, begun)
		default:
			continue
		}
		p.acts = append(p.acts, a)
	}
	return p
}

// What the model knows.

// level is a transaction or a savepoint in it.
type level struct {
	ids            []int
	hooks          []int
	marked, failed bool
}

// mtx is a transaction of the model.
type mtx struct {
	levels []*level
	undone []int
}

func (t *mtx) top() *level { return t.levels[len(t.levels)-1] }
func (t *mtx) failed() bool {
	return slices.ContainsFunc(t.levels, func(l *level) bool { return l.failed })
}
func (t *mtx) doomed() bool {
	return slices.ContainsFunc(t.levels, func(l *level) bool { return l.failed || l.marked })
}

// pop ends the innermost savepoint; false if what was done since is undone.
func (t *mtx) pop(keep bool) bool {
	l := t.top()
	t.levels = t.levels[:len(t.levels)-1]
	if keep && !l.failed && !l.marked {
		t.top().ids = append(t.top().ids, l.ids...)
		t.top().hooks = append(t.top().hooks, l.hooks...)
		return true
	}
	t.undone = append(t.undone, l.hooks...)
	return false
}

// model says how scopes end.
type model struct {
	aborts         bool
	there          []int
	called, undone []int
}

func (m *model) insert(t *mtx, id int) string {
	if t == nil {
		m.there = append(m.there, id)
		return ""
	}
	if t.failed() {
		return "other"
	}
	t.top().ids = append(t.top().ids, id)
	return ""
}

func (m *model) run(p *plan, t *mtx) string {
	owner, nested, joined := false, false, false
	switch p.p {
	case txn.Required, txn.Supports, txn.Mandatory:
		joined = t != nil
		owner = t == nil && p.p == txn.Required
		if t == nil && p.p == txn.Mandatory {
			return "no tx"
		}
	case txn.RequiresNew:
		owner = true
	case txn.Nested:
		owner, nested = t == nil, t != nil
	case txn.NotSupported:
		t = nil
	case txn.Never:
		if t != nil {
			return "exists"
		}
	}
	if owner {
		t = &mtx{levels: []*level{{}}}
	}
	if nested {
		if t.doomed() {
			return "unexpected"
		}
		t.levels = append(t.levels, &level{})
	}
	mark := false
	result := func() string {
		for _, a := range p.acts {
			got := ""
			switch a.kind {
			case "insert":
				if got = m.insert(t, a.id); t != nil && got == "" {
					t.top().hooks = append(t.top().hooks, a.id)
				}
			case "above":
				if t == nil {
					break
				}
				t.levels[0].marked = true
			case "duplicate":
				got = "other"
				if t != nil && m.aborts && !t.failed() {
					t.top().failed = true
				}
			case "mark":
				switch {
				case t == nil:
					got = "no tx"
				case joined:
					t.top().marked = true
				default:
					mark = true
				}
			case "begin":
				if t == nil {
					if a.keep {
						m.there = append(m.there, a.id)
					}
					break
				}
				if t.failed() {
					got = "unexpected"
					break
				}
				t.levels = append(t.levels, &level{})
				m.insert(t, a.id)
				t.pop(a.keep)
			case "scope":
				got = m.run(a.inner, t)
				if got == "panic" {
					got = "" // recovered
				}
			}
			if got != "" && a.pass {
				return got
			}
		}
		switch {
		case p.panics:
			return "panic"
		case p.fails:
			return "boom"
		}
		return ""
	}()
	switch {
	case joined:
		if result != "" && !p.soft || result == "panic" && !p.soft {
			t.top().marked = true
		}
		if result == "" && p.early && t.doomed() && !mark {
			// a scope that has marked it itself is not told
			return "unexpected"
		}
	case nested:
		kept := t.pop(result == "" && !mark)
		if result == "" && !mark && !kept {
			return "unexpected"
		}
	case owner:
		kept := result == "" && !mark && !t.doomed()
		m.undone = append(m.undone, t.undone...)
		switch {
		case kept:
			m.there = append(m.there, t.top().ids...)
			m.called = append(m.called, t.top().hooks...)
		default:
			m.undone = append(m.undone, t.top().hooks...)
			if result == "" && !mark {
				return "unexpected"
			}
		}
	}
	return result
}

// The real thing.

func class(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, txn.ErrUnexpectedRollback):
		return "unexpected"
	case errors.Is(err, errBoom):
		return "boom"
	case errors.Is(err, txn.ErrNoTx):
		return "no tx"
	case errors.Is(err, txn.ErrTxExists):
		return "exists"
	}
	return "other"
}

type hookLog struct{ called, undone []int }

func (w *world) perform(ctx context.Context, p *plan, log *hookLog, root context.Context) error {
	opts := []txn.Option{p.p}
	if p.soft {
		opts = append(opts, txn.SoftJoin)
	}
	if p.early {
		opts = append(opts, txn.FailEarly)
	}
	return w.do(ctx, func(ctx context.Context) error {
		if w.info(ctx).New {
			root = ctx
		}
		for _, a := range p.acts {
			var err error
			switch a.kind {
			case "insert":
				err = w.insert(ctx, a.id)
				if i := w.info(ctx); i.InTx && err == nil {
					w.must(nil, txn.AfterCommit(ctx, func(context.Context) error { log.called = append(log.called, a.id); return nil }))
					w.must(nil, txn.AfterRollback(ctx, func(context.Context, error) { log.undone = append(log.undone, a.id) }))
				}
			case "above":
				if w.info(ctx).InTx {
					w.wantErr(w.do(root, failing), errBoom)
				}
			case "duplicate":
				err = w.insert(ctx, 0)
			case "mark":
				err = txn.SetRollbackOnly(ctx, errMark)
			case "begin":
				var tx *sql.Tx
				if tx, err = w.db.BeginTx(ctx, nil); err == nil {
					w.must(nil, w.insertBy(ctx, tx, a.id))
					if a.keep {
						err = tx.Commit()
					} else {
						err = tx.Rollback()
					}
				}
			case "scope":
				func() {
					defer func() {
						if r := recover(); r != nil && r != "boom" {
							panic(r)
						}
					}()
					err = w.perform(ctx, a.inner, log, root)
				}()
			}
			if err != nil && a.pass {
				return err
			}
		}
		switch {
		case p.panics:
			panic("boom")
		case p.fails:
			return errBoom
		}
		return nil
	}, opts...)
}

// TestScopesEndAsTheModelSays compares random trees of scopes with a model that knows
// nothing of databases: errors, what is in the table, which hooks were called. A tree
// is made anew from its seed.
func TestScopesEndAsTheModelSays(t *testing.T) {
	for _, name := range []string{"fake", "pgx", "pq", "mysql"} {
		t.Run(name, func(t *testing.T) {
			cfg := akari.Config{MaximumPoolSize: 8, MaxConnectionsPerTask: 8}
			n := 60
			if name == "fake" {
				cfg.Dialect = akari.DialectPostgreSQL
				n = 2000
			}
			w := newWorld(t, name, cfg)
			before := runtime.NumGoroutine()
			w.must(nil, w.insert(w.Context(), 0))
			next, seen := 1, 0
			for seed := range n {
				p := invent(rand.New(rand.NewPCG(uint64(seed), 1)), 0, &next, false)
				p.panics = false
				m := &model{aborts: name != "mysql"}
				want := m.run(p, nil)
				log := &hookLog{}
				err := w.perform(w.Context(), p, log, nil)
				if got := class(err); got != want {
					t.Fatalf("seed %d: got %q (%v), want %q\n%v", seed, got, err, want, p)
				}
				slices.Sort(m.there)
				for _, l := range [][]int{m.called, m.undone, log.called, log.undone} {
					slices.Sort(l)
				}
				if !slices.Equal(log.called, m.called) || !slices.Equal(log.undone, m.undone) {
					t.Fatalf("seed %d: after commit %v, want %v; after rollback %v, want %v\n%v", seed, log.called, m.called, log.undone, m.undone, p)
				}
				var got []int
				if name == "fake" {
					for _, id := range w.server.Committed() {
						if id != 0 {
							got = append(got, int(id))
						}
					}
					got = got[seen:] // its language has no DELETE: what is new
				} else {
					rows, err := w.apart.Query("SELECT id FROM " + w.table + " WHERE id > 0 ORDER BY id")
					w.must(nil, err)
					for rows.Next() {
						var id int
						w.must(nil, rows.Scan(&id))
						got = append(got, id)
					}
					w.must(w.apart.Exec("DELETE FROM " + w.table + " WHERE id > 0"))
				}
				if !slices.Equal(got, m.there) {
					t.Fatalf("seed %d: the table has %v, want %v (%v)\n%v", seed, got, m.there, err, p)
				}
				if name == "fake" {
					seen += len(got)
				}
			}
			w.atRest(before)
		})
	}
}
