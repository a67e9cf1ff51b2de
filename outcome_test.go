package akari_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// serverError is an error as PostgreSQL's drivers have it: with a severity.
type serverError struct{ Severity, Code string }

func (e *serverError) Error() string    { return e.Severity + ": no (SQLSTATE " + e.Code + ")" }
func (e *serverError) SQLState() string { return e.Code }

func TestSeverityTellsARefusalFromALostConnection(t *testing.T) {
	for _, c := range []struct {
		err     error
		unknown bool
	}{
		{&serverError{"ERROR", "08P01"}, false},
		{&serverError{"FATAL", "08P01"}, true},
		{&serverError{"PANIC", "57P02"}, true},
		{fmt.Errorf("insert: %w", &serverError{"ERROR", "08P01"}), false},
		{fmt.Errorf("insert: %w", &serverError{"FATAL", "57P01"}), true},
	} {
		for name, insert := range map[string]func(*testing.T, *sql.Conn) error{
			"Exec": func(t *testing.T, conn *sql.Conn) error {
				_, err := conn.ExecContext(t.Context(), "INSERT 1")
				return err
			},
			"Query": func(t *testing.T, conn *sql.Conn) error {
				_, err := conn.QueryContext(t.Context(), "INSERT 1")
				return err
			},
			"Commit": func(t *testing.T, conn *sql.Conn) error {
				tx, err := conn.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				return tx.Commit()
			},
		} {
			t.Run(name+"/"+c.err.Error(), func(t *testing.T) {
				within(t, func(t *testing.T) {
					cfg := quietKeeping
					cfg.MaximumPoolSize = 1
					cfg.Dialect = akari.DialectPostgreSQL
					b := newBench(t, akaritest.PqLike, cfg)
					conn := b.conn()
					before := value[int](t, conn, "CONN")
					in := b.server.Inject(akaritest.OpExec|akaritest.OpQuery|akaritest.OpCommit, akaritest.Fault{Times: 1, Err: c.err})
					err := insert(t, conn)
					in.Release()
					if !errors.Is(err, c.err) || errors.Is(err, akari.ErrOutcomeUnknown) != c.unknown {
						t.Errorf("got %v", err)
					}
					if !c.unknown {
						if err != c.err {
							t.Errorf("%v is wrapped as %v", c.err, err)
						}
						if name != "Commit" {
							if after := value[int](t, conn, "CONN"); after != before {
								t.Error("the session does not go on")
							}
						}
					} else if _, err := conn.ExecContext(t.Context(), "INSERT 2"); err == nil {
						t.Error("the session goes on, on another connection")
					}
					conn.Close()
					settle(time.Second)
					if n := b.Stats().Closed[akari.CloseBroken]; n != 1 {
						t.Errorf("%d connections were closed as broken, want 1", n)
					}
					b.want(0, 0, 0, 0)
				})
			})
		}
	}
}

// lostReply is what a driver says whose server has executed the statement, and
// whose connection was lost before it could say so.
var lostReply = akaritest.Fault{Times: 1, After: true, Break: true, Err: driver.ErrBadConn}

func TestLostStatementHasTheFateOfItsTransaction(t *testing.T) {
	for _, profile := range []akaritest.Profile{akaritest.PqLike, akaritest.PgxLike, akaritest.MySQLLike} {
		t.Run(profile.Name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, profile, akari.Config{MaximumPoolSize: 2})
				tx, err := b.DB().BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				must(t, tx, "INSERT 1")
				b.server.Inject(akaritest.OpExec, lostReply)
				if _, err := tx.ExecContext(t.Context(), "INSERT 2"); err != driver.ErrBadConn {
					t.Errorf("the statement: %v, want the driver's error", err)
				}
				if _, err := tx.ExecContext(t.Context(), "INSERT 3"); err != driver.ErrBadConn {
					t.Errorf("the next one: %v", err)
				}
				if err := tx.Commit(); err == nil || errors.Is(err, akari.ErrOutcomeUnknown) {
					t.Errorf("Commit: %v", err)
				}
				if ids := b.server.Committed(); len(ids) != 0 {
					t.Errorf("%v took effect", ids)
				}
				b.want(2, 0, 2, 0)
			})
		})
	}
}

func TestLostTextWithATransactionOfItsOwnIsUnknown(t *testing.T) {
	for _, c := range []struct {
		name, before, text string
		unknown, committed bool
	}{
		{"all of it", "", "BEGIN; INSERT 1; COMMIT", true, true},
		{"its end", "BEGIN", "INSERT 1; COMMIT", true, true},
		{"its end and another beginning", "BEGIN", "INSERT 1; COMMIT; BEGIN", true, true},
		{"its beginning", "", "BEGIN; INSERT 1", true, false}, // who knows that there is no COMMIT in it?
		{"a part of it", "BEGIN", "INSERT 1", false, false},
		{"rolled back", "BEGIN", "INSERT 1; ROLLBACK", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize = 2
				b := newBench(t, akaritest.PqLike, cfg)
				conn := b.conn()
				if c.before != "" {
					must(t, conn, c.before)
				}
				b.server.Inject(akaritest.OpExec, lostReply)
				_, err := conn.ExecContext(t.Context(), c.text)
				if err == nil || errors.Is(err, akari.ErrOutcomeUnknown) != c.unknown || errors.Is(err, driver.ErrBadConn) == c.unknown {
					t.Errorf("got %v", err)
				}
				conn.Close()
				settle(time.Second)
				if n := b.server.Inserts(1); n != 1 || b.server.Has(1) != c.committed {
					t.Errorf("executed %d times, committed %v", n, b.server.Has(1))
				}
				b.want(0, 0, 0, 0)
			})
		})
	}
	t.Run("through the DB, which tries again", func(t *testing.T) {
		within(t, func(t *testing.T) {
			b := newBench(t, akaritest.PqLike, akari.Config{MaximumPoolSize: 2})
			b.server.Inject(akaritest.OpExec, lostReply)
			if _, err := b.DB().ExecContext(t.Context(), "BEGIN; INSERT 1; COMMIT"); !errors.Is(err, akari.ErrOutcomeUnknown) {
				t.Errorf("got %v", err)
			}
			if n := b.server.Inserts(1); n != 1 || !b.server.Has(1) {
				t.Errorf("executed %d times, committed %v", n, b.server.Has(1))
			}
			b.want(2, 0, 2, 0)
		})
	})
}
