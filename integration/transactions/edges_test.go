package transactions

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
	"github.com/akaripool/akari/txn"
)

// Rows left open at the end of a nested scope: Do of the nested scope fails (its
// hooks are told that it was rolled back), and the outer one commits its rows.
func TestRowsLeftOpenInANestedScopeAreClosedAtItsEnd(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.insert(w.Context(), 5))
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			var rows *sql.Rows
			w.must(nil, w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				query := "SELECT id FROM " + w.table
				if w.name == "fake" {
					query = "ROWS 3"
				}
				var err error
				rows, err = w.db.QueryContext(ctx, query)
				w.must(nil, err)
				if !rows.Next() {
					w.Fatal("no row")
				}
				return nil
			}, txn.Nested))
			w.must(nil, w.insert(ctx, 3))
			for rows.Next() {
			}
			w.wantErr(rows.Err(), txn.ErrCompleted)
			return rows.Close()
		}))
		w.want(1, 2, 3, 5)
	})
}

// A RELEASE that fails where the dialect has no failed transactions.
func TestSavepointThatCannotBeReleasedLosesTheTransaction(t *testing.T) {
	for _, d := range []akari.Dialect{akari.DialectMySQL, akari.DialectOther} {
		t.Run(d.String(), func(t *testing.T) {
			onFake(t, akaritest.MySQLLike, akari.Config{Dialect: d}, func(w *world) {
				refused := errors.New("refused")
				w.server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, Err: refused, Match: begins("RELEASE")})
				err := w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 1))
					w.wantErr(w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 2) }, txn.Nested), refused)
					return nil
				})
				w.wantErr(err, txn.ErrUnexpectedRollback, refused)
				w.want()
			})
		})
	}
}

// There is one mark; that of the outer scope is lost with the savepoint whose own
// came first.
func TestMarkOfTheOuterScopeOutlivesThatOfASavepoint(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		err := w.do(w.Context(), func(root context.Context) error {
			w.must(nil, w.insert(root, 1))
			w.wantErr(w.do(root, func(ctx context.Context) error {
				w.wantErr(w.do(ctx, failing), errBoom)
				w.wantErr(w.do(root, func(context.Context) error { return errMark }), errMark)
				return errBoom
			}, txn.Nested), errBoom)
			return nil
		})
		w.wantErr(err, txn.ErrUnexpectedRollback, errMark)
		w.want()
	})
}

// Lib/pq: the failed transaction is forgotten with the rows' Close, a Ping, a Raw.
func TestFailedTransactionIsNotForgotten(t *testing.T) {
	none := "an error undoes nothing but the statement"
	each(t, akari.Config{}, but{"fake": none, "mysql": none, "sqlite": none}, func(w *world) {
		for what, f := range map[string]func(context.Context){
			"rows": func(ctx context.Context) {
				rows, err := w.db.QueryContext(ctx, "SELECT 1 / (1000 - i) FROM generate_series(1, 2000) i")
				w.must(nil, err)
				for rows.Next() {
				}
				w.must(nil, rows.Close())
			},
			"ping": func(ctx context.Context) {
				_, _ = w.db.ExecContext(ctx, "SELECT 1 / 0")
				w.must(nil, w.db.PingContext(ctx))
			},
			"raw": func(ctx context.Context) {
				_, _ = w.db.ExecContext(ctx, "SELECT 1 / 0")
				conn, err := w.db.Conn(ctx)
				w.must(nil, err)
				w.must(nil, akari.Raw(conn, func(any) error { return nil }))
				w.must(nil, conn.Close())
			},
		} {
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				f(ctx)
				if w.info(ctx).RollbackOnly == nil {
					w.Errorf("%s: it does not say that it can only be rolled back", what)
				}
				return nil
			})
			if !errors.Is(err, txn.ErrUnexpectedRollback) || !strings.Contains(err.Error(), "division by zero") {
				w.Errorf("%s: got %q", what, err)
			}
		}
		w.want()
	})
}

// The transaction was ended from within, and the function
// returns an error: Do says nothing of what is committed, and Retry repeats it.
func TestErrorOfAScopeThatWasEndedFromWithinSaysSo(t *testing.T) {
	none := "its driver does not say whether a transaction is open"
	each(t, akari.Config{}, but{"fake": none, "sqlite": none}, func(w *world) {
		calls := 0
		err := w.do(w.Context(), func(ctx context.Context) error {
			calls++
			w.must(nil, w.insert(ctx, calls))
			w.must(nil, w.raw(ctx, "COMMIT"))
			return errBoom
		}, txn.Retry{If: func(error) bool { return true }})
		w.wantErr(err, errBoom, txn.ErrCompleted)
		if calls != 1 {
			w.Errorf("%d calls", calls)
		}
		w.want(1)
		calls = 1
		err = w.do(w.Context(), func(ctx context.Context) error {
			calls++
			w.must(nil, w.insert(ctx, calls))
			return w.raw(ctx, "COMMIT")
		}, txn.Retry{If: func(error) bool { return true }})
		w.wantErr(err, txn.ErrUnexpectedRollback, txn.ErrCompleted)
		if calls != 2 {
			w.Errorf("%d calls", calls-1)
		}
		w.want(1, 2)
	})
}

// Statements that are executed again in a scope are prepared again each time.
func TestStatementsArePreparedOnceInAScope(t *testing.T) {
	none := "prepares by itself, or not at all"
	each(t, akari.Config{MaximumPoolSize: 1}, but{"fake": none, "pgx": none, "sqlite": none}, func(w *world) {
		text := "INSERT INTO " + w.table + " VALUES (?)"
		if w.name == "pq" {
			text = "INSERT INTO " + w.table + " VALUES ($1)"
		}
		before := w.pool.Stats().StatementMisses
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			for i := range 10 {
				w.must(w.db.ExecContext(ctx, text, i))
			}
			return nil
		}))
		if n := w.pool.Stats().StatementMisses - before; n > 2 { // the first one is not kept
			w.Fatalf("prepared %d times", n)
		}
	})
}

// A nested or joined scope whose own Timeout has passed does not return ErrTimeout.
func TestTimeoutOfAnInnerScopeIsTold(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for _, p := range []txn.Propagation{txn.Nested, txn.Required, txn.NotSupported, txn.RequiresNew} {
			_ = w.do(w.Context(), func(ctx context.Context) error {
				err := w.do(ctx, func(ctx context.Context) error {
					<-ctx.Done()
					return fmt.Errorf("mine: %w", ctx.Err())
				}, p, txn.Timeout(20*time.Millisecond))
				if !errors.Is(err, txn.ErrTimeout) {
					w.Errorf("%v: %v", p, err)
				}
				return nil
			})
		}
	})
}

// Info.RollbackOnly does not know of the mark of the scope that has begun the
// transaction when it is asked in one within.
func TestMarkOfTheScopeAroundIsKnown(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, txn.SetRollbackOnly(ctx, errMark))
			look := func(ctx context.Context) error { w.wantErr(w.info(ctx).RollbackOnly, errMark); return nil }
			w.must(nil, w.do(ctx, look))
			return w.do(ctx, look, txn.Nested)
		}))
	})
}

// A retryable error of an AfterCommit function, of a transaction without statements.
func TestHookThatFailsAfterAnEmptyTransactionIsNotRepeated(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		calls, hooks := 0, 0
		err := w.do(w.Context(), func(ctx context.Context) error {
			calls++
			return txn.AfterCommit(ctx, func(context.Context) error { hooks++; return errSerialization })
		}, quick)
		var after *txn.AfterCommitError
		if calls != 1 || hooks != 1 || !errors.As(err, &after) {
			w.Fatalf("called %d times, hook %d times, %v", calls, hooks, err)
		}
	})
}

// Who publishes after the commit must not be told of one when the time has passed.
func TestScopeWithoutStatementsCanBeTooLate(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		hooks := 0
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, txn.AfterCommit(ctx, func(context.Context) error { hooks++; return nil }))
			<-ctx.Done()
			return nil
		}, txn.Timeout(20*time.Millisecond))
		if err == nil || hooks != 0 {
			w.Fatalf("hook called %d times, %v", hooks, err)
		}
	})
}

// Its own Timeout, not that of the transaction.
func TestTimeoutOfAScopeWithinIsErrTimeout(t *testing.T) {
	for _, how := range []txn.Propagation{txn.Required, txn.Nested, txn.NotSupported} {
		t.Run(how.String(), func(t *testing.T) {
			each(t, akari.Config{}, nil, func(w *world) {
				_ = w.do(w.Context(), func(ctx context.Context) error {
					w.has(ctx, 1)
					err := w.do(ctx, func(ctx context.Context) error {
						<-ctx.Done()
						return w.insert(ctx, 2)
					}, how, txn.Timeout(30*time.Millisecond))
					w.wantErr(err, context.DeadlineExceeded, txn.ErrTimeout)
					return nil
				})
			})
		})
	}
}

// database/sql rolls such a transaction back in a goroutine of its own, and tells the
// program before that: what the scope does next must not be undone with it.
func TestWorkAfterAnInnerTransactionsContextHasEndedIsKept(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i := range 20 {
			w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
				short, cancel := context.WithCancel(ctx)
				tx, err := w.db.BeginTx(short, nil)
				w.must(nil, err)
				w.must(nil, w.insertBy(ctx, tx, 50+i))
				cancel()
				return w.insert(ctx, i)
			}))
		}
		var want []int
		for i := range 20 {
			want = append(want, i)
		}
		w.want(want...)
	})
}
