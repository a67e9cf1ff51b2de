package akari_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// querier is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type querier interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	PrepareContext(context.Context, string) (*sql.Stmt, error)
}

// emptyTexts sends an empty text in each way there is, and says what came of it.
func emptyTexts(ctx context.Context, q querier) (out []string) {
	note := func(what string, err error) { out = append(out, fmt.Sprintf("%s: %v", what, err)) }
	for range 2 { // the second time a text may be taken from the cache
		_, err := q.ExecContext(ctx, "")
		note("Exec", err)
		_, err = q.ExecContext(ctx, "", 1)
		note("Exec with an argument", err)
		rows, err := q.QueryContext(ctx, "", 1)
		note("Query with an argument", err)
		if err == nil {
			rows.Close()
		}
		st, err := q.PrepareContext(ctx, "")
		note("Prepare", err)
		if err == nil {
			_, err = st.ExecContext(ctx)
			note("Exec of the statement", err)
			st.Close()
		}
	}
	return out
}

// everyQuerier runs f with a DB, a Conn and a Tx.
func everyQuerier(t *testing.T, db *sql.DB, f func(name string, q querier)) {
	t.Helper()
	f("DB", db)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f("Conn", conn)
	conn.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	f("Tx", tx)
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
}

func TestEmptyTextIsTheDriversBusiness(t *testing.T) {
	for _, profile := range []akaritest.Profile{akaritest.PqLike, akaritest.PgxLike, akaritest.MySQLLike, akaritest.SQLiteLike} {
		t.Run(profile.Name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				server := akaritest.NewServer(profile)
				akaritest.Verify(t, server)
				bare := sql.OpenDB(server.Connector())
				defer bare.Close()
				want := map[string]string{}
				everyQuerier(t, bare, func(name string, q querier) {
					want[name] = strings.Join(emptyTexts(t.Context(), q), "\n")
				})
				b := newBench(t, profile, akari.Config{MaximumPoolSize: 1})
				everyQuerier(t, b.DB(), func(name string, q querier) {
					if got := strings.Join(emptyTexts(t.Context(), q), "\n"); got != want[name] {
						t.Errorf("%s:\n%s\nwithout a pool:\n%s", name, got, want[name])
					}
				})
				b.want(1, 0, 1, 0)
			})
		})
	}
}

func TestSecondTransactionOnAConnIsRefused(t *testing.T) {
	for _, profile := range []akaritest.Profile{akaritest.PqLike, akaritest.PgxLike, akaritest.MySQLLike, akaritest.SQLiteLike} {
		t.Run(profile.Name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, profile, akari.Config{MaximumPoolSize: 2})
				ctx := t.Context()
				conn, err := b.DB().Conn(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				tx, err := conn.BeginTx(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.ExecContext(ctx, "INSERT 1"); err != nil {
					t.Fatal(err)
				}
				begins := b.server.Calls(akaritest.OpBegin)
				if _, err := conn.BeginTx(ctx, nil); err == nil || !contains(err.Error(), "a transaction is open on this sql.Conn already") {
					t.Errorf("a second transaction: %v", err)
				}
				if n := b.server.Calls(akaritest.OpBegin) - begins; n != 0 {
					t.Errorf("the driver was asked to begin %d times", n)
				}
				if _, err := tx.ExecContext(ctx, "INSERT 2"); err != nil {
					t.Errorf("the first transaction does not go on: %v", err)
				}
				if err := tx.Commit(); err != nil {
					t.Errorf("the first transaction does not commit: %v", err)
				}
				if ids := b.server.Committed(); len(ids) != 2 {
					t.Errorf("committed %v, want 1 and 2", ids)
				}
				tx, err = conn.BeginTx(ctx, nil) // one after the other is as it always was
				if err != nil {
					t.Fatal(err)
				}
				if err := tx.Rollback(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestEndedContextCallsNoDriverOnABoundConn(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, do := range map[string]func(ctx context.Context, c *sql.Conn, st *sql.Stmt) error{
		"Exec": func(ctx context.Context, c *sql.Conn, _ *sql.Stmt) error {
			_, err := c.ExecContext(ctx, "INSERT 1")
			return err
		},
		"Query": func(ctx context.Context, c *sql.Conn, _ *sql.Stmt) error {
			_, err := c.QueryContext(ctx, "ROWS 1")
			return err
		},
		"Ping":  func(ctx context.Context, c *sql.Conn, _ *sql.Stmt) error { return c.PingContext(ctx) },
		"Begin": func(ctx context.Context, c *sql.Conn, _ *sql.Stmt) error { _, err := c.BeginTx(ctx, nil); return err },
		"Prepare": func(ctx context.Context, c *sql.Conn, _ *sql.Stmt) error {
			_, err := c.PrepareContext(ctx, "ROWS 1")
			return err
		},
		"Exec of a statement": func(ctx context.Context, _ *sql.Conn, st *sql.Stmt) error {
			_, err := st.ExecContext(ctx)
			return err
		},
		"Query of a statement": func(ctx context.Context, _ *sql.Conn, st *sql.Stmt) error {
			_, err := st.QueryContext(ctx)
			return err
		},
	} {
		for _, profile := range []akaritest.Profile{akaritest.PgxLike, akaritest.PqLike, akaritest.MySQLLike} {
			t.Run(name+"/"+profile.Name, func(t *testing.T) {
				within(t, func(t *testing.T) {
					b := newBench(t, profile, akari.Config{MaximumPoolSize: 1})
					conn, err := b.DB().Conn(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					st, err := conn.PrepareContext(t.Context(), "INSERT 1")
					if err != nil {
						t.Fatal(err)
					}
					defer st.Close()
					before := value[int](t, conn, "CONN")
					calls := b.server.Calls(akaritest.OpAny)
					if err := do(canceled, conn, st); !errors.Is(err, context.Canceled) {
						t.Errorf("got %v", err)
					}
					late, cancel := context.WithDeadline(t.Context(), time.Now())
					defer cancel()
					if err := do(late, conn, st); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got %v", err)
					}
					if n := b.server.Calls(akaritest.OpAny) - calls; n != 0 {
						t.Errorf("%d calls of the driver", n)
					}
					if after := value[int](t, conn, "CONN"); after != before {
						t.Errorf("connection %d was replaced by %d", before, after)
					}
					if b.server.Has(1) {
						t.Error("it was executed")
					}
				})
			})
		}
	}
}
