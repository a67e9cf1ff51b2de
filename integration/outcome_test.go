package integration

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/akaripool/akari"
)

// executor is a *sql.DB, *sql.Conn or *sql.Tx.
type executor interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

// TestStatementWithoutReplyIsOfUnknownOutcome: the server executes a text, and
// its reply is lost. Whatever the text is and wherever it was sent, it is executed
// once, and the caller is not told that it has failed.
func TestStatementWithoutReplyIsOfUnknownOutcome(t *testing.T) {
	forgiving := akari.Config{Adjudicate: func(error) akari.Verdict { return akari.DoNotEvict }}
	for _, c := range []struct {
		name string
		on   func(testing.TB) []database
		text string // makes the one row of the table permanent
		in   func(t *testing.T, db *sql.DB) executor
		cfg  akari.Config
	}{
		{name: "an error that Adjudicate calls harmless", on: allServers, text: "INSERT INTO once VALUES (1)", in: noTx, cfg: forgiving},
		{name: "a whole transaction in one text", on: pgDatabases, text: "BEGIN; INSERT INTO once VALUES (1); COMMIT", in: noTx},
		{name: "COMMIT as text on a Conn", on: allServers, text: "COMMIT", in: txByText},
		{name: "COMMIT as text in a Tx", on: allServers, text: "COMMIT", in: txWithRow},
		{name: "DDL in a Tx, which it commits", on: mysqlDatabases, text: "ALTER TABLE once COMMENT = 'x'", in: txWithRow},
	} {
		for _, d := range c.on(t) {
			t.Run(c.name+"/"+d.name, func(t *testing.T) {
				bare := plain(t, d)
				recreate(t, bare, "once", "id INT")
				far, net := overNetwork(t, d)
				c.cfg.MaximumPoolSize = 2
				p := open(t, far, c.cfg)
				db := c.in(t, p.DB())

				loseReplyTo(net, c.text)
				_, err := db.ExecContext(t.Context(), c.text)

				if net.Stats().RepliesLost != 1 {
					t.Fatalf("the text has met no fault: %v", err)
				}
				if !errors.Is(err, akari.ErrOutcomeUnknown) {
					t.Errorf("the caller is told %v", err)
				}
				if n := one[int](t, bare, "SELECT COUNT(*) FROM once"); n != 1 {
					t.Errorf("executed %d times", n)
				}
			})
		}
	}
}

func noTx(_ *testing.T, db *sql.DB) executor { return db }

func txByText(t *testing.T, db *sql.DB) executor {
	c := conn(t, db)
	mustExec(t, c, "BEGIN")
	mustExec(t, c, "INSERT INTO once VALUES (1)")
	return c
}

func txWithRow(t *testing.T, db *sql.DB) executor {
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	mustExec(t, tx, "INSERT INTO once VALUES (1)")
	return tx
}

// TestCommitPastItsDeadlineIsNotCalledAFailure: the server has committed, and the
// caller's context ends while the reply is on its way.
func TestCommitPastItsDeadlineIsNotCalledAFailure(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			bare := plain(t, d)
			recreate(t, bare, "once", "id INT")
			far, net := overNetwork(t, d)
			p := open(t, far, akari.Config{MaximumPoolSize: 1})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			tx, err := p.DB().BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			mustExec(t, tx, "INSERT INTO once VALUES (1)")

			net.SetLatency(300*time.Millisecond, 300*time.Millisecond) // each way
			committed := make(chan error)
			go func() { committed <- tx.Commit() }()
			eventually(t, "the commit", func() bool { return one[int](t, bare, "SELECT COUNT(*) FROM once") == 1 })
			cancel()
			err = <-committed
			net.SetLatency(0, 0)

			if err != nil && !errors.Is(err, akari.ErrOutcomeUnknown) {
				t.Errorf("committed, and the caller is told %v", err)
			}
		})
	}
}

// TestTextThatFailsAsStaleIsNotRunAgain: "cached plan must not change result type"
// and its like mean that a prepared statement was not executed. They say nothing
// about the rest of a text that has more than one, or about what a procedure has
// done before.
func TestTextThatFailsAsStaleIsNotRunAgain(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			bare := plain(t, d)
			recreate(t, bare, "once", "id INT")
			c := conn(t, open(t, d, akari.Config{MaximumPoolSize: 1}).DB())
			text := "CALL fail_as_stale()"
			if d.postgres() {
				recreate(t, bare, "changing", "id INT")
				mustExec(t, c, "PREPARE look AS SELECT * FROM changing")
				mustExec(t, c, "EXECUTE look")
				mustExec(t, bare, "ALTER TABLE changing ADD COLUMN more INT")
				text = "INSERT INTO once VALUES (1); COMMIT; EXECUTE look"
			} else {
				mustExec(t, bare, `CREATE OR REPLACE PROCEDURE fail_as_stale() BEGIN
					INSERT INTO once VALUES (1);
					SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1615, MESSAGE_TEXT = 'Prepared statement needs to be re-prepared';
				END`)
			}
			if _, err := c.ExecContext(t.Context(), text); err == nil {
				t.Error("the text has not failed")
			}
			if n := one[int](t, bare, "SELECT COUNT(*) FROM once"); n != 1 {
				t.Errorf("executed %d times", n)
			}
		})
	}
}
