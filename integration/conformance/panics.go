package conformance

// database/sql itself never lets go of the connection of a Query, or of an Exec of
// a prepared statement, whose argument panics, nor of that of rows whose Scanner
// panics (Rows.Close waits for ever for a lock of Scan's). Exec of a text is where
// it does.
func panicCases() []Case {
	var cases []Case
	for _, e := range entrances {
		w := direct(e)
		cases = append(cases, Case{Name: "panics/Valuer/" + w.name, Run: func(r *Run) {
			d, err := w.open(r, r.query(r.Dialect.Insert))
			r.must("open", err)
			for i := range 3 {
				r.try(w.name, func() {
					_, err := d.exec(r.ctx, panickingValuer{})
					r.err("Exec", err)
				})
				res, err := d.exec(r.ctx, r.id(int64(i)))
				r.result("afterwards", res, err)
				r.err("error of a Valuer", func() error { _, err := d.exec(r.ctx, valuer{err: errOwn}); return err }())
			}
			d.done()
			for i := range 3 {
				rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(int64(i)))
				r.rows("there", rows, err)
			}
		}})
	}
	return append(cases, []Case{
		{Name: "panics/Valuer in a transaction that goes on", Run: func(r *Run) {
			for i, commit := range []bool{true, false} {
				tx := r.begin()
				res, err := tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(2*i)))
				r.result("insert", res, err)
				r.try("panic", func() {
					_, err := tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), panickingValuer{})
					r.err("Exec", err)
				})
				res, err = tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(2*i+1)))
				r.result("insert", res, err)
				if commit {
					r.err("Commit", tx.Commit())
				} else {
					r.err("Rollback", tx.Rollback())
				}
				for j := range 2 {
					rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(int64(2*i+j)))
					r.rows("there", rows, err)
				}
			}
		}},
		{Name: "panics/Valuer, session kept", Needs: Sessions, Run: func(r *Run) {
			c := r.conn()
			_, err := c.ExecContext(r.ctx, r.Dialect.SetVar)
			r.must("set", err)
			r.try("panic", func() {
				_, err := c.ExecContext(r.ctx, r.query(r.Dialect.Insert), panickingValuer{})
				r.err("Exec", err)
			})
			r.row("get", c.QueryRowContext(r.ctx, r.Dialect.GetVar))
			r.err("Close", c.Close())
		}},
	}...)
}
