package transactions

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// 1: DSTM transactionCommitWithAutoCommitTrue.
func TestScopeCommits(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.holds(1)
			return w.insert(ctx, 2)
		}))
		w.holds(0)
		w.want(1, 2)
	})
}

// 2: DSTM transactionRollbackWithAutoCommitTrue.
func TestErrorRollsBackAndIsReturned(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			return errBoom
		})
		if err != errBoom {
			w.Fatalf("got %v, want the function's own error", err)
		}
		w.want()
	})
}

// 1, 2: DSTM transactionCommitWithAutoCommitFalse, …RollbackWithAutoCommitFalse: what
// the server is told, and that nothing is left of it in the session.
func TestTransactionIsOneBeginAndOneEnd(t *testing.T) {
	onFake(t, akaritest.PgxLike, akari.Config{}, func(w *world) {
		told := listen(w)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			return w.insert(ctx, 2)
		}))
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 3))
			return errBoom
		}), errBoom)
		w.must(nil, w.insert(w.Context(), 4))
		told("Begin", "INSERT 1", "INSERT 2", "Commit", "Begin", "INSERT 3", "Rollback", "INSERT 4")
		w.want(1, 2, 4)
	})
}

// 3: DSTM transactionCommitWithAutoCommitTrueAndLazyConnection, and its rollback.
func TestScopeWithoutStatementNeedsNoConnection(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		before := w.pool.Stats()
		for _, result := range []error{nil, errBoom} {
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.do(ctx, nothing))
				w.must(nil, w.do(ctx, nothing, txn.Nested))
				w.wantErr(w.do(ctx, failing, txn.Nested), errBoom)
				w.must(nil, w.do(ctx, nothing, txn.RequiresNew))
				w.must(nil, w.do(ctx, nothing, txn.NotSupported))
				w.holds(0)
				return result
			})
			if err != result {
				w.Fatalf("got %v, want %v", err, result)
			}
		}
		after := w.pool.Stats()
		if n := after.Acquired - before.Acquired; n != 0 {
			w.Fatalf("%d connections were lent", n)
		}
		// Two scopes with RequiresNew, and the first one around them.
		if got, want := after.Transactions, (akari.TransactionStats{Begun: 4, Empty: 3, RolledBack: 1}); got != want {
			w.Fatalf("got %+v, want %+v", got, want)
		}
		told()
	})
}

// 4: DSTM transactionCommitWithAutoCommitTrueAndLazyConnectionAndStatementCreated.
func TestConnectionIsTakenByTheFirstStatement(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.holds(0)
			if w.info(ctx).HasConnection {
				w.Fatal("it says that it has a connection")
			}
			told()
			w.must(nil, w.insert(ctx, 1))
			w.holds(1)
			if !w.info(ctx).HasConnection {
				w.Fatal("it says that it has no connection")
			}
			told("Begin", "INSERT 1")
			return nil
		}))
		w.holds(0)
		w.want(1)
	})
}

// 4, the other way: a failure to begin is known before the function is called.
func TestEagerScopeHasItsConnectionFromTheStart(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.holds(1)
			if !w.info(ctx).HasConnection {
				w.Fatal("it says that it has no connection")
			}
			return nil
		}, txn.Eager))
		told("Begin", "Commit")
	})
}

// 5: TST noExistingTransaction, existingTransaction.
func TestCurrentTellsWhatAScopeIs(t *testing.T) {
	type is struct {
		inTx, isNew, savepoint bool
		err                    error
	}
	var (
		without = is{}
		begun   = is{inTx: true, isNew: true}
		joined  = is{inTx: true}
		point   = is{inTx: true, savepoint: true}
	)
	inNothing := map[txn.Propagation]is{
		txn.Required: begun, txn.RequiresNew: begun, txn.Nested: begun,
		txn.Supports: without, txn.NotSupported: without, txn.Never: without,
		txn.Mandatory: {err: txn.ErrNoTx},
	}
	inTransaction := map[txn.Propagation]is{
		txn.Required: joined, txn.Supports: joined, txn.Mandatory: joined,
		txn.RequiresNew: begun, txn.Nested: point, txn.NotSupported: without,
		txn.Never: {err: txn.ErrTxExists},
	}
	around := []struct {
		name  string
		opts  []txn.Option // of the scope around, nil for none
		depth int
		want  map[txn.Propagation]is
	}{
		{"in nothing", nil, 1, inNothing},
		{"in a transaction", []txn.Option{txn.Required}, 2, inTransaction},
		{"in a savepoint", []txn.Option{txn.Nested}, 2, inTransaction},
		{"in a scope without", []txn.Option{txn.Supports}, 2, inNothing},
	}
	each(t, akari.Config{}, nil, func(w *world) {
		for _, a := range around {
			for p := txn.Required; p <= txn.Never; p++ {
				want := a.want[p]
				look := func(ctx context.Context) error {
					called := false
					err := w.do(ctx, func(ctx context.Context) error {
						called = true
						i := w.info(ctx)
						got := is{inTx: i.InTx, isNew: i.New, savepoint: i.Savepoint}
						if got != want || i.Depth != a.depth || i.Propagation != p || i.Name != "inner" || i.Pool != w.pool.Name() || i.Attempt != 1 || i.RollbackOnly != nil {
							w.Fatalf("%s, %v: got %+v, want %+v at depth %d", a.name, p, i, want, a.depth)
						}
						return nil
					}, p, txn.Name("inner"))
					if want.err != nil {
						w.wantErr(err, want.err)
						if called || !strings.Contains(err.Error(), "inner") {
							w.Fatalf("%s, %v: called: %t, error %q", a.name, p, called, err)
						}
						return nil
					}
					return err
				}
				if a.opts == nil {
					w.must(nil, look(w.Context()))
					continue
				}
				var stale context.Context
				w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
					stale = ctx
					before := w.info(ctx)
					w.must(nil, look(ctx))
					if after := w.info(ctx); after != before {
						w.Fatalf("%s, after %v: got %+v, was %+v", a.name, p, after, before)
					}
					return nil
				}, a.opts...))
				if i, ok := txn.Current(stale); ok {
					w.Fatalf("a scope that has ended is %+v", i)
				}
			}
		}
		if i, ok := txn.Current(w.Context()); ok {
			w.Fatalf("there is no scope, but %+v", i)
		}
	})
}

// 20: TAT twoTransactionsShouldSucceed.
func TestNextScopeStartsAfresh(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		ctx := w.Context()
		w.must(nil, w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 1) }))
		w.wantErr(w.do(ctx, func(ctx context.Context) error {
			w.must(nil, txn.SetRollbackOnly(ctx, errBoom))
			w.must(nil, w.insert(ctx, 2))
			return errBoom
		}), errBoom)
		w.must(nil, w.do(ctx, func(ctx context.Context) error {
			if i := w.info(ctx); !i.New || i.Depth != 1 || i.RollbackOnly != nil {
				w.Fatalf("got %+v", i)
			}
			return w.insert(ctx, 3)
		}))
		told("Begin", "INSERT 1", "Commit", "Begin", "INSERT 2", "Rollback", "Begin", "INSERT 3", "Commit")
		w.want(1, 3)
	})
}

// 21: TRM Test_transactionManager_Do_ClosedTransaction: a statement's text does not end
// the scope's transaction, and harms nothing.
func TestTextThatWouldEndTheTransactionIsRefused(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			for _, text := range []string{"COMMIT", "ROLLBACK", "BEGIN", "commit; " + w.insertText(9), "/* so */ rollback"} {
				_, err := w.db.ExecContext(ctx, text)
				w.wantErr(err, txn.ErrIncompatible)
			}
			w.wantErr(w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				_, err := w.db.ExecContext(ctx, "ROLLBACK")
				return err
			}, txn.Nested), txn.ErrIncompatible)
			return w.insert(ctx, 3)
		}))
		told("Begin", "INSERT 1", "SAVEPOINT", "INSERT 2", "ROLLBACK TO", "RELEASE", "INSERT 3", "Commit")
		w.want(1, 3)
	})
}

// 21, without_error: the driver's own connection can end it.
func TestTransactionThatWasEndedBehindTheScopesBackIsNoticed(t *testing.T) {
	none := "its driver does not say whether a transaction is open"
	each(t, akari.Config{}, but{"fake": none, "pq": none, "sqlite": none}, func(w *world) {
		w.endedInside(func(ctx context.Context) error { return w.raw(ctx, "COMMIT") })
	})
}

// 21, with MySQL's own way of ending a transaction.
func TestTableDefinitionThatCommitsIsNoticed(t *testing.T) {
	none := "tables are made within transactions, or not at all"
	each(t, akari.Config{}, but{"fake": none, "pgx": none, "pq": none, "sqlite": none}, func(w *world) {
		w.endedInside(func(ctx context.Context) error {
			_, err := w.db.ExecContext(ctx, "CREATE TABLE "+w.table+"_more (id int)")
			return err
		})
	})
}

// endedInside makes sure of what a scope is told whose transaction end has committed.
func (w *world) endedInside(end func(context.Context) error) {
	w.Helper()
	err := w.do(w.Context(), func(ctx context.Context) error {
		w.must(nil, w.insert(ctx, 1))
		w.must(nil, end(ctx))
		w.wantErr(w.insert(ctx, 9), txn.ErrUnexpectedRollback, txn.ErrCompleted)
		w.wantErr(w.do(ctx, failing, txn.Nested), txn.ErrCompleted)
		w.wantErr(w.info(ctx).RollbackOnly, txn.ErrCompleted)
		w.holds(0)
		return nil
	})
	w.wantErr(err, txn.ErrUnexpectedRollback, txn.ErrCompleted)
	w.want(1) // what was committed behind its back
}

// 22: JTA …DoubleCommit, DoubleRollback, RollbackAndCommit; SQ TestSqalxTransactionViolations.
func TestSecondEndDoesNothing(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i, c := range []struct {
			first, second error
			kept          bool
			end           string
		}{
			{nil, nil, true, "Commit"},
			{nil, errBoom, true, "Commit"},
			{errBoom, nil, false, "Rollback"},
			{errBoom, errBoom, false, "Rollback"},
		} {
			told := listen(w)
			ctx, sc, err := txn.Begin(w.Context(), w.pool)
			w.must(nil, err)
			w.must(nil, w.insert(ctx, i))
			err = c.first
			sc.End(&err)
			if err != c.first {
				w.Fatalf("first End: got %v, want %v", err, c.first)
			}
			w.holds(0)
			err = c.second
			sc.End(&err)
			w.wantErr(err, txn.ErrCompleted)
			if c.second != nil {
				w.wantErr(err, c.second)
			}
			told("Begin", fmt.Sprintf("INSERT %d", i), c.end)
			w.wantErr(w.insert(ctx, 9), txn.ErrCompleted)
			w.wantErr(txn.SetRollbackOnly(ctx, nil), txn.ErrCompleted)
			if got := w.has(w.Context(), i); got != c.kept {
				w.Fatalf("first %v, second %v: kept: %t", c.first, c.second, got)
			}
		}
		w.want(0, 1)
	})
}

// 22: GORM RaiseErrorOnRollbackAfterCommit; SQL TestTxCannotCommitAfterRollback.
func TestSecondEndOfATransactionBegunWithinIsRefused(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		told := listen(w)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			for i, ends := range [][2]func(*sql.Tx) error{
				{(*sql.Tx).Commit, (*sql.Tx).Commit},
				{(*sql.Tx).Commit, (*sql.Tx).Rollback},
				{(*sql.Tx).Rollback, (*sql.Tx).Commit},
				{(*sql.Tx).Rollback, (*sql.Tx).Rollback},
			} {
				tx, err := w.db.BeginTx(ctx, nil)
				w.must(nil, err)
				w.must(nil, w.insertBy(ctx, tx, i))
				w.must(nil, ends[0](tx))
				w.wantErr(ends[1](tx), sql.ErrTxDone)
			}
			return nil
		}))
		told("Begin",
			"SAVEPOINT", "INSERT 0", "RELEASE", "SAVEPOINT", "INSERT 1", "RELEASE",
			"SAVEPOINT", "INSERT 2", "ROLLBACK TO", "RELEASE", "SAVEPOINT", "INSERT 3", "ROLLBACK TO", "RELEASE",
			"Commit")
		w.want(0, 1)
	})
}

// 24: TRM ChainedMW two. Scopes of two pools commit from the inside out, each by itself.
func TestScopesOfTwoPoolsCommitFromTheInsideOut(t *testing.T) {
	eachTwo(t, func(w, v *world) {
		var order []string
		note := func(ctx context.Context, name string) {
			w.must(nil, txn.AfterCommit(ctx, func(context.Context) error {
				order = append(order, name)
				return nil
			}))
		}
		both := func(outer, inner error, base int) error {
			return w.do(w.Context(), func(ctx context.Context) error {
				note(ctx, "outer")
				w.must(nil, w.insert(ctx, base))
				err := v.do(ctx, func(ctx context.Context) error {
					note(ctx, "inner")
					w.must(nil, v.insert(ctx, base))
					return inner
				})
				if err != inner {
					w.Fatalf("got %v, want %v", err, inner)
				}
				if err != nil {
					return err
				}
				return outer
			})
		}
		w.must(nil, both(nil, nil, 1))
		if want := []string{"inner", "outer"}; !slices.Equal(order, want) {
			w.Fatalf("commits in the order %q, want %q", order, want)
		}
		w.wantErr(both(errBoom, nil, 2), errBoom) // too late for the inner one
		w.wantErr(both(nil, errBoom, 3), errBoom)
		w.want(1)
		v.want(1, 2)
		v.holds(0)
	})
}

func nothing(context.Context) error { return nil }

func failing(context.Context) error { return errBoom }

// info is that of the innermost scope of ctx.
func (w *world) info(ctx context.Context) txn.Info {
	w.Helper()
	i, ok := txn.Current(ctx)
	if !ok {
		w.Fatal("the context is in no scope")
	}
	return i
}

// raw executes a text on the driver's own connection.
func (w *world) raw(ctx context.Context, text string) error {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return akari.Raw(conn, func(c any) error {
		_, err := c.(driver.ExecerContext).ExecContext(ctx, text, nil)
		return err
	})
}

// onFake runs a case on a fake server alone, of whatever profile.
func onFake(t *testing.T, profile akaritest.Profile, cfg akari.Config, f func(w *world)) {
	t.Helper()
	w := &world{T: t, name: "fake", server: akaritest.NewServer(profile), log: &journal{}}
	akaritest.Verify(t, w.server)
	cfg.SessionReset = akari.ResetOff
	cfg.MaximumPoolSize = 2
	pool, err := akari.New(t.Context(), w.server.Connector(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	w.pool, w.db, w.apart = pool, pool.DB(), pool.DB()
	before := runtime.NumGoroutine()
	f(w)
	w.atRest(before)
}

// eachTold is each, where the pool knows that the fake server is PostgreSQL.
func eachTold(t *testing.T, except but, f func(w *world)) {
	t.Helper()
	eachOf(t, except, func(t *testing.T, name string) func() {
		var cfg akari.Config
		if name == "fake" {
			cfg.Dialect = akari.DialectPostgreSQL
		}
		w := newWorld(t, name, cfg)
		before := runtime.NumGoroutine()
		return func() { f(w); w.atRest(before) }
	})
}

// eachTwo is each with two worlds: pools of their own on databases of the same kind.
func eachTwo(t *testing.T, f func(w, v *world)) {
	t.Helper()
	eachOf(t, nil, func(t *testing.T, name string) func() {
		w := newWorld(t, name, akari.Config{})
		dirs.Delete(t) // another folder, for another database, with SQLite
		v := newWorld(t, name, akari.Config{})
		before := runtime.NumGoroutine()
		return func() { f(w, v); w.atRest(before); v.atRest(before) }
	})
}

func eachOf(t *testing.T, except but, prepare func(t *testing.T, name string) (run func())) {
	t.Helper()
	for _, name := range on {
		t.Run(name, func(t *testing.T) {
			if why := except[name]; why != "" {
				t.Skip(why)
			}
			prepare(t, name)()
		})
	}
}

// listen returns a function that makes sure what the fake server has been told of
// transactions, and by statements, since the last call: savepoints without their
// names. On real databases it does nothing.
func listen(w *world) (told func(want ...string)) {
	if w.server == nil {
		return func(...string) {}
	}
	rec := w.server.Record()
	w.Cleanup(rec.Stop)
	seen := 0
	return func(want ...string) {
		w.Helper()
		var got []string
		calls := rec.Calls()
		for _, c := range calls[seen:] {
			switch c.Op {
			case akaritest.OpBegin, akaritest.OpCommit, akaritest.OpRollback:
				got = append(got, c.Op.String())
			case akaritest.OpExec, akaritest.OpQuery:
				if strings.HasPrefix(c.Text, "SHOW ") || strings.HasPrefix(c.Text, "SELECT ") && strings.ContainsAny(c.Text, "@_(") {
					continue // the pool's own, on a new connection: not of the fake's language
				}
				got = append(got, strings.TrimSpace(strings.TrimSuffix(c.Text, pointName(c.Text))))
			}
		}
		seen = len(calls)
		for i := range got {
			got[i] = strings.TrimSuffix(got[i], " SAVEPOINT") // which RELEASE may leave out
		}
		if !slices.Equal(got, want) {
			w.Fatalf("the server was told\n\t%q, want\n\t%q", got, want)
		}
	}
}

// pointName is the name of the savepoint that a text is about, "" if it is about none.
func pointName(text string) string {
	words := strings.Fields(text)
	if len(words) < 2 || words[0] != "SAVEPOINT" && words[0] != "RELEASE" && (words[0] != "ROLLBACK" || words[1] != "TO") {
		return ""
	}
	return words[len(words)-1]
}
