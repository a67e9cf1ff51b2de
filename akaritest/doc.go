// Package akaritest is a fake database driver for tests of connection pools and
// of code that uses database/sql. There is no network and no SQL in it. What it
// has is a server that counts what really happens on its connections, fails in
// any way a test asks for, and plays the habits of the drivers people use.
//
// # First steps
//
// A [Server] plays a [Profile]; open it like any database:
//
//	server := akaritest.NewServer(akaritest.PgxLike)
//	akaritest.Verify(t, server)
//	db := sql.OpenDB(server.Connector())
//	defer db.Close()
//
// [Verify] makes the test fail if it leaves something open: connections,
// statements, rows, transactions, goroutines. It also fails the test if the
// driver was used as no driver may be used: two calls at once on one connection,
// a call after Close. Those are bugs of the pool.
//
// # What is true
//
// [Server.Stats] counts at the server, not in the pool: a connection is open
// from the moment the server has accepted it until its Close has returned, so
// MaxOpen is what a limit of the pool has to be compared with.
// [Server.Calls] counts driver calls, [Server.Executions] statements by their
// text, [Server.Inserts] those of one number: a statement that a pool executes
// twice shows there. [Server.Conns] shows each open connection with the state of
// its session, and [Server.Record] writes down the calls in order.
//
// # Making things fail
//
// [Server.Inject] makes driver calls go wrong. A [Fault] says what happens
// (a delay, a hang, an error, a panic, …), to which calls, how often, and whether
// before the server has done the work or after:
//
//	// The third connect from now on is refused.
//	server.Inject(akaritest.OpConnect, akaritest.Fault{Skip: 2, Times: 1, Err: refused})
//
//	// Pings hang until they are released, whatever their context says.
//	pings := server.Inject(akaritest.OpPing, akaritest.Fault{Hang: true, IgnoreContext: true})
//	…
//	pings.Release()
//
//	// The next commit is done, but its reply is lost and the connection with it.
//	server.Inject(akaritest.OpCommit, akaritest.Fault{
//		Times: 1, After: true, Break: true, Err: io.ErrUnexpectedEOF,
//	})
//
// And the server as a whole has verbs. [Server.Drop] and [Server.DropAll] end
// connections behind the client's back; [Server.Freeze] and [Server.Thaw] are
// SIGSTOP and SIGCONT; after [Server.Shutdown] connects are refused until
// [Server.Restart]; [Server.SetMaxConns] makes it refuse with "too many
// connections". [Server.Heal] ends all that ails it.
//
// # Time
//
// Everything works in the bubbles of testing/synctest, where hours pass in no
// time: the fake waits on channels and timers only, and starts no goroutines.
// Create the server inside the bubble.
//
// # Statements
//
// A text is one or more statements, with semicolons between them; each one that
// returns rows makes one result set. Verbs may be written in any case. A word ?
// is replaced by the next argument.
//
//	NOP                  nothing
//	CONN                 returns one row: the connection's number
//	ROWS n               returns n rows: 1 to n
//	ECHO                 returns a row for each argument that is left: ordinal, name, Go type, value
//	OUT text             stores the text in the arguments that are sql.Out
//	SLEEP d              takes that long, such as 20ms; ends early with its context
//	FAIL code text       fails: five characters are an SQLSTATE (*Error), others a number (*MySQLError)
//
// The session of a connection has state. Whatever of it a borrower leaves, the
// next one finds:
//
//	SET name value       sets a variable of the session
//	GET name             returns one row: the value, or NULL
//	RESET name, RESET ALL
//	TEMP name            makes a temporary thing; an error if there is one of that name
//	LOCK name            takes a lock of the server; an error if another session holds it
//	UNLOCK name, UNLOCK ALL
//	DISCARD ALL          clears all of that; an error in a transaction
//	STATE                returns what there is, a transaction included: name, value
//
// The server has one table, a ledger of unique numbers:
//
//	INSERT id            adds a number; an error if it is there
//	SELECT id            returns the number if it is there, else no row
//	COUNT                returns how many there are
//
// Transactions can be had by driver calls and by statements. What was inserted is
// seen by others after the commit; a rollback undoes INSERT, SET, RESET and TEMP,
// not LOCK:
//
//	BEGIN, BEGIN READ ONLY
//	COMMIT, ROLLBACK     nothing where there is no transaction
//	SAVEPOINT name, ROLLBACK TO [SAVEPOINT] name, RELEASE [SAVEPOINT] name
//
// The errors 08xxx, 57P01, 57P02, 57P05 and 25P03, and the numbers 1053, 1927,
// 3169 and 4031, end the connection, as they do at the real servers. For code
// whose statements are real SQL, [Server.Define] says what each one does.
//
// # Drivers
//
// The optional interfaces of package driver decide much of what database/sql
// does, and no two drivers have the same. [Profiles] has those of nine; any
// other can be made, see [Profile]. To test a wrapper of drivers, range over
// [ConnMatrix]. [Probe] and [Option] are arguments that show which of the
// driver's methods converted them.
//
// # Benchmarks
//
// With nothing scripted a statement costs a fraction of a microsecond and makes
// no garbage. [Server.Quiet] turns off the counters that many connections
// share.
package akaritest
