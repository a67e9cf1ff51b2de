package transactions

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// In cases with a transaction beside another, SQLite's outer one only writes after the
// inner one, or not at all: there is one writer, and whoever has read before another's
// commit cannot become it.

// 6: DSTM propagationRequiresNewWithExistingTransaction.
func TestRequiresNewRollsBackByItself(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.outerWrites(ctx, 1)
			err := w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				w.holds(1 + w.outerHolds())
				return errBoom
			}, txn.RequiresNew)
			if err != errBoom {
				w.Fatalf("got %v", err)
			}
			w.holds(w.outerHolds())
			if why := w.info(ctx).RollbackOnly; why != nil {
				w.Fatalf("the outer one can only be rolled back: %v", why)
			}
			return w.insert(ctx, 3)
		}))
		w.holds(0)
		if w.name == "sqlite" {
			w.want(3)
		} else {
			w.want(1, 3)
		}
	})
}

// 8: DSTM propagationRequiresNewWithExistingTransactionAndUnrelatedDataSource.
func TestScopesOfTwoPoolsHaveNothingToDoWithEachOther(t *testing.T) {
	eachTwo(t, func(w, v *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			outer := ctx
			w.must(nil, w.insert(ctx, 1))
			v.wantErr(v.do(ctx, nothing, txn.Mandatory), txn.ErrNoTx)
			v.must(nil, v.do(ctx, nothing, txn.Never))
			for _, p := range []txn.Propagation{txn.Required, txn.RequiresNew, txn.Nested} {
				v.wantErr(v.do(ctx, func(ctx context.Context) error {
					v.must(nil, v.insert(ctx, 2))
					if i := w.info(ctx); i.Pool != v.pool.Name() || i.Depth != 1 || !i.New {
						w.Fatalf("%v: got %+v", p, i)
					}
					if i := w.info(txn.In(ctx, w.pool)); i.Pool != w.pool.Name() || i.Depth != 1 || i != w.info(outer) {
						w.Fatalf("%v: got %+v", p, i)
					}
					w.holds(1)
					v.holds(1)
					if !w.has(ctx, 1) {
						w.Fatal("a statement in the inner scope is not in the outer one of its pool")
					}
					return errBoom
				}, p), errBoom)
				v.holds(0)
			}
			if v.has(ctx, 2) {
				w.Fatal("the inner scope was not rolled back")
			}
			return w.do(ctx, func(ctx context.Context) error {
				return v.do(ctx, func(ctx context.Context) error {
					v.must(nil, v.insert(ctx, 3))
					return w.insert(ctx, 4)
				})
			}, txn.Nested)
		}))
		w.want(1, 4)
		v.want(3)
	})
}

// 9: JTA …RequiresNewAndBeginException: no connection for the inner one.
func TestOuterScopeGoesOnWhenTheInnerOneGetsNoConnection(t *testing.T) {
	each(t, akari.Config{MaxConnectionsPerTask: 1}, nil, func(w *world) {
		for i, c := range []struct {
			opts   []txn.Option
			called bool // the function of the inner one
			result func(failed error) error
			want   []int
		}{
			{[]txn.Option{txn.RequiresNew, txn.Eager}, false, func(err error) error { return err }, nil},
			{[]txn.Option{txn.RequiresNew}, true, func(err error) error { return err }, nil},
			{[]txn.Option{txn.NotSupported}, true, func(err error) error { return err }, nil},
			{[]txn.Option{txn.RequiresNew, txn.Eager}, false, func(error) error { return nil }, []int{6, 7}},
		} {
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2*i))
				called := false
				failed := w.do(ctx, func(ctx context.Context) error {
					called = true
					return w.insert(ctx, 9)
				}, c.opts...)
				w.wantErr(failed, txn.ErrNestingLimit)
				if called != c.called {
					w.Fatalf("%d: the function was called: %t", i, called)
				}
				w.holds(1)
				w.must(nil, w.insert(ctx, 2*i+1))
				return c.result(failed)
			})
			if c.want == nil {
				w.wantErr(err, txn.ErrNestingLimit)
			} else {
				w.must(nil, err)
			}
			w.holds(0)
			w.want(c.want...)
		}
	})
}

// 9: JTA …RequiresNewAndBeginException: the driver refuses to begin.
func TestOuterScopeGoesOnWhenTheInnerOneCannotBegin(t *testing.T) {
	onFake(t, akaritest.PgxLike, akari.Config{}, func(w *world) {
		refused := errors.New("not today")
		for i, opts := range [][]txn.Option{{txn.RequiresNew}, {txn.RequiresNew, txn.Eager}} {
			told := listen(w)
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				w.server.Inject(akaritest.OpBegin, akaritest.Fault{Times: 1, Err: refused})
				called := false
				err := w.do(ctx, func(ctx context.Context) error {
					called = true
					return w.insert(ctx, 2)
				}, opts...)
				w.wantErr(err, refused)
				if eager := i == 1; called == eager {
					w.Fatalf("eager: %t, called: %t", eager, called)
				}
				w.holds(1)
				w.must(nil, w.insert(ctx, 3))
				return err
			})
			w.wantErr(err, refused)
			told("Begin", "INSERT 1", "Begin", "INSERT 3", "Rollback")
		}
		w.want()
	})
}

// 9: DSTM …UnrelatedFailingDataSource.
func TestOuterScopeGoesOnWhenAnotherPoolIsClosed(t *testing.T) {
	eachTwo(t, func(w, v *world) {
		v.pool.Close()
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			err := v.do(ctx, func(context.Context) error {
				w.Error("the function was called")
				return nil
			}, txn.RequiresNew, txn.Eager)
			w.wantErr(err, akari.ErrPoolClosed)
			w.must(nil, w.insert(ctx, 2))
			return err
		})
		w.wantErr(err, akari.ErrPoolClosed)
		w.want()
	})
}

// 10: JTA …RequiresNewAndSuspendException. Nothing can fail here: the context of the
// outer scope goes on to mean its transaction while the inner one is open.
func TestOuterScopeCanBeUsedWhileItIsSuspended(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(outer context.Context) error {
			w.must(nil, w.insert(outer, 1))
			w.must(nil, w.do(outer, func(ctx context.Context) error {
				if w.has(ctx, 1) {
					w.Fatal("the inner one sees what the outer one has not committed")
				}
				w.holds(2)
				if !w.has(outer, 1) {
					w.Fatal("the outer one does not see its own")
				}
				return w.do(outer, func(ctx context.Context) error {
					if i := w.info(ctx); i.New || i.Depth != 2 {
						w.Fatalf("got %+v", i)
					}
					return w.insert(ctx, 2)
				})
			}, txn.RequiresNew))
			w.holds(1)
			return w.insert(outer, 3)
		}))
		w.want(1, 2, 3)
	})
}

// 11: DSTM propagationNotSupportedWithExistingTransaction.
func TestNotSupportedRunsBesideTheTransaction(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i, result := range []error{nil, errBoom} {
			first, beside, last := 3*i+1, 3*i+2, 3*i+3
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.outerWrites(ctx, first)
				w.wantErr(w.do(ctx, func(ctx context.Context) error {
					if i := w.info(ctx); i.InTx || i.New || i.HasConnection {
						w.Fatalf("got %+v", i)
					}
					w.wantErr(txn.SetRollbackOnly(ctx, nil), txn.ErrNoTx)
					w.must(nil, w.insert(ctx, beside))
					w.holds(w.outerHolds())
					if w.has(ctx, first) {
						w.Fatal("it sees what the transaction has not committed")
					}
					if !w.has(w.Context(), beside) {
						w.Fatal("what it has done is not there yet")
					}
					return errBoom // has nothing to roll back
				}, txn.NotSupported), errBoom)
				w.must(nil, w.insert(ctx, last))
				return result
			})
			if err != result {
				w.Fatalf("got %v, want %v", err, result)
			}
		}
		if w.name == "sqlite" {
			w.want(2, 3, 5)
		} else {
			w.want(1, 2, 3, 5)
		}
		if got := w.pool.Stats(); got.SuspendedScopes != 2 {
			w.Fatalf("%d scopes ran beside a transaction, want 2", got.SuspendedScopes)
		}
	})
}

// 12: DSTM propagationNeverWithExistingTransaction.
func TestNeverRefusesATransaction(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i, pass := range []bool{true, false} {
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, i))
				err := w.do(ctx, func(context.Context) error {
					w.Error("the function was called")
					return nil
				}, txn.Never)
				w.wantErr(err, txn.ErrTxExists)
				if pass {
					return err
				}
				return nil // the scope was never entered, so nothing of the transaction has failed
			})
			if pass {
				w.wantErr(err, txn.ErrTxExists)
			} else {
				w.must(nil, err)
			}
		}
		w.want(1)
	})
}

// 13: DSTM transactionWithPropagationSupports, …NotSupported, …Never.
func TestScopeWithoutTransactionHoldsConnectionsForStatementsOnly(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i, p := range []txn.Propagation{txn.Supports, txn.NotSupported, txn.Never} {
			told := listen(w)
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.holds(0)
				w.must(nil, w.insert(ctx, i))
				w.holds(0)
				if !w.has(w.Context(), i) {
					w.Fatal("what it has done is not there yet")
				}
				rows, err := w.db.QueryContext(ctx, w.selectText(i))
				w.must(nil, err)
				w.holds(1)
				w.must(nil, rows.Close())
				w.holds(0)
				return errBoom
			}, p)
			if err != errBoom {
				w.Fatalf("%v: got %v", p, err)
			}
			told(fmt.Sprintf("INSERT %d", i), fmt.Sprintf("SELECT %d", i), fmt.Sprintf("SELECT %d", i))
		}
		w.want(0, 1, 2)
	})
}

// 14: TRM PropagationsMandatory_error_without_open_transaction.
func TestMandatoryNeedsATransaction(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		never := func(context.Context) error {
			w.Error("the function was called")
			return nil
		}
		before := w.pool.Stats().Acquired
		w.wantErr(w.do(w.Context(), never, txn.Mandatory), txn.ErrNoTx)
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error { return w.do(ctx, never, txn.Mandatory) }, txn.Supports), txn.ErrNoTx)
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			return w.do(ctx, func(ctx context.Context) error { return w.do(ctx, never, txn.Mandatory) }, txn.NotSupported)
		}), txn.ErrNoTx)
		if n := w.pool.Stats().Acquired - before; n != 0 {
			w.Fatalf("%d connections were lent", n)
		}
	})
}

// 15, 16: TRM PropagationsMandatory_success_commit, PropagationSupports.
func TestMandatoryAndSupportsJoin(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i, p := range []txn.Propagation{txn.Required, txn.Mandatory, txn.Supports} {
			told := listen(w)
			first, second := 2*i+10, 2*i+11
			join := func(result error) error {
				return w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, first))
					return w.do(ctx, func(ctx context.Context) error {
						if !w.has(ctx, first) {
							w.Fatal("it does not see what was done before in the transaction")
						}
						w.holds(1)
						w.must(nil, w.insert(ctx, second))
						return result
					}, p)
				})
			}
			w.wantErr(join(errBoom), errBoom)
			if w.has(w.Context(), first) || w.has(w.Context(), second) {
				w.Fatalf("%v: what has failed is there", p)
			}
			told("Begin", w.fakeInsert(first), w.fakeSelect(first), w.fakeInsert(second), "Rollback", w.fakeSelect(first), w.fakeSelect(second))
			w.must(nil, join(nil))
			told("Begin", w.fakeInsert(first), w.fakeSelect(first), w.fakeInsert(second), "Commit")
		}
		w.want(10, 11, 12, 13, 14, 15)
	})
}

// 16: TRM PropagationSupports_nil_transaction.
func TestSupportsRunsWithoutATransaction(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			return w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				return errBoom
			}, txn.Supports)
		}, txn.Supports), errBoom)
		w.want(1, 2)
	})
}

// 17: DSTM propagationSupportsAndRequiresNew.
func TestTransactionInAScopeWithoutOneEndsByItself(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				w.holds(1)
				return nil
			}, txn.RequiresNew))
			w.holds(0)
			if i := w.info(ctx); i.InTx {
				w.Fatalf("got %+v", i)
			}
			return errBoom
		}, txn.Supports), errBoom)
		w.want(1)
	})
}

// 17: DSTM propagationSupportsAndRequiresNewWithEarlyAccess. What Spring's scope does
// without being asked, Bind does with Hold, and transactions use the same connection.
func TestHeldConnectionIsThatOfTheTransactionsWithin(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		ctx, end, err := txn.Bind(w.Context(), w.pool, txn.Hold)
		w.must(nil, err)
		defer end()
		w.holds(0)
		mine := w.connOf(ctx)
		w.holds(1)
		same := func(ctx context.Context) {
			w.Helper()
			if got := w.connOf(ctx); got != mine {
				w.Fatalf("on connection %s, want %s", got, mine)
			}
			w.holds(1)
		}
		w.must(nil, w.do(ctx, func(empty context.Context) error {
			same(empty)
			for i, p := range []txn.Propagation{txn.RequiresNew, txn.Required} {
				w.must(nil, w.do(empty, func(ctx context.Context) error {
					same(ctx)
					w.wantErr(w.insert(empty, 9), txn.ErrScopeBusy)
					return w.insert(ctx, i)
				}, p))
				same(empty)
			}
			w.wantErr(w.do(empty, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				return errBoom
			}), errBoom)
			same(empty)
			return nil
		}, txn.Supports))
		w.must(nil, w.do(ctx, func(ctx context.Context) error {
			same(ctx)
			return w.do(ctx, func(inner context.Context) error {
				if got := w.connOf(inner); got == mine {
					w.Fatal("the inner transaction is on the connection of the outer one")
				}
				w.holds(2)
				return w.insert(inner, 3)
			}, txn.RequiresNew)
		}))
		same(ctx)
		w.must(nil, w.insert(ctx, 4)) // by itself
		end()
		w.holds(0)
		w.wantErr(w.insert(ctx, 9), txn.ErrCompleted)
		w.want(0, 1, 3, 4)
	})
}

// 18: JTA …PropagationRequiredWithinSupports, …RequiredWithinNotSupported,
// …RequiresNewWithinSupports, …RequiresNewWithinNotSupported.
func TestTransactionWithinAScopeWithoutOneIsARealOne(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		n := 0
		for _, around := range []txn.Propagation{txn.Supports, txn.NotSupported, txn.Never} {
			for _, p := range []txn.Propagation{txn.Required, txn.RequiresNew, txn.Nested} {
				kept, gone, after := n+1, n+2, n+3
				n += 3
				w.wantErr(w.do(w.Context(), func(empty context.Context) error {
					for i, result := range []error{nil, errBoom} {
						err := w.do(empty, func(ctx context.Context) error {
							if i := w.info(ctx); !i.InTx || !i.New || i.Savepoint || i.Depth != 2 {
								w.Fatalf("%v within %v: got %+v", p, around, i)
							}
							w.must(nil, w.insert(ctx, kept+i))
							w.holds(1)
							return result
						}, p)
						if err != result {
							w.Fatalf("%v within %v: got %v, want %v", p, around, err, result)
						}
						w.holds(0)
						if i := w.info(empty); i.InTx {
							w.Fatalf("%v within %v: the scope around became %+v", p, around, i)
						}
					}
					w.must(nil, w.insert(empty, after))
					return errBoom
				}, around), errBoom)
				if !w.has(w.Context(), kept) || w.has(w.Context(), gone) || !w.has(w.Context(), after) {
					w.Fatalf("%v within %v: wrong numbers", p, around)
				}
			}
		}
	})
}

// 18: JTA …RequiredWithinNotSupported, beside a transaction: the transaction of the
// innermost scope is on a second connection, and outlives the outermost one.
func TestRequiredWithinNotSupportedDoesNotJoinWhatIsSuspended(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			w.outerWrites(ctx, 1)
			w.must(nil, w.do(ctx, func(ctx context.Context) error {
				return w.do(ctx, func(ctx context.Context) error {
					if i := w.info(ctx); !i.New || i.Depth != 3 {
						w.Fatalf("got %+v", i)
					}
					w.must(nil, w.insert(ctx, 2))
					w.holds(1 + w.outerHolds())
					return nil
				})
			}, txn.NotSupported))
			return errBoom
		}), errBoom)
		w.want(2)
	})
}

// 19: JTA …RequiresNewWithAccessAfterResume.
func TestOuterScopeIsUsedBeforeBetweenAndAfterInnerOnes(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		before := w.pool.Stats().TaskConnections
		var want []int
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			conn := w.connOf(ctx)
			for i := range 5 {
				if w.name != "sqlite" {
					w.must(nil, w.insert(ctx, 10+i))
					want = append(want, 10+i)
				}
				w.must(nil, w.do(ctx, func(inner context.Context) error {
					w.must(nil, w.insert(inner, i))
					w.holds(2)
					if got := w.connOf(ctx); got != conn {
						w.Fatalf("the outer one moved from connection %s to %s", conn, got)
					}
					return nil
				}, txn.RequiresNew))
				want = append(want, i)
				w.holds(1)
				if got := w.connOf(ctx); got != conn {
					w.Fatalf("the outer one moved from connection %s to %s", conn, got)
				}
			}
			return nil
		}))
		w.want(want...)
		after := w.pool.Stats().TaskConnections
		before[2]++
		if after != before {
			w.Fatalf("tasks by the connections they held: %v, want %v", after, before)
		}
	})
}

// 19: JTA …RequiresNewWithOpenOuterConnection: rows of the outer one are open meanwhile.
func TestRowsOfTheOuterScopeStayOpenDuringAnInnerOne(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i := range 3 {
			w.must(nil, w.insert(w.Context(), i))
		}
		query := "SELECT id FROM " + w.table + " ORDER BY id"
		if w.name == "fake" {
			query = "ROWS 3"
		}
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			rows, err := w.db.QueryContext(ctx, query)
			w.must(nil, err)
			defer rows.Close()
			n := 0
			for rows.Next() {
				w.must(nil, w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 10+n) }, txn.RequiresNew))
				w.holds(1)
				n++
			}
			w.must(nil, rows.Err())
			if n != 3 {
				w.Fatalf("%d rows, want 3", n)
			}
			return nil
		}))
		w.want(0, 1, 2, 10, 11, 12)
	})
}

// outerWrites adds a number in a transaction around another, where the database can
// have two writers.
func (w *world) outerWrites(ctx context.Context, id int) {
	w.Helper()
	if w.name != "sqlite" {
		w.must(nil, w.insert(ctx, id))
	}
}

// outerHolds is how many connections a transaction has after outerWrites.
func (w *world) outerHolds() int {
	if w.name == "sqlite" {
		return 0
	}
	return 1
}

func (w *world) selectText(id int) string {
	if w.name == "fake" {
		return fmt.Sprintf("SELECT %d", id)
	}
	return fmt.Sprintf("SELECT id FROM %s WHERE id = %d", w.table, id)
}

func (w *world) fakeInsert(id int) string { return fmt.Sprintf("INSERT %d", id) }
func (w *world) fakeSelect(id int) string { return fmt.Sprintf("SELECT %d", id) }

// connOf says on which connection the scope of ctx is.
func (w *world) connOf(ctx context.Context) string {
	w.Helper()
	if w.name == "sqlite" { // has no number to ask for
		conn, err := w.db.Conn(ctx)
		w.must(nil, err)
		defer conn.Close()
		var name string
		w.must(nil, akari.Raw(conn, func(c any) error {
			name = fmt.Sprintf("%p", c)
			return nil
		}))
		return name
	}
	var n int64
	w.must(nil, w.db.QueryRowContext(ctx, map[string]string{
		"fake": "CONN", "pgx": "SELECT pg_backend_pid()", "pq": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()",
	}[w.name]).Scan(&n))
	return fmt.Sprint(n)
}

// 7: the inner one commits, the outer one rolls back; what the inner one did stays.
func TestRequiresNewOutlivesTheScopeAroundIt(t *testing.T) {
	each(t, akari.Config{}, but{"sqlite": "SQLite has one writer: the outer transaction locks the inner one out"}, func(w *world) {
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.must(nil, w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				w.holds(2)
				return nil
			}, txn.RequiresNew))
			w.holds(1)
			return errBoom
		})
		w.wantErr(err, errBoom)
		w.want(2)
	})
}
