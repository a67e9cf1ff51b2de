package conformance

import (
	"database/sql"
	"fmt"
	"sync"
)

func concurrentCases() []Case {
	return []Case{
		{Name: "concurrent/one statement", Loose: true, Run: func(r *Run) {
			s, err := r.DB.PrepareContext(r.ctx, r.query(r.Dialect.Numbers))
			r.must("Prepare", err)
			r.together(8, 10, func(i int) string {
				rows, err := s.QueryContext(r.ctx, i%5)
				if err != nil {
					return describeError(err)
				}
				return r.count(rows)
			})
			r.err("Close", s.Close())
		}},
		{Name: "concurrent/one statement, closed meanwhile", Loose: true, Run: func(r *Run) {
			for range 5 {
				s, err := r.DB.PrepareContext(r.ctx, r.Dialect.One)
				r.must("Prepare", err)
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						for {
							err := s.QueryRowContext(r.ctx).Scan(new(any))
							if err != nil {
								if err.Error() != "sql: statement is closed" {
									panic("a statement that is being closed: " + describeError(err))
								}
								return
							}
						}
					})
				}
				r.err("Close", s.Close())
				wg.Wait()
			}
			r.alive("db", r.DB)
		}},
		{Name: "concurrent/one transaction", Loose: true, Run: func(r *Run) {
			tx := r.begin()
			r.together(6, 5, func(i int) string {
				_, err := tx.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(i)))
				return describeError(err)
			})
			r.err("Commit", tx.Commit())
			for i := range 30 {
				rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(int64(i)))
				r.rows("there", rows, err)
			}
		}},
		{Name: "concurrent/one statement of a transaction", Loose: true, Run: func(r *Run) {
			tx := r.begin()
			s, err := tx.PrepareContext(r.ctx, r.query(r.Dialect.Insert))
			r.must("Prepare", err)
			r.together(6, 5, func(i int) string {
				_, err := s.ExecContext(r.ctx, r.id(int64(i)))
				return describeError(err)
			})
			r.err("Rollback", tx.Rollback())
		}},
		{Name: "concurrent/one connection", Loose: true, Run: func(r *Run) {
			c := r.conn()
			r.together(6, 5, func(i int) string {
				_, err := c.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(i)))
				return describeError(err)
			})
			r.err("Close", c.Close())
		}},
		{Name: "concurrent/everything", Loose: true, Run: func(r *Run) {
			s, err := r.DB.PrepareContext(r.ctx, r.query(r.Dialect.Numbers))
			r.must("Prepare", err)
			r.together(6, 12, func(i int) string {
				switch i % 6 {
				case 0:
					rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Numbers), i)
					if err != nil {
						return describeError(err)
					}
					return r.count(rows)
				case 1:
					rows, err := s.QueryContext(r.ctx, i)
					if err != nil {
						return describeError(err)
					}
					return r.count(rows)
				case 2:
					_, err := r.DB.ExecContext(r.ctx, r.query(r.Dialect.Insert), r.id(int64(i)))
					return describeError(err)
				case 3:
					_, err := r.DB.ExecContext(r.ctx, r.Dialect.Fails)
					return describeError(err)
				case 4:
					tx, err := r.DB.Begin()
					if err != nil {
						return describeError(err)
					}
					if _, err := tx.Exec(r.query(r.Dialect.Insert), r.id(int64(i))); err != nil {
						return describeError(err) + describeError(tx.Rollback())
					}
					return describeError(tx.Commit())
				default:
					c, err := r.DB.Conn(r.ctx)
					if err != nil {
						return describeError(err)
					}
					err = c.QueryRowContext(r.ctx, r.Dialect.One).Scan(new(any))
					return describeError(err) + describeError(c.Close())
				}
			})
			r.err("Close", s.Close())
			for i := range 72 {
				if i%6 == 2 || i%6 == 4 {
					rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Select), r.id(int64(i)))
					r.rows("there", rows, err)
				}
			}
		}},
	}
}

// together calls f from some goroutines at once, several times in each, and
// writes down what it returned in the order of its arguments.
func (r *Run) together(goroutines, times int, f func(i int) string) {
	answers := make([]string, goroutines*times)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range times {
				n := i*goroutines + g
				answers[n] = f(n)
			}
		})
	}
	wg.Wait()
	for i, a := range answers {
		r.note("%d: %s", i, a)
	}
}

// count reads rows to the end.
func (r *Run) count(rows *sql.Rows) string {
	var got []string
	for rows.Next() {
		got = append(got, r.scanAny(rows))
	}
	return fmt.Sprintf("%d rows, %s, %s", len(got), describeError(rows.Err()), describeError(rows.Close()))
}
