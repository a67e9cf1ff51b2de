package conformance

import (
	"context"
	"fmt"
)

func statementCases() []Case {
	cases := []Case{
		{Name: "statements/one", Run: func(r *Run) {
			r.eachWay(r.Dialect.One, func(what string, d *doer) {
				r.row(what, d.row(r.ctx))
				r.row(what+" with Background", d.row(context.Background()))
				rows, err := d.query(r.ctx)
				r.rows(what+" Query", rows, err)
				res, err := d.exec(r.ctx)
				r.result(what+" Exec", res, err)
			})
		}},
		{Name: "statements/nothing", Run: func(r *Run) {
			for _, text := range []string{r.Dialect.Noop, r.Dialect.Comment, ""} {
				for _, e := range entrances {
					r.inWay(direct(e), text, r.allForms)
				}
			}
		}},
		{Name: "statements/nothing, prepared", Run: func(r *Run) {
			for _, text := range []string{r.Dialect.Noop, r.Dialect.Comment, ""} {
				for _, e := range entrances {
					r.inWay(prepared(e), text, r.allForms)
				}
				r.inWay(borrowed, text, r.allForms)
			}
		}},
		{Name: "statements/insert", Run: func(r *Run) {
			id := int64(0)
			r.eachWay(r.query(r.Dialect.Insert), func(what string, d *doer) {
				id++
				res, err := d.exec(r.ctx, r.id(id))
				r.result(what, res, err)
				res, err = d.exec(r.ctx, r.id(id))
				r.result(what+" again", res, err)
				id++
				rows, err := d.query(r.ctx, r.id(id))
				r.rows(what+" Query", rows, err)
			})
			for i := range id {
				rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(i+1))
				r.rows("there", rows, err)
			}
		}},
		{Name: "statements/update", Needs: SQL, Run: func(r *Run) {
			for i := range int64(5) {
				_, err := r.DB.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(i))
				r.must("insert", err)
			}
			r.eachWay(r.query(r.Dialect.Update+" AND id < ?"), func(what string, d *doer) {
				res, err := d.exec(r.ctx, r.id(1), r.id(100))
				r.result(what, res, err)
			})
			rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(3))
			r.rows("there", rows, err)
		}},
		{Name: "statements/insert returning", Needs: SQL, Run: func(r *Run) {
			id := int64(0)
			r.eachWay(r.query(r.Dialect.Return), func(what string, d *doer) {
				for range 2 {
					id++
					rows, err := d.query(r.ctx, r.id(id), "name")
					r.rows(what, rows, err)
					id++
					res, err := d.exec(r.ctx, r.id(id), "name")
					r.result(what+" Exec", res, err)
				}
			})
		}},
		{Name: "statements/fail", Run: func(r *Run) {
			for _, text := range []string{r.Dialect.Syntax, r.Dialect.Unknown, r.Dialect.Fails} {
				for _, w := range ways() {
					r.failing(w, text)
				}
				r.andOn(text)
			}
		}},
		{Name: "statements/repeated", Run: func(r *Run) {
			r.eachEntrance(func(what string, h handle) {
				for i := range int64(6) {
					rows, err := h.QueryContext(r.ctx, r.query(r.Dialect.Numbers), i)
					r.rows(what, rows, err)
				}
			})
		}},
		{Name: "statements/many texts", Run: func(r *Run) {
			c := r.conn()
			for round := range 2 {
				for i := range 130 {
					text := r.query(r.Dialect.Numbers)
					if r.Dialect.Features.Has(SQL) {
						text = fmt.Sprintf("%s -- text %d", text, i)
					} else {
						text = fmt.Sprintf("%s; SET text %d", text, i)
					}
					rows, err := c.QueryContext(r.ctx, text, 2)
					if round == 0 || i%50 == 0 {
						r.rows(fmt.Sprint(i), rows, err)
					} else {
						r.must("query", err)
						r.must("close", rows.Close())
					}
				}
			}
			r.err("Close", c.Close())
		}},
		{Name: "statements/session", Needs: Sessions, Run: func(r *Run) {
			c := r.conn()
			_, err := c.ExecContext(r.ctx, r.Dialect.SetVar)
			r.err("set", err)
			r.row("get", c.QueryRowContext(r.ctx, r.Dialect.GetVar))
			tx, err := c.BeginTx(r.ctx, nil)
			r.must("BeginTx", err)
			r.row("get in a transaction", tx.QueryRowContext(r.ctx, r.Dialect.GetVar))
			r.err("Commit", tx.Commit())
			r.row("get after it", c.QueryRowContext(r.ctx, r.Dialect.GetVar))
			s, err := c.PrepareContext(r.ctx, r.Dialect.GetVar)
			r.must("Prepare", err)
			r.row("get prepared", s.QueryRowContext(r.ctx))
			r.err("Stmt.Close", s.Close())
			r.err("Close", c.Close())
		}},
		{Name: "statements/same connection", Numbered: true, Needs: Sessions, Run: func(r *Run) {
			if r.Dialect.ConnID == "" {
				return
			}
			c := r.conn()
			var a, b int64
			r.must("number", c.QueryRowContext(r.ctx, r.Dialect.ConnID).Scan(&a))
			for range 3 {
				r.must("number", c.QueryRowContext(r.ctx, r.Dialect.ConnID).Scan(&b))
				r.note("the same: %v", a == b)
			}
			r.err("Close", c.Close())
		}},
	}
	for i := range max(len(Fake.Odd), len(odd)) {
		text := func(r *Run) string {
			if i < len(r.Dialect.Odd) {
				return r.Dialect.Odd[i]
			}
			return r.Dialect.One
		}
		cases = append(cases, Case{Name: fmt.Sprintf("statements/odd/%d", i), Run: func(r *Run) {
			r.note("%q", text(r))
			for _, e := range entrances {
				r.inWay(direct(e), text(r), r.allForms)
				r.alive("db", r.DB)
			}
		}}, Case{Name: fmt.Sprintf("statements/odd/%d, prepared", i), Run: func(r *Run) {
			r.note("%q", text(r))
			for _, e := range entrances {
				r.inWay(prepared(e), text(r), r.allForms)
				r.alive("db", r.DB)
			}
		}})
	}
	return cases
}

// allForms executes a text in every form.
func (r *Run) allForms(what string, d *doer) {
	res, err := d.exec(r.ctx)
	r.result(what, res, err)
	rows, err := d.query(r.ctx)
	r.rows(what+" Query", rows, err)
	r.row(what+" QueryRow", d.row(r.ctx))
}

// failing executes a text that fails, in every form, and looks whether what it
// was executed on is still of use.
func (r *Run) failing(w way, text string) {
	for _, form := range []string{"Exec", "Query", "QueryRow"} {
		r.inWay(w, text, func(what string, d *doer) {
			what += " " + form
			switch form {
			case "Exec":
				res, err := d.exec(r.ctx)
				r.result(what, res, err)
			case "Query":
				rows, err := d.query(r.ctx)
				r.rows(what, rows, err)
			case "QueryRow":
				r.row(what, d.row(r.ctx))
			}
		})
		r.alive("db", r.DB)
	}
}

// andOn executes a text that fails, and looks whether its handle is still of
// use.
func (r *Run) andOn(text string) {
	r.eachEntrance(func(what string, h handle) {
		_, err := h.ExecContext(r.ctx, text)
		r.err(what+" Exec", err)
		r.alive(what, h)
	})
}
