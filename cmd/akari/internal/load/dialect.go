package load

import "strconv"

// dialect is the kind of SQL a database speaks.
type dialect uint8

const (
	sqlite dialect = iota
	postgres
	mysql // MariaDB too
)

// dialects, by the name of the driver.
var dialects = map[string]dialect{"sqlite": sqlite, "pgx": postgres, "postgres": postgres, "mysql": mysql}

// parameter is the n-th parameter of a statement.
func (d dialect) parameter(n int) string {
	if d == postgres {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// versionQuery asks which server it is.
func (d dialect) versionQuery() string {
	switch d {
	case postgres:
		return "SELECT 'PostgreSQL ' || current_setting('server_version')"
	case mysql:
		return "SELECT CASE WHEN VERSION() LIKE '%MariaDB%' THEN CONCAT('MariaDB ', VERSION()) ELSE CONCAT('MySQL ', VERSION()) END"
	}
	return "SELECT 'SQLite ' || sqlite_version()"
}
