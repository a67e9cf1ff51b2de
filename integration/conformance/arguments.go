package conformance

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

func argumentCases() []Case {
	var cases []Case
	for _, v := range sameValues {
		cases = append(cases, valueCase("arguments/value/"+v.Name, v))
	}
	cases = append(cases, []Case{
		{Name: "arguments/own values", Run: func(r *Run) {
			for _, v := range r.Values {
				r.echo(v)
			}
		}},
		{Name: "arguments/all ways", Needs: Echoes, Run: func(r *Run) {
			r.eachWay(r.echoText(0), func(what string, d *doer) {
				for _, arg := range []any{7, "text", nil, valuer{v: "valuer"}, struct{}{}, valuer{err: errOwn}, sql.Named("name", 7), new("pointer")} {
					rows, err := d.query(r.ctx, arg)
					r.rows(fmt.Sprintf("%s %T", what, arg), rows, err)
					res, err := d.exec(r.ctx, arg)
					r.result(fmt.Sprintf("%s Exec %T", what, arg), res, err)
				}
			})
		}},
		{Name: "arguments/number", Run: func(r *Run) {
			r.eachWay(r.query(r.Dialect.Select), func(what string, d *doer) {
				for _, args := range [][]any{nil, {}, {r.id(1)}, {r.id(1), 2}, {r.id(1), 2, 3}, {nil}, {struct{}{}, 1}} {
					rows, err := d.query(r.ctx, args...)
					r.rows(fmt.Sprintf("%s with %d", what, len(args)), rows, err)
					res, err := d.exec(r.ctx, args...)
					r.result(fmt.Sprintf("%s Exec with %d", what, len(args)), res, err)
				}
			})
			r.eachWay(r.Dialect.One, func(what string, d *doer) {
				rows, err := d.query(r.ctx, 1)
				r.rows(what+" with one too many", rows, err)
			})
		}},
		{Name: "arguments/many", Run: func(r *Run) {
			if !r.Dialect.Features.Has(SQL) {
				return
			}
			ids := make([]any, 200)
			for i := range ids {
				ids[i] = r.id(int64(i))
			}
			text := r.query("SELECT count(*) FROM items WHERE id IN (" + strings.Repeat("?, ", len(ids)-1) + "?)")
			r.eachWay(text, func(what string, d *doer) { r.row(what, d.row(r.ctx, ids...)) })
		}},
		{Name: "arguments/asked once", Run: func(r *Run) {
			text := r.query(r.Dialect.Select)
			r.eachWay(text, func(what string, d *doer) {
				for i := range 3 {
					times := 0
					rows, err := d.query(r.ctx, countingValuer{&times})
					r.note("%s, %d: %s, Value was called %d times", what, i, describeError(err), times)
					if err == nil {
						r.err(what+" Close", rows.Close())
					}
					times = 0
					_, err = d.exec(r.ctx, countingValuer{&times})
					r.note("%s Exec, %d: %s, Value was called %d times", what, i, describeError(err), times)
				}
			})
		}},
		{Name: "arguments/wrong before the statement is", Run: func(r *Run) {
			r.eachEntrance(func(what string, h handle) {
				for _, text := range []string{r.Dialect.Syntax, r.Dialect.Unknown} {
					_, err := h.ExecContext(r.ctx, text, valuer{err: errOwn})
					r.err(what+" Exec", err)
					_, err = h.QueryContext(r.ctx, text, make(chan int))
					r.err(what+" Query", err)
				}
			})
		}},
		{Name: "arguments/belong to the caller", Needs: Echoes, Run: func(r *Run) {
			r.eachWay(r.echoText(0), func(what string, d *doer) {
				bytes := []byte("before")
				rows, err := d.query(r.ctx, bytes)
				copy(bytes, "after!")
				r.rows(what, rows, err)
				r.note("%s: %s", what, bytes)
			})
		}},
		{Name: "arguments/named twice", Needs: Echoes, Run: func(r *Run) {
			r.eachWay(r.echoText(0), func(what string, d *doer) {
				rows, err := d.query(r.ctx, sql.Named("a", 1), sql.Named("a", 2))
				r.rows(what, rows, err)
			})
		}},
		{Name: "arguments/without a context", Run: func(r *Run) {
			tx, err := r.DB.Begin()
			r.must("Begin", err)
			res, err := tx.Exec(r.query(r.Dialect.Insert), r.id(1))
			r.result("tx.Exec", res, err)
			rows, err := tx.Query(r.query(r.Dialect.Select), r.id(1))
			r.rows("tx.Query", rows, err)
			s, err := tx.Prepare(r.query(r.Dialect.Select))
			r.err("tx.Prepare", err)
			rows, err = s.Query(r.id(1))
			r.rows("Stmt.Query", rows, err)
			r.err("Commit", tx.Commit())
			rows, err = r.DB.Query(r.query(r.Dialect.Select), r.id(1))
			r.rows("db.Query", rows, err)
			res, err = r.DB.Exec(r.query(r.Dialect.Insert), r.id(2))
			r.result("db.Exec", res, err)
		}},
	}...)
	return cases
}

func valueCase(name string, v Value) Case {
	return Case{Name: name, Needs: Echoes, Run: func(r *Run) { r.echo(v) }}
}

// echo sends an argument, in each form that the dialect has, twice by the DB
// and twice by a prepared statement.
func (r *Run) echo(v Value) {
	for i := range r.Dialect.Echo {
		text := r.echoText(i)
		for range 2 {
			rows, err := r.DB.QueryContext(context.Background(), text, v.Make())
			r.rows(v.Name+" "+text, rows, err)
		}
		s, err := r.DB.PrepareContext(r.ctx, text)
		r.err("Prepare", err)
		if err != nil {
			continue
		}
		for range 2 {
			rows, err := s.QueryContext(r.ctx, v.Make())
			r.rows(v.Name+" prepared "+text, rows, err)
		}
		r.err("Stmt.Close", s.Close())
		res, err := r.DB.ExecContext(r.ctx, text, v.Make())
		r.result(v.Name+" Exec "+text, res, err)
	}
}

func (r *Run) echoText(i int) string {
	text := r.Dialect.Echo[i]
	if r.Dialect.Features.Has(SQL) {
		text = "SELECT " + text
	}
	return r.query(text)
}
