package transactions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// insertArg is the text that adds a number given as an argument.
func (w *world) insertArg() string {
	switch w.name {
	case "fake":
		return "INSERT ?"
	case "pgx", "pq":
		return "INSERT INTO " + w.table + " VALUES ($1)"
	}
	return "INSERT INTO " + w.table + " VALUES (?)"
}

// selectArg is the text that looks for a number given as an argument.
func (w *world) selectArg() string {
	switch w.name {
	case "fake":
		return "SELECT ?"
	case "pgx", "pq":
		return "SELECT id FROM " + w.table + " WHERE id = $1"
	}
	return "SELECT id FROM " + w.table + " WHERE id = ?"
}

// look reports whether a number is there, for goroutines, which must not end the test.
func (w *world) look(ctx context.Context, id int) (bool, error) {
	var got int
	err := w.db.QueryRowContext(ctx, w.selectArg(), id).Scan(&got)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// some returns rows of three numbers.
func (w *world) some() string {
	if w.name == "fake" {
		return "ROWS 3"
	}
	return "SELECT 1 UNION SELECT 2 UNION SELECT 3"
}

// 89: tasks, each of which needs two connections, and a pool of two.
func TestTasksThatNeedTwoConnectionsShareAPoolOfTwo(t *testing.T) {
	for _, tasks := range []int{10, 100} {
		t.Run(strconv.Itoa(tasks), func(t *testing.T) { shareAPoolOfTwo(t, tasks) })
	}
}

func shareAPoolOfTwo(t *testing.T, tasks int) {
	each(t, akari.Config{MaximumPoolSize: 2, ConnectionTimeout: time.Minute}, nil, func(w *world) {
		w.promptly(func() {
			results := make(chan error)
			for i := range tasks {
				go func() {
					results <- w.do(w.Context(), func(ctx context.Context) error {
						if err := w.insert(ctx, i); err != nil {
							return err
						}
						return w.do(ctx, func(ctx context.Context) error {
							if w.name == "sqlite" { // one writer
								if seen, err := w.look(ctx, i); seen || err != nil {
									return fmt.Errorf("it sees what the one around has done: %t, %w", seen, err)
								}
								return nil
							}
							return w.insert(ctx, 100+i)
						}, txn.RequiresNew)
					})
				}()
			}
			for range tasks {
				if err := <-results; err != nil {
					w.Error(err)
				}
			}
		})
		var want []int
		for i := range tasks {
			want = append(want, i)
			if w.name != "sqlite" && w.name != "fake" { // of the fake's only those below 100 are looked at
				want = append(want, 100+i)
			}
		}
		w.want(want...)
		s := w.pool.Stats()
		if s.TaskConnections[2] != int64(tasks) || s.PoolLocks != 0 || s.AcquireTimeouts != 0 {
			w.Fatalf("tasks by connections: %v, locks: %d, time-outs: %d", s.TaskConnections, s.PoolLocks, s.AcquireTimeouts)
		}
	})
}

// 89: without the limit two tasks can lock each other out; it is known at once, and not
// when ConnectionTimeout is over.
func TestPoolLockIsBrokenIfNothingIsKeptFree(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 2, MaxConnectionsPerTask: akari.None, ConnectionTimeout: time.Minute}, nil, func(w *world) {
		var both sync.WaitGroup
		both.Add(2)
		type result struct {
			err  error
			took time.Duration
		}
		results := make(chan result)
		for i := range 2 {
			go func() {
				var began time.Time
				err := w.do(w.Context(), func(ctx context.Context) error {
					_, err := w.look(ctx, i)
					both.Done()
					both.Wait()
					began = time.Now()
					return errors.Join(err, w.do(ctx, func(ctx context.Context) error {
						_, err := w.look(ctx, i)
						return err
					}, txn.RequiresNew))
				})
				results <- result{err, time.Since(began)}
			}()
		}
		locked := 0
		for range 2 {
			r := <-results
			switch {
			case errors.Is(r.err, akari.ErrPoolLock):
				locked++
				if r.took > time.Second {
					w.Errorf("it took %v", r.took)
				}
			case r.err != nil:
				w.Error(r.err)
			}
		}
		if n := w.pool.Stats().PoolLocks; locked != 1 || n != 1 {
			w.Errorf("%d were told of the lock, %d counted", locked, n)
		}
	})
}

// 90: more connections than a task may have are refused at once, although the pool has
// some.
func TestTaskThatNestsTooDeepIsRefusedAtOnce(t *testing.T) {
	for _, c := range []struct{ size, perTask, allowed int }{
		{5, 0, 2},
		{5, 3, 3},
		{5, 1, 1},
		{1, 0, 1},
	} {
		t.Run(fmt.Sprintf("size %d, per task %d", c.size, c.perTask), func(t *testing.T) {
			each(t, akari.Config{MaximumPoolSize: c.size, MaxConnectionsPerTask: c.perTask, ConnectionTimeout: time.Minute}, nil, func(w *world) {
				deepest := 0
				var nest func(ctx context.Context, depth int) error
				nest = func(ctx context.Context, depth int) error {
					return w.do(ctx, func(ctx context.Context) error {
						if _, err := w.look(ctx, 1); err != nil {
							return err
						}
						deepest = depth
						return nest(ctx, depth+1)
					}, txn.RequiresNew)
				}
				w.promptly(func() { w.wantErr(nest(w.Context(), 1), txn.ErrNestingLimit) })
				if deepest != c.allowed {
					w.Fatalf("%d connections at once, want %d", deepest, c.allowed)
				}
				w.holds(0)
			})
		})
	}
}

// 90: whoever gets the error may go on without.
func TestRefusedNestingLeavesTheScopesAlone(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			for _, how := range []txn.Propagation{txn.RequiresNew, txn.NotSupported} {
				w.wantErr(w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 2) }, how), txn.ErrNestingLimit)
			}
			return w.insert(ctx, 3)
		}))
		w.want(1, 3)
	})
}

// 91: the article's trace: a service's transaction, and a repository that takes another
// connection. Here it is one, and none while the message is sent.
func TestServiceAndRepositoryUseOneConnection(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 3}, nil, func(w *world) {
		w.eventually("the pool is full", func() bool { return w.pool.Stats().Idle == 3 })
		var trace []string
		at := func(where string) {
			s := w.pool.Stats()
			trace = append(trace, fmt.Sprintf("%s: %d of %d, %d waiting", where, s.Active, s.Active+s.Idle, s.Waiting))
		}
		repository := func(ctx context.Context) error {
			return w.do(ctx, func(ctx context.Context) error {
				at("repository")
				defer at("after the statement")
				return w.insert(ctx, 1)
			})
		}
		at("before")
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			at("service")
			w.must(nil, repository(ctx))
			at("service again")
			return txn.AfterCommit(ctx, func(context.Context) error {
				at("message")
				return nil
			})
		}))
		at("after")
		want := []string{
			"before: 0 of 3, 0 waiting", "service: 0 of 3, 0 waiting", "repository: 0 of 3, 0 waiting", "after the statement: 1 of 3, 0 waiting",
			"service again: 1 of 3, 0 waiting", "message: 0 of 3, 0 waiting", "after: 0 of 3, 0 waiting",
		}
		if got := strings.Join(trace, "\n"); got != strings.Join(want, "\n") {
			w.Fatalf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
		if n := w.pool.Stats().TaskConnections; n[1] != 1 || n[2] != 0 {
			w.Fatalf("tasks by connections: %v", n)
		}
	})
}

// 92: SQL TestIssue2542Deadlock, TestTxStmtDeadlock; gorm playground #802: statements are
// prepared on the connection that is held. The pool has no other.
func TestPreparingWaitsForNoOtherConnection(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: time.Minute}, nil, func(w *world) {
		w.promptly(func() {
			outside, err := w.db.PrepareContext(w.Context(), w.insertArg())
			w.must(nil, err)
			defer outside.Close()
			w.must(outside.ExecContext(w.Context(), 1))
			w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
				w.must(outside.ExecContext(ctx, 2))
				inside, err := w.db.PrepareContext(ctx, w.insertArg())
				w.must(nil, err)
				defer inside.Close()
				w.must(inside.ExecContext(ctx, 3))
				w.must(w.db.ExecContext(ctx, w.insertArg(), 4))
				look, err := w.db.PrepareContext(ctx, w.selectArg())
				w.must(nil, err)
				defer look.Close()
				for _, id := range []int{1, 2, 3, 4} {
					var got int
					w.must(nil, look.QueryRowContext(ctx, id).Scan(&got))
				}
				w.holds(1)
				return nil
			}))
			w.must(outside.ExecContext(w.Context(), 5))
			w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
				w.must(outside.ExecContext(ctx, 6))
				return errBoom
			}), errBoom)
			w.must(outside.ExecContext(w.Context(), 7))
		})
		w.want(1, 2, 3, 4, 5, 7)
	})
}

// 93: TestAllLibrariesJoin, TestMySQLJoin: whatever way database/sql is used, by whatever
// library, it is the scope's connection. (sqlx, gorm, bun, ent and sqlc run in examples.)
func TestAllUsesOfTheDBJoin(t *testing.T) {
	each(t, akari.Config{SessionReset: akari.ResetOff}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 0))
			want := w.backend(ctx)
			same := func(how string, id int, db execer) {
				w.Helper()
				w.must(db.ExecContext(ctx, w.insertArg(), id))
				var got int
				if err := db.QueryRowContext(ctx, w.selectArg(), id).Scan(&got); err != nil || got != id {
					w.Errorf("%s: got %d, %v", how, got, err)
				}
				rows, err := db.QueryContext(ctx, w.some())
				w.must(nil, err)
				n := 0
				for rows.Next() {
					n++
				}
				w.must(nil, errors.Join(rows.Err(), rows.Close()))
				if n != 3 {
					w.Errorf("%s: %d rows", how, n)
				}
				w.holds(1)
			}
			same("DB", 1, w.db)
			conn, err := w.db.Conn(ctx)
			w.must(nil, err)
			same("Conn", 2, conn)
			tx, err := conn.BeginTx(ctx, nil)
			w.must(nil, err)
			same("Tx of the Conn", 3, tx)
			w.must(nil, tx.Commit())
			w.must(nil, conn.PingContext(ctx))
			w.must(nil, conn.Close())
			tx, err = w.db.BeginTx(ctx, nil)
			w.must(nil, err)
			same("Tx", 4, tx)
			w.must(nil, tx.Rollback())
			w.must(nil, w.db.PingContext(ctx))
			if got := w.backend(ctx); got != want {
				w.Errorf("connection %s, want %s", got, want)
			}
			return nil
		}))
		w.want(0, 1, 2, 3)
		if n := w.pool.Stats().TaskConnections; n[1] != 1 || n[2] != 0 {
			w.Fatalf("tasks by connections: %v", n)
		}
	})
}

// 93: TestConnAffinityAndStmt: a sql.Conn, or sql.Tx, that was opened outside goes on
// outside, also with the context of a scope.
func TestWhatWasOpenedOutsideGoesOnOutside(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 3, SessionReset: akari.ResetOff}, but{"sqlite": "SQLite has one writer"}, func(w *world) {
		conn, err := w.db.Conn(w.Context())
		w.must(nil, err)
		defer conn.Close()
		w.must(nil, conn.PingContext(w.Context()))
		tx, err := w.db.BeginTx(w.Context(), nil)
		w.must(nil, err)
		defer func() { _ = tx.Rollback() }()
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.must(nil, w.insertBy(ctx, conn, 2))
			w.must(nil, w.insertBy(ctx, tx, 3))
			w.holds(3)
			return errBoom
		}), errBoom)
		w.must(nil, w.insertBy(w.Context(), tx, 4))
		w.must(nil, tx.Commit())
		w.must(nil, conn.Close())
		w.want(2, 3, 4)
	})
}

// 93: a sql.Conn that was opened in a scope is refused when that has ended.
func TestConnOfAScopeEndsWithIt(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
		var conn *sql.Conn
		w.must(nil, w.do(w.Context(), func(ctx context.Context) (err error) {
			conn, err = w.db.Conn(ctx)
			w.must(nil, err)
			return w.insertBy(ctx, conn, 1)
		}))
		w.holds(0)
		w.wantErr(w.insertBy(w.Context(), conn, 2), txn.ErrCompleted)
		w.must(nil, conn.Close())
		w.want(1)
	})
}

// 93: TestParallel: scopes of different goroutines have nothing to do with each other.
func TestScopesInParallelKeepToTheirConnections(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 4}, nil, func(w *world) {
		results := make(chan error)
		for i := range 12 {
			go func() {
				results <- w.do(w.Context(), func(ctx context.Context) error {
					if err := w.insert(ctx, i); err != nil {
						return err
					}
					for j := range 10 {
						if seen, err := w.look(ctx, i); !seen || err != nil {
							return fmt.Errorf("its own number: %t, %w", seen, err)
						}
						other := (i + j + 1) % 12
						if seen, err := w.look(ctx, other); seen && other%2 == 1 && other != i || err != nil { // those are rolled back
							return fmt.Errorf("it sees %d: %t, %w", other, seen, err)
						}
					}
					if i%2 == 1 {
						return errBoom
					}
					return nil
				})
			}()
		}
		for range 12 {
			if err := <-results; err != nil && err != errBoom {
				w.Error(err)
			}
		}
		w.want(0, 2, 4, 6, 8, 10)
	})
}

// 94: SQL TestTxStmt, TestParentStmtOutlivesTxStmt.
func TestStatementsOfATransactionWithinAScope(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
		parent, err := w.db.PrepareContext(w.Context(), w.insertArg())
		w.must(nil, err)
		defer parent.Close()
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			for i, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
				tx, err := w.db.BeginTx(ctx, nil)
				w.must(nil, err)
				st := tx.StmtContext(ctx, parent)
				w.must(st.ExecContext(ctx, 10*i+1))
				w.must(st.ExecContext(ctx, 10*i+2))
				own, err := tx.PrepareContext(ctx, w.insertArg())
				w.must(nil, err)
				w.must(own.ExecContext(ctx, 10*i+3))
				w.must(nil, end(tx))
				for _, ended := range []*sql.Stmt{st, own} {
					if _, err := ended.ExecContext(ctx, 99); err == nil {
						w.Error("a statement of a transaction that has ended was executed")
					}
				}
				w.must(parent.ExecContext(ctx, 10*i+4))
			}
			return nil
		}))
		w.must(parent.ExecContext(w.Context(), 5))
		w.want(1, 2, 3, 4, 5, 14)
	})
}

// 94: SQL TestTxStmtPreparedOnce.
func TestStatementIsPreparedOnceInAScope(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, onlyFake, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			st, err := w.db.PrepareContext(ctx, w.insertArg())
			w.must(nil, err)
			defer st.Close()
			for i := range 10 {
				w.must(st.ExecContext(ctx, i))
			}
			if n := w.server.Calls(akaritest.OpPrepare); n != 1 {
				w.Errorf("prepared %d times", n)
			}
			return nil
		}))
		w.want(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	})
}

// 95: a second statement while rows are open: pgx, lib/pq and go-sql-driver have one
// result at a time, and would say "busy buffer" or worse. The transaction is none the
// worse for it.
func TestStatementWhileRowsAreOpenIsRefusedOrWorks(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: time.Minute}, nil, func(w *world) {
		w.promptly(func() {
			w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
				rows, err := w.db.QueryContext(ctx, w.some())
				w.must(nil, err)
				if !rows.Next() {
					w.Fatal("no row")
				}
				err = w.insert(ctx, 1)
				switch w.name {
				case "sqlite":
					w.must(nil, err)
				case "fake":
					w.wantErr(err, akaritest.ErrBusy)
				default:
					w.wantErr(err, txn.ErrScopeBusy)
					if !strings.Contains(err.Error(), "rows") {
						w.Errorf("it says %q", err)
					}
				}
				n := 1
				for rows.Next() {
					n++
				}
				w.must(nil, rows.Err())
				if n != 3 {
					w.Errorf("%d rows", n)
				}
				w.must(nil, rows.Close())
				return w.insert(ctx, 2)
			}))
		})
		if w.name == "sqlite" {
			w.want(1, 2)
		} else {
			w.want(2)
		}
	})
}

// 95: rows that nobody has closed end with the scope, or with the savepoint in which they
// were read.
func TestRowsLeftOpenEndWithTheirScope(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: time.Minute}, nil, func(w *world) {
		w.promptly(func() {
			for _, outcome := range []error{nil, errBoom} {
				for _, how := range []txn.Propagation{txn.Required, txn.Nested} {
					var rows *sql.Rows
					err := w.do(w.Context(), func(ctx context.Context) error {
						w.has(ctx, 1)
						err := w.do(ctx, func(ctx context.Context) (err error) {
							rows, err = w.db.QueryContext(ctx, w.some())
							w.must(nil, err)
							rows.Next()
							return outcome
						}, how)
						if how == txn.Nested && outcome != nil {
							if rows.Next() {
								w.Error("a row was read after the rollback to the savepoint")
							}
							w.has(ctx, 2)
						}
						return err
					})
					if err != outcome {
						w.Fatalf("%v: got %v", how, err)
					}
					w.holds(0)
					if rows.Next() {
						w.Errorf("%v: a row was read after the end", how)
					}
					w.must(nil, rows.Close())
				}
			}
		})
	})
}
