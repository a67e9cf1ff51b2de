package akaritest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari/akaritest"
)

var errBoom = errors.New("boom")

// driverCalls makes each call of a driver once, on a connection of its own. The
// setup of a call may use other calls; only the call itself is made by the
// function returned.
var driverCalls = map[akaritest.Op]func(driver.Conn) func(context.Context) error{
	akaritest.OpPing: func(c driver.Conn) func(context.Context) error {
		return c.(driver.Pinger).Ping
	},
	akaritest.OpPrepare: func(c driver.Conn) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.(driver.ConnPrepareContext).PrepareContext(ctx, "NOP")
			return err
		}
	},
	akaritest.OpExec: func(c driver.Conn) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.(driver.ExecerContext).ExecContext(ctx, "INSERT 1", nil)
			return err
		}
	},
	akaritest.OpQuery: func(c driver.Conn) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.(driver.QueryerContext).QueryContext(ctx, "INSERT 1", nil)
			return err
		}
	},
	akaritest.OpBegin: func(c driver.Conn) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.(driver.ConnBeginTx).BeginTx(ctx, driver.TxOptions{})
			return err
		}
	},
	akaritest.OpCommit: func(c driver.Conn) func(context.Context) error {
		tx := begun(c)
		return func(context.Context) error { return tx.Commit() }
	},
	akaritest.OpRollback: func(c driver.Conn) func(context.Context) error {
		tx := begun(c)
		return func(context.Context) error { return tx.Rollback() }
	},
	akaritest.OpNext: func(c driver.Conn) func(context.Context) error {
		return func(ctx context.Context) error {
			return queried(ctx, c).Next(make([]driver.Value, 1))
		}
	},
	akaritest.OpNextSet: func(c driver.Conn) func(context.Context) error {
		return func(ctx context.Context) error {
			return queried(ctx, c).(driver.RowsNextResultSet).NextResultSet()
		}
	},
	akaritest.OpRowsClose: func(c driver.Conn) func(context.Context) error {
		rows := queried(context.Background(), c)
		return func(context.Context) error { return rows.Close() }
	},
	akaritest.OpStmtClose: func(c driver.Conn) func(context.Context) error {
		stmt, err := c.Prepare("NOP")
		if err != nil {
			panic(err)
		}
		return func(context.Context) error { return stmt.Close() }
	},
	akaritest.OpCheck: func(c driver.Conn) func(context.Context) error {
		return func(context.Context) error {
			return c.(driver.NamedValueChecker).CheckNamedValue(&driver.NamedValue{Value: sql.Out{}})
		}
	},
	akaritest.OpReset: func(c driver.Conn) func(context.Context) error {
		return c.(driver.SessionResetter).ResetSession
	},
	akaritest.OpIsValid: func(c driver.Conn) func(context.Context) error {
		return func(context.Context) error {
			if !c.(driver.Validator).IsValid() {
				return errBoom // the answer has no room for an error
			}
			return nil
		}
	},
	akaritest.OpClose: func(c driver.Conn) func(context.Context) error {
		return func(context.Context) error { return c.Close() }
	},
}

// noContext are the calls that cannot be cancelled.
const noContext = akaritest.OpCommit | akaritest.OpRollback | akaritest.OpRowsClose |
	akaritest.OpStmtClose | akaritest.OpCheck | akaritest.OpIsValid | akaritest.OpClose

func begun(c driver.Conn) driver.Tx {
	tx, err := c.(driver.ConnBeginTx).BeginTx(context.Background(), driver.TxOptions{})
	if err == nil {
		_, err = c.(driver.ExecerContext).ExecContext(context.Background(), "INSERT 1", nil)
	}
	if err != nil {
		panic(err)
	}
	return tx
}

func queried(ctx context.Context, c driver.Conn) driver.Rows {
	rows, err := c.(driver.QueryerContext).QueryContext(ctx, "ROWS 1; ROWS 1", nil)
	if err != nil {
		panic(err)
	}
	return rows
}

// eachCall runs a test for every call but Connect, in a bubble of its own.
func eachCall(t *testing.T, test func(t *testing.T, s *akaritest.Server, op akaritest.Op, call func(context.Context) error)) {
	if len(driverCalls) != 15 {
		t.Errorf("%d calls in the table", len(driverCalls))
	}
	for op, setup := range driverCalls {
		t.Run(op.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := akaritest.NewServer(akaritest.Full)
				c, err := server.Connector().Connect(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				test(t, server, op, setup(c))
				if len(server.Violations()) != 0 {
					t.Errorf("violations: %v", server.Violations())
				}
			})
		})
	}
}

func TestFaultError(t *testing.T) {
	eachCall(t, func(t *testing.T, s *akaritest.Server, op akaritest.Op, call func(context.Context) error) {
		fault := s.Inject(op, akaritest.Fault{Err: errBoom})
		wantIs(t, call(t.Context()), errBoom)
		if fault.Hits() != 1 {
			t.Errorf("%d hits", fault.Hits())
		}
	})
}

func TestFaultErrBadConnAndWrapped(t *testing.T) {
	for _, bad := range []error{driver.ErrBadConn, fmt.Errorf("write: %w", driver.ErrBadConn)} {
		server, db := open(t, akaritest.Full)
		server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, Err: bad})
		exec(t, db, "INSERT 1")
		// database/sql has repeated it elsewhere, and the server executed it once.
		if calls, times := server.Calls(akaritest.OpExec), server.Inserts(1); calls != 2 || times != 1 {
			t.Errorf("%v: %d calls, executed %d times", bad, calls, times)
		}
	}
}

func TestFaultAfterTheEffect(t *testing.T) {
	server, db := open(t, akaritest.PqLike)
	server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, After: true, Break: true, Err: driver.ErrBadConn})
	err := execErr(db, "INSERT 1")
	wantState(t, err, "23505") // database/sql repeated it: the number is there already
	if n := server.Inserts(1); n != 2 {
		t.Errorf("executed %d times", n)
	}
}

func TestCommitWhoseReplyIsLost(t *testing.T) {
	server, db := open(t, akaritest.Full)
	server.Inject(akaritest.OpCommit, akaritest.Fault{Times: 1, After: true, Break: true, Err: errBoom})
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "INSERT 1")
	wantIs(t, tx.Commit(), errBoom)
	if !server.Has(1) {
		t.Error("the commit had no effect")
	}
	exec(t, db, "NOP")
	if n := server.Stats().Opened; n != 2 {
		t.Errorf("%d connections opened: the broken one should be gone", n)
	}
}

func TestCommitThatNeverArrives(t *testing.T) {
	server, db := open(t, akaritest.Full)
	server.Inject(akaritest.OpCommit, akaritest.Fault{Times: 1, Break: true, Err: errBoom})
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "INSERT 1")
	wantIs(t, tx.Commit(), errBoom)
	if server.Has(1) || server.Stats().RolledBack != 1 {
		t.Errorf("has %v, %+v", server.Has(1), server.Stats())
	}
}

func TestFaultPanic(t *testing.T) {
	eachCall(t, func(t *testing.T, s *akaritest.Server, op akaritest.Op, call func(context.Context) error) {
		s.Inject(op, akaritest.Fault{Panic: "boo"})
		if value := panicOf(func() { call(t.Context()) }); value != "boo" {
			t.Errorf("panic %v", value)
		}
	})
}

func TestFaultGoexit(t *testing.T) {
	eachCall(t, func(t *testing.T, s *akaritest.Server, op akaritest.Op, call func(context.Context) error) {
		s.Inject(op, akaritest.Fault{Goexit: true})
		returned := false
		var wg sync.WaitGroup
		wg.Go(func() {
			call(t.Context())
			returned = true
		})
		wg.Wait()
		if returned {
			t.Error("the goroutine went on")
		}
	})
}

func TestFaultNothing(t *testing.T) {
	for _, after := range []bool{false, true} {
		eachCall(t, func(t *testing.T, s *akaritest.Server, op akaritest.Op, call func(context.Context) error) {
			s.Inject(op, akaritest.Fault{Nothing: true, After: after})
			if err := call(t.Context()); err != nil {
				t.Error(err)
			}
			if op&(akaritest.OpExec|akaritest.OpQuery|akaritest.OpCommit) != 0 && s.Has(1) != after {
				t.Errorf("the server did it: %v, want %v", s.Has(1), after)
			}
		})
	}
}

func TestFaultDelay(t *testing.T) {
	eachCall(t, func(t *testing.T, s *akaritest.Server, op akaritest.Op, call func(context.Context) error) {
		s.Inject(op, akaritest.Fault{Delay: time.Hour})
		start := time.Now()
		if err := call(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != time.Hour {
			t.Errorf("took %v", d)
		}
	})
}

func TestFaultDelayEndsWithTheContext(t *testing.T) {
	eachCall(t, func(t *testing.T, s *akaritest.Server, op akaritest.Op, call func(context.Context) error) {
		s.Inject(op, akaritest.Fault{Delay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := call(ctx)
		if op&noContext != 0 {
			if err != nil || time.Since(start) != time.Hour {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			return
		}
		wantIs(t, err, context.DeadlineExceeded)
		if d := time.Since(start); d != time.Second {
			t.Errorf("took %v", d)
		}
		if s.Has(1) {
			t.Error("a call cancelled before its effect had one")
		}
	})
}

func TestFaultHang(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		eachCall(t, func(t *testing.T, s *akaritest.Server, op akaritest.Op, call func(context.Context) error) {
			fault := s.Inject(op, akaritest.Fault{Hang: true, IgnoreContext: ignore})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var err error
			done := make(chan struct{})
			go func() {
				defer close(done)
				err = call(ctx)
			}()
			<-fault.Struck()
			if op&noContext == 0 && !ignore {
				<-done
				wantIs(t, err, context.DeadlineExceeded)
				return
			}
			time.Sleep(24 * time.Hour)
			select {
			case <-done:
				t.Fatalf("returned before the release: %v", err)
			default:
			}
			fault.Release()
			<-done
			if err != nil {
				t.Errorf("after the release: %v", err)
			}
		})
	}
}

func TestFaultHangsThenFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.Full)
		fault := server.Inject(akaritest.OpPing, akaritest.Fault{Hang: true, Err: errBoom})
		time.AfterFunc(time.Minute, fault.Release)
		wantIs(t, db.PingContext(t.Context()), errBoom)
		if err := db.PingContext(t.Context()); err != nil {
			t.Errorf("after the release: %v", err)
		}
	})
}

// The calls of all kinds in the set are counted together.
func TestFaultCountsItsCallsTogether(t *testing.T) {
	server, db := open(t, akaritest.Full)
	server.Inject(akaritest.OpExec|akaritest.OpPing, akaritest.Fault{Skip: 1, Times: 2, Err: errBoom})
	exec(t, db, "NOP")
	wantIs(t, db.PingContext(t.Context()), errBoom)
	wantIs(t, execErr(db, "NOP"), errBoom)
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFaultNthCall(t *testing.T) {
	server, db := open(t, akaritest.Full)
	server.Inject(akaritest.OpExec, akaritest.Fault{Skip: 2, Times: 2, Err: errBoom})
	var failed []int
	for i := range 6 {
		if execErr(db, "NOP") != nil {
			failed = append(failed, i)
		}
	}
	if !slices.Equal(failed, []int{2, 3}) {
		t.Errorf("failed %v", failed)
	}
}

func TestFaultMatch(t *testing.T) {
	server, db := open(t, akaritest.Full)
	server.Inject(akaritest.OpAny, akaritest.Fault{Err: errBoom, Times: 1, Match: func(c akaritest.Call) bool {
		return c.Text == "INSERT ?" && c.Prepared && c.Args[0].Value == int64(7) && server.Stats().Open == 1
	}})
	exec(t, db, "INSERT ?", 7)
	stmt, err := db.PrepareContext(t.Context(), "INSERT ?")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	if _, err := stmt.ExecContext(t.Context(), 8); err != nil {
		t.Error(err)
	}
	_, err = stmt.ExecContext(t.Context(), 7)
	wantIs(t, err, errBoom)
}

func TestFaultsAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.Full)
		server.Inject(akaritest.OpPing, akaritest.Fault{Delay: time.Second})
		server.Inject(akaritest.OpPing, akaritest.Fault{Delay: time.Second, Err: errBoom})
		never := server.Inject(akaritest.OpPing, akaritest.Fault{Err: sql.ErrNoRows})
		start := time.Now()
		wantIs(t, db.PingContext(t.Context()), errBoom)
		if d := time.Since(start); d != 2*time.Second || never.Hits() != 0 {
			t.Errorf("took %v, %d hits of the last", d, never.Hits())
		}
	})
}

func TestFaultBreak(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	c := connect(t, server)
	server.Inject(akaritest.OpPing, akaritest.Fault{Times: 1, Break: true, Err: errBoom})
	ping := c.(driver.Pinger).Ping
	wantIs(t, ping(t.Context()), errBoom)
	later := server.Inject(akaritest.OpPing, akaritest.Fault{Err: errBoom})
	wantIs(t, ping(t.Context()), driver.ErrBadConn)
	if later.Hits() != 0 {
		t.Error("a call that cannot leave the client was hit on its way")
	}
	wantIs(t, c.(driver.SessionResetter).ResetSession(t.Context()), driver.ErrBadConn)
	if c.(driver.Validator).IsValid() {
		t.Error("a broken connection is valid")
	}
	if s := server.Stats(); s.Open != 1 || s.Sessions != 0 {
		t.Errorf("%+v", s)
	}
}

func TestReleaseEndsAFault(t *testing.T) {
	server, db := open(t, akaritest.Full)
	fault := server.Inject(akaritest.OpPing, akaritest.Fault{Err: errBoom})
	other := server.Inject(akaritest.OpExec, akaritest.Fault{Err: errBoom})
	fault.Release()
	fault.Release()
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
	wantIs(t, execErr(db, "NOP"), errBoom)
	other.Release()
	exec(t, db, "NOP")
}

// A call that is on its way when a fault is released is not hit by it any more.
func TestReleaseSparesCallsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.Full)
		server.Inject(akaritest.OpPing, akaritest.Fault{Delay: time.Minute})
		fault := server.Inject(akaritest.OpPing, akaritest.Fault{Err: errBoom})
		time.AfterFunc(time.Second, fault.Release)
		if err := db.PingContext(t.Context()); err != nil || fault.Hits() != 0 {
			t.Errorf("%v, %d hits", err, fault.Hits())
		}
	})
}

// With CancelBreaks that goes for calls a fault holds up, too.
func TestCancelledInAFaultBreaks(t *testing.T) {
	for _, test := range []struct {
		profile  akaritest.Profile
		sessions int
	}{{akaritest.PgxLike, 0}, {akaritest.MSSQLLike, 1}} {
		synctest.Test(t, func(t *testing.T) {
			server, db := open(t, test.profile)
			c := single(t, db)
			server.Inject(akaritest.OpPing, akaritest.Fault{Hang: true})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			wantIs(t, c.PingContext(ctx), context.DeadlineExceeded)
			if n := server.Stats().Sessions; n != test.sessions {
				t.Errorf("%s: %d sessions, want %d", test.profile.Name, n, test.sessions)
			}
		})
	}
}

func TestInjectRefusesNonsense(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	for name, inject := range map[string]func(){
		"no call":       func() { server.Inject(0, akaritest.Fault{Err: errBoom}) },
		"unknown call":  func() { server.Inject(akaritest.OpAny+1, akaritest.Fault{Err: errBoom}) },
		"no fault":      func() { server.Inject(akaritest.OpExec, akaritest.Fault{}) },
		"only when":     func() { server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, After: true}) },
		"two ends":      func() { server.Inject(akaritest.OpExec, akaritest.Fault{Err: errBoom, Panic: 1}) },
		"negative":      func() { server.Inject(akaritest.OpExec, akaritest.Fault{Delay: -1, Err: errBoom}) },
		"negative room": func() { server.SetMaxConns(-1) },
	} {
		if panicOf(inject) == nil {
			t.Errorf("%s: no panic", name)
		}
	}
}

// Faults may be injected, hit and released by many goroutines at once; the
// race detector watches.
func TestFaultsFromManyGoroutines(t *testing.T) {
	server, db := open(t, akaritest.Full)
	db.SetMaxOpenConns(4)
	fault := server.Inject(akaritest.OpExec, akaritest.Fault{Times: 10, Err: errBoom})
	var failed sync.Map
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				if err := execErr(db, "INSERT ?", i*50+j); err != nil {
					failed.Store([2]int{i, j}, err)
				}
				server.Inject(akaritest.OpQuery, akaritest.Fault{Err: errBoom}).Release()
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	n := 0
	failed.Range(func(any, any) bool { n++; return true })
	if n != 10 || fault.Hits() != 10 || len(server.Committed()) != 390 {
		t.Errorf("%d failed, %d hits, %d committed", n, fault.Hits(), len(server.Committed()))
	}
}
