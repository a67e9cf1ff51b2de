package conformance

import "regexp"

// Difference is something that a pool does otherwise than the bare driver, and
// that is meant to be so.
type Difference struct {
	Name string
	Why  string

	// Case is a pattern for the names of the cases in which it is met, see
	// Select.
	Case string

	// Driver is the only one with which it is met; "" is any.
	Driver string

	// Bare and Pooled are what the two lines look like.
	Bare, Pooled *regexp.Regexp

	// Ends: what follows cannot be compared, since one of the two goes on with
	// something that the other has lost.
	Ends bool
}

// Differences are all of them. A line that differs otherwise is a bug.
var Differences = []Difference{
	{
		Name: "a context that has ended",
		Why: "The pool lends nothing to a caller whose context has ended, and ends the wait of one whose context ends. " +
			"It says so itself, by an *akari.AcquireError that tells what the pool looked like, or by the context's error. " +
			"For errors.Is it is the same as before.",
		Case:   "*",
		Bare:   regexp.MustCompile(`error (==|is) context\.DeadlineExceeded `),
		Pooled: regexp.MustCompile(`error (is context\.DeadlineExceeded \*akari\.AcquireError>|== context\.DeadlineExceeded )`),
	},
	{
		Name:   "a context that has ended, cancelled",
		Why:    "See above.",
		Case:   "*",
		Bare:   regexp.MustCompile(`error (==|is) context\.Canceled `),
		Pooled: regexp.MustCompile(`error (is context\.Canceled \*akari\.AcquireError>|== context\.Canceled )`),
	},
	{
		Name:   "a context that has ended, and pgx",
		Why:    "pgx answers driver.ErrBadConn to a context that had ended before, and database/sql closes the sql.Conn. See above.",
		Case:   "contexts/over before",
		Driver: "pgx",
		Bare:   regexp.MustCompile(`^[a-z ]+: error == (driver\.ErrBadConn|sql\.ErrConnDone) `),
		Pooled: regexp.MustCompile(`error (is context\.\w+ \*akari\.AcquireError>|== context\.)`),
	},
	{
		Name:   "a context that has ended, and pgx, afterwards",
		Why:    "See above: through the pool the sql.Conn is of use still.",
		Case:   "contexts/over before",
		Driver: "pgx",
		Bare:   regexp.MustCompile(`(afterwards|Close): error == (sql\.ErrConnDone|driver\.ErrBadConn) `),
		Pooled: regexp.MustCompile(`(afterwards: int64\(1\)|Close: ok)$`),
	},
	{
		Name: "outcome unknown",
		Why: "A driver that says driver.ErrBadConn, or that the network failed, when a statement may have reached the server: " +
			"database/sql may send the statement again, the pool never does. Its error is akari.ErrOutcomeUnknown.",
		Case:   "loss",
		Bare:   regexp.MustCompile(``), // it may have been lucky
		Pooled: regexp.MustCompile(`error .*\*akari\.outcomeUnknown`),
	},
	{
		Name:   "outcome unknown, at random",
		Why:    "See above: go-sql-driver/mysql loses connections by itself when it is asked for too much at once.",
		Case:   "random/*",
		Bare:   regexp.MustCompile(`error `),
		Pooled: regexp.MustCompile(`error .*\*akari\.outcomeUnknown`),
	},
	{
		Name: "a lost connection of a sql.Conn",
		Why: "After an outcome unknown database/sql does not know that the connection is lost: " +
			"the next call is told driver.ErrBadConn, and only those after it sql.ErrConnDone.",
		Case:   "loss",
		Bare:   regexp.MustCompile(`error == sql\.ErrConnDone`),
		Pooled: regexp.MustCompile(`error == driver\.ErrBadConn`),
	},
	{
		Name: "a lost connection is ridden over",
		Why: "Ping, Begin and Prepare lose nothing when they are done on another connection, " +
			"and a connection that was seen to be lost is not lent.",
		Case:   "loss",
		Bare:   regexp.MustCompile(`error `),
		Pooled: regexp.MustCompile(`^(lost|db afterwards|afterwards): (ok|int64\(1\))$|^there: .* Err ok; Close ok$`),
	},
	{
		Name: "a sql.Conn after a cancelled transaction",
		Why: "If the driver cannot say what state a connection is in, database/sql gives it up at once. " +
			"Through the pool it does so a call later, and that call is told driver.ErrBadConn.",
		Case:   "transactions/cancelled on a connection",
		Bare:   regexp.MustCompile(`^afterwards: .*error == sql\.ErrConnDone`),
		Pooled: regexp.MustCompile(`^afterwards: .*error == driver\.ErrBadConn`),
	},
	{
		Name:   "Ping without a driver's",
		Why:    "Where the driver cannot ping, Ping succeeds in any case. The pool lends no connection to a caller whose context has ended.",
		Case:   "contexts/over before/conn Ping",
		Bare:   regexp.MustCompile(`^[a-z ]+: ok$`),
		Pooled: regexp.MustCompile(`error (is context\.\w+ \*akari\.AcquireError|== context\.)`),
	},
	{
		Name:   "a lost connection is not asked again",
		Why:    "Once a connection is known to be lost its driver is not called again: the answer is driver.ErrBadConn, whatever the driver would say.",
		Case:   "loss",
		Bare:   regexp.MustCompile(`error `),
		Pooled: regexp.MustCompile(`: error == driver\.ErrBadConn `),
	},
	{
		Name:   "a statement of a lost connection",
		Why:    "Closing it closes nothing, and does not fail.",
		Case:   "*",
		Bare:   regexp.MustCompile(`^(Stmt\.)?Close: error .*(conn closed|bad connection)`),
		Pooled: regexp.MustCompile(`Close: ok$`),
	},
	{
		Name: "a stale plan",
		Why: "PostgreSQL refuses a prepared statement once the tables have changed what it returns, and the driver tells the program. " +
			"The pool prepares again where it knows of the change and, outside of transactions, where it does not: nothing was executed.",
		Case:   "prepared/schema changed*",
		Bare:   regexp.MustCompile(`error code 0A000 .*cached plan must not change result type`),
		Pooled: regexp.MustCompile(`Err ok; Close ok$`),
	},
	{
		Name:   "a prepared statement that is kept, in pgx",
		Why:    "pgx uses a statement that it knows for the same text sent without preparing: an error of the server becomes one of pgx.",
		Case:   "arguments/number",
		Driver: "pgx",
		Bare:   regexp.MustCompile(`error code 42P02 .*there is no parameter`),
		Pooled: regexp.MustCompile(`error .*mismatched param and argument count`),
		Ends:   true, // in a transaction the server's error would have ended it
	},
	{
		Name:   "what a query has changed, in SQLite",
		Why:    "Exec of a query reports what the connection's last write has changed, whoever made it.",
		Case:   "statements",
		Driver: "sqlite",
		Bare:   regexp.MustCompile(`rows affected \d+, ok; last insert id \d+, ok`),
		Pooled: regexp.MustCompile(`rows affected \d+, ok; last insert id \d+, ok`),
	},
	{
		Name:   "what a query has changed, in SQLite, with several results",
		Why:    "See above.",
		Case:   "rows",
		Driver: "sqlite",
		Bare:   regexp.MustCompile(`rows affected \d+, ok; last insert id \d+, ok`),
		Pooled: regexp.MustCompile(`rows affected \d+, ok; last insert id \d+, ok`),
	},
	{
		Name:   "what a query has changed, in SQLite, prepared",
		Why:    "See above.",
		Case:   "prepared/reused",
		Driver: "sqlite",
		Bare:   regexp.MustCompile(`^Exec: rows affected \d+, ok; last insert id \d+, ok`),
		Pooled: regexp.MustCompile(`^Exec: rows affected \d+, ok; last insert id \d+, ok`),
	},
	{
		Name:   "what a query has changed, in SQLite, at random",
		Why:    "See above. The random walk calls its writes insert, and its queries as follows.",
		Case:   "random/*",
		Driver: "sqlite",
		Bare:   regexp.MustCompile(`^(Exec|Tx\.Stmt|Stmt\.Exec): rows affected \d+, ok; last insert id \d+, ok`),
		Pooled: regexp.MustCompile(`^(Exec|Tx\.Stmt|Stmt\.Exec): rows affected \d+, ok; last insert id \d+, ok`),
	},
	{
		Name: "a panic in the driver",
		Why: "A driver asks Valuers when it checks arguments, pgx while it executes a statement. A connection whose driver has panicked " +
			"is given up, with its transaction: nobody knows what state they are in.",
		Case:   "panics",
		Bare:   regexp.MustCompile(``),
		Pooled: regexp.MustCompile(`error == (driver\.ErrBadConn|sql\.ErrConnDone) |^there: .* no rows;`),
	},
	{
		Name:   "too many arguments, and named",
		Why:    "Where the pool keeps the statement prepared database/sql counts the arguments before the driver looks at them. Either way there is an error.",
		Case:   "arguments/named twice",
		Bare:   regexp.MustCompile(`rows false, error .*does not support the use of Named Parameters`),
		Pooled: regexp.MustCompile(`rows false, error .*expected 1 arguments, got 2`),
	},
	{
		Name:   "a transaction within another on one sql.Conn",
		Why:    "MySQL commits the outer one silently, PostgreSQL ends both with the end of either, lib/pq loses the connection. The pool refuses the inner one.",
		Case:   "transactions/one within another on a connection",
		Bare:   regexp.MustCompile(`^inner: `),
		Pooled: regexp.MustCompile(`^inner: error .*akari: a transaction is open on this sql.Conn already`),
		Ends:   true,
	},
	{
		Name:   "class 08",
		Why:    "PostgreSQL says 08P01 of a text that the driver should not have sent. As in HikariCP a connection is closed after any error of class 08.",
		Case:   "statements/odd/*",
		Bare:   regexp.MustCompile(`^(conn Query: .*error code 08P01|Rollback: ok$)`),
		Pooled: regexp.MustCompile(`: (rows false, )?error == driver\.ErrBadConn`),
		Ends:   true,
	},
	{
		Name:   "a prepared statement that is kept, in lib/pq",
		Why:    "lib/pq counts arguments before the server sees a statement that is prepared, in a transaction that has failed too.",
		Case:   "arguments/number",
		Driver: "pq",
		Bare:   regexp.MustCompile(`^tx .*error code 25P02 `),
		Pooled: regexp.MustCompile(`^tx .*error .*"pq: got \d parameters but the statement requires 1"`),
	},
	{
		Name:   "the place of an error",
		Why:    "PostgreSQL knows it when a text is prepared, and no longer when a prepared statement is executed.",
		Case:   "prepared/schema changed*",
		Driver: "pq",
		Bare:   regexp.MustCompile(`error code 42P01 `),
		Pooled: regexp.MustCompile(`error code 42P01 `),
	},
	{
		Name:   "a prepared statement that is kept, and closed",
		Why:    "Drivers ask the server to close a statement where that cannot be done. The pool keeps it, and closes it when it can.",
		Case:   "*",
		Bare:   regexp.MustCompile(`^(Stmt\.Close|close it): error (\*pgconn\.connLockError: "conn busy"|code 25P02 )`),
		Pooled: regexp.MustCompile(`^(Stmt\.Close|close it): ok$`),
	},
	{
		Name:   "a statement that is known",
		Why:    "A text that pgx, or the pool, knows is not prepared again, not even in a transaction that has failed. A session that was reset has no statements.",
		Case:   "random/*",
		Bare:   regexp.MustCompile(`^Prepare: (ok$|error code 25P02 )`),
		Pooled: regexp.MustCompile(`^Prepare: (ok$|error code 25P02 )`),
		Ends:   true,
	},
	{
		Name:   "a connection that the driver has closed",
		Why:    "See above: it is not asked again.",
		Case:   "*",
		Bare:   regexp.MustCompile(`^Rollback: error (.*(conn closed|invalid connection)|== context\.)`),
		Pooled: regexp.MustCompile(`^Rollback: error == driver\.ErrBadConn `),
	},
	{
		Name:   "lib/pq and contexts",
		Why:    "lib/pq sends a statement whose context has ended, and whether it then loses the connection is left to chance.",
		Case:   "contexts/over before",
		Driver: "pq",
		Bare:   regexp.MustCompile(`(ok|int64\(1\)|error code 57014 .*|error == (driver\.ErrBadConn|sql\.ErrConnDone) .*)$`),
		Pooled: regexp.MustCompile(`(ok|int64\(1\)|error == (driver\.ErrBadConn|sql\.ErrConnDone) .*|error (is context\.\w+ \*akari\.AcquireError>|== context\.).*)$`),
	},
	{
		Name:   "pgx and the context of a transaction",
		Why:    "database/sql rolls back under the context that has ended, upon which pgx closes the connection, sooner or later.",
		Case:   "transactions/cancelled on a connection",
		Driver: "pgx",
		Bare:   regexp.MustCompile(`^afterwards: `),
		Pooled: regexp.MustCompile(`^afterwards: .*(conn closed|sql\.ErrConnDone|driver\.ErrBadConn)`),
		Ends:   true,
	},
	{
		Name:   "lib/pq and the context of a transaction",
		Why:    "lib/pq gives its connection up when the context of a transaction ends, unless the rollback is there first: that is left to chance.",
		Case:   "transactions/cancelled on a connection",
		Driver: "pq",
		Bare:   regexp.MustCompile(`^afterwards: `),
		Pooled: regexp.MustCompile(`^afterwards: .*(error == driver\.ErrBadConn|Err ok; Close ok)`),
		Ends:   true,
	},
	{
		Name:   "a context that has ended, again",
		Why:    "The pool does not call a driver for a caller whose context has ended.",
		Case:   "contexts/over while it runs",
		Bare:   regexp.MustCompile(`again, cancelled: error (code 57014|== driver\.ErrBadConn|== sql\.ErrConnDone) `),
		Pooled: regexp.MustCompile(`again, cancelled: error == context\.Canceled `),
	},
	{
		Name:   "pgx, which is busy",
		Why:    "What pgx says to a statement while rows are open depends on whether it knows the text.",
		Case:   "rows/open while more is asked",
		Driver: "pgx",
		Bare:   regexp.MustCompile(`error == driver\.ErrBadConn `),
		Pooled: regexp.MustCompile(`error \*pgconn\.connLockError: "conn busy"`),
		Ends:   true,
	},
	{
		Name:   "lib/pq and contexts of prepared statements",
		Why:    "lib/pq gives a connection up after the end of a context, but not if the statement was prepared, by the program or by the pool.",
		Case:   "contexts/over between rows",
		Driver: "pq",
		Bare:   regexp.MustCompile(`^Rollback: error == driver\.ErrBadConn `),
		Pooled: regexp.MustCompile(`^Rollback: ok$`),
	},
	{
		Name:   "lib/pq gives a connection up",
		Why:    "Where lib/pq loses its place in the protocol, or finds no transaction where it thinks there is one, it gives the connection up, and the outcome is unknown.",
		Case:   "*",
		Driver: "pq",
		Bare:   regexp.MustCompile(`error \*errors\.errorString: "pq: unexpected `),
		Pooled: regexp.MustCompile(`error \*akari\.outcomeUnknown>\*errors\.errorString: "akari: .*pq: unexpected `),
	},
	{
		Name:   "arguments are converted twice",
		Why:    "For a driver that can only execute what is prepared, as SQL Server's, database/sql converts them before it asks the pool, and again for the statement.",
		Case:   "arguments/asked once",
		Driver: "fake",
		Bare:   regexp.MustCompile(`, Value was called 1 times$`),
		Pooled: regexp.MustCompile(`, Value was called 2 times$`),
	},
	{
		Name:   "arguments come first",
		Why:    "See above: an argument that is wrong is complained of before a statement that is.",
		Case:   "arguments/wrong before the statement is",
		Driver: "fake",
		Bare:   regexp.MustCompile(`error code 42601 `),
		Pooled: regexp.MustCompile(`: converting argument \$1 type: `),
	},
	{
		Name:   "how the network failed",
		Why:    "Whether the end of the stream or a reset is seen first is left to chance, and lib/pq has an error for each.",
		Case:   "loss",
		Driver: "pq",
		Bare:   regexp.MustCompile(`error (== driver\.ErrBadConn|\*net\.OpError)`),
		Pooled: regexp.MustCompile(`error (== driver\.ErrBadConn|\*net\.OpError)`),
	},
	{
		Name:   "a sql.Conn that is known to be lost",
		Why:    "The pool has told database/sql by then.",
		Case:   "transactions/cancelled on a connection",
		Bare:   regexp.MustCompile(`error == driver\.ErrBadConn `),
		Pooled: regexp.MustCompile(`error == sql\.ErrConnDone `),
	},
	{
		Name:   "a lost connection of a sql.Conn is ridden over",
		Why:    "Where no connection is kept between two operations of a sql.Conn the second one has another.",
		Case:   "contexts/over while it runs",
		Bare:   regexp.MustCompile(`error == (driver\.ErrBadConn|sql\.ErrConnDone) `),
		Pooled: regexp.MustCompile(`error is context\.Canceled \*akari\.AcquireError|^Conn\.Close: ok$`),
	},
	{
		Name:   "a context that ends between result sets",
		Why:    "Whether database/sql notices before the next set is asked for is left to chance.",
		Case:   "contexts/over between sets",
		Bare:   regexp.MustCompile(`^(NextResultSet|\w+ Err:|Close:|Rollback:) ?`),
		Pooled: regexp.MustCompile(`^(NextResultSet (true|false)|(\w+ Err|Close): (ok|error == context\.Canceled .*)|Rollback: (ok|error == (context\.Canceled|driver\.ErrBadConn) .*))$`),
	},
	{
		Name:   "a lost connection of a sql.Conn, told sooner",
		Why:    "The pool has told database/sql by then: it looks at the socket, and sees that the driver has lost its connection in a transaction.",
		Case:   "loss",
		Bare:   regexp.MustCompile(`^(conn Ping|lost for good): error == driver\.ErrBadConn`),
		Pooled: regexp.MustCompile(`^(conn Ping|lost for good): error == sql\.ErrConnDone`),
	},
}

// meant returns the difference that two lines are an example of, or nil.
func meant(driver string, c Case, bare, pooled string) *Difference {
	for i := range Differences {
		d := &Differences[i]
		if d.Driver != "" && d.Driver != driver {
			continue
		}
		if matches(d.Case, c.Name) && d.Bare.MatchString(bare) && d.Pooled.MatchString(pooled) {
			return d
		}
	}
	return nil
}
