package transactions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/sqlerr"
	"github.com/akaripool/akari/txn"
)

// quick is Retry without long pauses.
var quick = txn.Retry{Max: time.Millisecond, Base: time.Millisecond}

// conflict has the database refuse a transaction because of what another one does.
type conflict struct {
	name   string
	except but
	level  sql.IsolationLevel

	// with is what the scope does: interfere has another transaction in its way, once.
	with func(w *world, ctx context.Context, interfere bool) error
	want []int // what is in the table in the end
}

// errSerialization is what the fake says.
var errSerialization = &akaritest.Error{Code: "40001", Message: "could not serialize access"}

// other runs statements of another transaction, and commits it.
func (w *world) other(level sql.IsolationLevel, statements ...string) {
	w.Helper()
	tx, err := w.apart.BeginTx(context.Background(), &sql.TxOptions{Isolation: level})
	w.must(nil, err)
	for _, s := range statements {
		w.must(tx.ExecContext(context.Background(), s))
	}
	w.must(nil, tx.Commit())
}

var conflicts = []conflict{
	{
		name:   "at a statement",
		except: but{"mysql": "MariaDB's REPEATABLE READ does not mind"},
		level:  sql.LevelRepeatableRead,
		with: func(w *world, ctx context.Context, interfere bool) error {
			if interfere && w.server != nil {
				w.server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, Err: errSerialization})
			}
			w.has(ctx, 1) // the snapshot is taken
			if interfere && w.server == nil {
				w.other(sql.LevelDefault, "UPDATE "+w.table+" SET id = 2 WHERE id = 1")
			}
			if w.server != nil {
				return errors.Join(w.insert(ctx, 2), w.insert(ctx, 3))
			}
			_, err := w.db.ExecContext(ctx, "UPDATE "+w.table+" SET id = 2 WHERE id IN (1, 2)")
			if err != nil {
				return err
			}
			return w.insert(ctx, 3)
		},
		want: []int{2, 3},
	},
	{
		name:   "at the commit",
		except: but{"mysql": commitsAll, "sqlite": "SQLite refuses the write, not the COMMIT"},
		level:  sql.LevelSerializable,
		with: func(w *world, ctx context.Context, interfere bool) error { // write skew
			switch {
			case interfere && w.server != nil:
				w.server.Inject(akaritest.OpCommit, akaritest.Fault{Times: 1, Err: errSerialization})
			case w.server == nil:
				var n int
				if err := w.db.QueryRowContext(ctx, "SELECT count(*) FROM "+w.table).Scan(&n); err != nil {
					return err
				}
			}
			if err := w.insert(ctx, 3); err != nil {
				return err
			}
			if interfere && w.server == nil {
				w.other(sql.LevelSerializable, "SELECT count(*) FROM "+w.table, w.insertText(2))
			}
			return nil
		},
		want: []int{1, 2, 3},
	},
	{
		name:   "deadlock",
		except: but{"fake": "it has no locks", "pgx": "the server takes a second to notice; the errors are those of at a statement", "pq": "the server takes a second to notice; the errors are those of at a statement", "sqlite": "SQLite has one writer"},
		with: func(w *world, ctx context.Context, interfere bool) error {
			touch := func(id int) string { return fmt.Sprintf("UPDATE %s SET id = id WHERE id = %d", w.table, id) }
			if err := w.insert(ctx, 3); err != nil {
				return err
			}
			if _, err := w.db.ExecContext(ctx, "SELECT id FROM "+w.table+" WHERE id = 1 FOR UPDATE"); err != nil {
				return err
			}
			ended := make(chan error, 1)
			if interfere {
				bg := context.Background()
				tx, err := w.apart.BeginTx(bg, nil)
				w.must(nil, err)
				for id := 60; id < 80; id++ { // it has done more, so that it is the other one that has to give way
					w.must(tx.ExecContext(bg, w.insertText(id)))
				}
				w.must(tx.ExecContext(bg, "SELECT id FROM "+w.table+" WHERE id = 2 FOR UPDATE"))
				go func() {
					_, err := tx.ExecContext(bg, "SELECT id FROM "+w.table+" WHERE id = 1 FOR UPDATE")
					ended <- errors.Join(err, tx.Rollback())
				}()
			} else {
				ended <- nil
			}
			_, err := w.db.ExecContext(ctx, touch(2))
			if err == nil {
				_, err = w.db.ExecContext(ctx, "SELECT id FROM "+w.table+" WHERE id = 2 FOR UPDATE")
			}
			if failed := <-ended; failed != nil {
				w.Errorf("the other one: %v", failed)
			}
			return err
		},
		want: []int{1, 2, 3},
	},
}

// prepare puts in what the conflicts need.
func (c *conflict) prepare(w *world) {
	if w.server != nil && c.name == "at a statement" {
		return
	}
	w.must(nil, w.insert(w.Context(), 1))
	switch {
	case w.server != nil && c.name == "at the commit", c.name == "deadlock":
		w.must(nil, w.insert(w.Context(), 2))
	}
}

// 106: CRDB TestExecuteTx; PGX TestTxCommitSerializationFailure: the whole is repeated, in
// a new scope with a new context; nothing is left of the first attempt, no hook either.
func TestTransactionThatCouldNotBeSerializedIsTriedAgain(t *testing.T) {
	for _, c := range conflicts {
		t.Run(c.name, func(t *testing.T) {
			each(t, akari.Config{}, c.except, func(w *world) {
				c.prepare(w)
				var d diary
				var contexts []context.Context
				err := w.do(w.Context(), func(ctx context.Context) error {
					attempt := len(contexts) + 1
					if i, _ := txn.Current(ctx); i.Attempt != attempt || !i.New {
						w.Errorf("attempt %d: %+v", attempt, i)
					}
					for _, kept := range contexts {
						w.wantErr(w.insert(context.WithoutCancel(kept), 9), txn.ErrCompleted)
					}
					contexts = append(contexts, ctx)
					d.note("attempt %d", attempt)
					w.must(nil, txn.AfterCommit(ctx, func(context.Context) error { d.note("commit of %d", attempt); return nil }))
					w.must(nil, txn.AfterRollback(ctx, func(_ context.Context, cause error) {
						d.note("rollback of %d: %t", attempt, sqlerr.IsRetryable(cause))
					}))
					return c.with(w, ctx, attempt == 1)
				}, quick, txn.Isolation(c.level), txn.Timeout(20*time.Second))
				w.must(nil, err)
				d.says(w, "attempt 1", "rollback of 1: true", "attempt 2", "commit of 2")
				w.holds(0)
				w.want(c.want...)
				s := w.pool.Stats()
				if s.TransactionRetries != 1 || s.Transactions.Begun != 2 || s.Transactions.Committed != 1 {
					w.Errorf("counted %d retries, %+v", s.TransactionRetries, s.Transactions)
				}
			})
		})
	}
}

// 106: without Retry it is the caller's to decide.
func TestTransactionThatCouldNotBeSerializedIsAnErrorWithoutRetry(t *testing.T) {
	for _, c := range conflicts {
		t.Run(c.name, func(t *testing.T) {
			each(t, akari.Config{}, c.except, func(w *world) {
				c.prepare(w)
				calls := 0
				err := w.do(w.Context(), func(ctx context.Context) error {
					calls++
					return c.with(w, ctx, true)
				}, txn.Isolation(c.level))
				if !sqlerr.IsRetryable(err) || calls != 1 {
					w.Fatalf("called %d times, %v", calls, err)
				}
			})
		})
	}
}

// 106: the function has not passed the error on.
func TestSwallowedSerializationFailureIsTriedAgain(t *testing.T) {
	each(t, akari.Config{}, but{
		"mysql": "MariaDB's REPEATABLE READ does not mind", "fake": "it does not say what a failed transaction failed with",
		"sqlite": "its transaction goes on after the refused write",
	}, func(w *world) {
		c := conflicts[0]
		c.prepare(w)
		calls := 0
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			calls++
			_ = c.with(w, ctx, calls == 1)
			return nil
		}, quick, txn.Isolation(c.level)))
		if calls != 2 {
			w.Errorf("called %d times", calls)
		}
		w.want(c.want...)
	})
}

// 106: CRDB TestMaxRetriesExceededError.
func TestRetryGivesUp(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for attempts, want := range map[int]int{0: 3, 1: 1, 2: 2} {
			calls, undone := 0, 0
			err := w.do(w.Context(), func(ctx context.Context) error {
				calls++
				return errors.Join(
					txn.AfterRollback(ctx, func(context.Context, error) { undone++ }),
					w.insert(ctx, 1),
					errSerialization)
			}, txn.Retry{Attempts: attempts, Base: time.Millisecond, Max: time.Millisecond})
			var given *txn.RetryError
			if !errors.As(err, &given) || given.Attempts != want || calls != want || undone != want {
				w.Fatalf("called %d times, undone %d times, %v", calls, undone, err)
			}
			w.wantErr(err, errSerialization)
			if !strings.Contains(err.Error(), fmt.Sprint(want)) || !strings.Contains(err.Error(), "40001") {
				w.Errorf("it says %q", err)
			}
		}
		w.want()
	})
}

// 106: errors that another attempt would not mend.
func TestRetryRepeatsOnlyWhatMayEndDifferently(t *testing.T) {
	for _, c := range []struct {
		name  string
		opts  []txn.Option
		f     func(w *world, ctx context.Context) error
		calls int
	}{
		{"the function's own error", []txn.Option{quick}, func(*world, context.Context) error { return errBoom }, 1},
		{"a duplicate", []txn.Option{quick}, func(w *world, ctx context.Context) error { return errors.Join(w.insert(ctx, 1), w.insert(ctx, 1)) }, 1},
		{"its time has passed", []txn.Option{quick, txn.Timeout(30 * time.Millisecond)}, func(_ *world, ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, 1},
		{"its time has passed with an error that may", []txn.Option{quick, txn.Timeout(30 * time.Millisecond)}, func(_ *world, ctx context.Context) error {
			<-ctx.Done()
			return errors.Join(context.Cause(ctx), errSerialization)
		}, 1},
		{"an error that commits", []txn.Option{quick, txn.CommitOn(errSerialization)}, func(w *world, ctx context.Context) error {
			return errors.Join(w.insert(ctx, 1), errSerialization)
		}, 1},
		{"what follows the commit", []txn.Option{quick}, func(w *world, ctx context.Context) error {
			return errors.Join(w.insert(ctx, 1), txn.AfterCommit(ctx, func(context.Context) error { return errSerialization }))
		}, 1},
		{"one that is given", []txn.Option{txn.Retry{Base: time.Microsecond, If: func(err error) bool { return errors.Is(err, io.EOF) }}}, func(w *world, ctx context.Context) error {
			return errors.Join(w.insert(ctx, 1), io.EOF)
		}, 3},
		{"all but one that is given", []txn.Option{txn.Retry{Base: time.Microsecond, If: func(err error) bool { return errors.Is(err, io.EOF) }}}, func(*world, context.Context) error {
			return errSerialization
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, akari.Config{}, nil, func(w *world) {
				calls := 0
				err := w.do(w.Context(), func(ctx context.Context) error {
					calls++
					return c.f(w, ctx)
				}, c.opts...)
				if err == nil || calls != c.calls {
					w.Fatalf("called %d times, want %d; %v", calls, c.calls, err)
				}
			})
		})
	}
}

// 106: a panic is not repeated.
func TestRetryDoesNotRepeatAPanic(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		calls := 0
		func() {
			defer func() {
				if recover() == nil {
					w.Error("it does not go on")
				}
			}()
			_ = w.do(w.Context(), func(ctx context.Context) error {
				calls++
				w.must(nil, w.insert(ctx, 1))
				panic(errSerialization)
			}, quick)
		}()
		if calls != 1 {
			w.Errorf("called %d times", calls)
		}
		w.want()
	})
}

// 106: the connection is lost before the COMMIT: only if that is asked for.
func TestRetryAfterALostConnection(t *testing.T) {
	for _, asked := range []bool{false, true} {
		t.Run(fmt.Sprintf("asked %t", asked), func(t *testing.T) {
			each(t, akari.Config{}, but{"sqlite": noServer}, func(w *world) {
				how := quick
				how.ConnectionLost = asked
				calls := 0
				err := w.do(w.Context(), func(ctx context.Context) error {
					calls++
					w.must(nil, w.insert(ctx, 1))
					if calls == 1 {
						w.hangUp(ctx)
					}
					return w.insert(ctx, 2)
				}, how)
				if !asked {
					if err == nil || calls != 1 {
						w.Fatalf("called %d times, %v", calls, err)
					}
					w.want()
					return
				}
				if err != nil || calls != 2 {
					w.Fatalf("called %d times, %v", calls, err)
				}
				w.want(1, 2)
			})
		})
	}
}

// 106: pauses end with the context, and none is begun that would outlast its deadline.
func TestRetryPausesNoLongerThanThereIsTime(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		long := txn.Retry{Base: 1000 * time.Hour, Max: 1000 * time.Hour}
		w.promptly(func() {
			ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
			defer cancel()
			calls := 0
			err := w.do(ctx, func(context.Context) error { calls++; return errSerialization }, long)
			var given *txn.RetryError
			if !errors.As(err, &given) || calls != 1 || given.Attempts != 1 {
				w.Errorf("called %d times, %v", calls, err)
			}
			w.wantErr(err, errSerialization)
		})
		w.promptly(func() {
			ctx, cancel := context.WithCancel(w.Context())
			calls := 0
			err := w.do(ctx, func(ctx context.Context) error {
				calls++
				return errors.Join(txn.AfterRollback(ctx, func(context.Context, error) { time.AfterFunc(20*time.Millisecond, cancel) }), errSerialization)
			}, long)
			if calls != 1 {
				w.Errorf("called %d times", calls)
			}
			w.wantErr(err, errSerialization)
		})
	})
}

// 106: the pool's budget: ten retries to begin with, and one for each ten successes.
func TestRetriesOfAPoolHaveABudget(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		how := quick
		how.Attempts = 100
		fails := func() int {
			calls := 0
			err := w.do(w.Context(), func(ctx context.Context) error { calls++; return errSerialization }, how)
			var given *txn.RetryError
			if !errors.As(err, &given) || given.Attempts != calls || !strings.Contains(given.Why, "budget") {
				w.Fatalf("called %d times, %v", calls, err)
			}
			return calls
		}
		if n := fails(); n != 11 {
			w.Errorf("%d attempts, want 11", n)
		}
		if n := fails(); n != 1 {
			w.Errorf("%d attempts without a budget", n)
		}
		for i := range 10 {
			w.must(nil, w.do(w.Context(), func(ctx context.Context) error { return w.insert(ctx, i) }, how))
		}
		if n := fails(); n != 2 {
			w.Errorf("%d attempts after ten successes, want 2", n)
		}
	})
}

// 107: what has joined cannot repeat what was done before it.
func TestRetryIsRefusedWhereItCannotRepeatTheWhole(t *testing.T) {
	for _, how := range []txn.Propagation{txn.Required, txn.Nested, txn.Supports, txn.Mandatory} {
		t.Run(how.String(), func(t *testing.T) {
			each(t, akari.Config{}, nil, func(w *world) {
				w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 1))
					called := false
					err := w.do(ctx, func(context.Context) error { called = true; return nil }, how, quick)
					w.wantErr(err, txn.ErrIncompatible)
					if called || !strings.Contains(err.Error(), "Retry") {
						w.Errorf("called: %t, %v", called, err)
					}
					return w.insert(ctx, 2)
				}))
				w.want(1, 2)
			})
		})
	}
}

// 107: RequiresNew begins one of its own, which can be repeated.
func TestRetryOfATransactionBesideAnother(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		calls := 0
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.has(ctx, 1)
			return w.do(ctx, func(ctx context.Context) error {
				calls++
				w.must(nil, w.insert(ctx, calls))
				if calls == 1 {
					return errSerialization
				}
				return nil
			}, txn.RequiresNew, quick)
		}))
		if calls != 2 {
			w.Errorf("called %d times", calls)
		}
		w.want(2)
	})
}

// 107: other places in which nothing could be repeated, and settings that make no sense.
func TestRetryThatMakesNoSenseIsRefused(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		if _, _, err := txn.Begin(w.Context(), w.pool, quick); err == nil {
			w.Error("Begin has taken it")
		}
		if _, _, err := txn.Bind(w.Context(), w.pool, quick); err == nil {
			w.Error("Bind has taken it")
		}
		for _, r := range []txn.Retry{{Attempts: -1}, {Base: -1}, {Max: -1}, {Base: time.Second, Max: time.Millisecond}} {
			called := false
			if err := w.do(w.Context(), func(context.Context) error { called = true; return nil }, r); err == nil || called {
				w.Errorf("%+v: called: %t, %v", r, called, err)
			}
		}
	})
}
