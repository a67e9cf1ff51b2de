package akari_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// someRows is a query that is known to be harmless.
const someRows = "SELECT n FROM numbers WHERE n <= ?"

// rows counts the rows of a parametrised query.
func rows(ctx context.Context, q interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, n int) (got int, err error) {
	rs, err := q.QueryContext(ctx, someRows, n)
	if err != nil {
		return 0, err
	}
	defer rs.Close()
	for rs.Next() {
		got++
	}
	return got, rs.Err()
}

func TestParametrisedStatementIsPreparedOncePerConnection(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.StatementCacheSize = 1, 10
		b := newBench(t, akaritest.MySQLLike, cfg)
		for i := range 100 {
			b.exec("INSERT ?", i)
		}
		// The first time it is not kept: a text that occurs once is not worth a place.
		if s := b.server.Stats(); s.Prepared != 2 || s.Stmts != 1 {
			t.Errorf("prepared %d times, %d are open; want 2 and 1", s.Prepared, s.Stmts)
		}
		if s := b.Stats(); s.StatementHits != 98 || s.StatementMisses != 2 {
			t.Errorf("%d hits, %d misses", s.StatementHits, s.StatementMisses)
		}
		if n := len(b.server.Committed()); n != 100 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestStatementCacheIsBounded(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.StatementCacheSize = 1, 5
		b := newBench(t, akaritest.MySQLLike, cfg)
		for range 3 {
			for i := range 20 {
				b.exec(fmt.Sprintf("INSERT ? -- %d", i), time.Now().UnixNano())
				settle(time.Millisecond)
			}
		}
		if n := b.server.Stats().Stmts; n != 5 {
			t.Errorf("%d statements are open, want 5", n)
		}
	})
}

func TestStatementCacheOffPreparesEachTime(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.StatementCacheSize = 1, akari.None
		b := newBench(t, akaritest.MySQLLike, cfg)
		for i := range 10 {
			b.exec("INSERT ?", i)
		}
		if s := b.server.Stats(); s.Prepared != 10 || s.Stmts != 0 {
			t.Errorf("prepared %d times, %d are open; want 10 and 0", s.Prepared, s.Stmts)
		}
	})
}

// pgx keeps its own statements; of a driver that is not known nothing is assumed.
func TestStatementsAreNotKeptUnlessTheDriverIsKnownToNeedIt(t *testing.T) {
	for _, c := range []struct {
		profile  akaritest.Profile
		prepared int
	}{
		{akaritest.PgxLike, 0}, {akaritest.PqLike, 0}, {akaritest.SQLiteLike, 0},
		{akaritest.MySQLLike, 10}, // has database/sql prepare, each time
	} {
		t.Run(c.profile.Name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize = 1
				b := newBench(t, c.profile, cfg)
				for i := range 10 {
					b.exec("INSERT ?", i)
				}
				if s := b.server.Stats(); s.Prepared != c.prepared || s.Stmts != 0 {
					t.Errorf("prepared %d times, %d are open; want %d and 0", s.Prepared, s.Stmts, c.prepared)
				}
				if n := b.Stats().StatementHits; n != 0 {
					t.Errorf("%d were found in a cache", n)
				}
			})
		})
	}
}

func TestStatementOfTheProgramLivesAcrossConnections(t *testing.T) {
	for _, profile := range akaritest.Profiles() {
		t.Run(profile.Name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, profile, akari.Config{MaximumPoolSize: 4})
				b.want(4, 0, 4, 0)
				st, err := b.DB().PrepareContext(t.Context(), "INSERT ?")
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				for g := range 16 {
					wg.Go(func() {
						for i := range 25 {
							if _, err := st.ExecContext(t.Context(), 100*g+i); err != nil {
								t.Error(err)
							}
							if i == 12 {
								b.Evict()
							}
						}
					})
				}
				wg.Wait()
				if n := len(b.server.Committed()); n != 16*25 {
					t.Errorf("%d rows, want %d", n, 16*25)
				}
				if err := st.Close(); err != nil {
					t.Error(err)
				}
				if _, err := st.Exec(1); err == nil {
					t.Error("a closed statement runs")
				}
			})
		})
	}
}

func TestRowsOfAStatementSurviveItsSecondUse(t *testing.T) {
	within(t, func(t *testing.T) {
		profile := akaritest.MySQLLike
		profile.RowsBlock = false // as SQLite
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.StatementCacheSize = 1, 10
		b := newBench(t, profile, cfg)
		for range 3 {
			tx, err := b.DB().Begin()
			if err != nil {
				t.Fatal(err)
			}
			rows, err := tx.Query("ROWS ?", 3)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for rows.Next() {
				n++
				inner, err := tx.Query("ROWS ?", 2)
				if err != nil {
					t.Fatal(err)
				}
				m := 0
				for inner.Next() {
					m++
				}
				if m != 2 {
					t.Fatalf("%d inner rows", m)
				}
			}
			if n != 3 {
				t.Fatalf("%d rows", n)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		if n := b.server.Stats().Stmts; n > 1 {
			t.Errorf("%d statements are left", n)
		}
	})
}

func TestStaleStatementIsPreparedAnew(t *testing.T) {
	for name, stale := range map[string]error{
		"PostgreSQL": &akaritest.Error{Code: "0A000", Message: "cached plan must not change result type"},
		"MySQL":      &akaritest.MySQLError{Number: 1615, Message: "Prepared statement needs to be re-prepared"},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize, cfg.MinimumIdle, cfg.StatementCacheSize = 1, 1, 10
				b := newBench(t, akaritest.MySQLLike, cfg)
				b.server.Define(someRows, "ROWS ?")
				query := func() {
					t.Helper()
					if n, err := rows(t.Context(), b.DB(), 3); n != 3 || err != nil {
						t.Fatalf("%d rows, %v", n, err)
					}
				}
				for range 3 {
					query()
				}
				makeStale := func() {
					b.server.Inject(akaritest.OpQuery, akaritest.Fault{Times: 1, Err: stale, Match: func(c akaritest.Call) bool { return c.Prepared }})
				}
				before := b.server.Stats().Prepared
				makeStale()
				query() // the caller sees nothing of it
				if n := b.server.Stats().Prepared - before; n != 1 {
					t.Errorf("prepared %d times anew", n)
				}
				b.want(1, 0, 1, 0)
				if n := b.server.Stats().Stmts; n != 1 {
					t.Errorf("%d statements are open", n)
				}

				// In a transaction the server has given up, and so must the caller.
				tx, err := b.DB().Begin()
				if err != nil {
					t.Fatal(err)
				}
				makeStale()
				if _, err := rows(t.Context(), tx, 3); !errors.Is(err, stale) {
					t.Errorf("in a transaction: %v", err)
				}
				tx.Rollback()
				query()
				b.want(1, 0, 1, 0)
				if n := b.Stats().TotalClosed(); n != 0 {
					t.Errorf("%d connections were closed for it", n)
				}
			})
		})
	}
}

func TestSessionThatIsResetForgetsItsStatements(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.StatementCacheSize, cfg.Dialect = 1, 10, akari.DialectMySQL
		b := newBench(t, akaritest.MySQLLike, cfg)
		for i := range 3 {
			b.exec("INSERT ?", i)
		}
		b.exec("BEGIN") // rolled back: statements stay
		settle(0)
		b.exec("INSERT ?", 10)
		if n := b.server.Stats().Prepared; n != 2 {
			t.Errorf("prepared %d times", n)
		}
	})
}

func TestASecondHandleOnATextLeavesNoStatementBehind(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize = 1
		b := newBench(t, akaritest.PgxLike, cfg)
		for i := range 10 {
			tx, err := b.DB().BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for j := range 3 {
				st, err := tx.PrepareContext(t.Context(), "INSERT ?")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := st.ExecContext(t.Context(), 3*i+j); err != nil {
					t.Fatal(err)
				}
			}
			if err := tx.Commit(); err != nil { // before the handles are closed
				t.Fatal(err)
			}
			settle(time.Millisecond)
		}
		if n := b.server.Stats().Stmts; n > 1 {
			t.Errorf("%d statements open at the server", n)
		}
	})
}

func TestStatementsAreClosedBeforeAConnectionOfAnUnknownDatabase(t *testing.T) {
	within(t, func(t *testing.T) {
		closed := map[string]int{}
		for _, dialect := range []akari.Dialect{akari.DialectOther, akari.DialectPostgreSQL} {
			cfg := quietKeeping
			cfg.MaximumPoolSize, cfg.Dialect = 1, dialect
			b := newBench(t, akaritest.PgxLike, cfg)
			st, err := b.DB().PrepareContext(t.Context(), "ROWS 2")
			if err != nil {
				t.Fatal(err)
			}
			b.Evict()
			settle(time.Millisecond)
			closed[fmt.Sprint(dialect)] = b.server.Calls(akaritest.OpStmtClose)
			st.Close()
		}
		if other, pg := closed["other"], closed["postgresql"]; len(closed) != 2 || other != 1 || pg != 0 {
			t.Errorf("closed %v: want 1 in an unknown one, 0 in PostgreSQL, where they go with the session", closed)
		}
	})
}
