package conformance

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

func connCases() []Case {
	return []Case{
		{Name: "conns/life", Run: func(r *Run) {
			c := r.conn()
			r.err("Ping", c.PingContext(r.ctx))
			r.alive("conn", c)
			tx, err := c.BeginTx(context.Background(), nil)
			r.err("BeginTx", err)
			r.err("Commit", tx.Commit())
			s, err := c.PrepareContext(r.ctx, r.Dialect.One)
			r.err("Prepare", err)
			r.err("Close", c.Close())
			r.err("Close again", c.Close())
			r.gone("conn", c)
			r.err("Stmt.Close", s.Close())
			r.alive("db", r.DB)
		}},
		{Name: "conns/never used", Run: func(r *Run) {
			for range 3 {
				r.err("Close", r.conn().Close())
			}
			r.alive("db", r.DB)
		}},
		{Name: "conns/Ping", Run: func(r *Run) {
			for range 3 {
				r.err("db.Ping", r.DB.Ping())
				r.err("db.PingContext", r.DB.PingContext(r.ctx))
			}
			c := r.conn()
			r.err("conn.PingContext", c.PingContext(r.ctx))
			rows, err := c.QueryContext(r.ctx, r.query(r.Dialect.Numbers), 900)
			r.must("Query", err)
			r.note("%v", rows.Next())
			if !r.Fragile {
				r.err("while rows are open", c.PingContext(r.ctx))
			}
			r.err("Close", rows.Close())
			r.err("Close", c.Close())
			r.alive("db", r.DB)
		}},
		{Name: "conns/Raw", Run: func(r *Run) {
			c := r.conn()
			r.err("Raw", r.Raw(c, func(dc any) error {
				_, ok := dc.(driver.Conn)
				r.note("a connection: %v, of type %T", ok, dc)
				return nil
			}))
			r.err("Raw with an error", r.Raw(c, func(any) error { return errOwn }))
			r.alive("conn", c)
			r.err("Close", c.Close())
			r.err("Raw after Close", r.Raw(c, func(any) error { r.note("called"); return nil }))
		}},
		{Name: "conns/Raw before any statement", Run: func(r *Run) {
			for range 2 {
				c := r.conn()
				r.err("Raw", r.Raw(c, func(dc any) error { r.note("%T", dc); return nil }))
				r.err("Close", c.Close())
			}
		}},
		{Name: "conns/Raw says it is bad", Run: func(r *Run) {
			c := r.conn()
			r.alive("before", c)
			r.err("Raw", r.Raw(c, func(any) error { return driver.ErrBadConn }))
			r.err("Ping", c.PingContext(r.ctx))
			r.err("Close", c.Close())
			r.alive("db", r.DB)
		}},
		{Name: "conns/Raw panics", Run: func(r *Run) {
			c := r.conn()
			r.alive("before", c)
			r.try("Raw", func() { _ = r.Raw(c, func(any) error { panic("in Raw") }) })
			r.err("Ping", c.PingContext(r.ctx))
			r.err("Close", c.Close())
			r.alive("db", r.DB)
		}},
		{Name: "conns/sql.Conn.Raw ends a connection for good", Numbered: true, Needs: Sessions, Run: func(r *Run) {
			for _, f := range []func(any) error{
				func(any) error { return driver.ErrBadConn },
				func(any) error { panic("in Raw") },
			} {
				c := r.conn()
				before := r.mark(c)
				r.try("Raw", func() { r.err("Raw", c.Raw(f)) })
				r.gone("conn", c)
				for range r.Conns {
					r.note("the connection is used again: %v", r.marked(before))
				}
			}
		}},
		{Name: "conns/sql.Conn.Raw keeps a connection", Numbered: true, Needs: Sessions, Run: func(r *Run) {
			c := r.conn()
			before := r.mark(c)
			r.err("Raw", c.Raw(func(any) error { return errOwn }))
			after := r.mark(c)
			r.note("the same connection: %v", before == after)
			r.err("Close", c.Close())
		}},
		{Name: "conns/closed database", Needs: Reopenable, Run: func(r *Run) {
			db, err := r.Reopen()
			r.must("Reopen", err)
			s, err := db.PrepareContext(r.ctx, r.Dialect.One)
			r.must("Prepare", err)
			r.row("before", s.QueryRowContext(r.ctx))
			r.err("Close", db.Close())
			r.err("Close again", db.Close())
			r.err("Ping", db.PingContext(r.ctx))
			_, err = db.ExecContext(r.ctx, r.Dialect.Noop)
			r.err("Exec", err)
			_, err = db.QueryContext(r.ctx, r.Dialect.One)
			r.err("Query", err)
			r.row("QueryRow", db.QueryRowContext(r.ctx, r.Dialect.One))
			_, err = db.PrepareContext(r.ctx, r.Dialect.One)
			r.err("Prepare", err)
			_, err = db.BeginTx(r.ctx, nil)
			r.err("BeginTx", err)
			_, err = db.Conn(r.ctx)
			r.err("Conn", err)
			r.row("prepared", s.QueryRowContext(r.ctx))
			r.err("Stmt.Close", s.Close())
		}},
		{Name: "conns/database closed in use", Needs: Reopenable, Conns: 3, Run: func(r *Run) {
			db, err := r.Reopen()
			r.must("Reopen", err)
			c, err := db.Conn(r.ctx)
			r.must("Conn", err)
			r.alive("conn", c)
			tx, err := db.BeginTx(context.Background(), nil)
			r.must("BeginTx", err)
			rows, err := db.QueryContext(r.ctx, r.query(r.Dialect.Numbers), 900)
			r.must("Query", err)
			r.note("%v", rows.Next())
			r.err("Close", db.Close())
			r.alive("conn", c)
			r.alive("tx", tx)
			r.note("%v %s", rows.Next(), r.scanAny(rows))
			r.err("rows", rows.Close())
			r.err("Commit", tx.Commit())
			again, err := c.BeginTx(context.Background(), nil)
			r.err("BeginTx on the conn", err)
			if err == nil {
				r.err("Rollback", again.Rollback())
			}
			r.err("conn", c.Close())
		}},
		{Name: "conns/driver", Run: func(r *Run) { r.note("%T", r.DB.Driver()) }},
		{Name: "conns/settings of the DB", Needs: Reopenable, Run: func(r *Run) {
			db, err := r.Reopen()
			r.must("Reopen", err)
			db.SetMaxIdleConns(0)
			r.useBriefly(db)
			db.SetMaxOpenConns(1)
			r.useBriefly(db)
			db.SetConnMaxLifetime(1)
			db.SetConnMaxIdleTime(1)
			r.useBriefly(db)
			r.err("Close", db.Close())
		}},
	}
}

// gone uses a connection that is closed.
func (r *Run) gone(what string, c *sql.Conn) {
	r.err(what+" Ping", c.PingContext(r.ctx))
	_, err := c.ExecContext(r.ctx, r.Dialect.Noop)
	r.err(what+" Exec", err)
	_, err = c.QueryContext(r.ctx, r.Dialect.One)
	r.err(what+" Query", err)
	r.row(what+" QueryRow", c.QueryRowContext(r.ctx, r.Dialect.One))
	_, err = c.PrepareContext(r.ctx, r.Dialect.One)
	r.err(what+" Prepare", err)
	_, err = c.BeginTx(r.ctx, nil)
	r.err(what+" BeginTx", err)
	r.err(what+" Raw", c.Raw(func(any) error { r.note("called"); return nil }))
	r.err(what+" Close", c.Close())
}

// mark returns the number of a connection, 0 where it has none.
func (r *Run) mark(h handle) (number int64) {
	if r.Dialect.ConnID != "" {
		r.must("number", h.QueryRowContext(r.ctx, r.Dialect.ConnID).Scan(&number))
	}
	return number
}

// marked reports whether a connection with that number is among those in use.
func (r *Run) marked(number int64) bool {
	c := r.conn()
	defer c.Close()
	return number != 0 && r.mark(c) == number
}

// useBriefly makes a little of every use.
func (r *Run) useBriefly(db *sql.DB) {
	for range 3 {
		r.row("QueryRow", db.QueryRowContext(r.ctx, r.Dialect.One))
		s, err := db.PrepareContext(r.ctx, r.query(r.Dialect.Numbers))
		r.must("Prepare", err)
		for range 3 {
			r.row("prepared", s.QueryRowContext(r.ctx, 2))
		}
		tx, err := db.BeginTx(context.Background(), nil)
		r.must("BeginTx", err)
		r.row("tx.Stmt", tx.StmtContext(r.ctx, s).QueryRowContext(r.ctx, 3))
		r.err("Commit", tx.Commit())
		r.err("Close", s.Close())
	}
}
