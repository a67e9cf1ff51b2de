package conformance

import (
	"context"
	"database/sql"
	"fmt"
)

func lossCases() []Case {
	var cases []Case
	for _, op := range operations {
		for _, e := range entrances {
			cases = append(cases, Case{Name: fmt.Sprintf("loss/%s/%s", e.name, op.name), Needs: Killable, Run: func(r *Run) {
				h, done := e.open(r)
				r.alive("before", h)
				r.must("Kill", r.Kill())
				r.err("lost", op.do(r, r.ctx, h))
				if e.name != "db" {
					r.err("lost for good", op.do(r, r.ctx, h))
				}
				done()
				r.alive("db", r.DB)
				r.recover()
			}})
		}
	}
	more := []Case{
		{Name: "loss/of a statement's connection", Needs: Killable, Run: func(r *Run) {
			s, err := r.DB.PrepareContext(r.ctx, r.query(r.Dialect.Numbers))
			r.must("Prepare", err)
			r.row("before", s.QueryRowContext(r.ctx, 1))
			r.must("Kill", r.Kill())
			err = s.QueryRowContext(r.ctx, 1).Scan(new(any))
			r.err("lost", err)
			r.row("afterwards", s.QueryRowContext(r.ctx, 1))
			r.err("Close", s.Close())
		}},
		{Name: "loss/before Commit", Needs: Killable, Run: func(r *Run) {
			tx := r.begin()
			_, err := tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(1))
			r.err("insert", err)
			r.must("Kill", r.Kill())
			r.err("Commit", tx.Commit())
			r.err("Rollback", tx.Rollback())
			rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(1))
			r.rows("there", rows, err)
		}},
		{Name: "loss/before Rollback", Needs: Killable, Run: func(r *Run) {
			tx := r.begin()
			_, err := tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(1))
			r.err("insert", err)
			r.must("Kill", r.Kill())
			r.err("Rollback", tx.Rollback())
			rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(1))
			r.rows("there", rows, err)
		}},
		{Name: "loss/while it is being used", Needs: Killable, Run: func(r *Run) {
			c := r.conn()
			r.alive("before", c)
			tx, err := c.BeginTx(context.Background(), nil)
			r.must("BeginTx", err)
			s, err := tx.PrepareContext(r.ctx, r.query(r.Dialect.Insert))
			r.must("Prepare", err)
			r.must("Kill", r.Kill())
			_, err = s.ExecContext(r.ctx, r.id(1))
			r.err("Exec", err)
			_, err = s.ExecContext(r.ctx, r.id(2))
			r.err("Exec again", err)
			r.err("Rollback", tx.Rollback())
			r.gone("conn", c)
			r.alive("db", r.DB)
		}},
	}
	for _, c := range more {
		run := c.Run
		c.Run = func(r *Run) {
			run(r)
			r.recover()
		}
		cases = append(cases, c)
	}
	return cases
}

// recover has database/sql find out about all connections that are lost, so that
// the next case does not meet one.
func (r *Run) recover() {
	r.until("recovery", func() bool {
		var held []*sql.Conn
		good := true
		for range r.Conns {
			c := r.conn()
			good = c.QueryRowContext(r.ctx, r.Dialect.One).Scan(new(any)) == nil && good
			held = append(held, c)
		}
		for _, c := range held {
			_ = c.Close()
		}
		return good
	})
}
