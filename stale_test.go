package akari_test

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// cachingBench is a pool whose connections keep statements, on a server that
// knows someRows and the given texts, which do nothing there.
func cachingBench(t *testing.T, dialect akari.Dialect, size int, texts ...string) *bench {
	t.Helper()
	cfg := quietKeeping
	cfg.MaximumPoolSize, cfg.MinimumIdle, cfg.StatementCacheSize = size, size, 10
	cfg.Dialect, cfg.SessionReset = dialect, akari.ResetOff // a changed session is lent again: here it shows what is forgotten
	b := newBench(t, akaritest.MySQLLike, cfg)
	b.server.Define(someRows, "ROWS ?")
	for _, text := range texts {
		b.server.Define(text, "NOP")
	}
	return b
}

// asks runs someRows, and checks how many times it had to be prepared for that.
func (b *bench) asks(q querier, times, want int) {
	b.t.Helper()
	before := b.server.Stats().Prepared
	for range times {
		if n, err := rows(b.t.Context(), q, 3); n != 3 || err != nil {
			b.t.Fatalf("%d rows, %v", n, err)
		}
	}
	if n := b.server.Stats().Prepared - before; n != want {
		b.t.Errorf("prepared %d times for %d queries, want %d", n, times, want)
	}
}

// warm has the statement of someRows kept.
func (b *bench) warm(q querier) {
	b.t.Helper()
	for range 3 {
		if _, err := rows(b.t.Context(), q, 3); err != nil {
			b.t.Fatal(err)
		}
	}
	b.asks(q, 3, 0)
}

func (b *bench) conn() *sql.Conn {
	b.t.Helper()
	c, err := b.DB().Conn(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

func must(t *testing.T, q querier, text string) {
	t.Helper()
	if _, err := q.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// what changes the meaning of names for the session alone.
var renaming = map[akari.Dialect][]string{
	akari.DialectMySQL:      {"USE other", "SET SESSION sql_mode = 'ANSI_QUOTES'", "CREATE TEMPORARY TABLE numbers (n INT)"},
	akari.DialectPostgreSQL: {"SET search_path TO other", "SET LOCAL search_path TO other", "SELECT set_config('search_path', 'other', true)", "RESET search_path", "SET ROLE other", "SELECT set_config('search_path', 'other', false)", "CREATE TEMP TABLE numbers (n int)", "DISCARD TEMP"},
}

func TestStatementsOfBeforeAreNotUsedOnceNamesMeanSomethingElse(t *testing.T) {
	for dialect, texts := range renaming {
		for _, text := range texts {
			t.Run(dialect.String()+"/"+text, func(t *testing.T) {
				within(t, func(t *testing.T) {
					b := cachingBench(t, dialect, 1, text)
					conn := b.conn()
					b.warm(conn)
					must(t, conn, text)
					b.asks(conn, 1, 1)
					must(t, conn, text)
					b.asks(conn, 1, 1)
					conn.Close()
					settle(0)
					b.warm(b.DB())
					tx, err := b.DB().Begin()
					if err != nil {
						t.Fatal(err)
					}
					b.asks(tx, 1, 0)
					must(t, tx, text)
					b.asks(tx, 1, 1)
					if err := tx.Commit(); err != nil {
						t.Fatal(err)
					}
					settle(0)
					b.asks(b.DB(), 1, 1) // nor are those that were prepared meanwhile
					b.asks(b.DB(), 3, 0)
					if n := b.server.Stats().Stmts; n != 1 {
						t.Errorf("%d statements are open, want 1", n)
					}
				})
			})
		}
	}
}

func TestHarmlessTextsLeaveTheStatementsAlone(t *testing.T) {
	for dialect, texts := range map[akari.Dialect][]string{
		akari.DialectMySQL:      {"INSERT INTO numbers VALUES (1)", "SELECT 1", "BEGIN", "COMMIT", "ALTER TABLE numbers ADD m INT"},
		akari.DialectPostgreSQL: {"INSERT INTO numbers VALUES (1)", "SELECT 1", "BEGIN", "COMMIT", "SET application_name = 'orders'"},
	} {
		for _, text := range texts {
			t.Run(dialect.String()+"/"+text, func(t *testing.T) {
				within(t, func(t *testing.T) {
					b := cachingBench(t, dialect, 1, text)
					b.warm(b.DB())
					b.exec(text)
					settle(0)
					b.asks(b.DB(), 3, 0)
				})
			})
		}
	}
}

func TestHandlesOfTheProgramGoOnWhenNamesMeanSomethingElse(t *testing.T) {
	for dialect, texts := range renaming {
		for _, text := range append([]string{"ALTER TABLE numbers ADD m int"}, texts...) {
			t.Run(dialect.String()+"/"+text, func(t *testing.T) {
				within(t, func(t *testing.T) {
					b := cachingBench(t, dialect, 1, text)
					conn := b.conn()
					st, err := conn.PrepareContext(t.Context(), someRows)
					if err != nil {
						t.Fatal(err)
					}
					run := func() {
						t.Helper()
						n := 0
						rs, err := st.QueryContext(t.Context(), 3)
						if err != nil {
							t.Fatal(err)
						}
						for rs.Next() {
							n++
						}
						if err := rs.Err(); err != nil || n != 3 {
							t.Fatalf("%d rows, %v", n, err)
						}
					}
					run()
					must(t, conn, text)
					run()
					b.asks(conn, 1, 1) // the same text without the handle
					run()
					must(t, conn, text)
					run()
					if err := st.Close(); err != nil {
						t.Error(err)
					}
					conn.Close()
					settle(0)
					b.warm(b.DB())
					if n := b.server.Stats().Stmts; n != 1 {
						t.Errorf("%d statements are open, want 1", n)
					}
				})
			})
		}
	}
}

func TestTablesThatChangeOnOneConnectionMakeAllPrepareAnew(t *testing.T) {
	for _, text := range []string{"ALTER TABLE numbers ADD m int", "DROP TABLE numbers", "CREATE TABLE numbers (n int)", "SELECT 1; alter table numbers add m int"} {
		t.Run(text, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := cachingBench(t, akari.DialectPostgreSQL, 2, text)
				one, two := b.conn(), b.conn()
				b.warm(one)
				b.warm(two)
				must(t, one, text)
				b.asks(one, 3, 1)
				b.asks(two, 3, 1)

				// In a transaction others see the change once that is over, whichever way.
				for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
					tx, err := one.BeginTx(t.Context(), nil)
					if err != nil {
						t.Fatal(err)
					}
					must(t, tx, text)
					b.asks(tx, 3, 1)
					b.asks(two, 3, 0)
					if err := end(tx); err != nil {
						t.Fatal(err)
					}
					b.asks(one, 3, 1)
					b.asks(two, 3, 1)
				}
				one.Close()
				two.Close()
				settle(0)
				if n := b.server.Stats().Stmts; n != 2 {
					t.Errorf("%d statements are open, want one for each connection", n)
				}
			})
		})
	}
}

func TestServerWithoutRoomForStatementsEndsTheCaching(t *testing.T) {
	for what, q := range map[string]func(*bench) querier{
		"DB":   func(b *bench) querier { return b.DB() },
		"Conn": func(b *bench) querier { return b.conn() },
		"Tx": func(b *bench) querier {
			tx, err := b.DB().Begin()
			if err != nil {
				b.t.Fatal(err)
			}
			b.t.Cleanup(func() { tx.Rollback() })
			return tx
		},
	} {
		t.Run(what, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := cachingBench(t, akari.DialectMySQL, 1, "SELECT ?")
				b.warm(b.DB())
				if n := b.server.Stats().Stmts; n != 1 {
					t.Fatalf("%d statements are kept", n)
				}
				in := b.server.Inject(akaritest.OpPrepare, akaritest.Fault{Times: 1, Err: &akaritest.MySQLError{
					Number: 1461, Message: "Can't create more than max_prepared_stmt_count statements (current value: 16382)",
				}})
				use := q(b)
				b.server.Define("SELECT ?", "ROWS ?")
				if _, err := use.ExecContext(t.Context(), "SELECT ?", 1); err != nil {
					t.Errorf("the caller got %v", err)
				}
				if in.Hits() != 1 {
					t.Fatal("nothing was injected")
				}
				if tx, ok := use.(*sql.Tx); ok {
					if err := tx.Commit(); err != nil {
						t.Error(err)
					}
				}
				if conn, ok := use.(*sql.Conn); ok {
					conn.Close()
				}
				settle(0)
				b.asks(b.DB(), 5, 5) // as without a pool
				if n := b.server.Stats().Stmts; n != 0 {
					t.Errorf("%d statements are kept", n)
				}
				if n := b.log.count("WARN test - The server holds as many prepared statements as it allows"); n != 1 {
					t.Errorf("it is told %d times", n)
				}
				b.want(1, 0, 1, 0)
			})
		})
	}
}

func TestRefusalOfAKeptStatementIsTriedOnceWithAFreshOne(t *testing.T) {
	gone := &serverError{Severity: "ERROR", Code: "42703"}
	refuse := func(b *bench, times int) *akaritest.Injection {
		return b.server.Inject(akaritest.OpQuery, akaritest.Fault{Times: times, Err: gone})
	}
	within(t, func(t *testing.T) {
		b := cachingBench(t, akari.DialectPostgreSQL, 1)
		b.warm(b.DB())
		in := refuse(b, 1)
		b.asks(b.DB(), 3, 1) // the caller sees nothing of it
		if in.Hits() != 1 {
			t.Error("nothing was injected")
		}

		in = refuse(b, 10)
		if _, err := rows(t.Context(), b.DB(), 3); !errors.Is(err, gone) {
			t.Errorf("a text that is wrong: %v", err)
		}
		if in.Hits() != 2 {
			t.Errorf("it was tried %d times, want 2", in.Hits())
		}
		in.Release()
		b.warm(b.DB())

		tx, err := b.DB().Begin()
		if err != nil {
			t.Fatal(err)
		}
		in = refuse(b, 10)
		if _, err := rows(t.Context(), tx, 3); !errors.Is(err, gone) || in.Hits() != 1 {
			t.Errorf("in a transaction: %v after %d attempts", err, in.Hits())
		}
		in.Release()
		tx.Rollback()
		b.want(1, 0, 1, 0)
		if n := b.Stats().TotalClosed(); n != 0 {
			t.Errorf("%d connections were closed for it", n)
		}
	})
}
