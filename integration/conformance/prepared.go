package conformance

import (
	"context"
	"database/sql"
	"fmt"
)

func preparedCases() []Case {
	return []Case{
		{Name: "prepared/reused", Run: func(r *Run) {
			s, err := r.DB.PrepareContext(r.ctx, r.query(r.Dialect.Numbers))
			r.must("Prepare", err)
			for i := range 5 {
				rows, err := s.QueryContext(r.ctx, i)
				r.rows("Query", rows, err)
				res, err := s.ExecContext(context.Background(), i)
				r.result("Exec", res, err)
			}
			r.err("Close", s.Close())
		}},
		{Name: "prepared/closed", Run: func(r *Run) {
			r.eachEntrance(func(what string, h handle) {
				s, err := h.PrepareContext(r.ctx, r.Dialect.One)
				r.must("Prepare", err)
				r.row(what, s.QueryRowContext(r.ctx))
				r.err("Close", s.Close())
				r.err("Close again", s.Close())
				_, err = s.ExecContext(r.ctx)
				r.err("Exec", err)
				_, err = s.QueryContext(r.ctx)
				r.err("Query", err)
				r.row("QueryRow", s.QueryRowContext(r.ctx))
				r.alive(what, h)
			})
		}},
		{Name: "prepared/with an error", Run: func(r *Run) {
			r.eachEntrance(func(what string, h handle) {
				s, err := h.PrepareContext(r.ctx, r.Dialect.Syntax)
				r.err(what, err)
				r.note("statement: %v", s != nil)
				if s != nil {
					r.err("Close", s.Close())
				}
				r.alive(what, h)
			})
		}},
		{Name: "prepared/never used", Run: func(r *Run) {
			r.eachEntrance(func(what string, h handle) {
				for range 3 {
					s, err := h.PrepareContext(r.ctx, r.Dialect.One)
					r.err(what, err)
					r.err("Close", s.Close())
				}
				r.alive(what, h)
			})
		}},
		{Name: "prepared/outlives its connection", Run: func(r *Run) {
			c := r.conn()
			s, err := c.PrepareContext(r.ctx, r.Dialect.One)
			r.must("Prepare", err)
			r.err("Conn.Close", c.Close())
			r.row("QueryRow", s.QueryRowContext(r.ctx))
			_, err = s.ExecContext(r.ctx)
			r.err("Exec", err)
			r.err("Close", s.Close())
			r.alive("db", r.DB)
		}},
		{Name: "prepared/outlives its transaction", Run: func(r *Run) {
			for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
				tx := r.begin()
				s, err := tx.PrepareContext(r.ctx, r.Dialect.One)
				r.must("Prepare", err)
				r.row("QueryRow", s.QueryRowContext(r.ctx))
				r.err("end", end(tx))
				r.row("QueryRow", s.QueryRowContext(r.ctx))
				_, err = s.ExecContext(r.ctx)
				r.err("Exec", err)
				r.err("Close", s.Close())
				r.alive("db", r.DB)
			}
		}},
		{Name: "prepared/of the DB in a transaction", Run: func(r *Run) {
			s, err := r.DB.PrepareContext(r.ctx, r.query(r.Dialect.Insert))
			r.must("Prepare", err)
			for i, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
				tx := r.begin()
				in := tx.StmtContext(r.ctx, s)
				res, err := in.ExecContext(r.ctx, r.id(int64(2*i)))
				r.result("Exec", res, err)
				again := tx.Stmt(s)
				res, err = again.Exec(r.id(int64(2*i + 1)))
				r.result("Exec again", res, err)
				r.err("close one", again.Close())
				r.err("end", end(tx))
				_, err = in.ExecContext(r.ctx, r.id(9))
				r.err("Exec afterwards", err)
			}
			res, err := s.ExecContext(r.ctx, r.id(4))
			r.result("of the DB", res, err)
			r.err("Close", s.Close())
			for i := range int64(5) {
				rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(i))
				r.rows("there", rows, err)
			}
		}},
		{Name: "prepared/of the DB, closed while a transaction uses it", Run: func(r *Run) {
			s, err := r.DB.PrepareContext(r.ctx, r.Dialect.One)
			r.must("Prepare", err)
			tx := r.begin()
			in := tx.StmtContext(r.ctx, s)
			r.err("Close", s.Close())
			r.row("in the transaction", in.QueryRowContext(r.ctx))
			r.row("itself", s.QueryRowContext(r.ctx))
			again := tx.StmtContext(r.ctx, s)
			r.row("a closed one in the transaction", again.QueryRowContext(r.ctx))
			r.err("Commit", tx.Commit())
			r.alive("db", r.DB)
		}},
		{Name: "prepared/of a connection in a transaction", Run: func(r *Run) {
			c := r.conn()
			s, err := c.PrepareContext(r.ctx, r.Dialect.One)
			r.must("Prepare", err)
			tx, err := c.BeginTx(context.Background(), nil)
			r.must("BeginTx", err)
			in := tx.StmtContext(r.ctx, s)
			r.row("in the transaction", in.QueryRowContext(r.ctx))
			r.row("itself", s.QueryRowContext(r.ctx))
			inIn := tx.StmtContext(r.ctx, in)
			r.row("of the transaction's own", inIn.QueryRowContext(r.ctx))
			r.err("Commit", tx.Commit())
			r.row("in the transaction, afterwards", in.QueryRowContext(r.ctx))
			r.row("itself, afterwards", s.QueryRowContext(r.ctx))
			r.err("Stmt.Close", s.Close())
			r.err("Conn.Close", c.Close())
		}},
		{Name: "prepared/of another database", Needs: Reopenable, Run: func(r *Run) {
			other, err := r.Reopen()
			r.must("Reopen", err)
			s, err := other.PrepareContext(r.ctx, r.Dialect.One)
			r.must("Prepare", err)
			tx := r.begin()
			in := tx.StmtContext(r.ctx, s)
			r.row("QueryRow", in.QueryRowContext(r.ctx))
			r.err("Stmt.Close", in.Close())
			r.err("Rollback", tx.Rollback())
			r.err("Stmt.Close", s.Close())
			r.err("DB.Close", other.Close())
		}},
		{Name: "prepared/twice the same text", Run: func(r *Run) {
			r.eachEntrance(func(what string, h handle) {
				text := r.query(r.Dialect.Numbers)
				a, err := h.PrepareContext(r.ctx, text)
				r.must("Prepare", err)
				b, err := h.PrepareContext(r.ctx, text)
				r.must("Prepare", err)
				rows, err := a.QueryContext(r.ctx, 2)
				r.rows(what+" a", rows, err)
				rows, err = b.QueryContext(r.ctx, 3)
				r.rows(what+" b", rows, err)
				r.err("Close a", a.Close())
				rows, err = b.QueryContext(r.ctx, 1)
				r.rows(what+" b", rows, err)
				rows, err = h.QueryContext(r.ctx, text, 1)
				r.rows(what+" neither", rows, err)
				r.err("Close b", b.Close())
				r.alive(what, h)
			})
		}},
		{Name: "prepared/two results of one text at once", Run: func(r *Run) {
			if r.Fragile {
				return
			}
			c := r.conn()
			text := r.query(r.Dialect.Numbers)
			a, err := c.PrepareContext(r.ctx, text)
			r.must("Prepare", err)
			b, err := c.PrepareContext(r.ctx, text)
			r.must("Prepare", err)
			r.interleave("a and b", func() (*sql.Rows, error) { return a.QueryContext(r.ctx, 3) }, func() (*sql.Rows, error) { return b.QueryContext(r.ctx, 4) })
			r.interleave("a and a", func() (*sql.Rows, error) { return a.QueryContext(r.ctx, 3) }, func() (*sql.Rows, error) { return a.QueryContext(r.ctx, 4) })
			r.interleave("a and text", func() (*sql.Rows, error) { return a.QueryContext(r.ctx, 3) }, func() (*sql.Rows, error) { return c.QueryContext(r.ctx, text, 4) })
			r.interleave("text and text", func() (*sql.Rows, error) { return c.QueryContext(r.ctx, text, 3) }, func() (*sql.Rows, error) { return c.QueryContext(r.ctx, text, 4) })
			r.err("Close", a.Close())
			r.err("Close", b.Close())
			r.err("Conn.Close", c.Close())
		}},
		{Name: "prepared/closed while rows are open", Run: func(r *Run) {
			c := r.conn()
			s, err := c.PrepareContext(r.ctx, r.query(r.Dialect.Numbers))
			r.must("Prepare", err)
			rows, err := s.QueryContext(r.ctx, 3)
			r.must("Query", err)
			r.note("Next: %v", rows.Next())
			r.note("%s", r.scanAny(rows))
			r.err("Stmt.Close", s.Close())
			for rows.Next() {
				r.note("%s", r.scanAny(rows))
			}
			r.err("Err", rows.Err())
			r.err("Close", rows.Close())
			r.alive("conn", c)
			r.err("Conn.Close", c.Close())
		}},
		{Name: "prepared/on many connections", Conns: 3, Loose: true, Run: func(r *Run) {
			s, err := r.DB.PrepareContext(r.ctx, r.query(r.Dialect.Numbers))
			r.must("Prepare", err)
			for round := range 3 {
				var open []*sql.Rows
				for range 3 {
					rows, err := s.QueryContext(r.ctx, 2)
					r.must("Query", err)
					open = append(open, rows)
				}
				for _, rows := range open {
					r.rows(fmt.Sprint("round ", round), rows, nil)
				}
			}
			r.err("Close", s.Close())
		}},
		{Name: "prepared/schema changed", Needs: SQL, Run: func(r *Run) {
			table := fmt.Sprintf("changing%d", r.base)
			r.exec("CREATE TABLE " + table + " (id int)")
			r.exec("INSERT INTO " + table + " VALUES (1)")
			text := r.query("SELECT * FROM " + table + " WHERE id = ?")
			s, err := r.DB.PrepareContext(r.ctx, text)
			r.must("Prepare", err)
			look := func(what string) {
				rows, err := s.QueryContext(r.ctx, 1)
				r.rows(what+" prepared", rows, err)
				for range 2 {
					rows, err = r.DB.QueryContext(r.ctx, text, 1)
					r.rows(what, rows, err)
				}
			}
			look("before")
			r.exec("ALTER TABLE " + table + " ADD COLUMN added varchar(10)")
			look("column added")
			r.exec("ALTER TABLE " + table + " DROP COLUMN added")
			look("column dropped")
			r.exec("DROP TABLE " + table)
			look("dropped")
			r.exec("CREATE TABLE " + table + " (other varchar(10), id int)")
			look("made anew")
			r.err("Close", s.Close())
			r.exec("DROP TABLE " + table)
		}},
		{Name: "prepared/schema changed on a connection", Needs: SQL, Run: func(r *Run) {
			table := fmt.Sprintf("changing%d", r.base)
			r.exec("CREATE TABLE " + table + " (id int)")
			r.exec("INSERT INTO " + table + " VALUES (1)")
			text := r.query("SELECT * FROM " + table + " WHERE id = ?")
			c := r.conn()
			for _, change := range []string{"INSERT INTO items (id) SELECT 1 WHERE 1 = 0", "ALTER TABLE " + table + " ADD COLUMN added varchar(10)", "ALTER TABLE " + table + " DROP COLUMN added"} {
				_, err := c.ExecContext(r.ctx, change)
				r.err(change, err)
				for range 3 {
					rows, err := c.QueryContext(r.ctx, text, 1)
					r.rows("changed", rows, err)
				}
			}
			r.err("Close", c.Close())
			r.exec("DROP TABLE " + table)
		}},
		{Name: "prepared/schema changed in a transaction", Needs: SQL, Run: func(r *Run) {
			if r.Dialect.Name == "mysql" {
				return // a change of the schema ends the transaction
			}
			table := fmt.Sprintf("changing%d", r.base)
			r.exec("CREATE TABLE " + table + " (id int)")
			text := r.query("SELECT * FROM " + table + " WHERE id > ?")
			tx := r.begin()
			for _, change := range []string{"INSERT INTO " + table + " VALUES (1)", "ALTER TABLE " + table + " ADD COLUMN added varchar(10)", "INSERT INTO " + table + " VALUES (2, 'a')"} {
				for range 3 {
					rows, err := tx.QueryContext(r.ctx, text, 0)
					r.rows("in the transaction", rows, err)
				}
				_, err := tx.ExecContext(r.ctx, change)
				r.err(change, err)
			}
			rows, err := tx.QueryContext(r.ctx, text, 0)
			r.rows("in the transaction", rows, err)
			r.err("Rollback", tx.Rollback())
			r.exec("DROP TABLE " + table)
		}},
	}
}

// exec is a preparation of the case.
func (r *Run) exec(text string) {
	_, err := r.DB.ExecContext(context.Background(), text)
	r.must(text, err)
}

// interleave reads two results by turns.
func (r *Run) interleave(what string, one, two func() (*sql.Rows, error)) {
	a, err := one()
	r.err(what+": one", err)
	if err != nil {
		return
	}
	b, err := two()
	r.err(what+": two", err)
	if err != nil {
		r.err(what+": one: Close", a.Close()) // without reading: that pgx panics then is not ours to compare
		return
	}
	for more := true; more; {
		more = false
		for i, rows := range []*sql.Rows{a, b} {
			if rows.Next() {
				more = true
				r.note("%s, %d: %s", what, i+1, r.scanAny(rows))
			}
		}
	}
	r.err(what+": one: Err", a.Err())
	r.err(what+": two: Err", b.Err())
	r.err(what+": two: Close", b.Close())
	r.err(what+": one: Close", a.Close())
}
