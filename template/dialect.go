package template

import (
	"database/sql"
	"database/sql/driver"
	"reflect"
	"strconv"
	"strings"
)

// Dialect is the kind of SQL a server speaks, as far as placeholders, literals
// and limits go. It is an [Option] and a [BatchOption], for a DB whose driver is
// not recognised. Recognised are, also behind Akari, inside a *sql.Tx or
// *sql.Conn, and within the common wrappers for tracing: pgx, lib/pq,
// bun's pgdriver, go-sql-driver, and modernc's, glebarez's, mattn's and ncruces'
// drivers for SQLite.
type Dialect uint8

// The dialects. Other stands for any server whose placeholder is ?.
const (
	PostgreSQL Dialect = 1 + iota
	MySQL              // MariaDB too
	SQLite
	Other
)

func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	case SQLite:
		return "SQLite"
	case Other:
		return "other"
	}
	return "unknown"
}

func (d Dialect) set(s *settings)           { s.dialect = d }
func (d Dialect) setBatch(s *batchSettings) { s.dialect = d }

// appendPlaceholder appends the placeholder of the nth argument, from 1 on.
func (d Dialect) appendPlaceholder(text []byte, n int) []byte {
	if d != PostgreSQL {
		return append(text, '?')
	}
	return strconv.AppendInt(append(text, '$'), int64(n), 10)
}

// maxParams is how many arguments a statement may have.
func (d Dialect) maxParams() int {
	if d == SQLite {
		return 32766
	}
	return 65535
}

// savepoints reports whether SAVEPOINT, ROLLBACK TO and RELEASE are known to work.
func (d Dialect) savepoints() bool { return d == PostgreSQL || d == MySQL || d == SQLite }

// drivers by a part of the import path of their types.
var drivers = []struct {
	path    string
	dialect Dialect
}{
	{"jackc/pgx/", PostgreSQL},
	{"github.com/lib/pq", PostgreSQL},
	{"bun/driver/pgdriver", PostgreSQL},
	{"go-sql-driver/mysql", MySQL},
	{"modernc.org/sqlite", SQLite},
	{"glebarez/go-sqlite", SQLite},
	{"mattn/go-sqlite3", SQLite},
	{"ncruces/go-sqlite3", SQLite},
}

// dialectOf recognises the driver behind db; 0 if it cannot.
func dialectOf(db any) Dialect {
	switch db := db.(type) {
	case *sql.Tx, *sql.Conn:
		return dialectOfParent(db)
	case *sql.DB:
		return dialectOfDriver(reflect.ValueOf(db.Driver()), 3)
	}
	// What embeds one of them, as sqlx's types do, or says what its driver is. A
	// method of what is embedded, and nil, cannot be called.
	v := reflect.Indirect(reflect.ValueOf(db))
	fields := 0
	if v.Kind() == reflect.Struct {
		fields = v.NumField()
	}
	hollow := false
	for i := range fields {
		f := v.Field(i)
		if sf := v.Type().Field(i); !sf.Anonymous || !sf.IsExported() {
			continue
		}
		if k := f.Kind(); (k == reflect.Pointer || k == reflect.Interface) && f.IsNil() {
			hollow = true
			continue
		}
		if d := dialectOf(f.Interface()); d != 0 {
			return d
		}
	}
	if d, ok := db.(interface{ Driver() driver.Driver }); ok && !hollow {
		return dialectOfDriver(reflect.ValueOf(d.Driver()), 3)
	}
	return 0
}

// dialectOfParent asks the *sql.DB that a *sql.Tx or *sql.Conn belongs to.
// database/sql has no method that tells which one that is; the field has had this
// name since its first release. Without it the dialect has to be named.
func dialectOfParent(of any) Dialect {
	field := reflect.ValueOf(of).Elem().FieldByName("db")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*sql.DB]() || field.IsNil() {
		return 0
	}
	return dialectOf((*sql.DB)(field.UnsafePointer()))
}

// dialectOfDriver goes by the package of the driver's type, then by those that it
// wraps, to a depth.
func dialectOfDriver(v reflect.Value, depth int) Dialect {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() {
		return 0
	}
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for _, d := range drivers {
		if strings.Contains(t.PkgPath(), d.path) {
			return d.dialect
		}
	}
	v = reflect.Indirect(v)
	if depth == 0 || v.Kind() != reflect.Struct {
		return 0
	}
	for i := range v.NumField() {
		if f := v.Field(i); f.Type() == reflect.TypeFor[driver.Driver]() {
			if d := dialectOfDriver(f, depth-1); d != 0 {
				return d
			}
		}
	}
	return 0
}
