package transactions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/sqlerr"
	"github.com/akaripool/akari/txn"
)

var errMark = errors.New("not to be kept")

// joins are the propagations that join the transaction there is.
var joins = []txn.Propagation{txn.Required, txn.Supports, txn.Mandatory}

// 25: DSTM participatingTransactionWithRollbackOnly.
func TestMarkOfAJoinedScopeRollsBackTheWhole(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for _, p := range joins {
			told := listen(w)
			var calls []string
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, txn.BeforeCommit(ctx, func(context.Context) error {
					calls = append(calls, "before")
					return nil
				}))
				w.must(nil, txn.AfterCommit(ctx, func(context.Context) error {
					calls = append(calls, "after")
					return nil
				}))
				w.must(nil, txn.AfterRollback(ctx, func(_ context.Context, cause error) {
					calls = append(calls, fmt.Sprint("undone, marked: ", errors.Is(cause, errMark)))
				}))
				w.must(nil, txn.AfterCompletion(ctx, func(_ context.Context, s txn.Status) { calls = append(calls, s.String()) }))
				w.must(nil, w.insert(ctx, 1))
				w.must(nil, w.do(ctx, func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 2))
					return txn.SetRollbackOnly(ctx, errMark)
				}, p))
				w.wantErr(w.info(ctx).RollbackOnly, errMark)
				return w.insert(ctx, 3) // statements go on to work
			})
			w.wantErr(err, txn.ErrUnexpectedRollback, errMark)
			if want := []string{"undone, marked: true", "rolled back"}; !slices.Equal(calls, want) {
				w.Fatalf("%v: called %q, want %q", p, calls, want)
			}
			told("Begin", "INSERT 1", "INSERT 2", "INSERT 3", "Rollback")
			w.want()
		}
		if got := w.pool.Stats().Transactions; got.UnexpectedRolledBack != 3 || got.Committed+got.RolledBack != 0 {
			w.Fatalf("got %+v", got)
		}
	})
}

// 25: the first cause is the one that counts, and there is one if none is given.
func TestFirstMarkIsTheCause(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		mark := func(cause error) func(context.Context) error {
			return func(ctx context.Context) error { return txn.SetRollbackOnly(ctx, cause) }
		}
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.must(nil, w.do(ctx, mark(errMark)))
			w.must(nil, w.do(ctx, mark(errors.New("later"))))
			w.wantErr(w.do(ctx, failing), errBoom)
			return nil
		})
		w.wantErr(err, txn.ErrUnexpectedRollback, errMark)
		if errors.Is(err, errBoom) {
			w.Fatalf("got %q", err)
		}
		err = w.do(w.Context(), func(ctx context.Context) error { return w.do(ctx, mark(nil)) })
		w.wantErr(err, txn.ErrUnexpectedRollback)
		w.want()
	})
}

// 26: DSTM participatingTransactionWithRollbackOnlyAndFailEarly.
func TestFailEarlyTellsTheScopeInBetween(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i, opts := range [][]txn.Option{nil, {txn.FailEarly}} {
			early := i == 1
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				between := w.do(ctx, func(ctx context.Context) error {
					w.must(nil, w.do(ctx, func(ctx context.Context) error { return txn.SetRollbackOnly(ctx, errMark) }))
					return nil
				}, opts...)
				if !early {
					w.must(nil, between)
					return nil
				}
				w.wantErr(between, txn.ErrUnexpectedRollback, errMark)
				return between
			})
			w.wantErr(err, txn.ErrUnexpectedRollback, errMark)
			w.want()
		}
	})
}

// 27: avito trm and sqalx commit both.
func TestSwallowedErrorOfAJoinedScopeRollsBackTheWhole(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for _, p := range joins {
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				w.wantErr(w.do(ctx, func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 2))
					return errBoom
				}, p), errBoom)
				return nil
			}, txn.Name("outer"))
			w.wantErr(err, txn.ErrUnexpectedRollback, errBoom)
			w.want()
		}
	})
}

// 27: and so does a scope that panics, if the panic is recovered.
func TestRecoveredPanicOfAJoinedScopeRollsBackTheWhole(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		err := w.do(w.Context(), func(ctx context.Context) error {
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
				})
			}()
			w.holds(1)
			return nil
		})
		w.wantErr(err, txn.ErrUnexpectedRollback)
		w.want()
	})
}

// 28: DSTM transactionRollbackOnly; TST rollbackOnlyWithExistingTransaction.
func TestFailureOfAJoinedScopeMarksAndDoesNotRollBackYet(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.wantErr(w.do(ctx, failing), errBoom)
			w.wantErr(w.info(ctx).RollbackOnly, errBoom)
			w.holds(1)
			if !w.has(ctx, 1) {
				w.Fatal("the transaction was rolled back already")
			}
			return w.insert(ctx, 2)
		})
		w.wantErr(err, txn.ErrUnexpectedRollback, errBoom)
		told("Begin", "INSERT 1", "SELECT 1", "INSERT 2", "Rollback")
		w.want()
	})
}

// 28: an error that is passed on is returned as it is.
func TestErrorThatIsPassedOnIsNotUnexpected(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			return w.do(ctx, func(ctx context.Context) error { return w.do(ctx, failing) })
		})
		if err != errBoom {
			w.Fatalf("got %v, want the error itself", err)
		}
		if got := w.pool.Stats().Transactions; got.RolledBack != 1 || got.UnexpectedRolledBack != 0 {
			w.Fatalf("got %+v", got)
		}
		w.want()
	})
}

// 29: TAT programmaticRollback.
func TestMarkOfTheScopeThatOwnsTheWorkIsNoError(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		var cause error
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, txn.AfterRollback(ctx, func(_ context.Context, why error) { cause = why }))
			w.must(nil, w.insert(ctx, 1))
			w.must(nil, txn.SetRollbackOnly(ctx, errMark))
			w.wantErr(w.info(ctx).RollbackOnly, errMark)
			return w.insert(ctx, 2)
		}))
		w.wantErr(cause, errMark)
		told("Begin", "INSERT 1", "INSERT 2", "Rollback")
		w.want()

		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.must(nil, w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				return txn.SetRollbackOnly(ctx, errMark)
			}, txn.Nested))
			return w.do(ctx, func(ctx context.Context) error {
				w.must(nil, txn.SetRollbackOnly(ctx, errMark))
				return nil
			}, txn.RequiresNew)
		}))
		w.want(1)
	})
}

// 29: with an error as well the error is what is returned.
func TestErrorOfAMarkedScopeIsReturned(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for _, rule := range [][]txn.Option{nil, {txn.CommitOn(errBoom)}} {
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				w.must(nil, txn.SetRollbackOnly(ctx, errMark))
				return errBoom
			}, rule...)
			if err != errBoom {
				w.Fatalf("got %v", err)
			}
			w.want()
		}
	})
}

// 30: JTA …ExceptionAndNoGlobalRollback.
func TestSoftJoinLeavesTheDecisionToTheScopeAround(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		soft := func(first int, swallow bool) error {
			return w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, first))
				err := w.do(ctx, func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, first+1))
					return errBoom
				}, txn.SoftJoin)
				if err != errBoom {
					w.Fatalf("got %v", err)
				}
				if why := w.info(ctx).RollbackOnly; why != nil {
					w.Fatalf("it can only be rolled back: %v", why)
				}
				if swallow {
					return nil
				}
				return err
			})
		}
		w.must(nil, soft(1, true))
		w.wantErr(soft(3, false), errBoom)
		w.want(1, 2)

		// It does not hold for what a scope asks for, nor for those within it.
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 5))
			return w.do(ctx, func(ctx context.Context) error {
				w.must(nil, txn.SetRollbackOnly(ctx, errMark))
				return nil
			}, txn.SoftJoin)
		})
		w.wantErr(err, txn.ErrUnexpectedRollback, errMark)
		err = w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 5))
			return w.do(ctx, func(ctx context.Context) error {
				w.wantErr(w.do(ctx, failing), errBoom)
				return nil
			}, txn.SoftJoin)
		})
		w.wantErr(err, txn.ErrUnexpectedRollback, errBoom)
		w.want(1, 2)
	})
}

// 31, 32: DSTM existingTransactionWithPropagationNestedAndRequiredRollback,
// …NestedAndRequiredRollbackOnly.
func TestFailureWithinASavepointStaysThere(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i, c := range []struct {
			name   string
			inner  func(context.Context) error // of a scope that joins, in the nested one
			pass   bool                        // the nested one passes its error on
			nested []error                     // what the nested one returns
		}{
			{"an error that is passed on", failing, true, []error{errBoom}},
			{"an error that is swallowed", failing, false, []error{txn.ErrUnexpectedRollback, errBoom}},
			{"a mark", func(ctx context.Context) error { return txn.SetRollbackOnly(ctx, errMark) }, true, []error{txn.ErrUnexpectedRollback, errMark}},
		} {
			told := listen(w)
			first, second, third, last := 10*i, 10*i+1, 10*i+2, 10*i+3
			w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, first))
				err := w.do(ctx, func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, second))
					err := w.do(ctx, func(ctx context.Context) error {
						if i := w.info(ctx); i.Savepoint || i.New || i.Depth != 3 {
							w.Fatalf("%s: got %+v", c.name, i)
						}
						w.must(nil, w.insert(ctx, third))
						return c.inner(ctx)
					})
					if w.info(ctx).RollbackOnly == nil {
						w.Fatalf("%s: the nested scope is not marked", c.name)
					}
					if c.pass {
						return err
					}
					return nil
				}, txn.Nested)
				w.wantErr(err, c.nested...)
				if unexpected := errors.Is(err, txn.ErrUnexpectedRollback); unexpected != (len(c.nested) == 2) {
					w.Fatalf("%s: got %q", c.name, err)
				}
				if why := w.info(ctx).RollbackOnly; why != nil {
					w.Fatalf("%s: the mark was not taken back: %v", c.name, why)
				}
				return w.insert(ctx, last)
			}))
			told("Begin", w.fakeInsert(first), "SAVEPOINT", w.fakeInsert(second), w.fakeInsert(third), "ROLLBACK TO", "RELEASE", w.fakeInsert(last), "Commit")
			if w.has(w.Context(), second) || w.has(w.Context(), third) {
				w.Fatalf("%s: what was done at the savepoint is kept", c.name)
			}
		}
		w.want(0, 3, 10, 13, 20, 23)
	})
}

// 31: a mark of before the savepoint is not taken back with it.
func TestMarkWithinASavepointOfASavepointGoesOutwardsNoFurther(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			err := w.do(ctx, func(outer context.Context) error {
				w.must(nil, w.insert(outer, 2))
				w.must(nil, w.do(outer, func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 3))
					w.wantErr(w.do(outer, failing), errBoom) // joins the one around, not this one
					return w.insert(ctx, 4)
				}, txn.Nested))
				w.wantErr(w.info(outer).RollbackOnly, errBoom)
				return nil
			}, txn.Nested)
			w.wantErr(err, txn.ErrUnexpectedRollback, errBoom)
			return w.insert(ctx, 5)
		}))
		w.want(1, 5)
	})
}

// 33.
func TestSavepointInAMarkedTransactionIsRefused(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		refused := func(ctx context.Context) {
			w.Helper()
			w.wantErr(w.do(ctx, func(context.Context) error {
				w.Error("the function was called")
				return nil
			}, txn.Nested), txn.ErrUnexpectedRollback, errBoom)
		}
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.wantErr(w.do(ctx, func(ctx context.Context) error { // within a savepoint, and no further
				w.must(nil, w.insert(ctx, 2))
				w.wantErr(w.do(ctx, failing), errBoom)
				refused(ctx)
				return nil
			}, txn.Nested), txn.ErrUnexpectedRollback, errBoom)
			w.must(nil, w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 3) }, txn.Nested))
			w.wantErr(w.do(ctx, failing), errBoom)
			refused(ctx)
			return nil
		})
		w.wantErr(err, txn.ErrUnexpectedRollback, errBoom)
		told("Begin", "INSERT 1", "SAVEPOINT", "INSERT 2", "ROLLBACK TO", "RELEASE", "SAVEPOINT", "INSERT 3", "RELEASE", "Rollback")
		w.want()
	})
}

// 34: PGX TestTxCommitWhenTxBroken, TestConnReleaseClosesConnInFailedTransaction.
func TestSwallowedErrorOfAStatementRollsBackWhatTheServerRefuses(t *testing.T) {
	eachTold(t, nil, func(w *world) {
		w.must(nil, w.insert(w.Context(), 7))
		aborts := w.name != "mysql" && w.name != "sqlite"
		told := listen(w)
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			duplicate := w.insert(ctx, 7)
			if !sqlerr.IsDuplicate(duplicate) {
				w.Fatalf("got %v, want a duplicate", duplicate)
			}
			if why := w.info(ctx).RollbackOnly; (why != nil) != aborts {
				w.Fatalf("can only be rolled back because of: %v", why)
			}
			if aborts {
				w.wantErr(w.do(ctx, nothing, txn.Nested), txn.ErrUnexpectedRollback)
				if err := w.insert(ctx, 2); err == nil {
					w.Fatal("the server takes statements")
				}
			}
			return nil
		})
		if !aborts {
			w.must(nil, err)
			w.want(1, 7)
			return
		}
		w.wantErr(err, txn.ErrUnexpectedRollback)
		if !sqlerr.IsDuplicate(err) {
			w.Fatalf("got %q, want the statement's error in it", err)
		}
		told("Begin", "INSERT 1", "INSERT 7", "INSERT 2", "Rollback")
		w.want(7)
	})
}

// 34, within a savepoint: the one way to survive an error with PostgreSQL.
func TestErrorOfAStatementIsSurvivedWithASavepoint(t *testing.T) {
	eachTold(t, nil, func(w *world) {
		w.must(nil, w.insert(w.Context(), 7))
		aborts := w.name != "mysql" && w.name != "sqlite"
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			err := w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				return w.insert(ctx, 7)
			}, txn.Nested)
			if !sqlerr.IsDuplicate(err) || errors.Is(err, txn.ErrUnexpectedRollback) {
				w.Fatalf("got %v, want the duplicate itself", err)
			}
			w.must(nil, w.insert(ctx, 3))
			swallowed := w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 4))
				if err := w.insert(ctx, 7); !sqlerr.IsDuplicate(err) {
					w.Fatalf("got %v, want a duplicate", err)
				}
				return nil
			}, txn.Nested)
			if aborts {
				w.wantErr(swallowed, txn.ErrUnexpectedRollback)
				if !sqlerr.IsDuplicate(swallowed) {
					w.Fatalf("got %q, want the statement's error in it", swallowed)
				}
			} else {
				w.must(nil, swallowed)
			}
			return w.insert(ctx, 5)
		}))
		if aborts {
			w.want(1, 3, 5, 7)
		} else {
			w.want(1, 3, 4, 5, 7)
		}
	})
}

// 34: the error comes with the rows of a query.
func TestSwallowedErrorOfAQuerysRowsRollsBackWhatTheServerRefuses(t *testing.T) {
	none := "an error undoes nothing but the statement"
	each(t, akari.Config{}, but{"fake": none, "mysql": none, "sqlite": none}, func(w *world) {
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			rows, err := w.db.QueryContext(ctx, "SELECT 1 / (1000 - i) FROM generate_series(1, 2000) i")
			w.must(nil, err)
			defer rows.Close()
			for rows.Next() {
			}
			if err := rows.Err(); err == nil || !strings.Contains(err.Error(), "division by zero") {
				w.Fatalf("got %v", err)
			}
			w.must(nil, rows.Close())
			if w.info(ctx).RollbackOnly == nil {
				w.Error("it does not say that it can only be rolled back")
			}
			return nil
		})
		w.wantErr(err, txn.ErrUnexpectedRollback)
		if !strings.Contains(err.Error(), "division by zero") {
			w.Fatalf("got %q, want the query's error in it", err)
		}
		w.want()
	})
}

// 35: MySQL and MariaDB roll the whole transaction back to end a deadlock, and would
// execute what follows by itself.
func TestDeadlockThatIsSwallowedUndoesTheTransaction(t *testing.T) {
	none := "needs MySQL's row locks"
	each(t, akari.Config{}, but{"fake": "below", "pgx": none, "pq": none, "sqlite": none}, func(w *world) {
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.deadlock(ctx)(ctx)
			w.refusesAll(ctx, sqlerr.IsDeadlock)
			return nil
		})
		w.wantErr(err, txn.ErrUnexpectedRollback)
		if !sqlerr.IsDeadlock(err) {
			w.Fatalf("got %q, want the deadlock in it", err)
		}
		w.want(51, 52, 60, 61, 62) // of the other one, which was spared
	})
	t.Run("fake", func(t *testing.T) {
		onFake(t, akaritest.MySQLLike, akari.Config{Dialect: akari.DialectMySQL}, func(w *world) {
			told := listen(w)
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				if _, err := w.db.ExecContext(ctx, "FAIL 1213 deadlock"); !sqlerr.IsDeadlock(err) {
					w.Fatalf("got %v, want a deadlock", err)
				}
				w.refusesAll(ctx, sqlerr.IsDeadlock)
				return nil
			})
			w.wantErr(err, txn.ErrUnexpectedRollback)
			told("Begin", "INSERT 1", "FAIL 1213 deadlock", "Rollback")
			w.want()
		})
	})
}

// 36: by default a wait for a lock that takes too long undoes the statement alone.
func TestLockWaitThatTakesTooLongUndoesTheStatement(t *testing.T) {
	none := "needs MySQL's row locks"
	each(t, akari.Config{}, but{"fake": "below", "pgx": none, "pq": none, "sqlite": none}, func(w *world) {
		w.must(nil, w.insert(w.Context(), 50))
		other, err := w.apart.BeginTx(context.Background(), nil)
		w.must(nil, err)
		defer func() { _ = other.Rollback() }()
		w.must(other.Exec("UPDATE " + w.table + " SET id = 51 WHERE id = 50"))
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(w.db.ExecContext(ctx, "SET innodb_lock_wait_timeout = 1"))
			w.must(nil, w.insert(ctx, 1))
			if _, err := w.db.ExecContext(ctx, "DELETE FROM "+w.table+" WHERE id = 50"); !sqlerr.IsLockTimeout(err) {
				w.Fatalf("got %v, want a lock time-out", err)
			}
			if i := w.info(ctx); i.RollbackOnly != nil || !i.HasConnection {
				w.Fatalf("got %+v", i)
			}
			return w.insert(ctx, 2)
		}))
		w.must(nil, other.Rollback())
		w.want(1, 2, 50)
	})
	// With innodb_rollback_on_timeout it undoes all.
	t.Run("fake", func(t *testing.T) {
		onFake(t, akaritest.MySQLLike, akari.Config{Dialect: akari.DialectMySQL}, func(w *world) {
			w.server.Define("SELECT @@innodb_rollback_on_timeout", "ROWS 1")
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				if _, err := w.db.ExecContext(ctx, "FAIL 1205 lock wait"); !sqlerr.IsLockTimeout(err) {
					w.Fatalf("got %v, want a lock time-out", err)
				}
				w.refusesAll(ctx, sqlerr.IsLockTimeout)
				return nil
			})
			w.wantErr(err, txn.ErrUnexpectedRollback)
			w.want()
		})
	})
}

// deadlock has the transaction of ctx lock a row, and returns a function that makes it
// the victim of a deadlock.
func (w *world) deadlock(ctx context.Context) (victim func(context.Context)) {
	w.Helper()
	bg := context.Background()
	w.must(w.apart.ExecContext(bg, "INSERT INTO "+w.table+" VALUES (40), (41)"))
	other, err := w.apart.BeginTx(bg, nil)
	w.must(nil, err)
	for i := range 3 { // makes it worth more than the victim
		w.must(nil, w.insertBy(bg, other, 60+i))
	}
	w.must(other.ExecContext(bg, "UPDATE "+w.table+" SET id = 51 WHERE id = 41"))
	w.must(w.db.ExecContext(ctx, "UPDATE "+w.table+" SET id = 50 WHERE id = 40"))
	return func(ctx context.Context) {
		w.Helper()
		spared := make(chan error, 1)
		go func() {
			_, err := other.ExecContext(bg, "UPDATE "+w.table+" SET id = 52 WHERE id = 40")
			if err == nil {
				err = other.Commit()
			}
			spared <- err
		}()
		_, err = w.db.ExecContext(ctx, "UPDATE "+w.table+" SET id = 53 WHERE id = 41")
		if other := <-spared; other != nil {
			w.Fatalf("the other transaction was the victim: %v", other)
		}
		if !sqlerr.IsDeadlock(err) {
			w.Fatalf("got %v, want a deadlock", err)
		}
	}
}

// refusesAll makes sure that a transaction which the server has undone takes nothing
// more, and has no connection any longer.
func (w *world) refusesAll(ctx context.Context, cause func(error) bool) {
	w.Helper()
	w.holds(0)
	for what, err := range map[string]error{
		"a statement":   w.insert(ctx, 2),
		"a query":       w.db.QueryRowContext(ctx, w.selectText(1)).Scan(new(int)),
		"a transaction": func() error { _, err := w.db.BeginTx(ctx, nil); return err }(),
		"a statement to prepare": func() error {
			st, err := w.db.PrepareContext(ctx, w.selectText(1))
			if err == nil {
				err = errors.Join(errors.New("none"), st.Close())
			}
			return err
		}(),
		"a savepoint": w.do(ctx, nothing, txn.Nested),
	} {
		if !errors.Is(err, txn.ErrUnexpectedRollback) || !cause(err) {
			w.Fatalf("%s: got %v, want a refusal with its cause", what, err)
		}
	}
	w.holds(0)
}
