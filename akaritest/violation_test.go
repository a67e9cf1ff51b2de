package akaritest_test

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/akaripool/akari/akaritest"
)

func wantViolation(t *testing.T, server *akaritest.Server, text string) {
	t.Helper()
	violations := server.Violations()
	if len(violations) != 1 || violations[0].String() != "connection 1: "+text {
		t.Errorf("violations %v, want one: %s", violations, text)
		return
	}
	if !strings.Contains(violations[0].Stack, "violation_test.go") {
		t.Errorf("the stack does not lead here:\n%s", violations[0].Stack)
	}
	if server.Stats().Violations != 1 {
		t.Errorf("counted %d", server.Stats().Violations)
	}
}

func TestTwoCallsAtOnceAreAViolation(t *testing.T) {
	for op, setup := range driverCalls {
		synctest.Test(t, func(t *testing.T) {
			server := akaritest.NewServer(akaritest.Full)
			c, err := server.Connector().Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			call := setup(c)
			hang := server.Inject(akaritest.OpPing, akaritest.Fault{Times: 1, Hang: true})
			done := make(chan struct{})
			go func() {
				defer close(done)
				c.(driver.Pinger).Ping(t.Context())
			}()
			synctest.Wait()
			call(t.Context())
			hang.Release()
			<-done

			want := op.String() + " while Ping is under way"
			if !slices.ContainsFunc(server.Violations(), func(v akaritest.Violation) bool { return v.Text == want }) {
				t.Errorf("violations %v, want %q", server.Violations(), want)
			}
		})
	}
}

func TestTwoConnectionsAtOnceAreNoViolation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.Full)
		hang := server.Inject(akaritest.OpPing, akaritest.Fault{Hang: true})
		done := make(chan error)
		go func() { done <- db.PingContext(t.Context()) }()
		synctest.Wait()
		exec(t, db, "NOP")
		hang.Release()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A call that panicked is over.
func TestPanicIsNotUnderWayForEver(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	c := connect(t, server)
	server.Inject(akaritest.OpPing, akaritest.Fault{Times: 1, Panic: "boo"})
	ping := c.(driver.Pinger).Ping
	panicOf(func() { ping(t.Context()) })
	if err := ping(t.Context()); err != nil || len(server.Violations()) != 0 {
		t.Errorf("%v, violations %v", err, server.Violations())
	}
}

func TestUseAfterCloseIsAViolation(t *testing.T) {
	for op := range driverCalls {
		if op == akaritest.OpNext || op == akaritest.OpNextSet || op == akaritest.OpCheck {
			continue // Next queries first; checking an argument needs no connection
		}
		server := akaritest.NewServer(akaritest.Full)
		c, err := server.Connector().Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		call := driverCalls[op](c)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context()); err == nil {
			t.Errorf("%v succeeded", op)
		}
		text := op.String() + " after Close"
		if op == akaritest.OpClose {
			text = "Close of a closed connection"
		}
		wantViolation(t, server, text)
	}
}

func TestUseOfClosedStatementsRowsAndTransactions(t *testing.T) {
	for text, misuse := range map[string]func(c driver.Conn){
		"Exec of a closed statement": func(c driver.Conn) {
			stmt, _ := c.Prepare("NOP")
			stmt.Close()
			stmt.Exec(nil)
		},
		"Query of a closed statement": func(c driver.Conn) {
			stmt, _ := c.Prepare("NOP")
			stmt.Close()
			stmt.Query(nil)
		},
		"StmtClose of a closed statement": func(c driver.Conn) {
			stmt, _ := c.Prepare("NOP")
			stmt.Close()
			stmt.Close()
		},
		"Next of closed rows": func(c driver.Conn) {
			rows := queried(context.Background(), c)
			rows.Close()
			rows.Close() // allowed
			rows.Next(make([]driver.Value, 1))
		},
		"NextSet of closed rows": func(c driver.Conn) {
			rows := queried(context.Background(), c)
			rows.Close()
			rows.(driver.RowsNextResultSet).NextResultSet()
		},
		"Rollback of a transaction that has ended": func(c driver.Conn) {
			tx := begun(c)
			tx.Commit()
			tx.Rollback()
		},
	} {
		server := akaritest.NewServer(akaritest.Full)
		misuse(connect(t, server))
		wantViolation(t, server, text)
	}
}

// A commit that did not arrive leaves the transaction for a rollback.
func TestRollbackAfterAFailedCommitIsNoViolation(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	tx := begun(connect(t, server))
	server.Inject(akaritest.OpCommit, akaritest.Fault{Err: errBoom})
	wantIs(t, tx.Commit(), errBoom)
	if err := tx.Rollback(); err != nil || len(server.Violations()) != 0 {
		t.Errorf("%v, violations %v", err, server.Violations())
	}
}

func TestOnlySoManyViolationsAreKept(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	c, err := server.Connector().Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 151 {
		c.Close()
	}
	if kept, all := len(server.Violations()), server.Stats().Violations; kept != 100 || all != 150 {
		t.Errorf("%d kept of %d", kept, all)
	}
	left := server.Leftovers()
	if len(left) != 101 || left[100] != "50 more violations" {
		t.Errorf("%d leftovers, the last %q", len(left), left[len(left)-1])
	}
}
