package conformance

import (
	"context"
	"database/sql"
)

// handle is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type handle interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
	PrepareContext(context.Context, string) (*sql.Stmt, error)
}

// entrance is a way into a database.
type entrance struct {
	name string
	open func(*Run) (h handle, done func())
}

// entrances are the three ways in.
var entrances = []entrance{
	{"db", func(r *Run) (handle, func()) { return r.DB, func() {} }},
	{"conn", func(r *Run) (handle, func()) {
		c := r.conn()
		return c, func() { r.err("Conn.Close", c.Close()) }
	}},
	{"tx", func(r *Run) (handle, func()) {
		tx := r.begin()
		return tx, func() { r.err("Rollback", tx.Rollback()) }
	}},
}

// conn is a connection for a case to use.
func (r *Run) conn() *sql.Conn {
	c, err := r.DB.Conn(r.ctx)
	r.must("DB.Conn", err)
	return c
}

// begin is a transaction for a case to use. Its context is not that of the case:
// it has no end.
func (r *Run) begin() *sql.Tx {
	tx, err := r.DB.BeginTx(context.Background(), nil)
	r.must("DB.BeginTx", err)
	return tx
}

// way is a way to have a text executed.
type way struct {
	name string

	// open prepares what has to be. It returns an error where the text itself
	// cannot be prepared.
	open func(r *Run, text string) (*doer, error)
}

// doer executes a text.
type doer struct {
	exec  func(ctx context.Context, args ...any) (sql.Result, error)
	query func(ctx context.Context, args ...any) (*sql.Rows, error)
	row   func(ctx context.Context, args ...any) *sql.Row
	done  func()
}

// direct executes a text without preparing it.
func direct(e entrance) way {
	return way{e.name, func(r *Run, text string) (*doer, error) {
		h, done := e.open(r)
		return &doer{
			exec: func(ctx context.Context, args ...any) (sql.Result, error) {
				return h.ExecContext(ctx, text, args...)
			},
			query: func(ctx context.Context, args ...any) (*sql.Rows, error) {
				return h.QueryContext(ctx, text, args...)
			},
			row: func(ctx context.Context, args ...any) *sql.Row {
				return h.QueryRowContext(ctx, text, args...)
			},
			done: done,
		}, nil
	}}
}

// prepared executes a text that was prepared.
func prepared(e entrance) way {
	return way{e.name + ".Prepare", func(r *Run, text string) (*doer, error) {
		h, done := e.open(r)
		s, err := h.PrepareContext(r.ctx, text)
		if err != nil {
			done()
			return nil, err
		}
		return stmtDoer(s, func() {
			r.err("Stmt.Close", s.Close())
			done()
		}), nil
	}}
}

// borrowed executes a statement of the DB in a transaction.
var borrowed = way{"tx.Stmt", func(r *Run, text string) (*doer, error) {
	s, err := r.DB.PrepareContext(r.ctx, text)
	if err != nil {
		return nil, err
	}
	tx := r.begin()
	return stmtDoer(tx.StmtContext(r.ctx, s), func() {
		r.err("Rollback", tx.Rollback())
		r.err("Stmt.Close", s.Close())
	}), nil
}}

func stmtDoer(s *sql.Stmt, done func()) *doer {
	return &doer{exec: s.ExecContext, query: s.QueryContext, row: s.QueryRowContext, done: done}
}

// ways are all ways to have a text executed.
func ways() []way {
	var out []way
	for _, e := range entrances {
		out = append(out, direct(e), prepared(e))
	}
	return append(out, borrowed)
}

// eachWay calls f for each way to have a text executed, if it can be prepared
// that way; else it writes the error down.
func (r *Run) eachWay(text string, f func(what string, d *doer)) {
	for _, w := range ways() {
		r.inWay(w, text, f)
	}
}

func (r *Run) inWay(w way, text string, f func(what string, d *doer)) {
	d, err := w.open(r, text)
	if err != nil {
		r.err(w.name, err)
		return
	}
	f(w.name, d)
	d.done()
}

// eachEntrance calls f for each way in.
func (r *Run) eachEntrance(f func(what string, h handle)) {
	for _, e := range entrances {
		h, done := e.open(r)
		f(e.name, h)
		done()
	}
}
