// Package akari is a connection pool for databases, behind a real *sql.DB: what
// HikariCP is to Java, for Go.
//
//	pool, err := akari.Open(ctx, "pgx", "postgres://app:secret@db/orders", akari.Config{
//		PoolName:        "orders",
//		MaximumPoolSize: 10,
//	})
//	if err != nil {
//		return err
//	}
//	defer pool.Close() // or Shutdown(ctx), which waits for connections in use
//	db := pool.DB() // a *sql.DB, for database/sql, gorm, bun, ent, sqlx, sqlc…
//
// Calls of SetMaxOpenConns and the like are left out: Config has those settings.
// Nothing else changes. database/sql's own pool stands aside: what it holds are
// sessions, which own no connection; each borrows one from the pool with the
// first statement of a use and returns it at the end of the use.
//
// # What it does
//
// A pool has at most MaximumPoolSize connections at the server, those that are
// being opened or closed included. Callers wait in the order they came, for
// ConnectionTimeout at most, and are told what the pool looked like if they get
// none; see [AcquireError]. Connections are opened in the background, as many as
// the demand needs, never on a caller's time; a connect that hangs holds up
// nobody. They are replaced before they are older than MaxLifetime, pinged
// every KeepaliveTime while idle, and looked at before they are lent: at their
// socket always, by a ping if they have been idle for longer than
// AliveBypassWindow or another one was found dead. So callers do not notice
// that the server was restarted while they were away.
//
// # What a borrower leaves behind
//
// SET, temporary tables, advisory locks, LISTEN, a transaction begun by text:
// what one borrower's statements change in the session, the next one does not
// see. The pool reads each text once and cleans up, in the background, after
// those that change something. Everybody else returns without a round trip. What
// a function of your own does inside no text shows: see [SessionReset] and
// Config.ChangesSession.
//
// # Nothing is executed twice
//
// When a connection is lost while a statement is under way, nobody knows
// whether the server has executed it. The pool returns an error for which
// errors.Is(err, [ErrOutcomeUnknown]) holds, and never repeats the statement.
// What surely was not sent is sent on another connection. A BEGIN, a Prepare or
// a Ping is repeated as well: repeating them harms nothing. A statement within a
// transaction has the transaction's fate: it is rolled back when the connection
// is lost, and the error is the driver's.
//
// A statement that was ended by its own context may have been executed too; its
// error is the context's, as without a pool. The same holds for an error while
// the rows of INSERT … RETURNING are read.
//
// # Pool-lock
//
// A caller that holds a connection and asks for a second one, while all others
// do the same, would wait for ever. The pool notices when every connection is
// held by such a caller and fails the newest with [ErrPoolLock], in well under
// a second; the error says who holds what since when, and where they wait. It
// knows a caller by its goroutine, and a transaction that waits for goroutines it
// has started by its context, if they use the same one. It does not see goroutines
// that wait for each other in other ways; these time out. Nor is one goroutine failed that has
// several results open, or connections from Acquire that it has not used: it may
// have given them to others. Its time-out says what it was the last to use.
//
// # Watching it
//
// [Pool.Stats] is a snapshot of numbers, [Trace] a set of functions that are
// told what happens, and the log (log/slog) has HikariCP's lines, so that what
// greps them there finds them here. Statistics of a *sql.DB made by the pool
// count sessions; use [Pool.DBStats] in their place.
//
// # The driver's own connection
//
// sql.Conn.Raw shows the pool's session. [Raw] and [Conn.Raw] give the driver's
// connection, for pgx's CopyFrom or SQLite's backup.
//
// # Safe use
//
// A Pool and its DB may be used from any goroutine. A [Conn] belongs to one
// goroutine at a time. The pool starts goroutines only while there is something
// to do in the background; an idle pool has none but database/sql's one.
package akari
