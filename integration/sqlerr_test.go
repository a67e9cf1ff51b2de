package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/sqlerr"
)

// trouble is something that goes wrong in a database, and what it is called.
type trouble struct {
	name      string
	on        func(testing.TB) []database
	provoke   func(t *testing.T, p *akari.Pool, d database) error
	class     sqlerr.Class
	is        func(error) bool
	retryable bool
}

// liteDatabase is SQLite on a file, which does not wait for locks.
func liteDatabase(t testing.TB) []database {
	dsn := "file:" + t.TempDir() + "/db?_pragma=journal_mode(wal)&_pragma=foreign_keys(1)&_pragma=busy_timeout(0)"
	return []database{{"sqlite", "sqlite", dsn}}
}

func everyDatabase(t testing.TB) []database { return append(allServers(t), liteDatabase(t)...) }

// failing is a statement that fails by itself.
func failing(statement string) func(*testing.T, *akari.Pool, database) error {
	return func(_ *testing.T, p *akari.Pool, _ database) error {
		_, err := p.DB().Exec(statement)
		return err
	}
}

// inTx is a statement that fails in a transaction, after others.
func inTx(opts *sql.TxOptions, statements ...string) func(*testing.T, *akari.Pool, database) error {
	return func(t *testing.T, p *akari.Pool, _ database) error {
		tx := beginWith(t, p, opts)
		last := len(statements) - 1
		for _, s := range statements[:last] {
			mustExec(t, tx, s)
		}
		_, err := tx.Exec(statements[last])
		return err
	}
}

func beginWith(t *testing.T, p *akari.Pool, opts *sql.TxOptions) *sql.Tx {
	t.Helper()
	tx, err := p.DB().BeginTx(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	return tx
}

var serializable = &sql.TxOptions{Isolation: sql.LevelSerializable}

var troubles = []trouble{
	{"duplicate primary key", everyDatabase, failing("INSERT INTO parents VALUES (1, 'other')"), sqlerr.Duplicate, sqlerr.IsDuplicate, false},
	{"duplicate in a unique index", everyDatabase, failing("INSERT INTO parents VALUES (9, 'one')"), sqlerr.Duplicate, sqlerr.IsDuplicate, false},
	{"no parent", everyDatabase, failing("INSERT INTO children VALUES (2, 7, 1)"), sqlerr.ForeignKey, sqlerr.IsForeignKey, false},
	{"a parent with children", everyDatabase, failing("DELETE FROM parents WHERE id = 1"), sqlerr.ForeignKey, sqlerr.IsForeignKey, false},
	{"no parent, found at commit", pgDatabases, noParentAtCommit("INITIALLY DEFERRED"), sqlerr.ForeignKey, sqlerr.IsForeignKey, false},
	{"no parent, found at commit", liteDatabase, noParentAtCommit("DEFERRABLE INITIALLY DEFERRED"), sqlerr.ForeignKey, sqlerr.IsForeignKey, false},
	{"NULL", everyDatabase, failing("INSERT INTO children VALUES (2, NULL, 1)"), sqlerr.NotNull, sqlerr.IsNotNull, false},
	{"a column left out", everyDatabase, failing("INSERT INTO children (id, amount) VALUES (2, 1)"), sqlerr.NotNull, sqlerr.IsNotNull, false},
	{"CHECK", everyDatabase, failing("INSERT INTO children VALUES (2, 1, -1)"), sqlerr.Check, sqlerr.IsCheck, false},
	{"an exclusion constraint", pgDatabases, overlap, sqlerr.Constraint, sqlerr.IsConstraint, false},

	{"deadlock", allServers, deadlock, sqlerr.Deadlock, sqlerr.IsDeadlock, true},
	{"write skew, found by a statement", pgDatabases, writeSkew(false), sqlerr.Serialization, sqlerr.IsSerialization, true},
	{"write skew, found at commit", pgDatabases, writeSkew(true), sqlerr.Serialization, sqlerr.IsSerialization, true},
	{"overtaken, REPEATABLE READ", pgDatabases, overtaken(nil), sqlerr.Serialization, sqlerr.IsSerialization, true},
	{"overtaken, innodb_snapshot_isolation", mysqlDatabases, overtaken([]string{"SET SESSION innodb_snapshot_isolation = ON"}), sqlerr.Serialization, sqlerr.IsSerialization, true},
	{"overtaken, WAL", liteDatabase, overtaken(nil), sqlerr.Serialization, sqlerr.IsSerialization, true},

	{"NOWAIT", pgDatabases, locked(nil, "SELECT id FROM parents WHERE id = 1 FOR UPDATE NOWAIT"), sqlerr.LockTimeout, sqlerr.IsLockTimeout, false},
	{"lock_timeout", pgDatabases, locked([]string{"SET LOCAL lock_timeout = '50ms'"}, "UPDATE parents SET name = 'x' WHERE id = 1"), sqlerr.LockTimeout, sqlerr.IsLockTimeout, false},
	{"innodb_lock_wait_timeout", mysqlDatabases, locked([]string{"SET SESSION innodb_lock_wait_timeout = 1"}, "UPDATE parents SET name = 'x' WHERE id = 1"), sqlerr.LockTimeout, sqlerr.IsLockTimeout, true},
	{"NOWAIT", mysqlDatabases, locked(nil, "SELECT id FROM parents WHERE id = 1 FOR UPDATE NOWAIT"), sqlerr.LockTimeout, sqlerr.IsLockTimeout, true},
	{"busy", liteDatabase, locked(nil, "UPDATE parents SET name = 'x' WHERE id = 1"), sqlerr.LockTimeout, sqlerr.IsLockTimeout, true},

	{"a read-only transaction", allServers, inTx(&sql.TxOptions{ReadOnly: true}, "UPDATE parents SET name = 'x'"), sqlerr.ReadOnly, sqlerr.IsReadOnly, false},
	{"query_only", liteDatabase, inTx(nil, "PRAGMA query_only = 1", "UPDATE parents SET name = 'x'"), sqlerr.ReadOnly, sqlerr.IsReadOnly, false},

	{"statement_timeout", pgDatabases, inTx(nil, "SET LOCAL statement_timeout = '50ms'", "SELECT pg_sleep(60)"), sqlerr.Cancelled, sqlerr.IsCancelled, false},
	{"max_statement_time", mysqlDatabases, failing("SET STATEMENT max_statement_time = 0.05 FOR " + mysqlEndless), sqlerr.Cancelled, sqlerr.IsCancelled, false},
	{"its context", everyDatabase, outOfTime, sqlerr.Cancelled, sqlerr.IsCancelled, false},
	{"cancelled by another", allServers, cancelled, sqlerr.Cancelled, sqlerr.IsCancelled, false},

	{"syntax", everyDatabase, failing("SELEC 1"), sqlerr.Syntax, sqlerr.IsSyntax, false},
	{"no such table", everyDatabase, failing("INSERT INTO nowhere VALUES (1)"), sqlerr.Undefined, sqlerr.IsUndefined, false},
	{"no such column", everyDatabase, failing("UPDATE parents SET nosuch = 1"), sqlerr.Undefined, sqlerr.IsUndefined, false},

	{"killed in a transaction", allServers, killed, sqlerr.ConnectionLost, sqlerr.IsConnectionLost, false},
	{"killed in a statement", allServers, killedInAStatement, sqlerr.ConnectionLost, sqlerr.IsConnectionLost, false},
	{"nobody there", allServers, nobodyThere, sqlerr.ConnectionLost, sqlerr.IsConnectionLost, false},
	{"too many connections", allServers, tooMany, sqlerr.TooManyConnections, sqlerr.IsTooManyConnections, false},
}

// TestErrorsOfDatabasesAreRecognised as they come out of a pool.
func TestErrorsOfDatabasesAreRecognised(t *testing.T) {
	for _, c := range troubles {
		for _, d := range c.on(t) {
			t.Run(c.name+"/"+d.name, func(t *testing.T) {
				furnish(t, plain(t, d))
				err := c.provoke(t, open(t, d, akari.Config{MaximumPoolSize: 4}), d)
				if err == nil {
					t.Fatal("nothing went wrong")
				}
				state, number := sqlerr.Code(err)
				t.Logf("%v: %q, %d of %v: %v", c.class, state, number, sqlerr.ServerOf(err), err)
				for how, err := range map[string]error{"as it is": err, "wrapped": fmt.Errorf("x: %w", err), "joined": errors.Join(errors.New("x"), err)} {
					if got := sqlerr.Of(err); got != c.class || !c.is(err) {
						t.Errorf("%s, it is %v, want %v (%T: %v)", how, got, c.class, err, err)
					}
					if sqlerr.IsRetryable(err) != c.retryable {
						t.Errorf("%s: IsRetryable says %v", how, !c.retryable)
					}
				}
			})
		}
	}
}

// furnish makes parents 1 and 2, and child 1 of parent 1.
func furnish(t *testing.T, db *sql.DB) {
	t.Helper()
	mustExec(t, db, "DROP TABLE IF EXISTS children")
	recreate(t, db, "parents", "id INT PRIMARY KEY, name VARCHAR(20) UNIQUE")
	recreate(t, db, "children", "id INT PRIMARY KEY, parent INT NOT NULL, amount INT CHECK (amount > 0), FOREIGN KEY (parent) REFERENCES parents (id)")
	mustExec(t, db, "INSERT INTO parents VALUES (1, 'one'), (2, 'two')")
	mustExec(t, db, "INSERT INTO children VALUES (1, 1, 1)")
}

func noParentAtCommit(deferred string) func(*testing.T, *akari.Pool, database) error {
	return func(t *testing.T, p *akari.Pool, _ database) error {
		recreate(t, p.DB(), "patient", "parent INT REFERENCES parents (id) "+deferred)
		t.Cleanup(func() { mustExec(t, p.DB(), "DROP TABLE patient") })
		tx := begin(t, p.DB())
		mustExec(t, tx, "INSERT INTO patient VALUES (7)")
		err := tx.Commit()
		tx.Rollback()
		return err
	}
}

func overlap(t *testing.T, p *akari.Pool, _ database) error {
	recreate(t, p.DB(), "ranges", "r int4range, EXCLUDE USING gist (r WITH &&)")
	mustExec(t, p.DB(), "INSERT INTO ranges VALUES ('[1,3]')")
	_, err := p.DB().Exec("INSERT INTO ranges VALUES ('[2,4]')")
	return err
}

func deadlock(t *testing.T, p *akari.Pool, _ database) error {
	a, b := begin(t, p.DB()), begin(t, p.DB())
	mustExec(t, a, "UPDATE parents SET name = 'a1' WHERE id = 1")
	mustExec(t, b, "UPDATE parents SET name = 'b2' WHERE id = 2")
	other := make(chan error, 1)
	go func() {
		_, err := a.Exec("UPDATE parents SET name = 'a2' WHERE id = 2")
		other <- err
	}()
	_, err := b.Exec("UPDATE parents SET name = 'b1' WHERE id = 1")
	b.Rollback()
	if also := <-other; err == nil {
		err = also
	} else if also != nil {
		t.Errorf("both fail: %v", also)
	}
	return err
}

// writeSkew has two transactions read both rows, and each change another one.
func writeSkew(atCommit bool) func(*testing.T, *akari.Pool, database) error {
	return func(t *testing.T, p *akari.Pool, _ database) error {
		a, b := beginWith(t, p, serializable), beginWith(t, p, serializable)
		for _, tx := range []*sql.Tx{a, b} {
			one[int](t, tx, "SELECT SUM(id) FROM parents")
		}
		mustExec(t, a, "UPDATE parents SET name = 'a' WHERE id = 1")
		const late = "UPDATE parents SET name = 'b' WHERE id = 2"
		if atCommit {
			mustExec(t, b, late)
		}
		if err := a.Commit(); err != nil {
			t.Fatal(err)
		}
		if atCommit {
			return b.Commit()
		}
		_, err := b.Exec(late)
		return err
	}
}

// overtaken has a transaction write what another one has changed since it read.
func overtaken(before []string) func(*testing.T, *akari.Pool, database) error {
	return func(t *testing.T, p *akari.Pool, d database) error {
		c := conn(t, p.DB())
		for _, s := range before {
			mustExec(t, c, s)
		}
		opts := &sql.TxOptions{Isolation: sql.LevelRepeatableRead}
		if d.driver == "sqlite" {
			opts = nil
		}
		tx, err := c.BeginTx(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		one[string](t, tx, "SELECT name FROM parents WHERE id = 1")
		mustExec(t, p.DB(), "UPDATE parents SET name = 'overtaker' WHERE id = 1")
		_, err = tx.Exec("UPDATE parents SET name = 'late' WHERE id = 1")
		return err
	}
}

// locked has a statement want a row that another transaction has.
func locked(before []string, statement string) func(*testing.T, *akari.Pool, database) error {
	return func(t *testing.T, p *akari.Pool, d database) error {
		holder := begin(t, p.DB())
		mustExec(t, holder, "UPDATE parents SET name = 'held' WHERE id = 1")
		return inTx(nil, append(before, statement)...)(t, p, d)
	}
}

const mysqlEndless = "SELECT COUNT(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE a.seq + b.seq < 0"

// endless is a statement that takes long.
func endless(d database) string {
	switch {
	case d.postgres():
		return "SELECT pg_sleep(60)"
	case d.driver == "sqlite":
		return "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
	}
	return mysqlEndless
}

func outOfTime(_ *testing.T, p *akari.Pool, d database) error {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	statement := endless(d)
	if d.driver == "mysql" {
		statement = "SELECT SLEEP(60)" // nobody tells the server to stop
	}
	_, err := p.DB().ExecContext(ctx, statement)
	return err
}

// self is what the server calls the connection.
func self(t *testing.T, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, d database) int {
	t.Helper()
	if d.postgres() {
		return one[int](t, db, "SELECT pg_backend_pid()")
	}
	return one[int](t, db, "SELECT CONNECTION_ID()")
}

// whileBusy begins an endless statement, and when the server is about it does
// something to its connection.
func whileBusy(t *testing.T, p *akari.Pool, d database, postgres, mysql string) error {
	t.Helper()
	c, other := conn(t, p.DB()), plain(t, d)
	id, result := self(t, c, d), make(chan error, 1)
	go func() {
		_, err := c.ExecContext(context.Background(), endless(d))
		result <- err
	}()
	busy, to := "SELECT COUNT(*) FROM information_schema.processlist WHERE id = %d AND info LIKE 'SELECT COUNT(*) FROM seq%%'", mysql
	if d.postgres() {
		busy, to = "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = %d AND state = 'active' AND query LIKE '%%pg_sleep%%'", postgres
	}
	eventually(t, "the statement runs", func() bool { return one[int](t, other, fmt.Sprintf(busy, id)) == 1 })
	mustExec(t, other, fmt.Sprintf(to, id))
	return <-result
}

func cancelled(t *testing.T, p *akari.Pool, d database) error {
	return whileBusy(t, p, d, "SELECT pg_cancel_backend(%d)", "KILL QUERY %d")
}

func killedInAStatement(t *testing.T, p *akari.Pool, d database) error {
	err := whileBusy(t, p, d, "SELECT pg_terminate_backend(%d)", "KILL %d")
	if !errors.Is(err, akari.ErrOutcomeUnknown) {
		t.Errorf("the pool says that the outcome is known: %v", err)
	}
	return err
}

func killed(t *testing.T, p *akari.Pool, d database) error {
	tx := begin(t, p.DB())
	id, other := self(t, tx, d), plain(t, d)
	kill, gone := "KILL %d", "SELECT COUNT(*) FROM information_schema.processlist WHERE id = %d"
	if d.postgres() {
		kill, gone = "SELECT pg_terminate_backend(%d)", "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = %d"
	}
	mustExec(t, other, fmt.Sprintf(kill, id))
	eventually(t, "the session is gone", func() bool { return one[int](t, other, fmt.Sprintf(gone, id)) == 0 })
	_, err := tx.Exec("UPDATE parents SET name = 'x'")
	return err
}

// nobodyThere has a pool lead to a port where no server is.
func nobodyThere(t *testing.T, _ *akari.Pool, d database) error {
	d.dsn = "root@tcp(127.0.0.1:1)/x"
	if d.postgres() {
		d.dsn = "postgres://root@127.0.0.1:1/x?sslmode=disable"
	}
	return refused(t, d)
}

// tooMany opens one connection more than a user may have.
func tooMany(t *testing.T, _ *akari.Pool, d database) error {
	db := plain(t, d)
	if d.postgres() {
		mustExec(t, db, "DROP ROLE IF EXISTS lonely")
		mustExec(t, db, "CREATE ROLE lonely LOGIN PASSWORD 'alone' CONNECTION LIMIT 1")
		u, err := url.Parse(d.dsn)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("lonely", "alone")
		d.dsn = u.String()
	} else {
		s := mariadb.Get(t)
		mustExec(t, db, "CREATE OR REPLACE USER lonely IDENTIFIED BY 'alone' WITH MAX_USER_CONNECTIONS 1")
		mustExec(t, db, "GRANT SELECT ON "+s.Database+".* TO lonely")
		d.dsn = fmt.Sprintf("lonely:alone@tcp(%s)/%s", s.Addr(), s.Database)
	}
	conn(t, plain(t, d))
	return refused(t, d)
}

// refused is why a pool gets no connection.
func refused(t *testing.T, d database) error {
	t.Helper()
	p := open(t, d, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: 250 * time.Millisecond, InitializationFailTimeout: akari.DontTry})
	err := p.DB().Ping()
	if !errors.Is(err, akari.ErrAcquireTimeout) {
		t.Errorf("the pool says %v", err)
	}
	return err
}
