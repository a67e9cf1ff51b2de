package akaritest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/akaripool/akari/akaritest"
)

// A fake database, and what really happened on it.
func Example() {
	server := akaritest.NewServer(akaritest.PgxLike)
	db := sql.OpenDB(server.Connector())

	if _, err := db.Exec("INSERT ?", 7); err != nil {
		log.Fatal(err)
	}
	var id int
	if err := db.QueryRow("SELECT ?", 7).Scan(&id); err != nil {
		log.Fatal(err)
	}
	fmt.Println("found", id)

	stats := server.Stats()
	fmt.Println(stats.Opened, "connection opened,", stats.Statements, "statements executed")
	fmt.Println("left open:", server.Leftovers())
	db.Close()
	fmt.Println("left open:", server.Leftovers())

	// Output:
	// found 7
	// 1 connection opened, 2 statements executed
	// left open: [connection 1 is still open]
	// left open: []
}

// The reply to a statement is lost. This driver calls that a bad connection, and
// database/sql runs the statement again.
func ExampleServer_Inject() {
	server := akaritest.NewServer(akaritest.PqLike)
	db := sql.OpenDB(server.Connector())
	defer db.Close()

	server.Inject(akaritest.OpExec, akaritest.Fault{
		Times: 1,    // the next Exec
		After: true, // is executed,
		Break: true, // the connection breaks,
		Err:   driver.ErrBadConn,
	})
	_, err := db.Exec("INSERT 7")
	fmt.Println(err)
	fmt.Println("executed", server.Inserts(7), "times")

	// Output:
	// akaritest: INSERT 7: there is that number already (SQLSTATE 23505)
	// executed 2 times
}

// The third connect from now on fails.
func ExampleFault() {
	server := akaritest.NewServer(akaritest.Full)
	server.Inject(akaritest.OpConnect, akaritest.Fault{
		Skip: 2, Times: 1, Err: errors.New("the network is unreachable"),
	})
	for range 4 {
		c, err := server.Connector().Connect(context.Background())
		if err != nil {
			fmt.Println(err)
			continue
		}
		c.Close()
		fmt.Println("connected")
	}

	// Output:
	// connected
	// connected
	// the network is unreachable
	// connected
}

// A call that hangs, for all its context says. Outside a synctest bubble Struck
// tells when it does.
func ExampleInjection_Struck() {
	server := akaritest.NewServer(akaritest.Full)
	db := sql.OpenDB(server.Connector())
	defer db.Close()

	hang := server.Inject(akaritest.OpPing, akaritest.Fault{Hang: true, IgnoreContext: true})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- db.PingContext(ctx) }()

	<-hang.Struck()
	cancel()
	select {
	case <-done:
		fmt.Println("the ping has returned")
	case <-time.After(10 * time.Millisecond):
		fmt.Println("the ping still hangs")
	}
	hang.Release()
	fmt.Println(<-done)

	// Output:
	// the ping still hangs
	// <nil>
}

// The server ends a connection behind the client's back.
func ExampleServer_Drop() {
	server := akaritest.NewServer(akaritest.Full)
	server.SetLost(io.ErrUnexpectedEOF)
	db := sql.OpenDB(server.Connector())
	defer db.Close()
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	server.Drop(1)
	fmt.Println(conn.PingContext(ctx))
	fmt.Println(conn.PingContext(ctx))

	// Output:
	// unexpected EOF
	// driver: bad connection
}

// What one borrower of a connection leaves, the next one finds.
func ExampleServer_Conns() {
	server := akaritest.NewServer(akaritest.Full)
	db := sql.OpenDB(server.Connector())
	defer db.Close()

	if _, err := db.Exec("SET tenant blue; LOCK jobs; BEGIN"); err != nil {
		log.Fatal(err)
	}
	for _, c := range server.Conns() {
		fmt.Println(c.ID, c.Vars, c.Locks, c.InTx)
	}
	var tenant string
	if err := db.QueryRow("GET tenant").Scan(&tenant); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the next one is", tenant)

	// Output:
	// 1 map[tenant:blue] [jobs] true
	// the next one is blue
}

// The calls that database/sql makes for one statement.
func ExampleServer_Record() {
	server := akaritest.NewServer(akaritest.MySQLLike)
	recording := server.Record()
	db := sql.OpenDB(server.Connector())
	if _, err := db.Exec("INSERT ?", 7); err != nil {
		log.Fatal(err)
	}
	db.Close()
	for _, call := range recording.Calls() {
		fmt.Println(call)
	}

	// Output:
	// 0 Connect
	// 1 Check
	// 1 Prepare INSERT ?
	// 1 Check
	// 1 Exec prepared INSERT ?
	// 1 StmtClose INSERT ?
	// 1 IsValid
	// 1 Close
}

// Statements of the code under test, in terms of the fake's.
func ExampleServer_Define() {
	server := akaritest.NewServer(akaritest.PgxLike)
	server.Define("SELECT count(*) FROM orders", "COUNT")
	server.Define("INSERT INTO orders (id) VALUES ($1)", "INSERT ?")
	db := sql.OpenDB(server.Connector())
	defer db.Close()

	if _, err := db.Exec("INSERT INTO orders (id) VALUES ($1)", 7); err != nil {
		log.Fatal(err)
	}
	var n int
	if err := db.QueryRow("SELECT count(*) FROM orders").Scan(&n); err != nil {
		log.Fatal(err)
	}
	fmt.Println(n)

	// Output:
	// 1
}

// A driver like pgx, but with driver.Validator.
func ExampleProfile() {
	p := akaritest.PgxLike
	p.WrapConn = func(c akaritest.FullConn) driver.Conn {
		return struct {
			driver.Conn
			driver.Pinger
			driver.ExecerContext
			driver.QueryerContext
			driver.ConnPrepareContext
			driver.ConnBeginTx
			driver.SessionResetter
			driver.NamedValueChecker
			driver.Validator
		}{c, c, c, c, c, c, c, c, c}
	}
	server := akaritest.NewServer(p)
	c, err := server.Connector().Connect(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, ok := c.(driver.Validator)
	fmt.Println(ok)

	// Output:
	// true
}
