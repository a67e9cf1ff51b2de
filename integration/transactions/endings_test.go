package transactions

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/akaritest/faultproxy"
	"github.com/akaripool/akari/txn"
)

// noServer is why SQLite is left out where a server, or the way to it, has to fail.
const noServer = "SQLite has no server that could end a connection"

// backend is the connection that statements with ctx run on, as the server tells them
// apart.
func (w *world) backend(ctx context.Context) string {
	w.Helper()
	query := "CONN"
	switch w.name {
	case "pgx", "pq":
		query = "SELECT pg_backend_pid()"
	case "mysql":
		query = "SELECT CONNECTION_ID()"
	case "sqlite":
		conn, err := w.db.Conn(ctx)
		w.must(nil, err)
		defer conn.Close()
		var id string
		w.must(nil, akari.Raw(conn, func(c any) error { id = fmt.Sprintf("%p", c); return nil }))
		return id
	}
	var id string
	w.must(nil, w.db.QueryRowContext(ctx, query).Scan(&id))
	return id
}

// hangUp has the server end the connection that statements with ctx run on.
func (w *world) hangUp(ctx context.Context) {
	w.Helper()
	id := w.backend(ctx)
	end, left := "SELECT pg_terminate_backend("+id+")", "SELECT count(*) FROM pg_stat_activity WHERE pid = "+id
	switch w.name {
	case "fake":
		var n int
		w.must(fmt.Sscan(id, &n))
		w.server.Drop(n)
		return
	case "mysql":
		end, left = "KILL "+id, "SELECT count(*) FROM information_schema.processlist WHERE id = "+id
	}
	w.must(w.apart.ExecContext(context.Background(), end))
	w.eventually("the server has ended the connection", func() bool {
		var n int
		w.must(nil, w.apart.QueryRowContext(context.Background(), left).Scan(&n))
		return n == 0
	})
}

// eventually waits until something is so.
func (w *world) eventually(what string, so func() bool) {
	w.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("it does not come to this: %s", what)
		}
	}
}

// promptly calls f, which must not take long.
func (w *world) promptly(f func()) {
	w.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took > 3*time.Second {
		w.Fatalf("it took %v", took)
	}
}

// longQuery is one that takes many seconds.
func (w *world) longQuery() string {
	switch w.name {
	case "pgx", "pq":
		return "SELECT pg_sleep(20)"
	case "mysql":
		return "SELECT SLEEP(20)"
	case "sqlite":
		return "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000000000) SELECT count(*) FROM c"
	}
	return "SLEEP 20s"
}

// behindProxy leads the world's pool through a network that can be spoilt; back ends
// that.
func (w *world) behindProxy() (net *faultproxy.Proxy, back func()) {
	w.Helper()
	srv := postgres
	if w.name == "mysql" {
		srv = mariadb
	}
	net, err := faultproxy.New(srv.Get(w.T).Addr())
	w.must(nil, err)
	name, dsn := w.where()
	dsn = strings.Replace(dsn, srv.Get(w.T).Addr(), net.Addr(), 1)
	pool, err := akari.Open(w.Context(), name, dsn, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: 5 * time.Second, ValidationTimeout: time.Second, PoolName: "behind a proxy", Logger: slog.New(w.log)})
	w.must(nil, err)
	was, wasDB := w.pool, w.db
	w.pool, w.db = pool, pool.DB()
	return net, func() {
		w.pool, w.db = was, wasDB
		pool.Close()
		net.Close()
	}
}

// ending keeps how a transaction ended, as its hooks are told.
type ending struct {
	committed int
	causes    []error
	statuses  []txn.Status
}

func (e *ending) watch(ctx context.Context) error {
	return errors.Join(
		txn.AfterCommit(ctx, func(context.Context) error { e.committed++; return nil }),
		txn.AfterRollback(ctx, func(_ context.Context, cause error) { e.causes = append(e.causes, cause) }),
		txn.AfterCompletion(ctx, func(_ context.Context, s txn.Status) { e.statuses = append(e.statuses, s) }),
	)
}

// was makes sure that the hooks were told of one end, and of no other.
func (w *world) was(e *ending, s txn.Status) {
	w.Helper()
	commits, rollbacks := 0, 0
	switch s {
	case txn.StatusCommitted:
		commits = 1
	case txn.StatusRolledBack:
		rollbacks = 1
	}
	if e.committed != commits || len(e.causes) != rollbacks || len(e.statuses) != 1 || e.statuses[0] != s {
		w.Fatalf("hooks were told of %d commits, rollbacks for %q, and %v; want %v", e.committed, e.causes, e.statuses, s)
	}
}

// 51: DSTM transactionWithExceptionOnBegin; TAT cannotCreateTransaction.
func TestFunctionIsNotCalledIfTheTransactionCannotBeBegun(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, but{"sqlite": "its BEGIN says nothing that could be refused"}, func(w *world) {
		odd := txn.Isolation(sql.LevelLinearizable) // no server has it
		if w.server != nil {
			w.server.Inject(akaritest.OpBegin, akaritest.Fault{Err: errBoom, Times: 2})
		}
		called := false
		err := w.do(w.Context(), func(context.Context) error { called = true; return nil }, odd, txn.Eager)
		if err == nil || called {
			w.Fatalf("got %v, function called: %t", err, called)
		}
		w.holds(0)
		var first error
		err = w.do(w.Context(), func(ctx context.Context) error {
			first = w.insert(ctx, 1)
			w.holds(0)
			return first
		}, odd)
		if first == nil || err != first {
			w.Fatalf("the statement failed with %v, Do with %v", first, err)
		}
		if w.server != nil {
			w.wantErr(first, errBoom)
		}
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error { return w.insert(ctx, 2) }, txn.Eager))
		w.want(2)
	})
}

// 51: there is no connection to begin it on.
func TestFunctionIsNotCalledIfThereIsNoConnection(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: 250 * time.Millisecond, ValidationTimeout: 250 * time.Millisecond}, nil, func(w *world) {
		c, err := w.pool.Acquire(w.Context())
		w.must(nil, err)
		called := false
		err = w.do(w.Context(), func(context.Context) error { called = true; return nil }, txn.Eager, txn.Name("waits"))
		w.wantErr(err, akari.ErrAcquireTimeout)
		if called || !strings.Contains(err.Error(), "waits") {
			w.Fatalf("called: %t; %v", called, err)
		}
		c.Release()
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error { return w.insert(ctx, 1) }, txn.Eager))
		w.want(1)
	})
}

// refusingCommits prepares a table whose transactions the server refuses to commit once
// a number is in it twice; spoil puts it there.
func (w *world) refusingCommits() (spoil func(ctx context.Context) error) {
	w.Helper()
	bg := context.Background()
	switch w.name {
	case "fake":
		w.server.Inject(akaritest.OpCommit, akaritest.Fault{Times: 1, Err: &akaritest.Error{Code: "23505", Message: "found at the COMMIT"}})
		return func(context.Context) error { return nil }
	case "sqlite":
		w.must(w.db.ExecContext(bg, "PRAGMA foreign_keys = 1")) // of the pool's only connection
		w.must(w.db.ExecContext(bg, "CREATE TABLE orders (number int REFERENCES "+w.table+" (id) DEFERRABLE INITIALLY DEFERRED)"))
		return func(ctx context.Context) error {
			_, err := w.db.ExecContext(ctx, "INSERT INTO orders VALUES (77)")
			return err
		}
	}
	w.must(w.apart.ExecContext(bg, "ALTER TABLE "+w.table+" ADD twin int UNIQUE DEFERRABLE INITIALLY DEFERRED"))
	return func(ctx context.Context) error {
		_, err := w.db.ExecContext(ctx, "INSERT INTO "+w.table+" VALUES (78, 1), (79, 1)")
		return err
	}
}

const commitsAll = "nothing that MariaDB has accepted is refused at the COMMIT"

// 52: DSTM transactionWithExceptionOnCommit, …AndRollbackOnCommitFailure; TAT
// cannotCommitTransaction.
func TestRefusedCommitIsAnErrorAndARollback(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1, SessionReset: akari.ResetOff}, but{"mysql": commitsAll}, func(w *world) {
		spoil := w.refusingCommits()
		var end ending
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, end.watch(ctx))
			w.must(nil, w.insert(ctx, 1))
			return spoil(ctx)
		})
		if err == nil || errors.Is(err, txn.ErrCommitUnknown) {
			w.Fatalf("got %v", err)
		}
		w.holds(0)
		w.was(&end, txn.StatusRolledBack)
		if !errors.Is(err, end.causes[0]) {
			w.Fatalf("hooks were told %v, Do returned %v", end.causes[0], err)
		}
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error { return w.insert(ctx, 2) }))
		w.want(2)
		if n := w.pool.Stats().Transactions; n.UnexpectedRolledBack != 1 || n.Committed != 1 {
			w.Fatalf("counted %+v", n)
		}
	})
}

// 53, 58: DSTM transactionWithExceptionOnRollback; TST
// transactionTemplateWithRollbackException; TRM transaction_factory_&_rollback_error;
// PGX TestTransactionRollbackFailsClosesConnection.
func TestFailedRollbackComesSecondAndCostsTheConnection(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, but{"sqlite": noServer}, func(w *world) {
		errRollback := errors.New("no rollback")
		var end ending
		var was string
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, end.watch(ctx))
			w.must(nil, w.insert(ctx, 1))
			was = w.backend(ctx)
			if w.server == nil {
				w.hangUp(ctx)
			} else {
				w.server.Inject(akaritest.OpRollback, akaritest.Fault{Times: 1, Err: errRollback})
			}
			return errBoom
		})
		w.wantErr(err, errBoom)
		if w.server != nil {
			w.wantErr(err, errRollback)
		}
		if !strings.HasPrefix(err.Error(), errBoom.Error()+";") {
			w.Fatalf("got %q, want both errors, the function's first", err)
		}
		w.was(&end, txn.StatusRolledBack)
		w.holds(0)
		if now := w.backend(w.Context()); now == was {
			w.Fatal("the connection is lent again")
		}
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error { return w.insert(ctx, 2) }))
		w.want(2)
	})
}

// whereItPanics is found in the stack.
func whereItPanics(v any) { panic(v) }

// 54: TST transactionTemplateWithError; TRM Do_Panic.
func TestPanicRollsBackAndGoesOn(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
		value := new(int)
		var end ending
		var stack []byte
		got := func() (got any) {
			defer func() {
				got = recover()
				stack = debug.Stack()
			}()
			_ = w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, end.watch(ctx))
				w.must(nil, w.insert(ctx, 1))
				whereItPanics(value)
				return nil
			})
			return nil
		}()
		if got != any(value) {
			w.Fatalf("got %v, want the value of the panic itself", got)
		}
		if !bytes.Contains(stack, []byte("whereItPanics")) {
			w.Fatalf("the stack does not lead to the panic:\n%s", stack)
		}
		w.holds(0)
		w.was(&end, txn.StatusRolledBack)
		w.want()
	})
}

// 54: what a panic undoes if somebody on the way recovers.
func TestRecoveredPanicUndoesTheScopesItHasPassed(t *testing.T) {
	for _, c := range []struct {
		name string
		how  txn.Propagation
		err  error
		kept []int
	}{
		{"nested", txn.Nested, nil, []int{1}},
		{"joined", txn.Required, txn.ErrUnexpectedRollback, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, akari.Config{}, nil, func(w *world) {
				err := w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 1))
					func() {
						defer func() { _ = recover() }()
						_ = w.do(ctx, func(ctx context.Context) error {
							w.must(nil, w.insert(ctx, 2))
							panic("inside")
						}, c.how)
					}()
					return nil
				})
				if !errors.Is(err, c.err) {
					w.Fatalf("got %v, want %v", err, c.err)
				}
				w.want(c.kept...)
			})
		})
	}
}

// 55: runtime.Goexit is what testing.T.FailNow does.
func TestGoroutineThatEndsInAScopeRollsBack(t *testing.T) {
	ways := map[string]func(w *world, ctx context.Context, f func(ctx context.Context)){
		"Do": func(w *world, ctx context.Context, f func(context.Context)) {
			_ = w.do(ctx, func(ctx context.Context) error { f(ctx); return nil })
		},
		"Begin": func(w *world, ctx context.Context, f func(context.Context)) {
			var err error
			ctx, sc, err := txn.Begin(ctx, w.pool)
			if err != nil {
				w.Error(err)
				return
			}
			defer sc.End(&err)
			f(ctx)
		},
		"Begin, ended by a deferred function": func(w *world, ctx context.Context, f func(context.Context)) {
			ctx, sc, err := txn.Begin(ctx, w.pool)
			if err != nil {
				w.Error(err)
				return
			}
			defer func() {
				var err error
				sc.End(&err)
			}()
			f(ctx)
		},
	}
	ends := map[string]func(){
		"Goexit": runtime.Goexit,
		"panic":  func() { panic("ends") },
	}
	for way, open := range ways {
		for how, end := range ends {
			t.Run(way+"/"+how, func(t *testing.T) {
				each(t, akari.Config{}, nil, func(w *world) {
					done := make(chan struct{})
					go func() {
						defer close(done)
						defer func() { _ = recover() }()
						open(w, w.Context(), func(ctx context.Context) {
							if err := w.insert(ctx, 1); err != nil {
								w.Error(err)
							}
							end()
						})
						w.Error("it goes on")
					}()
					<-done
					w.holds(0)
					w.want()
				})
			})
		}
	}
}

// 55: while another goroutine, or a deferred function of it, panics or not, a scope that
// has nothing to do with that commits.
func TestScopeOfADeferredFunctionCommitsDuringAPanic(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		save := func(ctx context.Context) (err error) {
			ctx, sc, err := txn.Begin(ctx, w.pool)
			if err != nil {
				return err
			}
			defer sc.End(&err)
			return w.insert(ctx, 1)
		}
		func() {
			defer func() { _ = recover() }()
			defer func() { w.must(nil, save(w.Context())) }()
			panic("before")
		}()
		w.want(1)
	})
}

var errStopped = errors.New("stopped by the operator")

// 56, 57: TRM Do_Cancel "cancel", "timeout"; GORM TestCancelTransaction; PGX
// TestBeginTxContextCancel. The context ends between two statements, or between the
// last one and the end of the function. The connection is kept.
func TestEndOfTheContextRollsBack(t *testing.T) {
	ends := []struct {
		name string
		with func(context.Context) (context.Context, func())
		want error
	}{
		{"cancel", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancel(ctx)
			return ctx, cancel
		}, context.Canceled},
		{"deadline", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			return ctx, func() { <-ctx.Done(); cancel() }
		}, context.DeadlineExceeded},
		{"cause", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(ctx)
			return ctx, func() { cancel(errStopped) }
		}, errStopped},
	}
	returns := map[string]func(w *world, ctx context.Context) error{
		"nil":                 func(*world, context.Context) error { return nil },
		"its error":           func(_ *world, ctx context.Context) error { return context.Cause(ctx) },
		"that of a statement": func(w *world, ctx context.Context) error { return w.insert(ctx, 2) },
		"nil, after it is out": func(w *world, _ context.Context) error {
			w.eventually("it is back", func() bool { return w.pool.Stats().Active == 0 })
			return nil
		},
	}
	for _, end := range ends {
		for name, result := range returns {
			t.Run(end.name+"/"+name, func(t *testing.T) {
				each(t, akari.Config{MaximumPoolSize: 1, SessionReset: akari.ResetOff}, nil, func(w *world) {
					ctx, stop := end.with(w.Context())
					var was string
					var after ending
					err := w.do(ctx, func(ctx context.Context) error {
						w.must(nil, after.watch(ctx))
						w.must(nil, w.insert(ctx, 1))
						was = w.backend(ctx)
						stop()
						return result(w, ctx)
					})
					want := end.want
					if name == "that of a statement" && want == errStopped {
						want = context.Canceled // database/sql gives a statement the context's error, not its cause
					}
					w.wantErr(err, want)
					if errors.Is(err, sql.ErrTxDone) || errors.Is(err, txn.ErrCommitUnknown) {
						w.Fatalf("got %v", err)
					}
					w.eventually("the connection is back", func() bool { return w.pool.Stats().Active == 0 })
					w.was(&after, txn.StatusRolledBack)
					w.want()
					if now := w.backend(w.Context()); now != was {
						w.Fatalf("connection %s was closed, this is %s", was, now)
					}
					if n := w.pool.Stats().Transactions.TimedOut; n != 1 {
						w.Fatalf("counted %d transactions whose context ended", n)
					}
				})
			})
		}
	}
}

// 56: the context has ended before.
func TestScopeWithAnEndedContextDoesNothing(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		w.wantErr(w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 1) }), context.Canceled)
		called := false
		w.wantErr(w.do(ctx, func(context.Context) error { called = true; return nil }, txn.Eager), context.Canceled)
		if called {
			w.Fatal("the function of an Eager scope was called")
		}
		w.want()
	})
}

// 59: SQL TestTxEndBadConn, TestTxErrBadConn: database/sql would run the statement again
// on another connection, outside of the transaction.
func TestStatementOnALostConnectionIsNotRunOutsideOfTheTransaction(t *testing.T) {
	each(t, akari.Config{}, but{"sqlite": noServer}, func(w *world) {
		var first, second error
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.hangUp(ctx)
			first, second = w.insert(ctx, 2), w.insert(ctx, 3)
			return nil
		})
		if first == nil || errors.Is(first, driver.ErrBadConn) || errors.Is(first, akari.ErrOutcomeUnknown) {
			w.Fatalf("the statement got %v", first)
		}
		w.wantErr(second, txn.ErrUnexpectedRollback)
		w.wantErr(err, txn.ErrUnexpectedRollback)
		w.holds(0)
		w.want()
	})
}

// 59: the driver says so by itself, at a statement and at each of the ends.
func TestBadConnOfTheDriverStaysInTheTransaction(t *testing.T) {
	for _, op := range []akaritest.Op{akaritest.OpExec, akaritest.OpQuery, akaritest.OpPrepare, akaritest.OpCommit} {
		t.Run(op.String(), func(t *testing.T) {
			each(t, akari.Config{}, onlyFake, func(w *world) {
				err := w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 1))
					w.server.Inject(op, akaritest.Fault{Times: 1, Break: true, Err: driver.ErrBadConn})
					switch op {
					case akaritest.OpExec:
						return w.insert(ctx, 2)
					case akaritest.OpQuery:
						var n int
						return w.db.QueryRowContext(ctx, "COUNT").Scan(&n)
					case akaritest.OpPrepare:
						_, err := w.db.PrepareContext(ctx, "INSERT ?")
						return err
					}
					return nil
				})
				if err == nil || errors.Is(err, driver.ErrBadConn) {
					w.Fatalf("got %v", err)
				}
				if n := w.server.Inserts(2); n != 0 {
					w.Fatalf("the statement was run %d times", n)
				}
				w.want()
			})
		})
	}
}

// onlyFake leaves the real databases out.
var onlyFake = but{"pgx": whyFake, "pq": whyFake, "mysql": whyFake, "sqlite": whyFake}

const whyFake = "only the fake can be made to do this"

// 60: TRM TestTransaction_WithRealDB_NoDataRaceOnContextCancelDuringQuery_139.
func TestContextMayEndDuringAnyStatement(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i := range 30 {
			ctx, cancel := context.WithCancel(w.Context())
			begun := make(chan struct{})
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				<-begun
				for range i { // now and then it is a statement further
					runtime.Gosched()
				}
				cancel()
			}()
			err := w.do(ctx, func(ctx context.Context) error {
				if err := w.insert(ctx, i); err != nil {
					return err
				}
				close(begun)
				for {
					rows, err := w.db.QueryContext(ctx, map[bool]string{true: "ROWS 3", false: "SELECT 1 UNION SELECT 2"}[w.server != nil])
					if err != nil {
						return err
					}
					for rows.Next() {
					}
					if err := errors.Join(rows.Err(), rows.Close()); err != nil {
						return err
					}
				}
			})
			<-ended
			if err == nil {
				w.Fatal("no error")
			}
			w.eventually("the connection is back", func() bool { return w.pool.Stats().Active == 0 })
		}
		w.want()
	})
}

// 61: DSTM transactionWithTimeout {1,10}; GORM TransactionWithDefaultTimeout: statements
// are given the time that is left.
func TestTimeoutIsTheDeadlineOfStatements(t *testing.T) {
	for _, d := range []time.Duration{time.Second, 10 * time.Second} {
		t.Run(d.String(), func(t *testing.T) {
			each(t, akari.Config{}, nil, func(w *world) {
				began := time.Now()
				w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
					end, ok := ctx.Deadline()
					if left := end.Sub(began); !ok || left < d || left > d+time.Second {
						w.Fatalf("deadline: %t, in %v", ok, left)
					}
					return w.insert(ctx, 1)
				}, txn.Timeout(d)))
				w.want(1)
			})
		})
	}
}

// 61: a statement that takes longer ends with the time.
func TestTimeoutEndsTheStatementThatRuns(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.promptly(func() {
			var statement error
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				var v any
				statement = w.db.QueryRowContext(ctx, w.longQuery()).Scan(&v)
				return statement
			}, txn.Timeout(200*time.Millisecond), txn.Name("slow"))
			if statement == nil {
				w.Fatal("the statement succeeded")
			}
			w.wantErr(err, statement, txn.ErrTimeout, context.DeadlineExceeded)
		})
		w.eventually("the connection is back", func() bool { return w.pool.Stats().Active == 0 })
		w.want()
	})
}

// 62: the function pays no attention to its time.
func TestConnectionIsBackWhenTheTimeHasPassedWhateverTheFunctionDoes(t *testing.T) {
	for _, swallows := range []bool{true, false} {
		t.Run(fmt.Sprintf("swallows %t", swallows), func(t *testing.T) {
			each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
				var late error
				err := w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 1))
					w.holds(1)
					w.eventually("the connection is back", func() bool { return w.pool.Stats().Active == 0 })
					w.must(nil, w.insert(context.Background(), 2)) // on the only connection
					late = w.insert(context.WithoutCancel(ctx), 3)
					if swallows {
						return nil
					}
					return late
				}, txn.Timeout(100*time.Millisecond))
				w.wantErr(late, txn.ErrTimeout, context.DeadlineExceeded)
				w.wantErr(err, txn.ErrTimeout, context.DeadlineExceeded)
				if errors.Is(err, txn.ErrUnexpectedRollback) {
					w.Fatalf("it was no surprise: %v", err)
				}
				w.want(2)
			})
		})
	}
}

// 61: waiting for a connection is a part of it.
func TestTimeoutIncludesTheWaitForAConnection(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: time.Minute}, nil, func(w *world) {
		c, err := w.pool.Acquire(w.Context())
		w.must(nil, err)
		for _, opts := range [][]txn.Option{nil, {txn.Eager}} {
			w.promptly(func() {
				err := w.do(w.Context(), func(ctx context.Context) error { return w.insert(ctx, 1) }, append(opts, txn.Timeout(50*time.Millisecond))...)
				w.wantErr(err, context.DeadlineExceeded, txn.ErrTimeout)
			})
		}
		c.Release()
		w.want()
	})
}

// 61: the time of a scope that joins, or is nested, is its own.
func TestTimeoutWithinATransaction(t *testing.T) {
	for _, how := range []txn.Propagation{txn.Required, txn.Nested} {
		t.Run(how.String(), func(t *testing.T) {
			each(t, akari.Config{}, nil, func(w *world) {
				err := w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 1))
					err := w.do(ctx, func(ctx context.Context) error {
						w.must(nil, w.insert(ctx, 2))
						<-ctx.Done()
						w.wantErr(context.Cause(ctx), txn.ErrTimeout)
						w.wantErr(w.insert(ctx, 3), context.DeadlineExceeded)
						return nil
					}, how, txn.Timeout(50*time.Millisecond))
					if how == txn.Nested {
						w.wantErr(err, txn.ErrTimeout)
						w.must(nil, w.insert(ctx, 4))
						return nil
					}
					return err
				})
				w.must(nil, err)
				if how == txn.Nested {
					w.want(1, 4)
				} else {
					w.want(1, 2)
				}
			})
		})
	}
}

// always has every error tried again.
var always = txn.Retry{If: func(error) bool { return true }}

// 52, 63: the server has done it, and its answer is lost with the connection.
func TestLostAnswerToACommitIsUnknownAndNotTriedAgain(t *testing.T) {
	each(t, akari.Config{}, but{"sqlite": noServer}, func(w *world) {
		lose := func() {
			w.server.Inject(akaritest.OpCommit, akaritest.Fault{Times: 1, After: true, Break: true, Err: io.ErrUnexpectedEOF})
		}
		if w.server == nil {
			net, back := w.behindProxy()
			defer back()
			lose = func() {
				net.LoseReplies(faultproxy.ReplyLoss{Count: 1, Match: func(request []byte) bool { return bytes.Contains(bytes.ToUpper(request), []byte("COMMIT")) }})
			}
		}
		calls := 0
		var end ending
		err := w.do(w.Context(), func(ctx context.Context) error {
			calls++
			w.must(nil, end.watch(ctx))
			w.must(nil, w.insert(ctx, 1))
			lose()
			return nil
		}, always)
		w.wantErr(err, txn.ErrCommitUnknown)
		if calls != 1 {
			w.Fatalf("the function was called %d times", calls)
		}
		w.was(&end, txn.StatusUnknown)
		w.holds(0)
		w.want(1)
		if n := w.pool.Stats().Transactions; n.Unknown != 1 || n.Committed != 0 {
			w.Fatalf("counted %+v", n)
		}
	})
}

// 63: the COMMIT takes longer than it may.
func TestCommitThatTakesTooLongIsUnknown(t *testing.T) {
	each(t, akari.Config{}, but{"sqlite": noServer, "fake": "its COMMIT does not hear of contexts, and it has no socket"}, func(w *world) {
		net, back := w.behindProxy()
		defer back()
		calls := 0
		var end ending
		w.promptly(func() {
			err := w.do(w.Context(), func(ctx context.Context) error {
				calls++
				w.must(nil, end.watch(ctx))
				w.must(nil, w.insert(ctx, 1))
				net.Stall()
				return nil
			}, always, txn.CommitTimeout(200*time.Millisecond))
			w.wantErr(err, txn.ErrCommitUnknown)
		})
		if calls != 1 {
			w.Fatalf("the function was called %d times", calls)
		}
		w.was(&end, txn.StatusUnknown)
		w.holds(0)
		net.Heal()
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error { return w.insert(ctx, 2) }))
	})
}

// 53, 63: the ROLLBACK takes longer than it may: the server does it when it misses the
// client.
func TestRollbackThatTakesTooLongIsGivenUp(t *testing.T) {
	each(t, akari.Config{}, but{"sqlite": noServer, "fake": "its ROLLBACK does not hear of contexts, and it has no socket"}, func(w *world) {
		net, back := w.behindProxy()
		defer back()
		w.promptly(func() {
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				net.Stall()
				return errBoom
			}, txn.CommitTimeout(200*time.Millisecond))
			w.wantErr(err, errBoom)
		})
		w.holds(0)
		net.Heal()
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error { return w.insert(ctx, 2) }))
		w.want(2)
	})
}

// 63: as a driver with a time-out of its own has it.
func TestCommitWhoseDriverGivesUpIsUnknown(t *testing.T) {
	each(t, akari.Config{}, onlyFake, func(w *world) {
		calls := 0
		var end ending
		err := w.do(w.Context(), func(ctx context.Context) error {
			calls++
			w.must(nil, end.watch(ctx))
			w.server.Inject(akaritest.OpCommit, akaritest.Fault{Times: 1, After: true, Err: context.DeadlineExceeded})
			return w.insert(ctx, 1)
		}, always)
		w.wantErr(err, txn.ErrCommitUnknown, context.DeadlineExceeded)
		if calls != 1 {
			w.Fatalf("the function was called %d times", calls)
		}
		w.was(&end, txn.StatusUnknown)
	})
}

// 57, 63: the context ends while the COMMIT is under way, which does not mind.
func TestContextThatEndsDuringTheCommitDoesNotStopIt(t *testing.T) {
	each(t, akari.Config{}, onlyFake, func(w *world) {
		commits := w.server.Inject(akaritest.OpCommit, akaritest.Fault{Times: 1, Hang: true})
		ctx, cancel := context.WithCancel(w.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			<-commits.Struck()
			cancel()
			commits.Release()
		}()
		w.must(nil, w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 1) }))
		<-done
		w.want(1)
	})
}

// 64: GORM TestTransactionOnClosedConn: the connection dies between two statements,
// before the COMMIT, or before the ROLLBACK.
func TestConnectionThatDiesInAScopeIsAnError(t *testing.T) {
	for name, rest := range map[string]func(w *world, ctx context.Context) error{
		"statement": func(w *world, ctx context.Context) error { return w.insert(ctx, 2) },
		"commit":    func(*world, context.Context) error { return nil },
		"rollback":  func(*world, context.Context) error { return errBoom },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, akari.Config{}, but{"sqlite": noServer}, func(w *world) {
				var end ending
				w.promptly(func() {
					err := w.do(w.Context(), func(ctx context.Context) error {
						w.must(nil, end.watch(ctx))
						w.must(nil, w.insert(ctx, 1))
						w.hangUp(ctx)
						return rest(w, ctx)
					})
					if err == nil || errors.Is(err, driver.ErrBadConn) {
						w.Fatalf("got %v", err)
					}
					if name == "rollback" {
						w.wantErr(err, errBoom)
					}
				})
				if n := len(end.statuses); n != 1 || end.committed != 0 || end.statuses[0] == txn.StatusCommitted {
					w.Fatalf("hooks were told %v", end.statuses)
				}
				w.holds(0)
				w.want()
			})
		})
	}
}

// 64: the pool is closed meanwhile: what has a connection can finish, what needs one is
// refused.
func TestPoolClosedInAScope(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.promptly(func() {
			w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				w.must(nil, w.pool.Close())
				if err := w.insert(ctx, 2); err == nil {
					w.Error("a statement after Close has succeeded")
				}
				return nil
			}))
			err := w.do(w.Context(), func(ctx context.Context) error { return nil }, txn.Eager)
			w.wantErr(err, akari.ErrPoolClosed)
			if err := w.do(w.Context(), func(ctx context.Context) error { return w.insert(ctx, 3) }); err == nil {
				w.Error("a scope of a closed pool has succeeded")
			}
		})
		w.holds(0)
		if w.server == nil {
			w.want(1)
		} else if got := w.server.Committed(); len(got) != 1 || got[0] != 1 {
			w.Fatalf("the table has %v", got)
		}
	})
}

// 65: TRM TestTransaction_awaitDone_byContext, …byRollback. (Each case makes sure that no
// goroutine is left.)
func TestScopesThatEndInAllWaysLeaveNoGoroutine(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for i := range 15 {
			ctx, cancel := context.WithCancel(w.Context())
			err := w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, i))
				tx, err := w.db.BeginTx(ctx, nil) // database/sql has a goroutine for it
				w.must(nil, err)
				w.must(nil, w.insertBy(ctx, tx, 50+i))
				switch i % 5 {
				case 0:
					cancel()
					return nil
				case 1:
					return errBoom
				case 2:
					w.must(nil, tx.Rollback())
					return errBoom
				case 3:
					cancel()
					return tx.Commit()
				}
				return tx.Commit()
			})
			cancel()
			if (err == nil) != (i%5 == 4) {
				w.Fatalf("%d ended with %v", i, err)
			}
		}
		w.eventually("all are back", func() bool { return w.pool.Stats().Active == 0 })
		w.want(4, 54, 9, 59, 14, 64)
	})
}

// 66: a context that was kept when its scope was over.
func TestContextOfACompletedScopeIsRefused(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for _, outcome := range []error{nil, errBoom} {
			for _, statements := range []int{0, 1} { // TRM joins the dead transaction if there was none
				var kept context.Context
				if err := w.do(w.Context(), func(ctx context.Context) error {
					kept = ctx
					if statements > 0 && outcome == nil {
						w.must(nil, w.insert(ctx, 1))
					}
					return outcome
				}); err != outcome {
					w.Fatal(err)
				}
				w.wantErr(w.insert(kept, 2), txn.ErrCompleted)
				var n int
				w.wantErr(w.db.QueryRowContext(kept, w.insertText(2)).Scan(&n), txn.ErrCompleted)
				_, err := w.db.PrepareContext(kept, w.insertText(2))
				w.wantErr(err, txn.ErrCompleted)
				_, err = w.db.BeginTx(kept, nil)
				w.wantErr(err, txn.ErrCompleted)
				for p := txn.Required; p <= txn.Never; p++ {
					called := false
					w.wantErr(w.do(kept, func(context.Context) error { called = true; return nil }, p), txn.ErrCompleted)
					if called {
						w.Fatalf("the function of a scope with %v was called", p)
					}
				}
				_, _, err = txn.Begin(kept, w.pool)
				w.wantErr(err, txn.ErrCompleted)
				w.wantErr(txn.SetRollbackOnly(kept, errBoom), txn.ErrCompleted)
				w.wantErr(txn.AfterCommit(kept, func(context.Context) error { return nil }), txn.ErrCompleted)
				if _, in := txn.Current(kept); in {
					w.Fatal("Current knows the scope still")
				}
			}
		}
		w.want(1)
	})
}

// 66: the context of a nested scope whose transaction goes on.
func TestContextOfACompletedScopeIsRefusedAlsoIfItsTransactionGoesOn(t *testing.T) {
	for _, how := range []txn.Propagation{txn.Required, txn.Nested, txn.RequiresNew, txn.NotSupported} {
		t.Run(how.String(), func(t *testing.T) {
			each(t, akari.Config{}, nil, func(w *world) {
				w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
					var kept context.Context
					w.must(nil, w.do(ctx, func(ctx context.Context) error { kept = ctx; return nil }, how))
					w.wantErr(w.insert(kept, 1), txn.ErrCompleted)
					return w.insert(ctx, 2)
				}))
				w.want(2)
			})
		})
	}
}

// 67: Detach, for a goroutine that outlives the scope.
func TestDetachedGoroutineHasAConnectionOfItsOwn(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		var wg sync.WaitGroup
		over := make(chan struct{})
		type key struct{}
		err := w.do(context.WithValue(w.Context(), key{}, "value"), func(ctx context.Context) error {
			apart := txn.Detach(ctx)
			if _, in := txn.Current(apart); in || apart.Value(key{}) != "value" {
				w.Fatalf("in a scope: %t, value: %v", in, apart.Value(key{}))
			}
			w.must(nil, w.insert(ctx, 1))
			w.has(apart, 1)
			w.holds(1)
			wg.Go(func() {
				<-over
				if err := w.insert(apart, 2); err != nil {
					w.Error(err)
				}
				if err := w.do(apart, func(ctx context.Context) error { return w.insert(ctx, 3) }); err != nil {
					w.Error(err)
				}
			})
			return errBoom
		}, txn.Timeout(time.Minute))
		w.wantErr(err, errBoom)
		close(over)
		wg.Wait()
		w.want(2, 3)
	})
}

// 67: it ends with the context with which the outermost scope was entered, not with the
// scope's time.
func TestDetachedContextEndsWithTheCallers(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		var apart context.Context
		w.wantErr(w.do(ctx, func(ctx context.Context) error {
			return w.do(ctx, func(ctx context.Context) error {
				apart = txn.Detach(ctx)
				<-ctx.Done()
				return nil
			}, txn.RequiresNew)
		}, txn.Timeout(20*time.Millisecond)), txn.ErrTimeout)
		w.must(nil, w.insert(apart, 1))
		cancel()
		w.wantErr(w.insert(apart, 2), context.Canceled)
		w.want(1)
	})
}

// 68: PGX TestConnReleaseClosesConnInTransaction, stdlib TestOpenTransactionsDiscarded:
// a transaction begun by text and left open is nobody else's.
func TestTransactionLeftOpenByTextIsNotLentOn(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
		conn, err := w.db.Conn(w.Context())
		w.must(nil, err)
		w.must(conn.ExecContext(w.Context(), "BEGIN"))
		w.must(nil, w.insertBy(w.Context(), conn, 1))
		w.must(nil, conn.Close())
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			if w.has(ctx, 1) {
				w.Error("a scope sees what the transaction has done")
			}
			return w.insert(ctx, 2)
		}))
		w.want(2)
	})
}

// 68: within a scope its text cannot begin or end a transaction.
func TestTransactionIsNotEndedByText(t *testing.T) {
	for _, text := range []string{"BEGIN", "COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "START TRANSACTION"} {
		t.Run(text, func(t *testing.T) {
			except := but{}
			if text == "START TRANSACTION" {
				except["sqlite"] = "SQLite knows no such statement"
			}
			each(t, akari.Config{MaximumPoolSize: 1}, except, func(w *world) {
				w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 1))
					_, err := w.db.ExecContext(ctx, text)
					w.wantErr(err, txn.ErrIncompatible)
					return w.insert(ctx, 2)
				}))
				w.want(1, 2)
			})
		})
	}
}

// 68: one that is begun through database/sql and left open is not committed with the
// scope.
func TestTransactionLeftOpenInAScopeRollsItBack(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		var left *sql.Tx
		err := w.do(ctx, func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			var err error
			left, err = w.db.BeginTx(ctx, nil)
			w.must(nil, err)
			return w.insertBy(ctx, left, 2)
		})
		w.wantErr(err, txn.ErrUnexpectedRollback)
		w.holds(0)
		if err := left.Commit(); err == nil {
			w.Error("it was committed when the scope had ended")
		}
		w.want()
	})
}
