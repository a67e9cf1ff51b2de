package akaritest

// ConnInterfaces is the set of optional interfaces that the connections of a
// server have, by their names in package driver. Every connection has
// driver.Conn.
//
// Each combination is a Go type of its own, and 1,024 of them would cost every
// user many seconds of compiling. Compiled in are those of [ConnMatrix]; any
// other one can be put together in a few lines, see [Profile.WrapConn].
type ConnInterfaces uint16

// The optional interfaces of a connection.
const (
	Pinger ConnInterfaces = 1 << iota
	ExecerContext
	Execer // the old one without context
	QueryerContext
	Queryer // the old one without context
	ConnPrepareContext
	ConnBeginTx
	SessionResetter
	Validator
	ConnNamedValueChecker // driver.NamedValueChecker on the connection

	// AllConn is all of them.
	AllConn ConnInterfaces = 1<<iota - 1
)

var connNames = []string{
	"Pinger", "ExecerContext", "Execer", "QueryerContext", "Queryer",
	"ConnPrepareContext", "ConnBeginTx", "SessionResetter", "Validator", "ConnNamedValueChecker",
}

// String names the interfaces in the set.
func (i ConnInterfaces) String() string { return bitNames(uint(i), connNames) }

// StmtInterfaces is the set of optional interfaces that prepared statements
// have. Every combination is available.
type StmtInterfaces uint8

// The optional interfaces of a prepared statement.
const (
	StmtExecContext StmtInterfaces = 1 << iota
	StmtQueryContext
	StmtNamedValueChecker // driver.NamedValueChecker on the statement
	ColumnConverter

	// AllStmt is all of them.
	AllStmt StmtInterfaces = 1<<iota - 1
)

var stmtNames = []string{
	"StmtExecContext", "StmtQueryContext", "StmtNamedValueChecker", "ColumnConverter",
}

// String names the interfaces in the set.
func (i StmtInterfaces) String() string { return bitNames(uint(i), stmtNames) }

// RowsInterfaces is the set of optional interfaces that results have. Every
// combination is available.
type RowsInterfaces uint8

// The optional interfaces of a result, without the "Rows" in front.
const (
	NextResultSet RowsInterfaces = 1 << iota
	ColumnTypeScanType
	ColumnTypeDatabaseTypeName
	ColumnTypeLength
	ColumnTypeNullable
	ColumnTypePrecisionScale

	// AllRows is all of them.
	AllRows RowsInterfaces = 1<<iota - 1
)

var rowsNames = []string{
	"NextResultSet", "ColumnTypeScanType", "ColumnTypeDatabaseTypeName",
	"ColumnTypeLength", "ColumnTypeNullable", "ColumnTypePrecisionScale",
}

// String names the interfaces in the set.
func (i RowsInterfaces) String() string { return bitNames(uint(i), rowsNames) }

// ConnMatrix returns the combinations of connection interfaces that are
// compiled in. They are chosen so that any four of the ten interfaces occur in
// all of their sixteen combinations; those of the ready profiles are in as
// well. Range over it to test a wrapper of drivers.
func ConnMatrix() []ConnInterfaces { return append([]ConnInterfaces(nil), connMatrix...) }
