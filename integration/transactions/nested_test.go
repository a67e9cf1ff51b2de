package transactions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/sqlerr"
	"github.com/akaripool/akari/txn"
)

// 37: DSTM existingTransactionWithPropagationNested, …NestedTwice.
func TestNestedScopesAreSavepointsOfTheirOwn(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told, names := listen(w), pointNames(w)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			for i := range 2 {
				w.must(nil, w.do(ctx, func(ctx context.Context) error {
					if !w.has(ctx, 1) {
						w.Fatal("it does not see what was done before in the transaction")
					}
					w.holds(1)
					return w.insert(ctx, 2+i)
				}, txn.Nested))
			}
			return nil
		}))
		told("Begin", "INSERT 1", "SAVEPOINT", "SELECT 1", "INSERT 2", "RELEASE", "SAVEPOINT", "SELECT 1", "INSERT 3", "RELEASE", "Commit")
		names(2)
		w.want(1, 2, 3)
	})
}

// 37: what MariaDB counts of a session.
func TestSavepointsAreReleased(t *testing.T) {
	none := "does not count statements"
	each(t, akari.Config{MaximumPoolSize: 1}, but{"fake": none, "pgx": none, "pq": none, "sqlite": none}, func(w *world) {
		before := w.counted()
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			for i := range 3 {
				w.must(nil, w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, i) }, txn.Nested))
				w.must(nil, w.do(ctx, nothing, txn.Nested)) // is not sent at all
			}
			for i := range 2 {
				w.wantErr(w.do(ctx, func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 10+i))
					return errBoom
				}, txn.Nested), errBoom)
			}
			return nil
		}))
		after := w.counted()
		for what, want := range map[string]int{"Com_savepoint": 5, "Com_release_savepoint": 5, "Com_rollback_to_savepoint": 2, "Com_begin": 1, "Com_commit": 1, "Com_rollback": 0} {
			if got := after[what] - before[what]; got != want {
				w.Errorf("%s: %d, want %d", what, got, want)
			}
		}
		w.want(0, 1, 2)
	})
}

// 38: DSTM existingTransactionWithPropagationNestedAndRollback.
func TestFailureOfANestedScopeUndoesItAlone(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		var cause error
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			err := w.do(ctx, func(ctx context.Context) error {
				w.must(nil, txn.AfterRollback(ctx, func(_ context.Context, why error) { cause = why }))
				w.must(nil, w.insert(ctx, 2))
				return errBoom
			}, txn.Nested)
			if err != errBoom {
				w.Fatalf("got %v, want the function's own error", err)
			}
			w.wantErr(cause, errBoom)
			if i := w.info(ctx); i.RollbackOnly != nil || w.has(ctx, 2) {
				w.Fatalf("got %+v", i)
			}
			return w.insert(ctx, 2) // the number is free again
		}))
		told("Begin", "INSERT 1", "SAVEPOINT", "INSERT 2", "ROLLBACK TO", "RELEASE", "SELECT 2", "INSERT 2", "Commit")
		w.want(1, 2)
	})
}

// 38: a panic undoes it too, and goes on.
func TestPanicOfANestedScopeUndoesItAlone(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			func() {
				defer func() {
					if r := recover(); r != "boom" {
						w.Fatalf("recovered %v", r)
					}
				}()
				_ = w.do(ctx, func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 2))
					panic("boom")
				}, txn.Nested)
			}()
			return w.insert(ctx, 3)
		}))
		w.want(1, 3)
	})
}

// 39: DSTM transactionWithPropagationNested, …NestedAndRollback.
func TestNestedWithoutATransactionBeginsOne(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		for i, result := range []error{nil, errBoom} {
			err := w.do(w.Context(), func(ctx context.Context) error {
				if i := w.info(ctx); !i.New || i.Savepoint {
					w.Fatalf("got %+v", i)
				}
				w.must(nil, w.insert(ctx, i))
				return result
			}, txn.Nested)
			if err != result {
				w.Fatalf("got %v, want %v", err, result)
			}
		}
		told("Begin", "INSERT 0", "Commit", "Begin", "INSERT 1", "Rollback")
		w.want(0)
	})
}

// 40: DSTM existingTransactionWithManualSavepoint, …AndRollback: a transaction begun
// through database/sql is one.
func TestTransactionBegunInAScopeIsASavepoint(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			for i, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
				tx, err := w.db.BeginTx(ctx, nil)
				w.must(nil, err)
				w.must(nil, w.insertBy(ctx, tx, 2+i))
				w.holds(1)
				w.must(nil, end(tx))
			}
			return w.insert(ctx, 4)
		}))
		told("Begin", "INSERT 1", "SAVEPOINT", "INSERT 2", "RELEASE", "SAVEPOINT", "INSERT 3", "ROLLBACK TO", "RELEASE", "INSERT 4", "Commit")
		w.want(1, 2, 4)

		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			tx, err := w.db.BeginTx(ctx, nil)
			w.must(nil, err)
			w.must(nil, w.insertBy(ctx, tx, 5))
			w.must(nil, tx.Commit())
			return errBoom
		}), errBoom)
		w.want(1, 2, 4)
	})
}

// 40: and so are texts, which PostgreSQL's programs use to survive an error.
func TestSavepointsByTextWork(t *testing.T) {
	eachTold(t, nil, func(w *world) {
		w.must(nil, w.insert(w.Context(), 7))
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.must(w.db.ExecContext(ctx, "SAVEPOINT mine"))
			w.must(nil, w.insert(ctx, 2))
			if err := w.insert(ctx, 7); !sqlerr.IsDuplicate(err) {
				w.Fatalf("got %v, want a duplicate", err)
			}
			w.must(w.db.ExecContext(ctx, "ROLLBACK TO SAVEPOINT mine"))
			if why := w.info(ctx).RollbackOnly; why != nil {
				w.Fatalf("it can only be rolled back: %v", why)
			}
			w.must(nil, w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 3) }, txn.Nested))
			w.must(w.db.ExecContext(ctx, "RELEASE SAVEPOINT mine"))
			return w.insert(ctx, 4)
		}))
		w.want(1, 3, 4, 7)
	})
}

// 41: TR "commit the second nested … rollback the first nested".
func TestFailureInTheMiddleTakesTheInnermostWithIt(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told, names := listen(w), pointNames(w)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.wantErr(w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				w.must(nil, w.do(ctx, func(ctx context.Context) error {
					if i := w.info(ctx); i.Depth != 3 || !i.Savepoint {
						w.Fatalf("got %+v", i)
					}
					return w.insert(ctx, 3)
				}, txn.Nested))
				return errBoom
			}, txn.Nested), errBoom)
			return w.insert(ctx, 4)
		}))
		told("Begin", "INSERT 1", "SAVEPOINT", "INSERT 2", "SAVEPOINT", "INSERT 3", "RELEASE", "ROLLBACK TO", "RELEASE", "INSERT 4", "Commit")
		names(2)
		w.want(1, 4)
	})
}

// 41, the other way round: savepoints that wait to be sent are sent in their order.
func TestInnermostFailsAndTheMiddleIsKept(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			return w.do(ctx, func(ctx context.Context) error {
				w.wantErr(w.do(ctx, func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 3))
					return errBoom
				}, txn.Nested), errBoom)
				return w.insert(ctx, 2)
			}, txn.Nested)
		}))
		told("Begin", "SAVEPOINT", "SAVEPOINT", "INSERT 3", "ROLLBACK TO", "RELEASE", "INSERT 2", "RELEASE", "Commit")
		w.want(2)
	})
}

// 42: TR "rollback the nested transaction and the parent"; BUN testRunInTxAndSavepoint.
func TestFailureOfTheOutermostUndoesWhatNestedOnesKept(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 1) }, txn.Nested))
			tx, err := w.db.BeginTx(ctx, nil)
			w.must(nil, err)
			w.must(nil, w.insertBy(ctx, tx, 2))
			w.must(nil, tx.Commit())
			return errBoom
		}), errBoom)
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 3))
			return w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 4))
				return errBoom
			}, txn.Nested)
		}), errBoom)
		w.want()
	})
}

// 43: TR "original error in case of failure to rollback a nested transaction".
func TestSavepointThatCannotBeRolledBackToLosesTheTransaction(t *testing.T) {
	refused := errors.New("refused")
	for _, text := range []string{"ROLLBACK TO", "RELEASE"} {
		t.Run(text, func(t *testing.T) {
			onFake(t, akaritest.PgxLike, akari.Config{Dialect: akari.DialectPostgreSQL}, func(w *world) {
				w.server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, Err: refused, Match: begins(text)})
				err := w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 1))
					err := w.do(ctx, func(ctx context.Context) error {
						w.must(nil, w.insert(ctx, 2))
						return errBoom
					}, txn.Nested)
					w.wantErr(err, errBoom, refused)
					if !strings.HasPrefix(err.Error(), errBoom.Error()) {
						w.Fatalf("got %q, want the function's error first", err)
					}
					w.refusesAll(ctx, func(err error) bool { return errors.Is(err, refused) })
					return nil
				})
				w.wantErr(err, txn.ErrUnexpectedRollback, refused)
				w.want()
			})
		})
	}
}

// 43: the connection is lost within the nested scope, and noticed by a statement there
// or by the rollback.
func TestConnectionLostInANestedScopeLosesTheTransaction(t *testing.T) {
	each(t, akari.Config{}, but{"sqlite": "has no connection to lose"}, func(w *world) {
		for _, notice := range []bool{true, false} {
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				conn := w.connOf(ctx)
				err := w.do(ctx, func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 2))
					w.end(conn)
					if notice {
						if err := w.insert(ctx, 3); err == nil || errors.Is(err, txn.ErrUnexpectedRollback) {
							w.Fatalf("got %v, want the loss itself", err)
						}
						w.holds(0)
						w.wantErr(w.insert(ctx, 3), txn.ErrUnexpectedRollback)
					}
					return errBoom
				}, txn.Nested)
				w.wantErr(err, errBoom)
				w.wantErr(w.insert(ctx, 3), txn.ErrUnexpectedRollback)
				w.wantErr(w.do(ctx, nothing, txn.Nested), txn.ErrUnexpectedRollback)
				w.holds(0)
				return nil
			})
			w.wantErr(err, txn.ErrUnexpectedRollback)
			w.want()
		}
	})
}

// 44: TR, TRM begin_savepoint_error. 23: TRM's PropagationNested joins where the driver
// has no savepoints; here nothing is done that could not be undone by itself.
func TestStatementWhoseSavepointIsRefusedIsNotExecuted(t *testing.T) {
	for _, dialect := range []akari.Dialect{akari.DialectPostgreSQL, akari.DialectOther} {
		t.Run(dialect.String(), func(t *testing.T) {
			onFake(t, akaritest.PgxLike, akari.Config{Dialect: dialect}, func(w *world) {
				none := &akaritest.Error{Code: "42601", Message: "no savepoints here"}
				fault := w.server.Inject(akaritest.OpExec, akaritest.Fault{Err: none, Match: begins("SAVEPOINT")})
				told := listen(w)
				err := w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 1))
					err := w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 2) }, txn.Nested)
					w.wantErr(err, none)
					return err
				})
				w.wantErr(err, none)
				told("Begin", "INSERT 1", "SAVEPOINT", "Rollback")
				fault.Release()
				w.want()
			})
		})
	}
}

// 44: TR, TRM commit_savepoint_error.
func TestFailureToReleaseASavepointIsReturned(t *testing.T) {
	onFake(t, akaritest.PgxLike, akari.Config{Dialect: akari.DialectPostgreSQL}, func(w *world) {
		refused := &akaritest.Error{Code: "XX000", Message: "refused"}
		w.server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, Err: refused, Match: begins("RELEASE")})
		called := false
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			err := w.do(ctx, func(ctx context.Context) error {
				w.must(nil, txn.AfterCommit(ctx, func(context.Context) error { called = true; return nil }))
				return w.insert(ctx, 2)
			}, txn.Nested)
			w.wantErr(err, refused)
			return err
		})
		w.wantErr(err, refused)
		if called {
			w.Fatal("what was to follow the commit was called")
		}
		w.want()
	})
}

// 42: a transaction that is left open in a nested scope is undone with it, whatever the
// scope returns.
func TestTransactionLeftOpenInANestedScopeIsUndoneWithIt(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i, result := range []error{nil, errBoom} {
			told := listen(w)
			w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
				var left *sql.Tx
				err := w.do(ctx, func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 10*i+1))
					var err error
					left, err = w.db.BeginTx(ctx, nil)
					w.must(nil, err)
					w.must(nil, w.insertBy(ctx, left, 10*i+2))
					return result
				}, txn.Nested)
				if result == nil {
					w.wantErr(err, txn.ErrUnexpectedRollback)
				} else if err != result {
					w.Fatalf("got %v, want %v", err, result)
				}
				if err := w.insertBy(ctx, left, 10*i+3); err == nil {
					w.Fatal("the transaction that was left open goes on")
				}
				w.must(nil, w.insert(ctx, 10*i+4))
				w.must(nil, w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 10*i+5) }, txn.Nested))
				if err := left.Commit(); err == nil {
					w.Fatal("the transaction that was left open was committed")
				}
				return nil
			}))
			told("Begin", "SAVEPOINT", w.fakeInsert(10*i+1), "SAVEPOINT", w.fakeInsert(10*i+2), "ROLLBACK TO", "RELEASE",
				w.fakeInsert(10*i+4), "SAVEPOINT", w.fakeInsert(10*i+5), "RELEASE", "Commit")
		}
		w.want(4, 5, 14, 15)
	})
}

// 45: GORM TestDeeplyNestedTransactionWithBlockAndWrappedCallback.
func TestDeeplyNestedScopesAndTransactions(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told, names := listen(w), pointNames(w)
		var down func(ctx context.Context, level int) error
		down = func(ctx context.Context, level int) error {
			if level == 10 {
				return errBoom
			}
			return w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2*level))
				tx, err := w.db.BeginTx(ctx, nil)
				w.must(nil, err)
				w.must(nil, w.insertBy(ctx, tx, 2*level+1))
				if level%2 == 0 {
					w.must(nil, tx.Commit())
				} else {
					w.must(nil, tx.Rollback())
				}
				if err := down(ctx, level+1); level == 5 {
					w.wantErr(err, errBoom) // is swallowed here
					return nil
				} else {
					return err
				}
			}, txn.Nested)
		}
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error { return down(ctx, 0) }))
		want := []string{"Begin"}
		for level := range 10 {
			want = append(want, "SAVEPOINT", w.fakeInsert(2*level), "SAVEPOINT", w.fakeInsert(2*level+1))
			if level%2 == 1 {
				want = append(want, "ROLLBACK TO")
			}
			want = append(want, "RELEASE")
		}
		for level := 9; level >= 0; level-- {
			if level > 5 { // they have failed
				want = append(want, "ROLLBACK TO")
			}
			want = append(want, "RELEASE")
		}
		told(append(want, "Commit")...)
		names(20)
		w.want(0, 1, 2, 4, 5, 6, 8, 9, 10)
	})
}

// 46: GORM TestDisabledNestedTransaction.
func TestJoinBeginMakesTransactionsAPartOfTheScope(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			tx, err := w.db.BeginTx(ctx, nil)
			w.must(nil, err)
			w.must(nil, w.insertBy(ctx, tx, 1))
			w.must(nil, tx.Commit())
			return w.insert(ctx, 2)
		}, txn.JoinBegin))
		told("Begin", "INSERT 1", "INSERT 2", "Commit")

		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 3))
			tx, err := w.db.BeginTx(ctx, nil)
			w.must(nil, err)
			w.must(nil, w.insertBy(ctx, tx, 4))
			w.must(nil, tx.Rollback())
			if w.info(ctx).RollbackOnly == nil {
				w.Fatal("the scope is not marked")
			}
			return nil
		}, txn.JoinBegin)
		w.wantErr(err, txn.ErrUnexpectedRollback)
		told("Begin", "INSERT 3", "INSERT 4", "Rollback")

		// Nested scopes remain savepoints, and a rollback concerns the innermost.
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 5))
			w.wantErr(w.do(ctx, func(ctx context.Context) error {
				tx, err := w.db.BeginTx(ctx, nil)
				w.must(nil, err)
				w.must(nil, w.insertBy(ctx, tx, 6))
				return tx.Rollback()
			}, txn.Nested), txn.ErrUnexpectedRollback)
			return nil
		}, txn.JoinBegin))
		told("Begin", "INSERT 5", "SAVEPOINT", "INSERT 6", "ROLLBACK TO", "RELEASE", "Commit")
		w.want(1, 2, 5)
	})
}

// 47: the time of the nested scope passes between statements: the savepoint is rolled
// back to all the same (avito trm sends that with the dead context, and keeps the rows).
func TestNestedScopeWhoseTimePassesBetweenStatementsIsUndone(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i, result := range []func(context.Context) error{
			func(context.Context) error { return nil },
			context.Cause,
			func(ctx context.Context) error { return w.insert(ctx, 9) },
		} {
			w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 10*i+1))
				err := w.do(ctx, func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 10*i+2))
					<-ctx.Done()
					return result(ctx)
				}, txn.Nested, txn.Timeout(100*time.Millisecond))
				w.wantErr(err, context.DeadlineExceeded)
				w.holds(1)
				return w.insert(ctx, 10*i+3)
			}))
		}
		w.want(1, 3, 11, 13, 21, 23)
	})
}

// 47: it passes during a statement. Either the nested scope alone is undone, or, where
// the driver gives the connection up, the whole transaction; its rows never stay.
func TestNestedScopeWhoseTimePassesDuringAStatementIsUndone(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		var lost error
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			err := w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				_, err := w.db.ExecContext(ctx, w.slow())
				if err == nil {
					w.Fatal("the statement has ended by itself")
				}
				return err
			}, txn.Nested, txn.Timeout(100*time.Millisecond))
			if err == nil {
				w.Fatal("the nested scope has not failed")
			}
			if lost = w.info(ctx).RollbackOnly; lost != nil {
				w.holds(0)
				w.wantErr(w.insert(ctx, 3), txn.ErrUnexpectedRollback)
				return nil
			}
			w.holds(1)
			return w.insert(ctx, 3)
		})
		if lost != nil {
			w.wantErr(err, txn.ErrUnexpectedRollback)
			w.want()
			return
		}
		w.must(nil, err)
		w.want(1, 3)
	})
}

// 47: it is the caller that gives up.
func TestNestedScopeWhoseContextIsCancelledIsUndone(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			inner, cancel := context.WithCancel(ctx)
			err := w.do(inner, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				cancel()
				return nil
			}, txn.Nested)
			w.wantErr(err, context.Canceled)
			return w.insert(ctx, 3)
		}))
		w.want(1, 3)
	})
}

// 48: two goroutines open nested scopes in one transaction: one of them is refused, and
// nobody undoes what the other has done.
func TestNestedScopesOfTwoGoroutinesDoNotUndoEachOther(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			open, others := make(chan struct{}), make(chan struct{})
			var group sync.WaitGroup
			group.Go(func() {
				err := w.do(ctx, func(ctx context.Context) error {
					if err := w.insert(ctx, 2); err != nil {
						return err
					}
					close(open)
					<-others
					return w.insert(ctx, 3)
				}, txn.Nested)
				if err != nil {
					w.Errorf("the first: %v", err)
				}
			})
			<-open
			err := w.do(ctx, func(context.Context) error {
				w.Error("the function was called")
				return errBoom
			}, txn.Nested)
			if !errors.Is(err, txn.ErrScopeBusy) {
				w.Errorf("a nested scope: got %v", err)
			}
			if err := w.insert(ctx, 4); !errors.Is(err, txn.ErrScopeBusy) {
				w.Errorf("a statement: got %v", err)
			}
			if _, err := w.db.BeginTx(ctx, nil); !errors.Is(err, txn.ErrScopeBusy) {
				w.Errorf("a transaction: got %v", err)
			}
			close(others)
			group.Wait()
			return w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 5) }, txn.Nested)
		}))
		w.want(1, 2, 3, 5)
	})
}

// 48, in no order: whoever was let in decides for itself.
func TestNestedScopesOfManyGoroutinesAreKeptOrUndoneAsTheySay(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		var mu sync.Mutex
		var want []int
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			var group sync.WaitGroup
			for i := range 16 {
				group.Go(func() {
					for {
						err := w.do(ctx, func(ctx context.Context) error {
							if err := w.insert(ctx, i); err != nil {
								return err
							}
							if i%2 == 1 {
								return errBoom
							}
							return nil
						}, txn.Nested)
						switch {
						case errors.Is(err, txn.ErrScopeBusy):
							time.Sleep(time.Millisecond) // to let others be done
							continue
						case i%2 == 1 && err != errBoom, i%2 == 0 && err != nil:
							w.Errorf("%d: got %v", i, err)
						case i%2 == 0:
							mu.Lock()
							want = append(want, i)
							mu.Unlock()
						}
						return
					}
				})
			}
			group.Wait()
			return nil
		}))
		w.want(want...)
	})
}

// 49: the deadlock is in a nested scope: MySQL has no savepoint any more (error 1305),
// and nothing can be saved.
func TestDeadlockInANestedScopeUndoesTheWholeTransaction(t *testing.T) {
	none := "needs MySQL's row locks"
	each(t, akari.Config{}, but{"fake": none, "pgx": none, "pq": none, "sqlite": none}, func(w *world) {
		err := w.do(w.Context(), func(ctx context.Context) error {
			victim := w.deadlock(ctx)
			err := w.do(ctx, func(ctx context.Context) error {
				victim(ctx)
				return errBoom
			}, txn.Nested)
			w.wantErr(err, errBoom)
			w.refusesAll(ctx, sqlerr.IsDeadlock)
			return nil
		})
		w.wantErr(err, txn.ErrUnexpectedRollback)
		if !sqlerr.IsDeadlock(err) {
			w.Fatalf("got %q, want the deadlock in it", err)
		}
		w.want(51, 52, 60, 61, 62) // of the other one, which was spared
	})
}

// 50: GORM TestTransactionWithSavePoint on prepared mode: MySQL refuses to prepare them.
func TestSavepointsAreNotPrepared(t *testing.T) {
	each(t, akari.Config{StatementCacheSize: 10, MaximumPoolSize: 1}, nil, func(w *world) {
		text := map[string]string{
			"fake": "INSERT ?", "pgx": "INSERT INTO %s VALUES ($1)", "pq": "INSERT INTO %s VALUES ($1)", "mysql": "INSERT INTO %s VALUES (?)", "sqlite": "INSERT INTO %s VALUES (?)",
		}[w.name]
		text = strings.ReplaceAll(text, "%s", w.table)
		var before map[string]int
		if w.name == "mysql" {
			before = w.counted()
		}
		told, names := listen(w), pointNames(w)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			for i, result := range []error{errBoom, nil, errBoom, nil} {
				err := w.do(ctx, func(ctx context.Context) error {
					w.must(w.db.ExecContext(ctx, text, i))
					return result
				}, txn.Nested)
				if err != result {
					w.Fatalf("got %v, want %v", err, result)
				}
			}
			return nil
		}))
		undone := []string{"SAVEPOINT", "INSERT ?", "ROLLBACK TO", "RELEASE"}
		kept := []string{"SAVEPOINT", "INSERT ?", "RELEASE"}
		told(slices.Concat([]string{"Begin"}, undone, kept, undone, kept, []string{"Commit"})...)
		names(4)
		if w.name == "mysql" {
			after := w.counted()
			if n := after["Com_stmt_prepare"] - before["Com_stmt_prepare"]; n != 2 {
				w.Fatalf("%d statements were prepared, want the INSERT alone, which is kept from the second time on", n)
			}
			if n := after["Com_savepoint"] - before["Com_savepoint"]; n != 4 {
				w.Fatalf("%d savepoints, want 4", n)
			}
		}
		w.want(1, 3)
	})
}

// slow is a statement that does not end within the time of a test.
func (w *world) slow() string {
	return map[string]string{
		"fake": "SLEEP 1m", "pgx": "SELECT pg_sleep(60)", "pq": "SELECT pg_sleep(60)", "mysql": "DO SLEEP(60)",
		"sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
	}[w.name]
}

// end ends a connection at the server.
func (w *world) end(conn string) {
	w.Helper()
	bg := context.Background()
	switch w.name {
	case "fake":
		var id int
		w.must(fmt.Sscan(conn, &id))
		if !w.server.Drop(id) {
			w.Fatalf("there is no connection %s", conn)
		}
	case "mysql":
		w.must(w.apart.ExecContext(bg, "KILL "+conn))
	default:
		w.must(w.apart.ExecContext(bg, "SELECT pg_terminate_backend("+conn+", 5000)")) // waits for its end
	}
}

// counted is what MariaDB has counted of the statements of the pool's only connection.
func (w *world) counted() map[string]int {
	w.Helper()
	rows, err := w.db.QueryContext(w.Context(), "SHOW SESSION STATUS LIKE 'Com\\_%'")
	w.must(nil, err)
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var name string
		var n int
		w.must(nil, rows.Scan(&name, &n))
		counts[name] = n
	}
	w.must(nil, rows.Err())
	return counts
}

// begins matches texts by how they begin.
func begins(text string) func(akaritest.Call) bool {
	return func(c akaritest.Call) bool { return strings.HasPrefix(c.Text, text) }
}

// pointNames returns a function that makes sure how many savepoints the fake server was
// asked for, and that each has a name of its own.
func pointNames(w *world) (names func(want int)) {
	if w.server == nil {
		return func(int) {}
	}
	rec := w.server.Record()
	w.Cleanup(rec.Stop)
	return func(want int) {
		w.Helper()
		seen := map[string]bool{}
		for _, c := range rec.Calls() {
			if c.Op != akaritest.OpExec || !strings.HasPrefix(c.Text, "SAVEPOINT") {
				continue
			}
			if seen[c.Text] {
				w.Fatalf("%q was sent twice", c.Text)
			}
			seen[c.Text] = true
		}
		if len(seen) != want {
			w.Fatalf("%d savepoints, want %d", len(seen), want)
		}
	}
}
