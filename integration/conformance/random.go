package conformance

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
)

// randomSteps is the length of a random case.
const randomSteps = 120

func randomCases() []Case {
	var cases []Case
	for seed := range uint64(10) {
		cases = append(cases, RandomCase(seed))
	}
	return cases
}

// RandomCase does what a program could do, in an order that depends on the seed
// only: it opens connections, transactions, statements and rows, uses them after
// they have ended, sends statements and arguments that fail, and contexts that
// are over.
func RandomCase(seed uint64) Case {
	return Case{Name: fmt.Sprintf("random/%d", seed), Run: func(r *Run) {
		w := walk{Run: r, rand: rand.New(rand.NewPCG(seed, 0))}
		for range randomSteps {
			steps[w.rand.IntN(len(steps))](&w)
		}
		w.leave()
		for _, s := range w.stmts {
			r.err("Stmt.Close", s.Close())
		}
		r.alive("db", r.DB)
	}}
}

// walk is where a random case is. It has one connection at most, so that it can
// be run where there is no more than one.
type walk struct {
	*Run
	rand *rand.Rand
	last int64 // number inserted

	conn *sql.Conn // in use, or nil
	tx   *sql.Tx   // open, or nil; on conn if there is one
	old  *sql.Tx   // ended, or nil
	rows *sql.Rows // open, or nil
	set  bool      // conn has a variable of its own

	stmts  []*sql.Stmt
	ofDB   map[*sql.Stmt]bool // needs a connection of its own
	closed *sql.Conn
}

// free reports whether no connection is in use.
func (w *walk) free() bool { return w.conn == nil && w.tx == nil && w.rows == nil }

// home is what statements are sent to now, nil if there is nothing that would
// not wait for ever.
func (w *walk) home() handle {
	switch {
	case w.rows != nil && w.Fragile:
		return nil
	case w.tx != nil:
		return w.tx
	case w.conn != nil:
		return w.conn
	case w.rows != nil:
		return nil
	}
	return w.DB
}

// leave ends everything that holds a connection.
func (w *walk) leave() {
	w.closeRows()
	if w.tx != nil {
		w.err("Rollback", w.tx.Rollback())
		w.old, w.tx = w.tx, nil
	}
	if w.conn != nil {
		w.err("Conn.Close", w.conn.Close())
		w.closed, w.conn, w.set = w.conn, nil, false
	}
}

func (w *walk) closeRows() {
	if w.rows != nil {
		w.err("Rows.Close", w.rows.Close())
		w.rows = nil
	}
}

func (w *walk) text() string {
	d := w.Dialect
	texts := []string{d.One, d.One, d.Noop, d.Fails, d.Syntax, d.Unknown, d.Sets}
	return texts[w.rand.IntN(len(texts))]
}

// argument is one for the statements with a number. It is a good one if the
// context is over: what is complained of first is left to chance then.
func (w *walk) argument(ctx context.Context) any {
	w.last++
	if ctx.Err() != nil || w.Fragile && w.tx != nil {
		return w.id(w.last) // pgx looks at arguments before the server does only if it knows the statement
	}
	args := []any{w.id(w.last), w.id(w.last), w.id(1), w.id(w.rand.Int64N(20)), valuer{v: w.id(w.last)}, valuer{err: errOwn}, struct{}{}}
	return args[w.rand.IntN(len(args))]
}

// context is usually one that goes on.
func (w *walk) context() (context.Context, context.CancelFunc) {
	switch n := w.rand.IntN(12); {
	case n == 0 && !w.Fragile:
		return overs[w.rand.IntN(len(overs))].of(w.ctx)
	case n < 4:
		return context.WithCancel(w.ctx)
	}
	return context.Background(), func() {}
}

// at calls f with what statements are sent to now.
func (w *walk) at(f func(ctx context.Context, h handle)) {
	h := w.home()
	if h == nil {
		w.closeRows()
		return
	}
	ctx, cancel := w.context()
	f(ctx, h)
	cancel()
}

// stmt is one of the statements that can be used now.
func (w *walk) stmt() *sql.Stmt {
	if len(w.stmts) == 0 {
		return nil
	}
	s := w.stmts[w.rand.IntN(len(w.stmts))]
	if w.rows != nil || w.ofDB[s] && !w.free() {
		return nil
	}
	return s
}

var steps = []func(*walk){
	func(w *walk) {
		w.at(func(ctx context.Context, h handle) {
			res, err := h.ExecContext(ctx, w.text())
			w.result("Exec", res, err)
		})
	},
	func(w *walk) {
		w.at(func(ctx context.Context, h handle) {
			rows, err := h.QueryContext(ctx, w.text())
			w.Run.rows("Query", rows, err)
		})
	},
	func(w *walk) {
		w.at(func(ctx context.Context, h handle) { w.row("QueryRow", h.QueryRowContext(ctx, w.text())) })
	},
	func(w *walk) {
		w.at(func(ctx context.Context, h handle) {
			res, err := h.ExecContext(ctx, w.query(w.Dialect.Insert), w.argument(ctx))
			w.result("insert", res, err)
		})
	},
	func(w *walk) {
		w.at(func(ctx context.Context, h handle) {
			rows, err := h.QueryContext(ctx, w.query(w.Dialect.Select), w.argument(ctx))
			w.Run.rows("select", rows, err)
		})
	},
	func(w *walk) { // rows that are left open
		w.at(func(_ context.Context, h handle) {
			if w.rows != nil {
				return
			}
			rows, err := h.QueryContext(context.Background(), w.query(w.Dialect.Numbers), w.rand.IntN(400))
			w.err("rows", err)
			if err == nil {
				w.rows = rows
			}
		})
	},
	func(w *walk) {
		if w.rows != nil {
			for range w.rand.IntN(5) {
				w.note("Next %v %s", w.rows.Next(), w.scanAny(w.rows))
			}
		}
	},
	(*walk).closeRows,
	func(w *walk) {
		w.at(func(ctx context.Context, h handle) {
			if w.rows != nil {
				return // a statement that the pool has kept needs no Prepare, and so no connection that is free
			}
			texts := []string{w.query(w.Dialect.Insert), w.query(w.Dialect.Numbers), w.query(w.Dialect.Select), w.text()}
			s, err := h.PrepareContext(ctx, texts[w.rand.IntN(len(texts))])
			w.err("Prepare", err)
			if err != nil {
				return
			}
			if w.ofDB == nil {
				w.ofDB = map[*sql.Stmt]bool{}
			}
			w.stmts = append(w.stmts, s)
			w.ofDB[s] = h == handle(w.DB)
		})
	},
	func(w *walk) {
		if s := w.stmt(); s != nil {
			ctx, cancel := w.context()
			defer cancel()
			res, err := s.ExecContext(ctx, w.argument(ctx))
			w.result("Stmt.Exec", res, err)
		}
	},
	func(w *walk) {
		if s := w.stmt(); s != nil {
			ctx, cancel := w.context()
			defer cancel()
			rows, err := s.QueryContext(ctx, w.rand.IntN(5))
			w.Run.rows("Stmt.Query", rows, err)
		}
	},
	func(w *walk) {
		if s := w.stmt(); s != nil {
			w.err("Stmt.Close", s.Close())
		}
	},
	func(w *walk) {
		if w.tx != nil && w.rows == nil && len(w.stmts) > 0 {
			s := w.tx.StmtContext(w.ctx, w.stmts[w.rand.IntN(len(w.stmts))])
			res, err := s.ExecContext(w.ctx, w.argument(w.ctx))
			w.result("Tx.Stmt", res, err)
			w.err("close it", s.Close())
		}
	},
	func(w *walk) {
		if w.tx != nil || w.rows != nil {
			return
		}
		b := w.home().(interface {
			BeginTx(context.Context, *sql.TxOptions) (*sql.Tx, error)
		})
		tx, err := b.BeginTx(context.Background(), &sql.TxOptions{Isolation: levels[w.rand.IntN(3)], ReadOnly: w.rand.IntN(6) == 0})
		w.err("BeginTx", err)
		w.tx = tx
	},
	func(w *walk) {
		if w.tx != nil {
			w.closeRows()
			if w.rand.IntN(2) == 0 {
				w.err("Commit", w.tx.Commit())
			} else {
				w.err("Rollback", w.tx.Rollback())
			}
			w.old, w.tx = w.tx, nil
		}
	},
	func(w *walk) {
		if w.old != nil {
			_, err := w.old.ExecContext(w.ctx, w.Dialect.Noop)
			w.err("transaction that has ended", err)
			w.err("Commit", w.old.Commit())
		}
	},
	func(w *walk) {
		if w.free() {
			w.conn = w.Run.conn()
		}
	},
	func(w *walk) {
		if w.rand.IntN(3) == 0 {
			w.leave()
		}
	},
	func(w *walk) {
		if w.closed != nil {
			w.err("connection that is closed", w.closed.PingContext(w.ctx))
		}
	},
	func(w *walk) {
		if w.conn != nil && w.tx == nil && w.rows == nil {
			_, err := w.conn.ExecContext(w.ctx, w.Dialect.SetVar)
			w.err("set", err)
			w.set = err == nil
		}
	},
	func(w *walk) {
		if w.set && w.tx == nil && w.rows == nil {
			w.row("get", w.conn.QueryRowContext(w.ctx, w.Dialect.GetVar))
		}
	},
	func(w *walk) {
		if w.free() {
			w.err("Ping", w.DB.PingContext(w.ctx))
		}
	},
	func(w *walk) {
		if w.conn != nil && !(w.rows != nil && w.Fragile) {
			w.err("Conn.Ping", w.conn.PingContext(w.ctx))
		}
	},
	func(w *walk) {
		if w.conn != nil {
			w.err("Raw", w.Raw(w.conn, func(any) error {
				if w.rand.IntN(2) == 0 {
					return errOwn
				}
				return nil
			}))
		}
	},
	func(w *walk) {
		if w.Fragile || !w.free() {
			return // pgx asks Valuers itself; a connection whose driver has panicked is given up
		}
		w.at(func(_ context.Context, h handle) {
			w.try("panic", func() {
				_, err := h.ExecContext(w.ctx, w.query(w.Dialect.Insert), panickingValuer{})
				w.err("Exec", err)
			})
		})
	},
}
