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
	"github.com/akaripool/akari/sqlerr"
	"github.com/akaripool/akari/txn"
)

// level is the isolation level of the transaction of ctx, and whether it is read-only, as
// the server has them.
func (w *world) level(ctx context.Context) (level string, readOnly bool) {
	w.Helper()
	var ro string
	switch w.name {
	case "fake":
		var id int
		w.must(nil, w.db.QueryRowContext(ctx, "CONN").Scan(&id))
		for _, c := range w.server.Conns() {
			if c.ID == id && c.InTx {
				return strings.ToLower(sql.IsolationLevel(c.Tx.Isolation).String()), c.Tx.ReadOnly
			}
		}
		return "default", false
	case "mysql":
		err := w.db.QueryRowContext(ctx, "SELECT trx_isolation_level, trx_is_read_only FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID()").Scan(&level, &ro)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			w.Fatal(err)
		}
		return strings.ToLower(level), ro == "1"
	}
	w.must(nil, w.db.QueryRowContext(ctx, "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')").Scan(&level, &ro))
	return level, ro == "on"
}

// wantLevel makes sure what level says.
func (w *world) wantLevel(ctx context.Context, level string, readOnly bool) {
	w.Helper()
	if w.name == "mysql" {
		time.Sleep(110 * time.Millisecond) // the server renews its table if nobody has asked for a tenth of a second
	}
	if got, ro := w.level(ctx); got != level || ro != readOnly {
		w.Fatalf("the server has %s, read-only: %t; want %s, %t", got, ro, level, readOnly)
	}
}

const sqliteLevel = "SQLite has one isolation level, and its driver takes no option of a transaction"

// ordinary is the isolation level that the server uses if none is asked for.
func (w *world) ordinary() string {
	switch w.name {
	case "fake":
		return "default"
	case "mysql":
		return "repeatable read"
	}
	return "read committed"
}

// 69, 72: DSTM transactionWithIsolationAndReadOnly; PGX TestConnBeginTxIsolation; BUN
// TestTransactionIsolationLevels. On the next use of the connection nothing is left of it.
func TestIsolationAndReadOnlyReachTheServerAndEndWithTheTransaction(t *testing.T) {
	for _, level := range []sql.IsolationLevel{sql.LevelReadUncommitted, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
		for _, readOnly := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v read-only %t", level, readOnly), func(t *testing.T) {
				each(t, akari.Config{MaximumPoolSize: 1}, but{"sqlite": sqliteLevel}, func(w *world) {
					opts := []txn.Option{txn.Isolation(level)}
					if readOnly {
						opts = append(opts, txn.ReadOnly)
					}
					for _, outcome := range []error{nil, errBoom} {
						err := w.do(w.Context(), func(ctx context.Context) error {
							w.has(ctx, 0) // MariaDB shows a transaction that has read something
							w.wantLevel(ctx, strings.ToLower(level.String()), readOnly)
							if i, _ := txn.Current(ctx); i.Isolation != level || i.ReadOnly != readOnly {
								w.Fatalf("Current says %v, read-only: %t", i.Isolation, i.ReadOnly)
							}
							return outcome
						}, opts...)
						if err != outcome {
							w.Fatal(err)
						}
						w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
							w.must(nil, w.insert(ctx, 1))
							w.wantLevel(ctx, w.ordinary(), false)
							return txn.SetRollbackOnly(ctx, nil)
						}))
					}
				})
			})
		}
	}
}

// 72: a level that the server does not have.
func TestUnknownIsolationLevelIsAnError(t *testing.T) {
	each(t, akari.Config{}, but{"sqlite": sqliteLevel, "fake": "it has all levels"}, func(w *world) {
		for _, level := range []sql.IsolationLevel{sql.LevelLinearizable, sql.IsolationLevel(99)} {
			err := w.do(w.Context(), func(ctx context.Context) error { return w.insert(ctx, 1) }, txn.Isolation(level))
			if err == nil {
				w.Fatalf("a transaction with %v was committed", level)
			}
		}
		w.want()
	})
}

// 71: DSTM transactionWithEnforceReadOnly; PGX TestConnBeginTxReadOnly.
func TestWriteInAReadOnlyScopeIsRefused(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, but{"sqlite": "SQLite knows no read-only transaction"}, func(w *world) {
		w.must(nil, w.insert(w.Context(), 1))
		err := w.do(w.Context(), func(ctx context.Context) error {
			if !w.has(ctx, 1) {
				w.Error("it cannot read")
			}
			return w.insert(ctx, 2)
		}, txn.ReadOnly)
		if !sqlerr.IsReadOnly(err) {
			w.Fatalf("got %v", err)
		}
		w.must(nil, w.insert(w.Context(), 3))
		w.want(1, 3)
		if n := w.pool.Stats().TotalClosed(); n != 0 {
			w.Fatalf("%d connections were closed: a pool that cannot tell a read-only transaction from a server that is read-only", n)
		}
	})
}

// 70: DSTM transactionWithDefaultReadOnly: all of a read-only pool is read-only, whatever
// the scopes ask for, and they join each other.
func TestScopesOfAReadOnlyPoolAreReadOnly(t *testing.T) {
	each(t, akari.Config{ReadOnly: true}, but{"fake": "the pool knows no words to make its sessions read-only"}, func(w *world) {
		for _, opts := range [][]txn.Option{nil, {txn.ReadOnly}} {
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.do(ctx, func(ctx context.Context) error {
					w.has(ctx, 1)
					return nil
				}, opts...))
				return w.insert(ctx, 1)
			}, opts...)
			if !sqlerr.IsReadOnly(err) {
				w.Fatalf("got %v", err)
			}
		}
		w.want()
	})
}

// 70: a read-only scope begins with one call, and sends nothing else.
func TestReadOnlyAndIsolationCostNoStatementsOfThePool(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, onlyFake, func(w *world) {
		w.has(w.Context(), 1)
		calls := w.server.Record()
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.has(ctx, 1)
			return nil
		}, txn.ReadOnly, txn.Isolation(sql.LevelSerializable)))
		calls.Stop()
		var got []string
		for _, c := range calls.Calls() {
			if c.Op&(akaritest.OpBegin|akaritest.OpCommit|akaritest.OpRollback|akaritest.OpExec|akaritest.OpQuery|akaritest.OpPing|akaritest.OpPrepare) != 0 {
				got = append(got, strings.TrimSpace(c.Op.String()+" "+c.Text))
			}
		}
		if want := "Begin, Query SELECT 1, Commit"; strings.Join(got, ", ") != want {
			w.Fatalf("the driver was called: %s; want %s", strings.Join(got, ", "), want)
		}
	})
}

// 73: DSTM participatingTransactionWithIncompatibleIsolationLevel,
// …WithIncompatibleReadOnly.
func TestScopeDoesNotJoinATransactionThatIsNotWhatItAsksFor(t *testing.T) {
	type options []txn.Option
	serializable, repeatable := txn.Isolation(sql.LevelSerializable), txn.Isolation(sql.LevelRepeatableRead)
	cases := []struct {
		name         string
		outer, inner options
		fits         bool
		level        sql.IsolationLevel // of the transaction
	}{
		{"another level", options{repeatable}, options{serializable}, false, sql.LevelRepeatableRead},
		{"a level in one that has the server's", nil, options{serializable}, false, sql.LevelDefault},
		{"the same level", options{serializable}, options{serializable}, true, sql.LevelSerializable},
		{"no level", options{serializable}, nil, true, sql.LevelSerializable},
		{"a writer in a reader", options{txn.ReadOnly}, nil, false, sql.LevelDefault},
		{"a reader in a reader", options{txn.ReadOnly}, options{txn.ReadOnly}, true, sql.LevelDefault},
		{"a reader in a writer", nil, options{txn.ReadOnly}, true, sql.LevelDefault},
		{"another level, lenient", options{repeatable}, options{serializable, txn.Lenient}, true, sql.LevelRepeatableRead},
		{"a writer in a reader, lenient", options{txn.ReadOnly}, options{txn.Lenient}, true, sql.LevelDefault},
	}
	each(t, akari.Config{}, nil, func(w *world) {
		for _, c := range cases {
			for _, how := range []txn.Propagation{txn.Required, txn.Supports, txn.Mandatory, txn.Nested} {
				called, fits := false, c.fits
				if c.name == "a writer in a reader" && (how == txn.Supports || how == txn.Mandatory) {
					fits = true // they say nothing about writing
				}
				err := w.do(w.Context(), func(ctx context.Context) error {
					w.has(ctx, 1)
					return w.do(ctx, func(ctx context.Context) error {
						called = true
						w.has(ctx, 2)
						if i, _ := txn.Current(ctx); i.Isolation != c.level {
							w.Errorf("%s, %v: Current says %v, want what the transaction has", c.name, how, i.Isolation)
						}
						return nil
					}, append(c.inner, how)...)
				}, c.outer...)
				switch {
				case called != fits:
					w.Errorf("%s, %v: the function was called: %t", c.name, how, called)
				case fits && err != nil, !fits && !errors.Is(err, txn.ErrIncompatible):
					w.Errorf("%s, %v: got %v", c.name, how, err)
				}
			}
		}
	})
}

// 73: the error, passed on, rolls back what is around; RequiresNew has no such trouble.
func TestIncompatibleScopeRollsBackWhatIsAroundIt(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			return w.do(ctx, func(ctx context.Context) error { return nil }, txn.Isolation(sql.LevelSerializable))
		})
		w.wantErr(err, txn.ErrIncompatible)
		w.want()
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.has(ctx, 1)
			return w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 2) }, txn.RequiresNew)
		}, txn.ReadOnly))
		w.want(2)
	})
}

// 73: nothing has joined, so that an error that is not passed on leaves the transaction
// as it was.
func TestRefusedJoinLeavesTheTransactionAlone(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.wantErr(w.do(ctx, func(ctx context.Context) error { return nil }, txn.Isolation(sql.LevelSerializable)), txn.ErrIncompatible)
			return w.insert(ctx, 2)
		}))
		w.want(1, 2)
	})
}

// 73: what code in the scope begins through database/sql asks for another level, or for a
// read-only transaction.
func TestBeginTxInAScopeAsksForAnotherLevel(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			_, err := w.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
			w.wantErr(err, txn.ErrIncompatible)
			for _, o := range []*sql.TxOptions{nil, {Isolation: sql.LevelRepeatableRead}, {ReadOnly: true}} {
				tx, err := w.db.BeginTx(ctx, o)
				w.must(nil, err)
				w.must(nil, tx.Commit())
			}
			return nil
		}, txn.Isolation(sql.LevelRepeatableRead)))
		w.want(1)
	})
}

// The pool's own level is what a transaction has that asks for none.
func TestPoolsOwnIsolationLevelFits(t *testing.T) {
	each(t, akari.Config{TransactionIsolation: sql.LevelSerializable}, but{"fake": "it has no levels for connections", "sqlite": "it has no levels for connections"}, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 1) }, txn.Isolation(sql.LevelSerializable)))
			w.wantErr(w.do(ctx, func(context.Context) error { return nil }, txn.Isolation(sql.LevelReadCommitted)), txn.ErrIncompatible)
			tx, err := w.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
			w.must(nil, err)
			return tx.Commit()
		}))
		w.want(1)
	})
}
