package sqlerr

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Server is a database, or rather the family whose error codes it uses.
type Server uint8

// The servers.
const (
	UnknownServer Server = iota
	PostgreSQL           // or another whose driver tells an SQLSTATE and no number
	MySQL                // and MariaDB
	SQLite
	SQLServer
	Oracle
)

var serverNames = [...]string{"unknown", "PostgreSQL", "MySQL", "SQLite", "SQL Server", "Oracle"}

// String is the name, such as "SQL Server".
func (s Server) String() string {
	if int(s) < len(serverNames) {
		return serverNames[s]
	}
	return "Server(" + strconv.Itoa(int(s)) + ")"
}

// Code returns what the database's error says in numbers: the SQLSTATE, "" if
// there is none, and the database's own number, 0 if there is none. PostgreSQL
// has a state only; MySQL has both; SQLite has its extended result code for a
// number, as SQL Server and Oracle have theirs. Numbers are a database's own, see
// [ServerOf].
//
// Each is of the first error in the tree that has one.
func Code(err error) (state string, number int) {
	c := find(err)
	return c.state, c.number
}

// ServerOf returns whose number it is that [Code] returns, or if it returns none
// whose state.
func ServerOf(err error) Server { return find(err).server }

// code is what one error says in numbers.
type code struct {
	server Server
	state  string
	number int
}

func find(err error) (c code) {
	for e := range tree(err) {
		found := codeIn(e)
		if c.number == 0 && found.number != 0 {
			c.number, c.server = found.number, found.server
		}
		if c.state == "" && found.state != "" {
			c.state = found.state
			if c.server == UnknownServer {
				c.server = found.server
			}
		}
		if c.number != 0 && c.state != "" {
			break
		}
	}
	return c
}

// codeIn finds the code of one error, not of those below it. This is the one
// place that knows how drivers tell codes. An error that panics when it is asked
// has none.
func codeIn(err error) (c code) {
	defer func() {
		if recover() != nil {
			c = code{}
		}
	}()
	c.state = stateOf(err)
	if c.state != "" {
		c.server = PostgreSQL
	}
	v := reflect.ValueOf(err)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	for _, shape := range []func(error, reflect.Value) (code, bool){mysqlCode, sqlServerCode, oracleCode, sqliteCode} {
		if found, ok := shape(err, v); ok {
			if found.state == "" {
				found.state = c.state
			}
			return found
		}
	}
	return c
}

// stateOf asks the method that PostgreSQL's drivers have.
func stateOf(err error) string {
	s, ok := err.(interface{ SQLState() string })
	if !ok {
		if a, can := err.(interface{ As(any) bool }); !can || !a.As(&s) || s == nil {
			return ""
		}
	}
	return s.SQLState()
}

// mysqlCode knows *mysql.MySQLError: fields Number and SQLState.
func mysqlCode(_ error, v reflect.Value) (c code, ok bool) {
	number := field(v, "Number")
	if !number.IsValid() || !number.CanUint() {
		return c, false
	}
	c = code{server: MySQL, number: int(number.Uint())}
	if s := field(v, "SQLState"); s.IsValid() && s.Kind() == reflect.Array && s.Len() == 5 && s.Type().Elem().Kind() == reflect.Uint8 {
		var state [5]byte
		for i := range state {
			state[i] = byte(s.Index(i).Uint())
		}
		if state[0] != 0 {
			c.state = string(state[:])
		}
	}
	return c, true
}

// sqlServerCode knows mssql.Error: a method.
func sqlServerCode(err error, _ reflect.Value) (c code, ok bool) {
	e, ok := err.(interface{ SQLErrorNumber() int32 })
	if !ok {
		return c, false
	}
	return code{server: SQLServer, number: int(e.SQLErrorNumber())}, true
}

// oracleCode knows *godror.OraErr, by a method that errors of other kinds have
// too and by its text, and go-ora's *network.OracleError by its name and a field.
func oracleCode(err error, v reflect.Value) (c code, ok bool) {
	if e, is := err.(interface{ Code() int }); is {
		n := e.Code()
		return code{server: Oracle, number: n}, n > 0 && strings.Contains(err.Error(), fmt.Sprintf("ORA-%05d", n))
	}
	number := field(v, "ErrCode")
	if !number.IsValid() || !number.CanInt() || v.Type().Name() != "OracleError" {
		return c, false
	}
	return code{server: Oracle, number: int(number.Int())}, true
}

// sqliteCode knows the errors of mattn/go-sqlite3 by two fields, and those of
// modernc.org/sqlite and ncruces/go-sqlite3 by methods. Errors of many kinds have
// a method Code, so the type must come from a package that is called something
// with sqlite.
func sqliteCode(err error, v reflect.Value) (c code, ok bool) {
	primary, extended := field(v, "Code"), field(v, "ExtendedCode")
	if primary.IsValid() && primary.CanInt() && extended.IsValid() && extended.CanInt() {
		n := extended.Int()
		if n == 0 {
			n = primary.Int()
		}
		return code{server: SQLite, number: int(n)}, true
	}
	if !v.IsValid() || !strings.Contains(v.Type().PkgPath(), "sqlite") {
		return c, false
	}
	if e, is := err.(interface{ Code() int }); is {
		return code{server: SQLite, number: e.Code()}, true
	}
	m := reflect.ValueOf(err).MethodByName("ExtendedCode")
	if !m.IsValid() || m.Type().NumIn() != 0 || m.Type().NumOut() != 1 || !m.Type().Out(0).ConvertibleTo(reflect.TypeFor[int]()) {
		return c, false
	}
	return code{server: SQLite, number: int(m.Call(nil)[0].Convert(reflect.TypeFor[int]()).Int())}, true
}

func field(v reflect.Value, name string) reflect.Value {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.FieldByName(name)
}
