package akari

import (
	"database/sql"
	"database/sql/driver"
	"reflect"
	"strings"
	"time"

	"github.com/akaripool/akari/internal/sessionstate"
)

// Dialect is the kind of SQL a server speaks, as far as the pool must know it.
type Dialect int

// The dialects. DialectOther is a server of which the pool knows nothing: it
// cannot set session defaults there (ReadOnly, TransactionIsolation and Schema are
// refused) and closes connections whose session a borrower may have changed, but
// for SQL Server's driver, which cleans sessions itself.
const (
	DialectAuto Dialect = iota // what the driver is for
	DialectOther
	DialectPostgreSQL
	DialectMySQL // MariaDB too
	DialectSQLite
)

func (d Dialect) String() string {
	switch d {
	case DialectAuto:
		return "auto"
	case DialectPostgreSQL:
		return "PostgreSQL"
	case DialectMySQL:
		return "MySQL"
	case DialectSQLite:
		return "SQLite"
	}
	return "other"
}

// hasSchemas reports whether Config.Schema can be set.
func (d Dialect) hasSchemas() bool { return d == DialectPostgreSQL || d == DialectMySQL }

// words is the dialect for the scanner of statements.
func (d Dialect) words() sessionstate.Dialect {
	switch d {
	case DialectPostgreSQL:
		return sessionstate.PostgreSQL
	case DialectMySQL:
		return sessionstate.MySQL
	case DialectSQLite:
		return sessionstate.SQLite
	}
	return sessionstate.Unknown
}

// isolationName is the level in SQL, or "" if it cannot be a default.
func isolationName(l sql.IsolationLevel) string {
	switch l {
	case sql.LevelReadUncommitted:
		return "READ UNCOMMITTED"
	case sql.LevelReadCommitted:
		return "READ COMMITTED"
	case sql.LevelRepeatableRead:
		return "REPEATABLE READ"
	case sql.LevelSerializable:
		return "SERIALIZABLE"
	}
	return ""
}

// profile is what the pool knows of a driver beyond its interfaces. A driver
// that is not in the list gets the zero profile, which assumes nothing.
type profile struct {
	name    string
	dialect Dialect
	unknown bool // not in the list

	// statementCache is the default of Config.StatementCacheSize.
	statementCache int

	// honestBadConn: the driver returns driver.ErrBadConn only when nothing was
	// sent to the server, as its documentation demands, so that the statement
	// may be run again. lib/pq says it after a lost reply too.
	honestBadConn bool

	// resetPeeks: the driver's ResetSession looks at the socket itself.
	resetPeeks bool

	// resetPings: the driver's ResetSession pings when the last one was longer
	// ago than this; 0 if it never does.
	resetPings time.Duration

	// deafToContext: a read that hangs outlasts the context of its statement.
	deafToContext bool

	// hangsUp: the driver closes its socket at once when the context of a
	// statement ends, whatever the server is doing.
	hangsUp bool

	// prepares: the driver prepares every parametrised statement itself, and
	// allows one result at a time, so that the pool's cache saves round trips.
	// (A driver that leaves the preparing to database/sql needs no mention.)
	prepares bool

	// oneResult: no statement can be sent while rows of another one are open.
	oneResult bool

	// resets: the driver's ResetSession, which is called before every loan,
	// cleans the session by itself.
	resets bool

	// beginsWritable: a transaction that is not asked to be read-only is begun as
	// one that writes, whatever the session's default.
	beginsWritable bool

	// probe looks into a connection for what no interface of driver gives.
	probe func(driver.Conn) probes
}

// profiles, by a part of the import path of the driver's connection type.
var profiles = []struct {
	path string
	profile
}{
	{"jackc/pgx/", profile{name: "pgx", oneResult: true, dialect: DialectPostgreSQL, honestBadConn: true, resetPings: time.Second, probe: probePgx}},
	{"github.com/lib/pq", profile{name: "pq", oneResult: true, dialect: DialectPostgreSQL, statementCache: 100, prepares: true, deafToContext: true, beginsWritable: true, probe: probePq}},
	{"go-sql-driver/mysql", profile{name: "mysql", oneResult: true, dialect: DialectMySQL, statementCache: 100, hangsUp: true, honestBadConn: true, resetPeeks: true, probe: probeMySQL}},
	{"modernc.org/sqlite", profile{name: "sqlite", dialect: DialectSQLite}},
	{"glebarez/go-sqlite", profile{name: "sqlite", dialect: DialectSQLite}},
	{"mattn/go-sqlite3", profile{name: "sqlite3", dialect: DialectSQLite}},
	{"ncruces/go-sqlite3", profile{name: "sqlite3", dialect: DialectSQLite}},
	{"microsoft/go-mssqldb", profile{name: "mssql", dialect: DialectOther, resets: true}},
	{"denisenkom/go-mssqldb", profile{name: "mssql", dialect: DialectOther, resets: true}},
	{"bun/driver/pgdriver", profile{name: "pgdriver", oneResult: true, dialect: DialectPostgreSQL}},
}

// profileOf recognises a driver, or that of a connection, also inside a wrapper
// that shows what it wraps.
func profileOf(of any) profile {
	if conn, ok := of.(driver.Conn); ok {
		of = innermost(conn)
	}
	t := reflect.TypeOf(of)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	path := t.PkgPath()
	for _, p := range profiles {
		if strings.Contains(path, p.path) {
			return p.profile
		}
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	if name == "" {
		name = "conn"
	}
	return profile{name: name, dialect: DialectOther, unknown: true}
}

// innermost unwraps a connection as far as its wrappers let it: otelsql calls
// it Raw, others Unwrap or WrappedConn, and those that have no such method are
// mostly a struct with one field that is a driver.Conn.
func innermost(conn driver.Conn) driver.Conn {
	for range 10 {
		var in driver.Conn
		switch w := conn.(type) {
		case interface{ Raw() driver.Conn }:
			in = w.Raw()
		case interface{ Unwrap() driver.Conn }:
			in = w.Unwrap()
		case interface{ WrappedConn() driver.Conn }:
			in = w.WrappedConn()
		default:
			in = onlyConn(structOf(conn))
		}
		if in == nil {
			return conn
		}
		conn = in
	}
	return conn
}

// onlyConn returns the connection in a struct's only field of type driver.Conn,
// nil if there is none or more than one.
func onlyConn(s reflect.Value) (conn driver.Conn) {
	if s.Kind() != reflect.Struct {
		return nil
	}
	if !s.CanAddr() { // a wrapper by value
		copied := reflect.New(s.Type()).Elem()
		copied.Set(s)
		s = copied
	}
	for i := range s.NumField() {
		c, ok := hidden[driver.Conn](s.Field(i))
		if !ok {
			continue
		}
		if conn != nil {
			return nil
		}
		conn = c
	}
	return conn
}
