package akaritest

import (
	"database/sql/driver"
	"io"
	"net"
)

// Profile says what kind of driver and server a [Server] plays. The zero value
// is [Minimal]: connections, statements and results have what package driver
// requires and no more.
//
// The ready profiles have the optional interfaces of a real driver, in the
// version named, and its habits as far as a pool can tell. A changed copy makes
// a new one:
//
//	p := akaritest.PgxLike
//	p.Conn |= akaritest.Validator
//	server := akaritest.NewServer(p)
type Profile struct {
	// Name is for the names of tests and for messages.
	Name string

	// Conn, Stmt and Rows are the optional interfaces. NewServer panics if Conn
	// is not one of ConnMatrix and WrapConn is nil.
	Conn ConnInterfaces
	Stmt StmtInterfaces
	Rows RowsInterfaces

	// WrapConn, if set, decides instead of Conn which interfaces a connection
	// has: it puts any of those of FullConn into a struct.
	//
	//	p.WrapConn = func(c akaritest.FullConn) driver.Conn {
	//		return struct {
	//			driver.Conn
	//			driver.Pinger
	//			driver.Queryer
	//		}{c, c, c}
	//	}
	WrapConn func(FullConn) driver.Conn

	// DriverContext: Server.Driver implements driver.DriverContext.
	DriverContext bool

	// SkipArgs: Exec and Query of a connection answer driver.ErrSkip when there
	// are arguments, so that database/sql prepares a statement.
	SkipArgs bool

	// ResetClears: ResetSession ends an open transaction and clears the state
	// of the session. Otherwise ResetSession leaves the session alone.
	ResetClears bool

	// ResetChecks: ResetSession notices that the server has ended the
	// connection, and answers driver.ErrBadConn.
	ResetChecks bool

	// ResetRefusesTx: ResetSession answers driver.ErrBadConn while a
	// transaction is open.
	ResetRefusesTx bool

	// CancelBreaks: a call that ends because its context did leaves the
	// connection unusable. Otherwise the connection lives on.
	CancelBreaks bool

	// ErrorAborts: after an error in a transaction every statement fails with
	// SQLSTATE 25P02 until the transaction, or a savepoint, is rolled back; a
	// COMMIT rolls back and fails.
	ErrorAborts bool

	// RowsBlock: while rows are open on a connection, Exec, Query, Prepare,
	// Begin and Ping fail with ErrBusy.
	RowsBlock bool

	// MySQLErrors: errors of the server are *MySQLError, not *Error.
	MySQLErrors bool

	// Lost is what the first call gets on a connection that the server has
	// ended; later ones get driver.ErrBadConn. Defaults to driver.ErrBadConn.
	Lost error
}

// FullConn is a connection with all optional interfaces, as [Profile.WrapConn]
// gets it.
type FullConn interface {
	driver.Conn
	driver.Pinger
	driver.ExecerContext
	driver.Execer
	driver.QueryerContext
	driver.Queryer
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker

	// ID is the server's number for the connection: 1 for the first, 2 for the
	// second.
	ID() int
}

// The ready profiles. They are values to pass to NewServer; do not assign to
// them.
var (
	// Minimal has only what package driver requires.
	Minimal = Profile{Name: "Minimal"}

	// Full has every optional interface, and no bad habits.
	Full = Profile{
		Name: "Full", Conn: AllConn, Stmt: AllStmt, Rows: AllRows,
		DriverContext: true,
	}

	// PgxLike is github.com/jackc/pgx/v5/stdlib v5.12: no Validator.
	PgxLike = Profile{
		Name: "PgxLike",
		Conn: Pinger | ExecerContext | QueryerContext | ConnPrepareContext | ConnBeginTx |
			SessionResetter | ConnNamedValueChecker,
		Stmt: StmtExecContext | StmtQueryContext,
		Rows: ColumnTypeScanType | ColumnTypeDatabaseTypeName | ColumnTypeLength |
			ColumnTypePrecisionScale,
		DriverContext:  true,
		ResetRefusesTx: true,
		CancelBreaks:   true,
		ErrorAborts:    true,
		RowsBlock:      true,
		Lost:           &net.OpError{Op: "read", Net: "tcp", Err: io.ErrUnexpectedEOF},
	}

	// PqLike is github.com/lib/pq v1.12: reports lost connections as
	// driver.ErrBadConn.
	PqLike = Profile{
		Name: "PqLike",
		Conn: AllConn,
		Stmt: StmtExecContext | StmtQueryContext,
		Rows: NextResultSet | ColumnTypeScanType | ColumnTypeDatabaseTypeName | ColumnTypeLength |
			ColumnTypePrecisionScale,
		CancelBreaks: true,
		ErrorAborts:  true,
		RowsBlock:    true,
	}

	// MySQLLike is github.com/go-sql-driver/mysql v1.10: driver.ErrSkip for
	// statements with arguments, and a look at the socket in ResetSession.
	MySQLLike = Profile{
		Name: "MySQLLike",
		Conn: AllConn,
		Stmt: AllStmt,
		Rows: NextResultSet | ColumnTypeScanType | ColumnTypeDatabaseTypeName | ColumnTypeNullable |
			ColumnTypePrecisionScale,
		DriverContext: true,
		SkipArgs:      true,
		ResetChecks:   true,
		CancelBreaks:  true,
		RowsBlock:     true,
		MySQLErrors:   true,
	}

	// SQLiteLike is modernc.org/sqlite v1.61: no NamedValueChecker.
	SQLiteLike = Profile{
		Name: "SQLiteLike",
		Conn: AllConn &^ ConnNamedValueChecker,
		Stmt: StmtExecContext | StmtQueryContext,
		Rows: AllRows &^ NextResultSet,
	}

	// MattnLike is github.com/mattn/go-sqlite3 v1.14: no SessionResetter, no
	// Validator, no NamedValueChecker.
	MattnLike = Profile{
		Name: "MattnLike",
		Conn: AllConn &^ (SessionResetter | Validator | ConnNamedValueChecker),
		Stmt: StmtExecContext | StmtQueryContext,
		Rows: ColumnTypeScanType | ColumnTypeDatabaseTypeName | ColumnTypeNullable,
	}

	// NcrucesLike is github.com/ncruces/go-sqlite3 v0.30: no Pinger, no
	// QueryerContext, no SessionResetter, no Validator.
	NcrucesLike = Profile{
		Name:          "NcrucesLike",
		Conn:          ExecerContext | ConnPrepareContext | ConnBeginTx | ConnNamedValueChecker,
		Stmt:          StmtExecContext | StmtQueryContext | StmtNamedValueChecker,
		Rows:          ColumnTypeScanType | ColumnTypeDatabaseTypeName | ColumnTypeNullable,
		DriverContext: true,
	}

	// MSSQLLike is github.com/microsoft/go-mssqldb v1.11: everything is
	// prepared, and ResetSession clears the session.
	MSSQLLike = Profile{
		Name: "MSSQLLike",
		Conn: Pinger | ConnPrepareContext | ConnBeginTx | SessionResetter | Validator |
			ConnNamedValueChecker,
		Stmt:          StmtExecContext | StmtQueryContext,
		Rows:          AllRows,
		DriverContext: true,
		ResetClears:   true,
	}
)

// Profiles returns the ready profiles, to range over in a test.
func Profiles() []Profile {
	return []Profile{
		Minimal, Full, PgxLike, PqLike, MySQLLike, SQLiteLike, MattnLike, NcrucesLike, MSSQLLike,
	}
}
