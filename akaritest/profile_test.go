package akaritest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari/akaritest"
)

// Whatever the driver lacks, database/sql makes up for: the same program gives
// the same results on every profile, and leaves nothing open.
func TestEveryProfileServesDatabaseSQL(t *testing.T) {
	for _, p := range akaritest.Profiles() {
		t.Run(p.Name, func(t *testing.T) { serveDatabaseSQL(t, p) })
	}
}

// The same for every combination of connection interfaces.
func TestEveryConnTypeServesDatabaseSQL(t *testing.T) {
	for _, set := range akaritest.ConnMatrix() {
		p := akaritest.Full
		p.Conn = set
		t.Run(set.String(), func(t *testing.T) { serveDatabaseSQL(t, p) })
	}
}

func serveDatabaseSQL(t *testing.T, p akaritest.Profile) {
	server, db := open(t, p)
	db.SetMaxOpenConns(1)
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "SET k v")
	exec(t, db, "INSERT ?", 7)
	if got := lines(t, db, "SELECT ?", 7); !slices.Equal(got, []string{"7"}) {
		t.Errorf("SELECT 7 = %v", got)
	}
	if got := lines(t, db, "ROWS 3"); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("ROWS 3 = %v", got)
	}

	stmt, err := db.PrepareContext(t.Context(), "INSERT ?")
	if err != nil {
		t.Fatal(err)
	}
	for id := range 3 {
		if _, err := stmt.ExecContext(t.Context(), id+10); err != nil {
			t.Fatal(err)
		}
	}
	if err := stmt.Close(); err != nil {
		t.Fatal(err)
	}

	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "INSERT 20")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	tx, err = db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "INSERT 21")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}

	if got, want := server.Committed(), []int64{7, 10, 11, 12, 21}; !slices.Equal(got, want) {
		t.Errorf("committed %v, want %v", got, want)
	}
	s := server.Stats()
	if s.Opened != 1 || s.Begun != 2 || s.Committed != 1 || s.RolledBack != 1 {
		t.Errorf("stats: %+v", s)
	}
	if s.Stmts != 0 || s.Rows != 0 || s.Txs != 0 {
		t.Errorf("left open: %+v", s)
	}
}

// The calls a statement with an argument makes tell the drivers apart.
func TestCallsForAStatementWithArguments(t *testing.T) {
	const (
		direct   = "Exec"
		prepared = "Prepare Exec StmtClose"
	)
	for profile, want := range map[string]string{
		"Minimal": prepared, "MSSQLLike": prepared, "MySQLLike": prepared,
		"Full": direct, "PgxLike": direct, "PqLike": direct, "SQLiteLike": direct,
		"MattnLike": direct, "NcrucesLike": direct,
	} {
		for _, p := range akaritest.Profiles() {
			if p.Name != profile {
				continue
			}
			server, db := open(t, p)
			recording := server.Record()
			exec(t, db, "INSERT ?", 7)
			recording.Stop()
			var got []string
			for _, call := range recording.Calls() {
				switch call.Op {
				case akaritest.OpPrepare, akaritest.OpExec, akaritest.OpStmtClose:
					got = append(got, call.Op.String())
				}
			}
			if got := strings.Join(got, " "); got != want {
				t.Errorf("%s: %s, want %s", profile, got, want)
			}
		}
	}
}

func TestMySQLLikeSendsStatementsWithoutArgumentsAtOnce(t *testing.T) {
	server, db := open(t, akaritest.MySQLLike)
	exec(t, db, "NOP")
	if n := server.Stats().Prepared; n != 0 {
		t.Errorf("%d statements prepared", n)
	}
}

// database/sql asks the statement's checker, then the connection's, then the
// column converter; the default refuses a Probe.
func TestWhoConvertsArguments(t *testing.T) {
	for _, test := range []struct {
		name     string
		conn     akaritest.ConnInterfaces
		stmt     akaritest.StmtInterfaces
		prepared bool
		want     string
	}{
		{"nobody", akaritest.AllConn &^ akaritest.ConnNamedValueChecker, 0, false, ""},
		{"connection", akaritest.AllConn, akaritest.AllStmt, false, "conn checker"},
		{"statement", akaritest.AllConn, akaritest.AllStmt, true, "stmt checker"},
		{"connection for a statement", akaritest.AllConn, akaritest.ColumnConverter, true, "conn checker"},
		{"converter", akaritest.AllConn &^ akaritest.ConnNamedValueChecker, akaritest.ColumnConverter, true, "column converter"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := akaritest.Profile{Conn: test.conn, Stmt: test.stmt}
			_, db := open(t, p)
			got, err := probe(t.Context(), db, test.prepared)
			if test.want == "" {
				if err == nil {
					t.Errorf("got %q, want an error", got)
				}
				return
			}
			if err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// probe sends a Probe and returns what arrived.
func probe(ctx context.Context, db *sql.DB, prepared bool) (string, error) {
	var ordinal int
	var name, kind, value string
	var row *sql.Row
	if prepared {
		stmt, err := db.PrepareContext(ctx, "ECHO ?")
		if err != nil {
			return "", err
		}
		defer stmt.Close()
		row = stmt.QueryRowContext(ctx, akaritest.Probe{})
	} else {
		row = db.QueryRowContext(ctx, "ECHO", akaritest.Probe{})
	}
	err := row.Scan(&ordinal, &name, &kind, &value)
	return value, err
}

func TestOptionIsTakenAway(t *testing.T) {
	_, db := open(t, akaritest.Full)
	if got := lines(t, db, "ECHO", akaritest.Option{}, "x"); !slices.Equal(got, []string{"1  string x"}) {
		t.Errorf("ECHO = %q", got)
	}
}

func TestColumnTypes(t *testing.T) {
	_, db := open(t, akaritest.Full)
	exec(t, db, "NOP")
	column := func(text string) *sql.ColumnType {
		rows, err := db.QueryContext(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		types, err := rows.ColumnTypes()
		if err != nil {
			t.Fatal(err)
		}
		return types[0]
	}

	get := column("GET k")
	length, hasLength := get.Length()
	nullable, hasNullable := get.Nullable()
	if get.DatabaseTypeName() != "VARCHAR" || length != 255 || !hasLength || !nullable || !hasNullable ||
		get.ScanType() != reflect.TypeFor[string]() {
		t.Errorf("GET: %s(%d) nullable %v, %v", get.DatabaseTypeName(), length, nullable, get.ScanType())
	}
	precision, scale, hasDecimal := column("COUNT").DecimalSize()
	if precision != 20 || scale != 0 || !hasDecimal {
		t.Errorf("COUNT: DECIMAL(%d,%d), %v", precision, scale, hasDecimal)
	}
	if _, ok := column("CONN").Length(); ok {
		t.Error("CONN: an integer has a length")
	}
	if _, _, ok := column("CONN").DecimalSize(); ok {
		t.Error("CONN: an integer has a precision")
	}
}

// database/sql keeps the connection of a cancelled transaction only if the
// driver has both SessionResetter and Validator.
func TestCancelledTransaction(t *testing.T) {
	for _, test := range []struct {
		profile akaritest.Profile
		kept    bool
	}{{akaritest.SQLiteLike, true}, {akaritest.MattnLike, false}, {akaritest.PgxLike, false}} {
		t.Run(test.profile.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, db := open(t, test.profile)
				ctx, cancel := context.WithCancel(t.Context())
				if _, err := db.BeginTx(ctx, nil); err != nil {
					t.Fatal(err)
				}
				cancel()
				synctest.Wait()
				if kept := server.Stats().Open == 1; kept != test.kept {
					t.Errorf("kept %v, want %v", kept, test.kept)
				}
				if n := server.Stats().RolledBack; n != 1 {
					t.Errorf("%d rolled back", n)
				}
			})
		})
	}
}

func TestResetClears(t *testing.T) {
	_, db := open(t, akaritest.MSSQLLike)
	db.SetMaxOpenConns(1)
	exec(t, db, "SET k v; TEMP t; LOCK l; BEGIN; INSERT 1")
	if got := lines(t, db, "STATE"); len(got) != 0 {
		t.Errorf("the next user finds %q", got)
	}
}

func TestResetLeavesTheSessionAlone(t *testing.T) {
	_, db := open(t, akaritest.Full)
	db.SetMaxOpenConns(1)
	exec(t, db, "SET k v; TEMP t; LOCK l; BEGIN READ ONLY")
	want := []string{"set k v", "temp t ", "lock l ", "transaction read only"}
	if got := lines(t, db, "STATE"); !slices.Equal(got, want) {
		t.Errorf("the next user finds %q, want %q", got, want)
	}
}

func TestResetRefusesTx(t *testing.T) {
	server, db := open(t, akaritest.PgxLike)
	db.SetMaxOpenConns(1)
	exec(t, db, "BEGIN")
	exec(t, db, "INSERT 1")
	if s := server.Stats(); s.Opened != 2 || s.RolledBack != 1 || !server.Has(1) {
		t.Errorf("the next user should get another connection: %+v", s)
	}
}

// A driver that looks at the socket saves the statement; others notice with it.
func TestResetChecks(t *testing.T) {
	for _, test := range []struct {
		profile akaritest.Profile
		execs   int
	}{{akaritest.MySQLLike, 1}, {akaritest.PqLike, 2}} {
		server, db := open(t, test.profile)
		if err := db.Ping(); err != nil {
			t.Fatal(err)
		}
		server.DropAll()
		exec(t, db, "NOP")
		if n := server.Calls(akaritest.OpExec); n != test.execs {
			t.Errorf("%s: %d calls of Exec, want %d", test.profile.Name, n, test.execs)
		}
	}
}

func TestCancelBreaks(t *testing.T) {
	for _, test := range []struct {
		profile akaritest.Profile
		opened  int
	}{{akaritest.PqLike, 2}, {akaritest.SQLiteLike, 1}} {
		t.Run(test.profile.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, db := open(t, test.profile)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := db.ExecContext(ctx, "SLEEP 1h")
				wantIs(t, err, context.DeadlineExceeded)
				exec(t, db, "NOP")
				if n := server.Stats().Opened; n != test.opened {
					t.Errorf("%d connections opened, want %d", n, test.opened)
				}
			})
		})
	}
}

func TestErrorAborts(t *testing.T) {
	_, db := open(t, akaritest.PgxLike)
	c := single(t, db)
	exec(t, c, "BEGIN; INSERT 1; SAVEPOINT s")
	wantState(t, execErr(c, "INSERT 1"), "23505")
	wantState(t, execErr(c, "INSERT 2"), "25P02")
	exec(t, c, "ROLLBACK TO s; INSERT 2")
	wantState(t, execErr(c, "INSERT 2"), "23505")
	wantState(t, execErr(c, "COMMIT"), "25P02")
	if got := lines(t, c, "COUNT"); got[0] != "0" {
		t.Errorf("%s numbers are left of a failed transaction", got[0])
	}
}

func TestErrorsDoNotAbortElsewhere(t *testing.T) {
	server, db := open(t, akaritest.SQLiteLike)
	c := single(t, db)
	exec(t, c, "BEGIN; INSERT 1")
	wantState(t, execErr(c, "INSERT 1"), "23505")
	exec(t, c, "INSERT 2; COMMIT")
	if got := server.Committed(); !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("committed %v", got)
	}
}

func TestRowsBlock(t *testing.T) {
	for _, p := range []akaritest.Profile{akaritest.PgxLike, akaritest.MSSQLLike} {
		_, db := open(t, p)
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := tx.QueryContext(t.Context(), "ROWS 2")
		if err != nil {
			t.Fatal(err)
		}
		err = execErr(tx, "NOP")
		if busy := errors.Is(err, akaritest.ErrBusy); busy != p.RowsBlock {
			t.Errorf("%s: %v", p.Name, err)
		}
		rows.Close()
		exec(t, tx, "NOP")
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

func TestErrorShapes(t *testing.T) {
	_, db := open(t, akaritest.MySQLLike)
	exec(t, db, "INSERT 1")
	my, ok := errors.AsType[*akaritest.MySQLError](execErr(db, "INSERT 1"))
	if !ok || my.Number != 1062 || string(my.SQLState[:]) != "23505" {
		t.Errorf("MySQLLike: %v", my)
	}

	_, db = open(t, akaritest.PqLike)
	exec(t, db, "INSERT 1")
	pg, ok := errors.AsType[*akaritest.Error](execErr(db, "INSERT 1"))
	if !ok || pg.SQLState() != "23505" {
		t.Errorf("PqLike: %v", pg)
	}
}

func TestLostError(t *testing.T) {
	server, db := open(t, akaritest.PgxLike)
	c := single(t, db)
	server.DropAll()
	if err := execErr(c, "NOP"); !is[*net.OpError](err) {
		t.Errorf("PgxLike, first call: %v", err)
	}
	wantIs(t, execErr(c, "NOP"), driver.ErrBadConn)
	c.Close()

	mine := errors.New("my error")
	server.SetLost(mine)
	c = single(t, db)
	server.DropAll()
	wantIs(t, execErr(c, "NOP"), mine)
	c.Close()

	server.SetLost(nil)
	c = single(t, db)
	server.DropAll()
	wantIs(t, execErr(c, "NOP"), driver.ErrBadConn)
}

func TestMinimalRefusesWhatItCannotDo(t *testing.T) {
	_, db := open(t, akaritest.Minimal)
	if _, err := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true}); err == nil {
		t.Error("a read-only transaction without ConnBeginTx")
	}
	if _, err := db.ExecContext(t.Context(), "ECHO", sql.Named("n", 1)); err == nil {
		t.Error("a named argument without StmtExecContext")
	}
}
