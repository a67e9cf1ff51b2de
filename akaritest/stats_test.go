package akaritest_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari/akaritest"
)

func TestStatsOfWhatIsOpen(t *testing.T) {
	server, db := open(t, akaritest.Full)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	stmt, err := tx.PrepareContext(t.Context(), "ROWS ?")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := stmt.QueryContext(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	want := akaritest.Stats{
		Open: 1, MaxOpen: 1, Opened: 1, Sessions: 1, MaxConnecting: 1,
		Stmts: 1, Rows: 1, Txs: 1, Prepared: 1, Statements: 1, Begun: 1,
	}
	if got := server.Stats(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	info := server.Conns()[0]
	if info.ID != 1 || !info.Session || info.Stmts != 1 || info.Rows != 1 || !info.InTx || info.Opened.IsZero() {
		t.Errorf("%+v", info)
	}

	rows.Close()
	stmt.Close()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	want.Stmts, want.Rows, want.Txs, want.Committed = 0, 0, 0, 1
	if got := server.Stats(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Closing a connection frees what its client did not close.
func TestCloseFreesStatementsAndRows(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	c, err := server.Connector().Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Prepare("NOP"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.(driver.QueryerContext).QueryContext(t.Context(), "ROWS 1", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if s := server.Stats(); s.Stmts != 0 || s.Rows != 0 || s.Open != 0 {
		t.Errorf("%+v", s)
	}
}

// A connection that is being closed still is a connection.
func TestOpenUntilCloseHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		c, err := server.Connector().Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range []akaritest.Fault{{Delay: time.Second}, {Delay: time.Second, After: true}} {
			server.Inject(akaritest.OpClose, fault)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Close()
		}()
		time.Sleep(500 * time.Millisecond)
		if s := server.Stats(); s.Open != 1 || s.Sessions != 1 {
			t.Errorf("closing: %+v", s)
		}
		time.Sleep(time.Second)
		if s := server.Stats(); s.Open != 1 || s.Sessions != 0 {
			t.Errorf("closed at the server: %+v", s)
		}
		<-done
		if s := server.Stats(); s.Open != 0 || s.MaxOpen != 1 {
			t.Errorf("closed: %+v", s)
		}
	})
}

func TestCloseClosesWhateverGoesWrong(t *testing.T) {
	for name, fault := range map[string]akaritest.Fault{
		"error": {Err: errBoom}, "panic": {Panic: "boo"}, "Goexit": {Goexit: true}, "break": {Break: true},
	} {
		for _, after := range []bool{false, true} {
			fault.After = after
			server := akaritest.NewServer(akaritest.Full)
			c, err := server.Connector().Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			stmt, err := c.Prepare("NOP")
			if err != nil {
				t.Fatal(err)
			}
			server.Inject(akaritest.OpClose|akaritest.OpStmtClose, fault)
			for _, close := range []func() error{stmt.Close, c.Close} {
				var wg sync.WaitGroup
				wg.Go(func() { panicOf(func() { close() }) })
				wg.Wait()
			}
			if s := server.Stats(); s.Open != 0 || s.Sessions != 0 || s.Stmts != 0 {
				t.Errorf("%s, after %v: %+v", name, after, s)
			}
		}
	}
}

func TestMaxOpenIsTheMostAtOnce(t *testing.T) {
	server, db := open(t, akaritest.Full)
	a, b := single(t, db), single(t, db)
	db.SetMaxIdleConns(-1)
	a.Close()
	b.Close()
	single(t, db)
	if s := server.Stats(); s.MaxOpen != 2 || s.Open != 1 || s.Opened != 3 {
		t.Errorf("%+v", s)
	}
}

func TestExecutionsByText(t *testing.T) {
	server, db := open(t, akaritest.MySQLLike)
	exec(t, db, "INSERT 1")
	exec(t, db, "INSERT ?", 2)
	exec(t, db, "INSERT ?", 3)
	_ = execErr(db, "INSERT 1")
	lines(t, db, "COUNT")
	for text, want := range map[string]int{"INSERT 1": 2, "INSERT ?": 2, "COUNT": 1, "NOP": 0} {
		if got := server.Executions(text); got != want {
			t.Errorf("%s: %d executions, want %d", text, got, want)
		}
	}
	for id, want := range map[int64]int{1: 2, 2: 1, 3: 1, 4: 0} {
		if got := server.Inserts(id); got != want {
			t.Errorf("INSERT of %d: %d times, want %d", id, got, want)
		}
	}
	if n := server.Stats().Statements; n != 5 || len(server.Texts()) != 3 {
		t.Errorf("%d statements, texts %v", n, server.Texts())
	}
}

func TestCallsByKind(t *testing.T) {
	server, db := open(t, akaritest.Full)
	db.SetMaxOpenConns(1)
	for range 3 {
		if err := db.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	server.Inject(akaritest.OpExec, akaritest.Fault{Err: errBoom})
	_ = execErr(db, "NOP")
	for op, want := range map[akaritest.Op]int{
		akaritest.OpConnect: 1, akaritest.OpPing: 3, akaritest.OpReset: 3, akaritest.OpIsValid: 4,
		akaritest.OpExec: 1, akaritest.OpPing | akaritest.OpExec: 4, akaritest.OpQuery: 0,
		akaritest.OpAny: 12,
	} {
		if got := server.Calls(op); got != want {
			t.Errorf("%v: %d calls, want %d", op, got, want)
		}
	}
	if n := server.Executions("NOP"); n != 0 {
		t.Errorf("executed %d times though it failed on the way", n)
	}
}

func TestConnsShowsTheSessions(t *testing.T) {
	server, db := open(t, akaritest.Full)
	a, b := single(t, db), single(t, db)
	exec(t, a, "SET k v; TEMP t; LOCK l")
	server.Drop(2)
	conns := server.Conns()
	if len(conns) != 2 || conns[0].ID != 1 || conns[1].ID != 2 {
		t.Fatalf("%+v", conns)
	}
	if c := conns[0]; c.Vars["k"] != "v" || !slices.Equal(c.Temps, []string{"t"}) || !slices.Equal(c.Locks, []string{"l"}) {
		t.Errorf("%+v", c)
	}
	if conns[0].Session == conns[1].Session {
		t.Error("one of them has been dropped")
	}
	b.Close()
}

func TestConnIDByRaw(t *testing.T) {
	_, db := open(t, akaritest.PgxLike)
	single(t, db)
	c := single(t, db)
	err := c.Raw(func(dc any) error {
		if id, ok := akaritest.ConnID(dc); !ok || id != 2 {
			t.Errorf("ConnID = %d, %v", id, ok)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := akaritest.ConnID("something else"); ok {
		t.Error("a string is no connection")
	}
	if id := connID(t, c); id != "2" {
		t.Errorf("CONN = %s", id)
	}
}

func TestRecording(t *testing.T) {
	server, db := open(t, akaritest.Full)
	db.SetMaxOpenConns(1)
	recording, other := server.Record(), server.Record()
	args := []any{7}
	exec(t, db, "INSERT ?", args...)
	other.Stop()
	other.Stop()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tx.Rollback()
	recording.Stop()
	exec(t, db, "NOP")

	var got []string
	for _, call := range recording.Calls() {
		got = append(got, call.String())
	}
	want := "0 Connect, 1 Check, 1 Exec INSERT ?, 1 IsValid, 1 Reset, 1 Begin, 1 Rollback, 1 IsValid"
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if call := recording.Calls()[2]; call.Args[0].Value != int64(7) {
		t.Errorf("argument %v", call.Args[0])
	}
	if n := len(other.Calls()); n != 4 {
		t.Errorf("the other recording has %d calls", n)
	}
}

// The arguments of a call are its caller's again when it has returned.
func TestRecordingHasItsOwnArguments(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	recording := server.Record()
	args := []driver.NamedValue{{Ordinal: 1, Value: int64(7)}}
	if _, err := connect(t, server).(driver.ExecerContext).ExecContext(t.Context(), "INSERT ?", args); err != nil {
		t.Fatal(err)
	}
	args[0].Value = int64(8)
	if got := recording.Calls()[1].Args[0].Value; got != int64(7) {
		t.Errorf("recorded %v", got)
	}
}

func TestQuietStillSeesWhatIsOpen(t *testing.T) {
	server, db := open(t, akaritest.Full)
	server.Quiet()
	c := single(t, db)
	exec(t, c, "INSERT 1")
	if s := server.Stats(); s.Open != 1 || s.Statements != 0 || !server.Has(1) {
		t.Errorf("%+v", s)
	}
	if server.Calls(akaritest.OpAny) != 0 || server.Executions("INSERT 1") != 0 {
		t.Error("it counts")
	}
	server.Inject(akaritest.OpExec, akaritest.Fault{Err: errBoom})
	if err := execErr(c, "NOP"); !errors.Is(err, errBoom) {
		t.Errorf("faults: %v", err)
	}
	server.Heal()
	server.DropAll()
	wantIs(t, execErr(c, "NOP"), driver.ErrBadConn)
}

func TestExecMakesNoGarbage(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	execer := connect(t, server).(driver.ExecerContext)
	ctx := t.Context()
	n := testing.AllocsPerRun(100, func() {
		if _, err := execer.ExecContext(ctx, "NOP", nil); err != nil {
			t.Error(err)
		}
	})
	if n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// Many goroutines on several connections, with the books compared at the end;
// the race detector watches.
func TestBooksBalanceUnderLoad(t *testing.T) {
	server := akaritest.NewServer(akaritest.PqLike)
	akaritest.Verify(t, server)
	db := sql.OpenDB(server.Connector())
	db.SetMaxOpenConns(4)
	server.Inject(akaritest.OpExec, akaritest.Fault{
		After: true, Break: true, Err: errBoom, // one in ten replies is lost
		Match: func(c akaritest.Call) bool { return len(c.Args) > 0 && c.Args[0].Value.(int64)%10 == 0 },
	})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 40 {
				tx, err := db.Begin()
				if err != nil {
					t.Error(err)
					return
				}
				_ = execErr(tx, "INSERT ?", worker*40+i)
				if err := tx.Commit(); err != nil && !errors.Is(err, driver.ErrBadConn) {
					t.Error(err)
				}
				server.Stats()
				server.Conns()
			}
		})
	}
	wg.Wait()
	db.Close()
	s := server.Stats()
	if s.Begun != 320 || s.Committed != 288 || s.RolledBack != 32 || len(server.Committed()) != 288 || s.MaxOpen > 4 {
		t.Errorf("%+v", s)
	}
}
