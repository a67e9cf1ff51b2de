package sqlerr_test

import (
	"fmt"
	"syscall"

	"github.com/akaripool/akari/sqlerr/testdata/sqlite"
)

// The errors of the drivers, as far as their shape matters.

// pgError is like pgx's *pgconn.PgError and lib/pq's *pq.Error.
type pgError struct{ Code string }

func (e *pgError) Error() string    { return "ERROR: no (SQLSTATE " + e.Code + ")" }
func (e *pgError) SQLState() string { return e.Code }

func pg(state string) error { return &pgError{state} }

// mysqlError is like go-sql-driver's *mysql.MySQLError.
type mysqlError struct {
	Number   uint16
	SQLState [5]byte
	Message  string
}

func (e *mysqlError) Error() string { return fmt.Sprintf("Error %d: %s", e.Number, e.Message) }

func my(number uint16, state, message string) error {
	e := &mysqlError{Number: number, Message: message}
	copy(e.SQLState[:], state)
	return e
}

type (
	errNo         int
	errNoExtended int
)

// mattnError is like sqlite3.Error of mattn/go-sqlite3, which is not a pointer.
type mattnError struct {
	Code         errNo
	ExtendedCode errNoExtended
	SystemErrno  syscall.Errno
	err          string
}

func (e mattnError) Error() string { return e.err }

// lite are the errors of three drivers for one code of SQLite.
func lite(code int, text string) []error {
	return []error{
		mattnError{Code: errNo(code & 0xff), ExtendedCode: errNoExtended(code), err: text},
		&sqlite.Modernc{Msg: fmt.Sprintf("SQL logic error: %s (%d)", text, code), Rc: code},
		&sqlite.Ncruces{Msg: text, Rc: uint64(code)},
	}
}

// mssqlError is like mssql.Error of go-mssqldb, which is not a pointer.
type mssqlError struct {
	Number  int32
	State   uint8
	Class   uint8
	Message string
	All     []mssqlError
}

func (e mssqlError) Error() string         { return "mssql: " + e.Message }
func (e mssqlError) SQLErrorNumber() int32 { return e.Number }

func ms(number int32, message string) error { return mssqlError{Number: number, Message: message} }

// oraErr is like godror's *godror.OraErr.
type oraErr struct {
	message string
	code    int
}

func (e *oraErr) Error() string { return fmt.Sprintf("ORA-%05d: %s", e.code, e.message) }
func (e *oraErr) Code() int     { return e.code }

// OracleError is like go-ora's *network.OracleError.
type OracleError struct {
	ErrCode int
	ErrMsg  string
}

func (e *OracleError) Error() string { return e.ErrMsg }

// ora are the errors of two drivers for one code of Oracle.
func ora(code int) []error {
	return []error{&oraErr{"no", code}, &OracleError{ErrCode: code}}
}
