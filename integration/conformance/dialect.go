package conformance

import (
	"fmt"
	"strconv"
	"strings"
)

// Dialect has the texts of a kind of database. They have ? for a parameter,
// whatever the database wants; see Placeholders.
type Dialect struct {
	Name     string
	Features Feature

	// Dollar: parameters are written $1, $2.
	Dollar bool

	// InsertIDs: results have a LastInsertId.
	InsertIDs bool

	// Setup makes the tables items and kinds anew.
	Setup []string

	One     string // returns one row of one column
	Noop    string // does nothing
	Comment string // does nothing, and is no statement
	Numbers string // returns as many rows as its parameter says
	Syntax  string // cannot be parsed
	Unknown string // names something that is not there
	Fails   string // fails when it is executed
	Late    string // fails after some rows
	Sleep   string // takes longer than interruptAfter
	Sets    string // several statements that return rows, and some that do not

	Insert string // a row with the number of its parameter; fails if there is one
	Select string // the row with the number of its parameter
	Update string // all rows above the number of its parameter
	Return string // inserts and returns rows; two parameters; "" if it cannot

	SetVar string // changes the session
	GetVar string // shows what SetVar has set
	DelVar string // undoes SetVar
	ConnID string // returns the number of the connection; "" if it has none

	// Echo are expressions with one parameter each, to see how an argument
	// arrives.
	Echo []string

	// Kinds are queries of one column and one row, one for each type.
	Kinds []string

	// Levels tells the isolation level and whether the transaction is
	// read-only; "" if that cannot be asked.
	Levels string

	// Odd are texts that parsers may stumble over.
	Odd []string
}

// Placeholders writes the parameters of a text as the database wants them.
func (d *Dialect) Placeholders(text string) string {
	if !d.Dollar {
		return text
	}
	parts := strings.Split(text, "?")
	var b strings.Builder
	b.WriteString(parts[0])
	for i, part := range parts[1:] {
		b.WriteString("$" + strconv.Itoa(i+1) + part)
	}
	return b.String()
}

const sequence = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < %s) SELECT %s FROM s"

// numbers is a query for the rows 1 to last, with an expression of n.
func numbers(last, expression string) string { return fmt.Sprintf(sequence, last, expression) }

// odd are texts that every database may be given.
var odd = []string{
	"", " ", ";", ";;", "-- nothing", "/* nothing */", "SELECT 1;", "SELECT 1; ", "SELECT 1 -- one",
	"/* one */ SELECT 1", "\n\tSELECT 1\n", "(SELECT 1)", "select 1", "SELECT '?'", "SELECT 'a;b'", "SELECT 1; SELECT 2",
	"SELECT 'unfinished", "COPY", "copy nowhere", "BEGIN; SELECT 1; COMMIT", "SELECT \x00 1",
}

// Postgres is PostgreSQL.
var Postgres = &Dialect{
	Name:     "postgres",
	Features: SQL | Echoes | Sleeps | FailsLate | Sessions,
	Dollar:   true,
	Setup: []string{
		"DROP TABLE IF EXISTS items, kinds",
		"CREATE TABLE items (id bigint PRIMARY KEY, name varchar(40), qty int NOT NULL DEFAULT 0)",
		"CREATE TABLE kinds (id int PRIMARY KEY, i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, num numeric(10,2), b boolean," +
			" t text, v varchar(20) NOT NULL, c char(5), by bytea, d date, ts timestamp, tz timestamptz, tm time, iv interval, u uuid, j json, jb jsonb, a int[], n inet)",
		"INSERT INTO kinds VALUES (1, -2, 4, 8, 1.5, 2.25, 123.45, true, 'text', 'varchar', 'ch', '\\xdeadbeef', '2024-02-29'," +
			" '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.789+09', '12:34:56', '1 day 2 hours', '6ba7b810-9dad-11d1-80b4-00c04fd430c8'," +
			" '{\"a\": 1}', '[1, 2]', '{1,2,3}', '10.0.0.1/8')",
		"INSERT INTO kinds (id, v) VALUES (2, '')",
	},
	One:     "SELECT 1",
	Noop:    "SELECT 1 WHERE false",
	Comment: "-- nothing",
	Numbers: "SELECT n FROM generate_series(1, ?::int) n",
	Syntax:  "SELEKT 1",
	Unknown: "SELECT * FROM nowhere",
	Fails:   "SELECT 1 / (SELECT 0)",
	Late:    "SELECT 10 / (5 - n) FROM generate_series(1, 10) n",
	Sleep:   "SELECT pg_sleep(20)",
	Sets:    "SELECT 1 AS a, 'x' AS b; UPDATE items SET qty = qty WHERE false; SELECT 2 AS c WHERE false; SELECT n FROM generate_series(1, 3) n",
	Insert:  "INSERT INTO items (id, name) VALUES (?, 'new')",
	Select:  "SELECT id, name, qty FROM items WHERE id = ?",
	Update:  "UPDATE items SET qty = qty + 1 WHERE id > ?",
	Return:  "INSERT INTO items (id, name) VALUES (?, ?) RETURNING id, name",
	SetVar:  "SET akari.mark = 'set'",
	GetVar:  "SELECT coalesce(current_setting('akari.mark', true), '')",
	DelVar:  "SET akari.mark = ''",
	ConnID:  "SELECT pg_backend_pid()",
	Echo:    []string{"?", "?::text", "?::int8", "?::float8", "?::bool", "?::bytea", "?::timestamptz", "?::numeric", "?::jsonb", "?::int4[]"},
	Kinds: []string{
		"SELECT 2::int2", "SELECT 4::int4", "SELECT 8::int8", "SELECT 300::int8", "SELECT 1.5::float4", "SELECT 'NaN'::float8", "SELECT 123.45::numeric(10,2)",
		"SELECT true", "SELECT 'text'::text", "SELECT '12'::text", "SELECT 'ch'::char(5)", "SELECT 'v'::varchar(20)", "SELECT '\\x00ff'::bytea",
		"SELECT date '2024-02-29'", "SELECT timestamp '2024-02-29 12:34:56.789'", "SELECT timestamptz '2024-02-29 12:34:56+09'", "SELECT timestamp 'infinity'",
		"SELECT time '12:34:56'", "SELECT interval '1 day 2 hours'", "SELECT '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid", "SELECT '{\"a\":1}'::json", "SELECT '[1]'::jsonb",
		"SELECT '{1,2}'::int[]", "SELECT '{a,NULL}'::text[]", "SELECT NULL", "SELECT NULL::int", "SELECT NULL::timestamptz", "SELECT ''::text", "SELECT ROW(1, 'a')", "SELECT '(1,2)'::point",
	},
	Levels: "SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only')",
	Odd:    odd,
}

// MySQL is MySQL and MariaDB.
var MySQL = &Dialect{
	Name:      "mysql",
	Features:  SQL | Echoes | Sleeps | FailsLate | Sessions,
	InsertIDs: true,
	Setup: []string{
		"DROP TABLE IF EXISTS items, kinds",
		"CREATE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR(40), qty INT NOT NULL DEFAULT 0)",
		"CREATE TABLE kinds (id INT PRIMARY KEY, i1 TINYINT, i2 SMALLINT, i3 MEDIUMINT, i4 INT, i8 BIGINT, u8 BIGINT UNSIGNED, f4 FLOAT, f8 DOUBLE, num DECIMAL(10,2), bt BIT(9)," +
			" t TEXT, v VARCHAR(20) NOT NULL, c CHAR(5), vb VARBINARY(9), bl BLOB, d DATE, dt DATETIME(6), ts TIMESTAMP NULL, tm TIME(3), y YEAR, en ENUM('a','b'), st SET('x','y'), js JSON)",
		"INSERT INTO kinds VALUES (1, -1, -2, -3, -4, -8, 18446744073709551615, 1.5, 2.25, 123.45, b'101010101', 'text', 'varchar', 'ch', 'vb', x'00ff', '2024-02-29'," +
			" '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56', '12:34:56.789', 2024, 'b', 'x,y', '{\"a\": 1}')",
		"INSERT INTO kinds (id, v) VALUES (2, '')",
	},
	One:     "SELECT 1",
	Noop:    "DO 0",
	Comment: "-- nothing",
	Numbers: numbers("?", "n"),
	Syntax:  "SELEKT 1",
	Unknown: "SELECT * FROM nowhere",
	Fails:   "SELECT (SELECT 1 UNION SELECT 2)",
	Late:    numbers("10", "IF(n < 5, n, (SELECT k.id FROM kinds k WHERE k.id <= s.n))"),
	Sleep:   "SELECT SLEEP(20)",
	Sets:    "SELECT 1 AS a, 'x' AS b; UPDATE items SET qty = qty WHERE 1 = 0; SELECT 2 AS c WHERE 1 = 0; " + numbers("3", "n"),
	Insert:  "INSERT INTO items (id, name) VALUES (?, 'new')",
	Select:  "SELECT id, name, qty FROM items WHERE id = ?",
	Update:  "UPDATE items SET qty = qty + 1 WHERE id > ?",
	Return:  "INSERT INTO items (id, name) VALUES (?, ?) RETURNING id, name",
	SetVar:  "SET @mark = 'set'",
	GetVar:  "SELECT COALESCE(@mark, '')",
	DelVar:  "SET @mark = NULL",
	ConnID:  "SELECT CONNECTION_ID()",
	Echo:    []string{"?", "CAST(? AS CHAR)", "CAST(? AS SIGNED)", "CAST(? AS DECIMAL(20,4))", "CAST(? AS DATETIME(6))", "CAST(? AS BINARY)"},
	Kinds: []string{
		"SELECT 1", "SELECT -1", "SELECT 300", "SELECT 18446744073709551615", "SELECT 1.5", "SELECT 1.5e0", "SELECT 'text'", "SELECT '12'", "SELECT x'00ff'", "SELECT NULL", "SELECT ''",
		"SELECT CAST('2024-02-29' AS DATE)", "SELECT CAST('2024-02-29 12:34:56' AS DATETIME)", "SELECT CAST('12:34:56' AS TIME)", "SELECT TRUE", "SELECT 1 = 1", "SELECT CAST(1.25 AS DECIMAL(10,2))",
		"SELECT f4 FROM kinds WHERE id = 1", "SELECT bt FROM kinds WHERE id = 1", "SELECT en FROM kinds WHERE id = 1", "SELECT js FROM kinds WHERE id = 1", "SELECT d FROM kinds WHERE id = 2",
	},
	Levels: "SELECT 'cannot be asked'",
	Odd:    odd,
}

// SQLite is SQLite.
var SQLite = &Dialect{
	Name:      "sqlite",
	Features:  SQL | Echoes | Sleeps | FailsLate | Sessions,
	InsertIDs: true,
	Setup: []string{
		"DROP TABLE IF EXISTS items",
		"DROP TABLE IF EXISTS kinds",
		"CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(40), qty INT NOT NULL DEFAULT 0)",
		"CREATE TABLE kinds (id INTEGER PRIMARY KEY, i BIGINT, f DOUBLE, n DECIMAL(10,2), b BOOLEAN, t TEXT, v VARCHAR(20) NOT NULL, bl BLOB, d DATE, dt DATETIME, ts TIMESTAMP, x)",
		"INSERT INTO kinds VALUES (1, 8, 2.25, 123.45, true, 'text', 'varchar', x'00ff', '2024-02-29', '2024-02-29 12:34:56', '2024-02-29 12:34:56+09:00', 'any')",
		"INSERT INTO kinds (id, v) VALUES (2, '')",
	},
	One:     "SELECT 1",
	Noop:    "SELECT 1 WHERE 0",
	Comment: "-- nothing",
	Numbers: numbers("CAST(? AS INT)", "n"),
	Syntax:  "SELEKT 1",
	Unknown: "SELECT * FROM nowhere",
	Fails:   "SELECT abs(-9223372036854775808)",
	Late:    numbers("10", "abs(CASE n WHEN 5 THEN -9223372036854775808 ELSE n END)"),
	Sleep:   "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) SELECT count(*) FROM s",
	Sets:    "SELECT 1 AS a, 'x' AS b; UPDATE items SET qty = qty WHERE 0; SELECT 2 AS c WHERE 0; " + numbers("3", "n"),
	Insert:  "INSERT INTO items (id, name) VALUES (?, 'new')",
	Select:  "SELECT id, name, qty FROM items WHERE id = ?",
	Update:  "UPDATE items SET qty = qty + 1 WHERE id > ?",
	Return:  "INSERT INTO items (id, name) VALUES (?, ?) RETURNING id, name",
	SetVar:  "PRAGMA cache_size = 77",
	GetVar:  "PRAGMA cache_size",
	DelVar:  "PRAGMA cache_size = -2000",
	Echo:    []string{"?", "typeof(?)", "CAST(? AS TEXT)", "CAST(? AS INTEGER)"},
	Kinds: []string{
		"SELECT 1", "SELECT 300", "SELECT -1", "SELECT 1.5", "SELECT 'text'", "SELECT '12'", "SELECT x'00ff'", "SELECT NULL", "SELECT ''", "SELECT true",
		"SELECT d FROM kinds WHERE id = 1", "SELECT dt FROM kinds WHERE id = 1", "SELECT ts FROM kinds WHERE id = 1", "SELECT b FROM kinds WHERE id = 1", "SELECT x FROM kinds WHERE id = 1", "SELECT bl FROM kinds WHERE id = 2",
	},
	Odd: odd,
}

// Fake is the language of package akaritest.
var Fake = &Dialect{
	Name:      "fake",
	Features:  Echoes | Sessions,
	InsertIDs: true,
	One:       "ROWS 1",
	Noop:      "NOP",
	Comment:   ";",
	Numbers:   "ROWS ?",
	Syntax:    "SELEKT 1",
	Unknown:   "ROLLBACK TO nowhere",
	Fails:     "FAIL 22012 division by zero",
	Sleep:     "SLEEP 40ms",
	Sets:      "ROWS 1; NOP; SELECT -1; ROWS 3; GET nothing",
	Insert:    "INSERT ?",
	Select:    "SELECT ?",
	SetVar:    "SET mark set",
	GetVar:    "GET mark",
	DelVar:    "RESET mark",
	ConnID:    "CONN",
	Echo:      []string{"ECHO", "ECHO ?", "NOP ?; ECHO"},
	Kinds:     []string{"ROWS 1", "GET nothing", "SET kind 12; GET kind; RESET kind", "SET kind text; GET kind; RESET kind", "COUNT"},
	Odd:       []string{"", " ", ";", ";;", "NOP;", "NOP; ", "\n\tNOP\n", "nop", "COPY", "copy nowhere", "BEGIN; NOP; COMMIT", "ROWS 1; ROWS 2", "SELECT 1"},
}
