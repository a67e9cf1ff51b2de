package conformance

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

func rowsCases() []Case {
	return []Case{
		{Name: "rows/kinds", Run: func(r *Run) {
			for _, text := range r.Dialect.Kinds {
				rows, err := r.DB.QueryContext(r.ctx, text)
				r.rows(text, rows, err)
			}
		}},
		{Name: "rows/kinds prepared", Run: func(r *Run) {
			for _, text := range r.Dialect.Kinds {
				s, err := r.DB.PrepareContext(r.ctx, text)
				r.err("Prepare", err)
				if err == nil {
					rows, err := s.QueryContext(r.ctx)
					r.rows(text, rows, err)
					r.err("Close", s.Close())
				}
			}
		}},
		{Name: "rows/table of kinds", Needs: SQL, Run: func(r *Run) {
			rows, err := r.DB.QueryContext(r.ctx, "SELECT * FROM kinds ORDER BY id")
			r.rows("all", rows, err)
			for range 3 {
				for id := 1; id <= 2; id++ {
					rows, err := r.DB.QueryContext(r.ctx, r.query("SELECT * FROM kinds WHERE id = ?"), id)
					r.rows("by number", rows, err)
				}
			}
			r.eachWay(r.query("SELECT * FROM kinds WHERE id = ?"), func(what string, d *doer) {
				rows, err := d.query(r.ctx, 1)
				r.rows(what, rows, err)
				rows, err = d.query(r.ctx, 3)
				r.rows(what+" none", rows, err)
			})
		}},
		{Name: "rows/several sets", Run: func(r *Run) {
			r.eachWay(r.Dialect.Sets, func(what string, d *doer) {
				rows, err := d.query(r.ctx)
				r.rows(what, rows, err)
				res, err := d.exec(r.ctx)
				r.result(what+" Exec", res, err)
				r.row(what+" QueryRow", d.row(r.ctx))
			})
		}},
		{Name: "rows/several sets, skipped", Run: func(r *Run) {
			r.eachEntrance(func(what string, h handle) {
				rows, err := h.QueryContext(r.ctx, r.Dialect.Sets)
				r.err(what, err)
				if err != nil {
					return
				}
				for i := range 6 {
					more := rows.NextResultSet()
					r.note("%d: NextResultSet %v", i, more)
					if !more {
						break
					}
					r.note("%s: %s", what, r.columns(rows))
				}
				r.note("Next %v", rows.Next())
				r.err("Err", rows.Err())
				r.err("Close", rows.Close())
				r.alive(what, h)
			})
		}},
		{Name: "rows/sets end in an error", Run: func(r *Run) {
			r.eachEntrance(func(what string, h handle) {
				rows, err := h.QueryContext(r.ctx, r.Dialect.One+"; "+r.Dialect.Fails+"; "+r.Dialect.One)
				r.rows(what, rows, err)
				r.alive(what, h)
			})
		}},
		{Name: "rows/columns", Run: func(r *Run) {
			r.eachWay(r.query(r.Dialect.Numbers), func(what string, d *doer) {
				rows, err := d.query(r.ctx, 2)
				r.must("Query", err)
				r.note("%s: %s", what+" before Next", r.columns(rows))
				r.note("%v", rows.Next())
				r.note("%s: %s", what+" after Next", r.columns(rows))
				r.note("%v, %v", rows.Next(), rows.Next())
				r.note("%s: %s", what+" at the end", r.columns(rows))
				r.err("Close", rows.Close())
				r.note("%s: %s", what+" after Close", r.columns(rows))
				_, err = rows.Columns()
				r.err("Columns", err)
				r.note("%v", rows.Next())
				r.err("Err", rows.Err())
				r.err("Scan", rows.Scan(new(any)))
				r.err("Close again", rows.Close())
			})
		}},
		{Name: "rows/empty", Run: func(r *Run) {
			r.eachWay(r.query(r.Dialect.Numbers), func(what string, d *doer) {
				rows, err := d.query(r.ctx, 0)
				r.rows(what, rows, err)
			})
			r.eachWay(r.query(r.Dialect.Select), func(what string, d *doer) {
				rows, err := d.query(r.ctx, r.id(1))
				r.rows(what, rows, err)
				r.row(what, d.row(r.ctx, r.id(1)))
			})
		}},
		{Name: "rows/many", Run: func(r *Run) {
			r.eachWay(r.query(r.Dialect.Numbers), func(what string, d *doer) {
				rows, err := d.query(r.ctx, 500)
				r.rows(what, rows, err)
				rows, err = d.query(context.Background(), 100)
				r.rows(what+" with Background", rows, err)
			})
		}},
		{Name: "rows/closed early", Run: func(r *Run) {
			r.eachWay(r.query(r.Dialect.Numbers), func(what string, d *doer) {
				for after := range 3 {
					rows, err := d.query(r.ctx, 900)
					r.must("Query", err)
					for range after {
						r.note("%s: %v %s", what, rows.Next(), r.scanAny(rows))
					}
					r.err("Close", rows.Close())
					r.note("Next %v", rows.Next())
					r.err("Err", rows.Err())
				}
				rows, err := d.query(r.ctx, 2)
				r.rows(what+" afterwards", rows, err)
			})
		}},
		{Name: "rows/first of many", Run: func(r *Run) {
			r.eachWay(r.query(r.Dialect.Numbers), func(what string, d *doer) {
				for range 3 {
					r.row(what, d.row(r.ctx, 900))
				}
			})
		}},
		{Name: "rows/open while more is asked", Run: func(r *Run) {
			for _, e := range entrances[1:] {
				if r.Fragile && e.name == "conn" {
					continue
				}
				h, done := e.open(r)
				rows, err := h.QueryContext(r.ctx, r.query(r.Dialect.Numbers), 3)
				r.must("Query", err)
				r.note("%v", rows.Next())
				_, err = h.ExecContext(r.ctx, r.Dialect.Noop)
				r.err(e.name+" Exec", err)
				r.row(e.name+" QueryRow", h.QueryRowContext(r.ctx, r.Dialect.One))
				s, err := h.PrepareContext(r.ctx, r.fresh())
				r.err(e.name+" Prepare", err)
				if err == nil {
					r.row("prepared", s.QueryRowContext(r.ctx))
					r.err("Close", s.Close())
				}
				if r.Fragile {
					r.err("Close", rows.Close())
				} else {
					r.rows(e.name, rows, nil)
				}
				r.alive(e.name, h)
				done()
			}
		}},
		{Name: "rows/open at the end of the transaction", Run: func(r *Run) {
			for i, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
				tx := r.begin()
				_, err := tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(i)))
				r.must("insert", err)
				rows, err := tx.QueryContext(r.ctx, r.query(r.Dialect.Numbers), 900)
				r.must("Query", err)
				r.note("Next %v", rows.Next())
				r.err("end", end(tx))
				r.note("Next %v", rows.Next())
				r.err("Err", rows.Err())
				r.err("Close", rows.Close())
				there, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(int64(i)))
				r.rows("there", there, err)
			}
		}},
		{Name: "rows/open on several connections", Conns: 3, Loose: true, Run: func(r *Run) {
			var open []*sql.Rows
			for i := range 3 {
				rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Numbers), 10+i)
				r.must("Query", err)
				open = append(open, rows)
			}
			for range 5 {
				for i, rows := range open {
					r.note("%d: %v %s", i, rows.Next(), r.scanAny(rows))
				}
			}
			for _, rows := range open {
				r.rows("rest", rows, nil)
			}
		}},
		{Name: "rows/fail after some", Needs: FailsLate, Run: func(r *Run) {
			r.eachWay(r.Dialect.Late, func(what string, d *doer) {
				rows, err := d.query(r.ctx)
				r.rows(what, rows, err)
				res, err := d.exec(r.ctx)
				r.result(what+" Exec", res, err)
				r.row(what+" QueryRow", d.row(r.ctx))
			})
			r.alive("db", r.DB)
		}},
		{Name: "rows/big values", Needs: Echoes, Run: func(r *Run) {
			big := strings.Repeat("0123456789abcdef", 1<<14)
			text := r.query("SELECT CAST(? AS CHAR)")
			switch r.Dialect.Name {
			case "fake":
				text = r.Dialect.Echo[0]
			case "postgres":
				text = r.query("SELECT ?::text")
			}
			r.eachWay(text, func(what string, d *doer) {
				rows, err := d.query(r.ctx, big)
				r.rows(what, rows, err)
				rows, err = d.query(r.ctx, []byte(big))
				r.rows(what+" bytes", rows, err)
			})
		}},
		{Name: "rows/row errors", Run: func(r *Run) {
			r.eachWay(r.Dialect.One, func(what string, d *doer) {
				row := d.row(r.ctx)
				r.err(what+" Err", row.Err())
				var v, w any
				r.err(what+" two values", row.Scan(&v, &w))
				r.err(what+" again", row.Scan(&v))
				var raw sql.RawBytes
				r.err(what+" RawBytes", d.row(r.ctx).Scan(&raw))
				r.err(what+" Scanner", d.row(r.ctx).Scan(&failingScanner{}))
				r.err(what+" time", d.row(r.ctx).Scan(new(struct{})))
				r.err(what+" nil", d.row(r.ctx).Scan(nil))
			})
		}},
		{Name: "rows/without a context", Run: func(r *Run) {
			rows, err := r.DB.Query(r.query(r.Dialect.Numbers), 3)
			r.rows("db.Query", rows, err)
			r.row("db.QueryRow", r.DB.QueryRow(r.Dialect.One))
			s, err := r.DB.Prepare(r.query(r.Dialect.Numbers))
			r.must("Prepare", err)
			rows, err = s.Query(3)
			r.rows("Stmt.Query", rows, err)
			r.row("Stmt.QueryRow", s.QueryRow(1))
			r.err("Close", s.Close())
		}},
		{Name: "rows/unread results of an Exec", Run: func(r *Run) {
			r.eachWay(r.query(r.Dialect.Numbers), func(what string, d *doer) {
				for i := range 3 {
					res, err := d.exec(r.ctx, 900)
					r.result(fmt.Sprint(what, i), res, err)
				}
			})
		}},
	}
}
