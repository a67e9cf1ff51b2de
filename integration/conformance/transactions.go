package conformance

import (
	"context"
	"database/sql"
	"fmt"
)

// levels are all isolation levels of database/sql, and one that it has not.
var levels = []sql.IsolationLevel{
	sql.LevelDefault, sql.LevelReadUncommitted, sql.LevelReadCommitted, sql.LevelWriteCommitted, sql.LevelRepeatableRead,
	sql.LevelSnapshot, sql.LevelSerializable, sql.LevelLinearizable, sql.IsolationLevel(77),
}

func transactionCases() []Case {
	var cases []Case
	for _, level := range levels {
		for _, readOnly := range []bool{false, true} {
			opts := &sql.TxOptions{Isolation: level, ReadOnly: readOnly}
			cases = append(cases, Case{Name: fmt.Sprintf("transactions/level/%v, read-only %v", level, readOnly), Run: func(r *Run) {
				tx, err := r.DB.BeginTx(r.ctx, opts)
				r.transaction("db", tx, err, 1)
				c := r.conn()
				tx, err = c.BeginTx(context.Background(), opts)
				r.transaction("conn", tx, err, 2)
				r.alive("conn", c)
				r.err("Close", c.Close())
				r.alive("db", r.DB)
			}})
		}
	}
	return append(cases, []Case{
		{Name: "transactions/committed", Run: func(r *Run) {
			for i, commit := range []bool{true, false} {
				tx := r.begin()
				res, err := tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(i)))
				r.result("insert", res, err)
				rows, err := tx.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(int64(i)))
				r.rows("inside", rows, err)
				if commit {
					r.err("Commit", tx.Commit())
				} else {
					r.err("Rollback", tx.Rollback())
				}
				rows, err = r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(int64(i)))
				r.rows("outside", rows, err)
			}
		}},
		{Name: "transactions/ended twice", Run: func(r *Run) {
			r.endedTwice("Commit", (*sql.Tx).Commit)
			r.endedTwice("Rollback", (*sql.Tx).Rollback)
		}},
		{Name: "transactions/nothing in it", Run: func(r *Run) {
			for range 3 {
				r.err("Commit", r.begin().Commit())
				r.err("Rollback", r.begin().Rollback())
			}
		}},
		{Name: "transactions/error inside", Run: func(r *Run) {
			for i, text := range []string{r.Dialect.Syntax, r.Dialect.Fails, r.Dialect.Unknown} {
				for j, commit := range []bool{true, false} {
					id := r.id(int64(10*i + j))
					tx := r.begin()
					_, err := tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), id)
					r.err("insert", err)
					_, err = tx.ExecContext(r.ctx, text)
					r.err("error", err)
					_, err = tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), id+100)
					r.err("insert", err)
					r.row("query", tx.QueryRowContext(r.ctx, r.Dialect.One))
					if commit {
						r.err("Commit", tx.Commit())
					} else {
						r.err("Rollback", tx.Rollback())
					}
					rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), id)
					r.rows("outside", rows, err)
					r.alive("db", r.DB)
				}
			}
		}},
		{Name: "transactions/savepoints", Run: func(r *Run) {
			tx := r.begin()
			for i, text := range []string{"SAVEPOINT a", r.Dialect.Fails, "ROLLBACK TO SAVEPOINT a", "SAVEPOINT b", r.Dialect.Syntax, "ROLLBACK TO a", "ROLLBACK TO b", "RELEASE SAVEPOINT a", "SAVEPOINT a"} {
				_, err := tx.ExecContext(r.ctx, text)
				r.err(text, err)
				res, err := tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(i)))
				r.result("insert", res, err)
			}
			r.err("Commit", tx.Commit())
			for i := range int64(9) {
				rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(i))
				r.rows("outside", rows, err)
			}
		}},
		{Name: "transactions/by text on a connection", Run: func(r *Run) {
			c := r.conn()
			for i, texts := range [][]string{
				{"BEGIN", "COMMIT"}, {"BEGIN", "ROLLBACK"}, {"COMMIT"}, {"ROLLBACK"}, {"BEGIN", "BEGIN", "ROLLBACK"}, {"BEGIN", "SAVEPOINT a", "ROLLBACK TO a", "COMMIT"},
			} {
				for j, text := range texts {
					_, err := c.ExecContext(r.ctx, text)
					r.err(text, err)
					res, err := c.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(10*i+j)))
					r.result("insert", res, err)
				}
				rows, err := c.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(int64(10*i)))
				r.rows("there", rows, err)
			}
			r.err("Close", c.Close())
		}},
		{Name: "transactions/by text inside of one", Run: func(r *Run) {
			for i, text := range []string{"COMMIT", "ROLLBACK", "BEGIN"} {
				tx := r.begin()
				_, err := tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(2*i)))
				r.err("insert", err)
				_, err = tx.ExecContext(r.ctx, text)
				r.err(text, err)
				_, err = tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(2*i+1)))
				r.err("insert", err)
				r.err("Commit", tx.Commit())
				for j := range int64(2) {
					rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(int64(2*i)+j))
					r.rows("outside", rows, err)
				}
			}
			r.alive("db", r.DB)
		}},
		{Name: "transactions/one within another on a connection", Run: func(r *Run) {
			for i, order := range []string{"inner first", "outer first"} {
				c := r.conn()
				outer, err := c.BeginTx(context.Background(), nil)
				r.must("BeginTx", err)
				inner, err := c.BeginTx(context.Background(), nil)
				r.err("inner", err)
				_, err = outer.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(3*i)))
				r.err("outer insert", err)
				if inner != nil {
					_, err = inner.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(3*i+1)))
					r.err("inner insert", err)
				}
				if inner != nil && i == 0 {
					r.err(order+": inner Commit", inner.Commit())
				}
				r.err(order+": outer Commit", outer.Commit())
				if inner != nil && i == 1 {
					r.err(order+": inner Commit", inner.Commit())
				}
				r.err("Close", c.Close())
				for j := range int64(2) {
					rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(int64(3*i)+j))
					r.rows("outside", rows, err)
				}
			}
		}},
		{Name: "transactions/the connection beside it", Run: func(r *Run) {
			c := r.conn()
			tx, err := c.BeginTx(context.Background(), nil)
			r.must("BeginTx", err)
			_, err = c.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(1))
			r.err("insert beside", err)
			rows, err := tx.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(1))
			r.rows("inside", rows, err)
			r.err("Rollback", tx.Rollback())
			rows, err = c.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(1))
			r.rows("afterwards", rows, err)
			r.err("Ping", c.PingContext(r.ctx))
			r.err("Close", c.Close())
		}},
		{Name: "transactions/the connection closed under it", Run: func(r *Run) {
			c := r.conn()
			tx, err := c.BeginTx(context.Background(), nil)
			r.must("BeginTx", err)
			_, err = tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(1))
			r.err("insert", err)
			r.err("Rollback", tx.Rollback())
			r.err("Close", c.Close())
			r.err("Commit", tx.Commit())
			_, err = tx.ExecContext(r.ctx, r.Dialect.Noop)
			r.err("Exec", err)
			r.alive("db", r.DB)
		}},
		{Name: "transactions/do not see each other", Conns: 2, Run: func(r *Run) {
			if r.Dialect.Name == "sqlite" {
				return // one writer at a time
			}
			a, b := r.begin(), r.begin()
			_, err := a.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(1))
			r.err("insert a", err)
			_, err = b.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(2))
			r.err("insert b", err)
			for i, tx := range []*sql.Tx{a, b} {
				for id := range int64(3) {
					rows, err := tx.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(id))
					r.rows(fmt.Sprint(i, " sees"), rows, err)
				}
			}
			r.err("Commit", a.Commit())
			r.err("Rollback", b.Rollback())
		}},
		{Name: "transactions/cancelled", Run: func(r *Run) {
			for i, before := range []func(context.Context, *sql.Tx){
				func(context.Context, *sql.Tx) {},
				func(ctx context.Context, tx *sql.Tx) {
					_, err := tx.ExecContext(ctx, r.query(r.Dialect.Insert), r.id(1))
					r.err("insert", err)
				},
				func(ctx context.Context, tx *sql.Tx) {
					_, err := tx.ExecContext(ctx, r.Dialect.Fails)
					r.err("error", err)
				},
				func(ctx context.Context, tx *sql.Tx) {
					rows, err := tx.QueryContext(context.Background(), r.query(r.Dialect.Numbers), 900)
					r.must("Query", err)
					r.note("%v", rows.Next())
				},
				func(ctx context.Context, tx *sql.Tx) {
					s, err := tx.PrepareContext(ctx, r.query(r.Dialect.Numbers))
					r.must("Prepare", err)
					r.row("prepared", s.QueryRowContext(ctx, 2))
				},
			} {
				ctx, cancel := context.WithCancel(r.ctx)
				tx, err := r.DB.BeginTx(ctx, nil)
				r.must("BeginTx", err)
				before(ctx, tx)
				cancel()
				r.over(tx)
				r.err(fmt.Sprint(i, " Commit"), tx.Commit())
				r.err("Rollback", tx.Rollback())
				_, err = tx.ExecContext(r.ctx, r.Dialect.Noop)
				r.err("Exec", err)
				r.settle()
				rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(1))
				r.rows("outside", rows, err)
			}
		}},
		{Name: "transactions/cancelled on a connection", Run: func(r *Run) {
			c := r.conn()
			ctx, cancel := context.WithCancel(r.ctx)
			tx, err := c.BeginTx(ctx, nil)
			r.must("BeginTx", err)
			_, err = tx.ExecContext(ctx, r.query(r.Dialect.Insert), r.id(1))
			r.err("insert", err)
			cancel()
			r.over(tx)
			r.settle()
			rows, err := c.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(1))
			r.rows("afterwards", rows, err)
			again, err := c.BeginTx(context.Background(), nil)
			r.err("BeginTx", err)
			if err == nil {
				r.err("Commit", again.Commit())
			}
			r.err("Close", c.Close())
			r.alive("db", r.DB)
		}},
		{Name: "transactions/cancelled and rolled back", Run: func(r *Run) {
			ctx, cancel := context.WithCancel(r.ctx)
			tx, err := r.DB.BeginTx(ctx, nil)
			r.must("BeginTx", err)
			r.err("Rollback", tx.Rollback())
			cancel()
			r.err("Rollback", tx.Rollback())
			r.err("Commit", tx.Commit())
			r.alive("db", r.DB)
		}},
		{Name: "transactions/session state", Needs: Sessions, Run: func(r *Run) {
			c := r.conn()
			_, err := c.ExecContext(r.ctx, r.Dialect.DelVar) // a bare connection may have it from another case
			r.must("reset", err)
			for _, end := range []func(*sql.Tx) error{(*sql.Tx).Rollback, (*sql.Tx).Commit} {
				tx, err := c.BeginTx(context.Background(), nil)
				r.must("BeginTx", err)
				_, err = tx.ExecContext(r.ctx, r.Dialect.SetVar)
				r.err("set", err)
				r.err("end", end(tx))
				r.row("get", c.QueryRowContext(r.ctx, r.Dialect.GetVar))
			}
			r.err("Close", c.Close())
		}},
	}...)
}

// transaction writes a row in a transaction and rolls it back.
func (r *Run) transaction(what string, tx *sql.Tx, err error, id int64) {
	r.note("%s: transaction %v, %s", what, tx != nil, describeError(err))
	if err != nil {
		return
	}
	if r.Dialect.Levels != "" {
		rows, err := tx.QueryContext(r.ctx, r.Dialect.Levels)
		r.rows(what+" level", rows, err)
	}
	if r.Transactions != nil {
		r.note("%s: the server has %s", what, r.Transactions())
	}
	res, err := tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(id))
	r.result(what+" insert", res, err)
	r.err(what+" Rollback", tx.Rollback())
}

// endedTwice uses a transaction after its end.
func (r *Run) endedTwice(what string, end func(*sql.Tx) error) {
	tx := r.begin()
	r.row("inside", tx.QueryRowContext(r.ctx, r.Dialect.One))
	r.err(what, end(tx))
	r.err("Commit", tx.Commit())
	r.err("Rollback", tx.Rollback())
	_, err := tx.ExecContext(r.ctx, r.Dialect.Noop)
	r.err("Exec", err)
	_, err = tx.QueryContext(r.ctx, r.Dialect.One)
	r.err("Query", err)
	r.row("QueryRow", tx.QueryRowContext(r.ctx, r.Dialect.One))
	_, err = tx.PrepareContext(r.ctx, r.Dialect.One)
	r.err("Prepare", err)
	s, err := r.DB.PrepareContext(r.ctx, r.Dialect.One)
	r.must("Prepare", err)
	r.row("Stmt", tx.StmtContext(r.ctx, s).QueryRowContext(r.ctx))
	r.err("Close", s.Close())
	r.alive("db", r.DB)
}

// over waits until database/sql has rolled a cancelled transaction back: that
// is done in the background.
func (r *Run) over(tx *sql.Tx) {
	r.until("rollback", func() bool { return tx.Commit() == sql.ErrTxDone })
}
