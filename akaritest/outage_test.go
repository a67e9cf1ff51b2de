package akaritest_test

import (
	"context"
	"database/sql/driver"
	"io"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari/akaritest"
)

func TestDropIsNoticedByTheFirstCall(t *testing.T) {
	eachCall(t, func(t *testing.T, s *akaritest.Server, op akaritest.Op, call func(context.Context) error) {
		s.SetLost(io.ErrUnexpectedEOF)
		if op == akaritest.OpNext || op == akaritest.OpNextSet {
			// Their table entry queries first, and that is the first call.
			defer func() {
				if value := recover(); value != io.ErrUnexpectedEOF {
					t.Errorf("panic %v", value)
				}
			}()
		}
		if !s.Drop(1) || s.Drop(1) || s.Drop(2) {
			t.Fatal("Drop should say whether there was a session to end")
		}
		err := call(t.Context())
		const local = akaritest.OpRowsClose | akaritest.OpStmtClose | akaritest.OpCheck |
			akaritest.OpReset | akaritest.OpIsValid | akaritest.OpClose
		if op&local != 0 {
			if err != nil {
				t.Errorf("%v needs no server: %v", op, err)
			}
			return
		}
		wantIs(t, err, io.ErrUnexpectedEOF)
	})
}

func TestDropInTheMiddleOfRows(t *testing.T) {
	server, db := open(t, akaritest.PgxLike)
	rows, err := db.QueryContext(t.Context(), "ROWS 3")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	server.DropAll()
	if rows.Next() {
		t.Error("a row came over a connection that is gone")
	}
	wantIs(t, rows.Err(), io.ErrUnexpectedEOF)
}

func TestDropEndsTheSession(t *testing.T) {
	server, db := open(t, akaritest.Full)
	c := single(t, db)
	exec(t, c, "LOCK l; BEGIN; INSERT 1")
	if n := server.DropAll(); n != 1 {
		t.Errorf("%d dropped", n)
	}
	if s := server.Stats(); s.Txs != 0 || s.RolledBack != 1 || s.Sessions != 0 || s.Open != 1 {
		t.Errorf("%+v", s)
	}
	exec(t, db, "LOCK l; INSERT 1") // from another connection
	wantIs(t, execErr(c, "COMMIT"), driver.ErrBadConn)
}

func TestValidUntilTheLossIsSeen(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	c := connect(t, server)
	server.DropAll()
	if !c.(driver.Validator).IsValid() {
		t.Error("the client cannot know yet")
	}
	wantIs(t, c.(driver.Pinger).Ping(t.Context()), driver.ErrBadConn)
	if c.(driver.Validator).IsValid() {
		t.Error("the client knows")
	}
}

func TestDropDuringAStatement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.PgxLike)
		time.AfterFunc(time.Minute, func() { server.DropAll() })
		start := time.Now()
		wantIs(t, execErr(db, "SLEEP 1h"), io.ErrUnexpectedEOF)
		if d := time.Since(start); d != time.Minute {
			t.Errorf("took %v", d)
		}
	})
}

func TestFreezeHoldsWhatNeedsTheServer(t *testing.T) {
	eachCall(t, func(t *testing.T, s *akaritest.Server, op akaritest.Op, call func(context.Context) error) {
		const local = akaritest.OpRowsClose | akaritest.OpStmtClose | akaritest.OpCheck |
			akaritest.OpReset | akaritest.OpIsValid | akaritest.OpClose
		s.Freeze()
		s.Freeze()
		time.AfterFunc(time.Hour, s.Thaw)
		start := time.Now()
		if err := call(t.Context()); err != nil {
			t.Error(err)
		}
		want := time.Hour
		if op&local != 0 {
			want = 0
		}
		if d := time.Since(start); d != want {
			t.Errorf("took %v, want %v", d, want)
		}
	})
}

func TestFreezeHonoursTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.SQLiteLike)
		exec(t, db, "NOP")
		server.Freeze()
		for range 2 { // with a connection, and with a connect
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := db.ExecContext(ctx, "INSERT 1")
			cancel()
			wantIs(t, err, context.DeadlineExceeded)
			server.DropAll()
		}
		server.Thaw()
		if server.Inserts(1) != 0 {
			t.Error("a call that ended while the server was frozen had an effect")
		}
		exec(t, db, "INSERT 1")
	})
}

func TestDropOfAConnectionThatWaitsForAFrozenServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.PgxLike)
		c := single(t, db)
		exec(t, c, "NOP")
		server.Freeze()
		time.AfterFunc(time.Minute, func() { server.Drop(1) })
		start := time.Now()
		wantIs(t, execErr(c, "NOP"), io.ErrUnexpectedEOF)
		if d := time.Since(start); d != time.Minute {
			t.Errorf("took %v", d)
		}
	})
}

func TestShutdownOfAFrozenServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.PgxLike)
		exec(t, db, "NOP")
		server.Freeze()
		var wg sync.WaitGroup
		wg.Go(func() { wantIs(t, execErr(db, "NOP"), io.ErrUnexpectedEOF) })
		synctest.Wait()
		wg.Go(func() { wantIs(t, execErr(db, "NOP"), syscall.ECONNREFUSED) })
		synctest.Wait()
		server.Shutdown()
		wg.Wait()
	})
}

func TestTheLedgerSurvivesARestart(t *testing.T) {
	server, db := open(t, akaritest.Full)
	exec(t, db, "INSERT 1")
	server.Shutdown()
	server.Restart()
	if got := lines(t, db, "SELECT 1"); len(got) != 1 {
		t.Error("the number is gone")
	}
	if id := connID(t, db); id != "2" {
		t.Errorf("connection %s", id)
	}
}

func TestHeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.Full)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Hang: true, IgnoreContext: true})
		server.Inject(akaritest.OpPing, akaritest.Fault{Err: errBoom})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := db.PingContext(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		server.Shutdown()
		server.Freeze()
		server.Heal()
		wg.Wait()
	})
}
