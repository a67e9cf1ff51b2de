package akaritest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari/akaritest"
)

func TestStatements(t *testing.T) {
	for _, test := range []struct {
		setup string
		query string
		args  []any
		want  []string
	}{
		{"", "NOP", nil, nil},
		{"", "", nil, nil},
		{"", " ; ;", nil, nil},
		{"", "CONN", nil, []string{"1"}},
		{"", "conn", nil, []string{"1"}},
		{"", "ROWS 0", nil, nil},
		{"", "ROWS ?", []any{2}, []string{"1", "2"}},
		{"", "ROWS 2; NOP; ROWS 1", nil, []string{"1", "2", "1"}},
		{"", "ECHO", []any{1, "a", nil, true}, []string{"1  int64 1", "2  string a", "3  <nil> <nil>", "4  bool true"}},
		{"", "ECHO", []any{sql.Named("n", 1.5)}, []string{"1 n float64 1.5"}},
		{"", "ROWS ?; ECHO", []any{1, "left"}, []string{"1", "2  string left"}},

		{"", "GET k", nil, []string{"<nil>"}},
		{"SET k v", "GET k", nil, []string{"v"}},
		{"SET k two words", "GET k", nil, []string{"two words"}},
		{"SET k v; SET k w", "GET k", nil, []string{"w"}},
		{"SET a 1; SET b 2; RESET a", "STATE", nil, []string{"set b 2"}},
		{"SET a 1; SET b 2; RESET ALL", "STATE", nil, nil},
		{"LOCK b; LOCK a; LOCK a", "STATE", nil, []string{"lock a ", "lock b "}},
		{"LOCK b; LOCK a; UNLOCK a", "STATE", nil, []string{"lock b "}},
		{"LOCK b; LOCK a; UNLOCK ALL", "STATE", nil, nil},
		{"SET k v; TEMP t; LOCK l", "STATE", nil, []string{"set k v", "temp t ", "lock l "}},
		{"SET k v; TEMP t; LOCK l; DISCARD ALL", "STATE", nil, nil},
		{"BEGIN", "STATE", nil, []string{"transaction read write"}},

		{"", "COUNT", nil, []string{"0"}},
		{"INSERT 7; INSERT 8", "COUNT", nil, []string{"2"}},
		{"INSERT 7", "SELECT 7", nil, []string{"7"}},
		{"INSERT 7", "SELECT 8", nil, nil},
		{"COMMIT; ROLLBACK", "STATE", nil, nil},
	} {
		t.Run(test.setup+"/"+test.query, func(t *testing.T) {
			_, db := open(t, akaritest.Full)
			c := single(t, db)
			exec(t, c, test.setup)
			if got := lines(t, c, test.query, test.args...); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestStatementErrors(t *testing.T) {
	for _, test := range []struct {
		setup, text, state string
	}{
		{"", "DROP TABLE students", "42601"},
		{"", "NOP; HELLO", "42601"},
		{"", "SELECT version()", "42601"},
		{"", "INSERT", "42601"},
		{"", "INSERT x", "42601"},
		{"", "ROWS -1", "42601"},
		{"", "SLEEP soon", "42601"},
		{"", "SET", "42601"},
		{"", "DISCARD k", "42601"},
		{"", "BEGIN WORK", "42601"},
		{"BEGIN", "ROLLBACK AT s", "42601"},
		{"", "FAIL what", "42601"},
		{"", "INSERT ?", "07001"},
		{"", "SAVEPOINT s", "25P01"},
		{"", "ROLLBACK TO s", "25P01"},
		{"BEGIN", "BEGIN", "25001"},
		{"BEGIN", "DISCARD ALL", "25001"},
		{"BEGIN", "ROLLBACK TO s", "3B001"},
		{"BEGIN; SAVEPOINT s; RELEASE s", "RELEASE s", "3B001"},
		{"BEGIN READ ONLY", "INSERT 1", "25006"},
		{"INSERT 1", "INSERT 1", "23505"},
		{"BEGIN; INSERT 1", "INSERT 1", "23505"},
		{"TEMP t", "TEMP t", "42P07"},
		{"", "FAIL 40P01 deadlock detected", "40P01"},
		{"", "FAIL 1213 Deadlock found", "HY000"},
	} {
		t.Run(test.setup+"/"+test.text, func(t *testing.T) {
			_, db := open(t, akaritest.Full)
			c := single(t, db)
			exec(t, c, test.setup)
			wantState(t, execErr(c, test.text), test.state)
		})
	}
}

func TestFail(t *testing.T) {
	server, db := open(t, akaritest.Full)
	pg, _ := errors.AsType[*akaritest.Error](execErr(db, "FAIL 40P01 deadlock detected"))
	if pg == nil || pg.Code != "40P01" || pg.Message != "deadlock detected" {
		t.Errorf("got %#v", pg)
	}
	my, _ := errors.AsType[*akaritest.MySQLError](execErr(db, "FAIL ? ?", 1213, "Deadlock found"))
	if my == nil || my.Number != 1213 || my.Message != "Deadlock found" {
		t.Errorf("got %#v", my)
	}
	if n := server.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions: those errors leave the connection alone", n)
	}
}

func TestErrorsThatEndTheConnection(t *testing.T) {
	for _, code := range []string{"57P01", "57P02", "57P05", "25P03", "08006", "1053", "1927", "3169", "4031"} {
		server, db := open(t, akaritest.Full)
		c := single(t, db)
		if err := execErr(c, "FAIL "+code+" terminating connection"); errors.Is(err, driver.ErrBadConn) || err == nil {
			t.Errorf("%s: %v", code, err)
		}
		wantIs(t, execErr(c, "NOP"), driver.ErrBadConn)
		if n := server.Stats().Sessions; n != 0 {
			t.Errorf("%s: %d sessions", code, n)
		}
	}
}

func TestOut(t *testing.T) {
	_, db := open(t, akaritest.Full)
	var (
		s   string
		b   []byte
		i   int
		n   int64
		any any
	)
	exec(t, db, "OUT 42", sql.Out{Dest: &s}, "not an output", sql.Out{Dest: &b}, sql.Out{Dest: &i},
		sql.Out{Dest: &n}, sql.Out{Dest: &any})
	if s != "42" || string(b) != "42" || i != 42 || n != 42 || any != "42" {
		t.Errorf("got %q %q %d %d %v", s, b, i, n, any)
	}
	var f float64
	wantState(t, execErr(db, "OUT 42", sql.Out{Dest: &f}), "07001")
	wantState(t, execErr(db, "OUT x", sql.Out{Dest: &i}), "07001")
	if got := lines(t, db, "ECHO", sql.Out{Dest: &s}); !slices.Equal(got, []string{"1  sql.Out <nil>"}) {
		t.Errorf("ECHO = %q", got)
	}
}

func TestResult(t *testing.T) {
	_, db := open(t, akaritest.Full)
	for text, want := range map[string][2]int64{"INSERT 7": {7, 1}, "INSERT 8; INSERT 9": {9, 2}} {
		result, err := db.ExecContext(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		id, _ := result.LastInsertId()
		n, _ := result.RowsAffected()
		if id != want[0] || n != want[1] {
			t.Errorf("%s: id %d, %d rows", text, id, n)
		}
	}
	result, err := db.ExecContext(t.Context(), "NOP")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); n != 0 || err != nil {
		t.Errorf("NOP: %d rows, %v", n, err)
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, db := open(t, akaritest.Full)
		start := time.Now()
		exec(t, db, "SLEEP 20ms; SLEEP ?", time.Second)
		if d := time.Since(start); d != 1020*time.Millisecond {
			t.Errorf("slept %v", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := db.ExecContext(ctx, "SLEEP 1h; INSERT 1")
		wantIs(t, err, context.DeadlineExceeded)
		if got := lines(t, db, "COUNT"); got[0] != "0" {
			t.Error("what came after the sleep was executed")
		}
	})
}

func TestPrepareParses(t *testing.T) {
	server, db := open(t, akaritest.Full)
	_, err := db.PrepareContext(t.Context(), "NOP; HELLO")
	wantState(t, err, "42601")
	if s := server.Stats(); s.Stmts != 0 || s.Prepared != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPreparedStatementChecksItsArguments(t *testing.T) {
	_, db := open(t, akaritest.Full)
	stmt, err := db.PrepareContext(t.Context(), "ROWS ?; INSERT ?")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	if _, err := stmt.ExecContext(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "expected 2") {
		t.Errorf("one argument for two: %v", err)
	}
	if _, err := stmt.ExecContext(t.Context(), 1, 2); err != nil {
		t.Error(err)
	}
}

func TestDefine(t *testing.T) {
	server, db := open(t, akaritest.Minimal)
	server.Define("SELECT version()", "SET v 17; GET v")
	server.Define("SELECT id FROM t WHERE id = $1", "SELECT ?")
	server.Define("SELECT 1", "ROWS 1")
	server.Define("ANALYZE", "")
	if got := lines(t, db, "SELECT version()"); !slices.Equal(got, []string{"17"}) {
		t.Errorf("got %q", got)
	}
	exec(t, db, "INSERT 7")
	if got := lines(t, db, "SELECT id FROM t WHERE id = $1", 7); !slices.Equal(got, []string{"7"}) {
		t.Errorf("got %q", got)
	}
	if got := lines(t, db, "SELECT 1"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("a definition goes before the language: got %q", got)
	}
	exec(t, db, "ANALYZE")
	wantState(t, execErr(db, "NOP; ANALYZE"), "42601") // only whole texts are looked up
	if n := server.Executions("SELECT version()"); n != 1 {
		t.Errorf("counted %d times under its own text", n)
	}
}
