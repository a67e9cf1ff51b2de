package conformance

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// operation is something that takes a context.
type operation struct {
	name string
	do   func(r *Run, ctx context.Context, h handle) error
}

var operations = []operation{
	{"Exec", func(r *Run, ctx context.Context, h handle) error {
		_, err := h.ExecContext(ctx, r.Dialect.Noop)
		return err
	}},
	{"Exec with an argument", func(r *Run, ctx context.Context, h handle) error {
		_, err := h.ExecContext(ctx, r.query(r.Dialect.Numbers), 2)
		return err
	}},
	{"Query", func(r *Run, ctx context.Context, h handle) error {
		rows, err := h.QueryContext(ctx, r.Dialect.One)
		if err == nil {
			defer rows.Close()
			for rows.Next() {
			}
			err = rows.Err()
		}
		return err
	}},
	{"Query with an argument", func(r *Run, ctx context.Context, h handle) error {
		rows, err := h.QueryContext(ctx, r.query(r.Dialect.Numbers), 2)
		if err == nil {
			defer rows.Close()
			for rows.Next() {
			}
			err = rows.Err()
		}
		return err
	}},
	{"QueryRow", func(r *Run, ctx context.Context, h handle) error {
		return h.QueryRowContext(ctx, r.Dialect.One).Scan(new(any))
	}},
	{"Prepare", func(r *Run, ctx context.Context, h handle) error {
		s, err := h.PrepareContext(ctx, r.fresh())
		if err == nil {
			err = s.Close()
		}
		return err
	}},
	{"Exec prepared", func(r *Run, ctx context.Context, h handle) error {
		s, err := h.PrepareContext(r.ctx, r.query(r.Dialect.Numbers))
		if err != nil {
			return err
		}
		defer s.Close()
		_, err = s.ExecContext(ctx, 2)
		return err
	}},
	{"Query prepared", func(r *Run, ctx context.Context, h handle) error {
		s, err := h.PrepareContext(r.ctx, r.query(r.Dialect.Numbers))
		if err != nil {
			return err
		}
		defer s.Close()
		return s.QueryRowContext(ctx, 2).Scan(new(any))
	}},
	{"Ping", func(_ *Run, ctx context.Context, h handle) error {
		if p, ok := h.(interface{ PingContext(context.Context) error }); ok {
			return p.PingContext(ctx)
		}
		return nil
	}},
	{"BeginTx", func(_ *Run, ctx context.Context, h handle) error {
		b, ok := h.(interface {
			BeginTx(context.Context, *sql.TxOptions) (*sql.Tx, error)
		})
		if !ok {
			return nil
		}
		tx, err := b.BeginTx(ctx, nil)
		if err == nil {
			err = tx.Rollback()
		}
		return err
	}},
	{"Conn", func(_ *Run, ctx context.Context, h handle) error {
		db, ok := h.(*sql.DB)
		if !ok {
			return nil
		}
		c, err := db.Conn(ctx)
		if err == nil {
			err = c.Close()
		}
		return err
	}},
	{"Stmt", func(r *Run, ctx context.Context, h handle) error {
		tx, ok := h.(*sql.Tx)
		if !ok {
			return nil
		}
		again, err := tx.PrepareContext(r.ctx, r.Dialect.One)
		if err != nil {
			return err
		}
		return tx.StmtContext(ctx, again).QueryRowContext(ctx).Scan(new(any))
	}},
}

// over are contexts that have ended.
var overs = []struct {
	name string
	of   func(context.Context) (context.Context, context.CancelFunc)
}{
	{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return ctx, cancel
	}},
	{"past its deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithDeadline(ctx, time.Now().Add(-time.Second))
	}},
	{"cancelled with a cause", func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(errOwn)
		return ctx, func() { cancel(nil) }
	}},
}

func contextCases() []Case {
	var cases []Case
	for _, e := range entrances {
		for _, op := range operations {
			cases = append(cases, Case{Name: fmt.Sprintf("contexts/over before/%s %s", e.name, op.name), Run: func(r *Run) {
				for _, over := range overs {
					for _, used := range []bool{false, true} {
						h, done := e.open(r)
						if used {
							r.alive("before", h)
						}
						ctx, cancel := over.of(r.ctx)
						r.err(over.name, op.do(r, ctx, h))
						cancel()
						r.alive(over.name, h)
						done()
					}
				}
			}})
		}
	}
	for _, w := range ways() {
		for _, form := range []string{"Exec", "Query"} {
			for _, end := range []string{"cancelled", "deadline"} {
				cases = append(cases, Case{Name: fmt.Sprintf("contexts/over while it runs/%s %s %s", w.name, form, end), Needs: Sleeps, Run: func(r *Run) {
					r.interrupt(w, form, end)
				}})
			}
		}
	}
	return append(cases, []Case{
		{Name: "contexts/over between rows", Run: func(r *Run) {
			for _, w := range ways() {
				d, err := w.open(r, r.query(r.Dialect.Numbers))
				r.must("open", err)
				ctx, cancel := context.WithCancel(r.ctx)
				rows, err := d.query(ctx, 900)
				r.must("Query", err)
				r.note("%v", rows.Next())
				cancel()
				r.until("rows to end", func() bool { return !rows.Next() })
				r.err(w.name+" Err", rows.Err())
				r.err("Scan", rows.Scan(new(any)))
				r.err("Close", rows.Close())
				r.settle()
				lines := len(r.out)
				d.done()
				if r.Fragile {
					r.out = r.out[:lines] // whether the connection survives is left to chance
				}
			}
			r.alive("db", r.DB)
		}},
		{Name: "contexts/over between sets", Run: func(r *Run) {
			r.eachEntrance(func(what string, h handle) {
				ctx, cancel := context.WithCancel(r.ctx)
				defer cancel()
				rows, err := h.QueryContext(ctx, r.Dialect.Sets)
				r.err("Query", err)
				if err != nil {
					return
				}
				r.note("%v", rows.Next())
				cancel()
				r.until("rows to end", func() bool { return !rows.Next() })
				r.note("NextResultSet %v", rows.NextResultSet())
				r.err(what+" Err", rows.Err())
				r.err("Close", rows.Close())
				r.settle()
			})
			r.alive("db", r.DB)
		}},
		{Name: "contexts/over afterwards", Run: func(r *Run) {
			r.eachWay(r.query(r.Dialect.Numbers), func(what string, d *doer) {
				ctx, cancel := context.WithCancel(r.ctx)
				res, err := d.exec(ctx, 3)
				cancel()
				r.result(what, res, err)
				ctx, cancel = context.WithCancel(r.ctx)
				rows, err := d.query(ctx, 3)
				r.rows(what, rows, err)
				cancel()
				r.err("Err", rows.Err())
				r.row(what, d.row(r.ctx, 3))
			})
			r.alive("db", r.DB)
		}},
		{Name: "contexts/of Prepare is not that of its use", Run: func(r *Run) {
			r.eachEntrance(func(what string, h handle) {
				ctx, cancel := context.WithCancel(r.ctx)
				s, err := h.PrepareContext(ctx, r.Dialect.One)
				cancel()
				r.err("Prepare", err)
				r.row(what, s.QueryRowContext(r.ctx))
				r.err("Close", s.Close())
			})
		}},
		{Name: "contexts/of Conn is not that of its use", Run: func(r *Run) {
			for _, use := range []bool{false, true} {
				ctx, cancel := context.WithCancel(r.ctx)
				c, err := r.DB.Conn(ctx)
				r.must("Conn", err)
				if use {
					r.alive("before", c)
				}
				cancel()
				r.alive("conn", c)
				rows, err := c.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(1))
				r.rows("conn", rows, err)
				r.err("Close", c.Close())
			}
			ctx, cancel := context.WithCancel(r.ctx)
			c, err := r.DB.Conn(ctx)
			r.must("Conn", err)
			cancel()
			rows, err := c.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(1))
			r.rows("arguments first", rows, err)
			r.err("Close", c.Close())
		}},
		{Name: "contexts/no connection free", Run: func(r *Run) {
			var held []*sql.Conn
			for range r.Conns {
				c := r.conn()
				r.alive("conn", c)
				held = append(held, c)
			}
			for _, op := range operations {
				ctx, cancel := context.WithTimeout(r.ctx, 5*time.Millisecond)
				if op.name != "Conn" && op.name != "Exec prepared" && op.name != "Query prepared" && op.name != "Stmt" {
					r.err(op.name, op.do(r, ctx, r.DB))
				}
				cancel()
			}
			for _, c := range held {
				r.err("Close", c.Close())
			}
			r.alive("db", r.DB)
		}},
		{Name: "contexts/of the transaction ends a statement", Needs: Sleeps, Run: func(r *Run) {
			for _, form := range []string{"Exec", "Query"} {
				ctx, cancel := context.WithTimeout(r.ctx, interruptAfter)
				tx, err := r.DB.BeginTx(ctx, nil)
				r.must("BeginTx", err)
				if form == "Exec" {
					_, err = tx.ExecContext(ctx, r.Dialect.Sleep)
				} else {
					err = tx.QueryRowContext(ctx, r.Dialect.Sleep).Scan(new(any))
				}
				r.err(form, err)
				r.over(tx)
				cancel()
				r.settle()
				r.alive("db", r.DB)
			}
		}},
	}...)
}

// interruptAfter is when statements that would take far longer are ended.
const interruptAfter = 30 * time.Millisecond

// interrupt ends a statement by its context while the server executes it.
func (r *Run) interrupt(w way, form, end string) {
	r.inWay(w, r.Dialect.Sleep, func(what string, d *doer) {
		var ctx context.Context
		var cancel context.CancelFunc
		if end == "deadline" {
			ctx, cancel = context.WithTimeout(r.ctx, interruptAfter)
		} else {
			ctx, cancel = context.WithCancel(r.ctx)
			timer := time.AfterFunc(interruptAfter, cancel)
			defer timer.Stop()
		}
		defer cancel()
		if form == "Exec" {
			_, err := d.exec(ctx)
			r.err(what, err)
		} else {
			rows, err := d.query(ctx)
			if err == nil {
				for rows.Next() {
				}
				err = rows.Err()
				r.err("Close", rows.Close())
			}
			r.err(what, err)
		}
		r.settle()
		over, cancel := overs[0].of(r.ctx)
		defer cancel()
		_, err := d.exec(over)
		r.err(what+" again, cancelled", err)
	})
	r.alive("db", r.DB)
}
