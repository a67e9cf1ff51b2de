package akaritest_test

import (
	"database/sql"
	"slices"
	"testing"

	"github.com/akaripool/akari/akaritest"
)

func TestInsertedNumbersAreSeenByOthersAfterCommit(t *testing.T) {
	server, db := open(t, akaritest.Full)
	a, b := single(t, db), single(t, db)
	exec(t, a, "BEGIN; INSERT 1")
	if got := lines(t, a, "SELECT 1; COUNT"); !slices.Equal(got, []string{"1", "1"}) {
		t.Errorf("its own transaction sees %q", got)
	}
	if got := lines(t, b, "SELECT 1; COUNT"); !slices.Equal(got, []string{"0"}) || server.Has(1) {
		t.Errorf("another one sees %q", got)
	}
	exec(t, a, "COMMIT")
	if got := lines(t, b, "SELECT 1; COUNT"); !slices.Equal(got, []string{"1", "1"}) || !server.Has(1) {
		t.Errorf("after the commit it sees %q", got)
	}
}

func TestRollbackUndoesItsTransaction(t *testing.T) {
	server, db := open(t, akaritest.Full)
	c := single(t, db)
	exec(t, c, "SET a 1; SET b 1; TEMP old")
	exec(t, c, "BEGIN; INSERT 1; SET a 2; SET a 3; RESET b; SET c 1; TEMP new; LOCK l; ROLLBACK")
	want := []string{"set a 1", "set b 1", "temp old ", "lock l "} // locks outlive transactions
	if got := lines(t, c, "STATE"); !slices.Equal(got, want) {
		t.Errorf("state %q, want %q", got, want)
	}
	if got := server.Committed(); len(got) != 0 {
		t.Errorf("committed %v", got)
	}
	exec(t, c, "INSERT 1; TEMP new")
}

func TestSavepoints(t *testing.T) {
	server, db := open(t, akaritest.Full)
	c := single(t, db)
	exec(t, c, "BEGIN; INSERT 1; SAVEPOINT a; INSERT 2; SET k v; SAVEPOINT b; INSERT 3")
	exec(t, c, "ROLLBACK TO b; INSERT 4; ROLLBACK TO a; INSERT 5; ROLLBACK TO a; INSERT 6")
	wantState(t, execErr(c, "ROLLBACK TO b"), "3B001") // b was set after a
	exec(t, c, "SAVEPOINT c; INSERT 7; RELEASE c; COMMIT")
	if got, want := server.Committed(), []int64{1, 6, 7}; !slices.Equal(got, want) {
		t.Errorf("committed %v, want %v", got, want)
	}
	if got := lines(t, c, "GET k"); got[0] != "<nil>" {
		t.Errorf("k is %s", got[0])
	}
}

// What was rolled back to a savepoint is over: rolling back the rest does not
// touch what another session has done since.
func TestRollbackUndoesNothingTwice(t *testing.T) {
	server, db := open(t, akaritest.Full)
	a, b := single(t, db), single(t, db)
	exec(t, a, "BEGIN; SAVEPOINT s; INSERT 1; ROLLBACK TO s")
	exec(t, b, "BEGIN; INSERT 1")
	exec(t, a, "ROLLBACK")
	exec(t, b, "COMMIT")
	if !server.Has(1) {
		t.Error("the number is lost")
	}
}

// Savepoints of the same name hide one another.
func TestSavepointNamesNest(t *testing.T) {
	server, db := open(t, akaritest.Full)
	c := single(t, db)
	exec(t, c, "BEGIN; SAVEPOINT s; INSERT 1; SAVEPOINT s; INSERT 2; ROLLBACK TO s; RELEASE s")
	if got := lines(t, c, "COUNT"); got[0] != "1" {
		t.Errorf("%s numbers after the inner one", got[0])
	}
	exec(t, c, "ROLLBACK TO s; COMMIT")
	if got := server.Committed(); len(got) != 0 {
		t.Errorf("committed %v", got)
	}
}

func TestTwoTransactionsInsertOneNumber(t *testing.T) {
	server, db := open(t, akaritest.Full)
	a, b := single(t, db), single(t, db)
	exec(t, a, "BEGIN; INSERT 1")
	wantState(t, execErr(b, "INSERT 1"), "40001")
	exec(t, a, "ROLLBACK")
	exec(t, b, "INSERT 1")
	if n := server.Inserts(1); n != 3 {
		t.Errorf("executed %d times", n)
	}
}

func TestCommitIsForItsOwnSession(t *testing.T) {
	server, db := open(t, akaritest.Full)
	a, b := single(t, db), single(t, db)
	exec(t, a, "BEGIN; INSERT 1")
	exec(t, b, "BEGIN; INSERT 2; COMMIT")
	if got := server.Committed(); !slices.Equal(got, []int64{2}) {
		t.Errorf("committed %v", got)
	}
	exec(t, a, "ROLLBACK")
}

func TestLocksAreTheServers(t *testing.T) {
	_, db := open(t, akaritest.Full)
	a, b := single(t, db), single(t, db)
	exec(t, a, "LOCK l")
	wantState(t, execErr(b, "LOCK l"), "55P03")
	exec(t, b, "UNLOCK l") // not its own
	wantState(t, execErr(b, "LOCK l"), "55P03")
	exec(t, a, "UNLOCK l")
	exec(t, b, "LOCK l")
}

func TestClosingAConnectionEndsItsSession(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	db := sql.OpenDB(server.Connector())
	exec(t, db, "LOCK l; BEGIN; INSERT 1")
	db.Close()
	if s := server.Stats(); s.RolledBack != 1 || s.Txs != 0 {
		t.Errorf("%+v", s)
	}
	db = sql.OpenDB(server.Connector())
	defer db.Close()
	exec(t, db, "LOCK l; INSERT 1")
}

// A transaction begun by text and one begun by a call are the same thing.
func TestTransactionsByTextAndByCall(t *testing.T) {
	server, db := open(t, akaritest.Full)
	c := single(t, db)
	tx, err := c.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	info := server.Conns()[0]
	if !info.InTx || !info.Tx.ReadOnly || sql.IsolationLevel(info.Tx.Isolation) != sql.LevelSerializable {
		t.Errorf("%+v", info)
	}
	exec(t, tx, "COMMIT")
	exec(t, tx, "BEGIN; INSERT 1")
	if err := tx.Commit(); err != nil { // its transaction is over: the new one is not its
		t.Error(err)
	}
	if !server.Conns()[0].InTx {
		t.Error("the handle of an old transaction has ended the new one")
	}
	_, err = c.BeginTx(t.Context(), nil)
	wantState(t, err, "25001")
	exec(t, c, "COMMIT")
	if s := server.Stats(); s.Begun != 2 || s.Committed != 2 || !server.Has(1) {
		t.Errorf("%+v", s)
	}
}
