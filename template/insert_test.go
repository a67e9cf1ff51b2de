package template

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestPlainInsertsAreRewritten(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		text    string
		two     string // for two rows
	}{
		{PostgreSQL, "INSERT INTO t VALUES ($1)", "INSERT INTO t VALUES ($1), ($2)"},
		{PostgreSQL, "insert into s.t (a, b) values ($1,$2);", "insert into s.t (a, b) values ($1,$2), ($3,$4)"},
		{PostgreSQL, "INSERT INTO t (a, b, c) VALUES ($2, $1, $2)", "INSERT INTO t (a, b, c) VALUES ($2, $1, $2), ($4, $3, $4)"},
		{PostgreSQL, "INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = excluded.a", "INSERT INTO t (a) VALUES ($1), ($2) ON CONFLICT (a) DO UPDATE SET a = excluded.a"},
		{PostgreSQL, "INSERT INTO t (a, b) VALUES ($1::int, now()) -- done", "INSERT INTO t (a, b) VALUES ($1::int, now()), ($2::int, now())"},
		{PostgreSQL, `INSERT INTO "values" ("values") VALUES (')', $1, $$ ( $$, DEFAULT)`, `INSERT INTO "values" ("values") VALUES (')', $1, $$ ( $$, DEFAULT), (')', $2, $$ ( $$, DEFAULT)`},
		{PostgreSQL, "INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (lower($1))", "INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (lower($1)), (lower($2))"},
		{MySQL, "INSERT IGNORE INTO `t` (a, b) VALUES (?, ?)", "INSERT IGNORE INTO `t` (a, b) VALUES (?, ?), (?, ?)"},
		{MySQL, "REPLACE INTO t VALUES (?, '?', \"?\")", "REPLACE INTO t VALUES (?, '?', \"?\"), (?, '?', \"?\")"},
		{MySQL, "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = VALUES(a), n = n + 1", "INSERT INTO t (a) VALUES (?), (?) ON DUPLICATE KEY UPDATE a = VALUES(a), n = n + 1"},
		{MySQL, "INSERT INTO t (a) VALUES (?) AS new ON DUPLICATE KEY UPDATE a = new.a", "INSERT INTO t (a) VALUES (?), (?) AS new ON DUPLICATE KEY UPDATE a = new.a"},
		{SQLite, "INSERT OR IGNORE INTO [t] (a) VALUES (?)", "INSERT OR IGNORE INTO [t] (a) VALUES (?), (?)"},
	} {
		ins, err := parseInsert(c.dialect, c.text)
		if err != nil || ins.loop != "" {
			t.Errorf("%s: %q, %v", c.text, ins.loop, err)
			continue
		}
		if got := ins.rows(2); got != c.two {
			t.Errorf("%s\nbecame %s\nwant   %s", c.text, got, c.two)
		}
	}
}

func TestWhatIsInDoubtIsPrepared(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		text    string
	}{
		{0, "INSERT INTO t VALUES (?)"},
		{Other, "INSERT INTO t VALUES (?)"},
		{PostgreSQL, "UPDATE t SET a = $1"},
		{PostgreSQL, "WITH x AS (SELECT 1) INSERT INTO t VALUES ($1)"},
		{PostgreSQL, "INSERT INTO t SELECT $1"},
		{PostgreSQL, "INSERT INTO t VALUES ($1), ($2)"},
		{PostgreSQL, "INSERT INTO t DEFAULT VALUES"},
		{PostgreSQL, "INSERT INTO t VALUES (1)"},
		{PostgreSQL, "INSERT INTO t VALUES ((SELECT n FROM t LIMIT 1), $1)"},
		{PostgreSQL, "INSERT INTO t VALUES (next_number($1))"},
		{PostgreSQL, `INSERT INTO t VALUES ("now"($1))`},
		{PostgreSQL, "INSERT INTO t VALUES ($0)"},
		{PostgreSQL, "INSERT INTO t VALUES ($1) ON CONFLICT DO UPDATE SET a = $2"},
		{PostgreSQL, "INSERT INTO t VALUES ($1) ON CONFLICT DO UPDATE SET a = (SELECT count(*) FROM t)"},
		{PostgreSQL, "INSERT INTO t VALUES ($1"},
		{PostgreSQL, "INSERT INTO t VALUES ($1, 'x)"},
		{PostgreSQL, "INSERT INTO t VALUES ($1) garbage"},
		{MySQL, "INSERT INTO t SET a = ?"},
		{MySQL, "INSERT INTO t VALUES (?, @n := @n + 1)"},
		{MySQL, "INSERT /*! DELAYED */ INTO t VALUES (?)"},
		{MySQL, "INSERT INTO t VALUE (?)"},
		{SQLite, "INSERT INTO t VALUES (?1)"},
		{SQLite, "INSERT INTO t VALUES (:a)"},
		{SQLite, "INSERT INTO t VALUES ($a, @b)"},
	} {
		if ins, err := parseInsert(c.dialect, c.text); err != nil || ins.loop == "" || ins.noCopy == "" {
			t.Errorf("%v %s: %+v, %v", c.dialect, c.text, ins, err)
		}
	}
}

func TestTextsThatABatchDoesNotRun(t *testing.T) {
	for text, want := range map[string]error{
		"INSERT INTO t VALUES ($1); DELETE FROM t":      errSeveral,
		"INSERT INTO t VALUES ($1);;":                   nil,
		"INSERT INTO t VALUES ($1, ';')":                nil,
		"INSERT INTO t VALUES ($1) -- ; x":              nil,
		"INSERT INTO t VALUES ($1) RETURNING id":        errReturning,
		"UPDATE t SET a = $1 RETURNING id":              errReturning,
		"INSERT INTO t VALUES ('RETURNING', $1)":        nil,
		`INSERT INTO t ("returning") VALUES ($1)`:       nil,
		"INSERT INTO t (returning) VALUES ($1)":         nil,
		"INSERT INTO t VALUES ($1) /* RETURNING id */ ": nil,
	} {
		if _, err := parseInsert(PostgreSQL, text); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNamesOfTableAndColumnsForCopy(t *testing.T) {
	for _, c := range []struct {
		text           string
		table, columns []string
		order          []int
	}{
		{"INSERT INTO Users (ID, name) VALUES ($1, $2)", []string{"users"}, []string{"id", "name"}, []int{0, 1}},
		{`INSERT INTO app."Users" ("a ""b""", c) VALUES ($2, $1);`, []string{"app", "Users"}, []string{`a "b"`, "c"}, []int{1, 0}},
		{"INSERT INTO t (a) VALUES ($1) ON CONFLICT DO NOTHING", nil, nil, nil},
		{"INSERT INTO t VALUES ($1)", nil, nil, nil},
		{"INSERT INTO t (a, b) VALUES ($1, 2)", nil, nil, nil},
		{"INSERT INTO t (a, b) VALUES ($1)", nil, nil, nil},
		{"INSERT INTO t AS x (a) VALUES ($1)", nil, nil, nil},
		{"INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES ($1)", nil, nil, nil},
		{"INSERT INTO t (a[1]) VALUES ($1)", nil, nil, nil},
		{"INSERT INTO t (a) VALUES ($1::int)", nil, nil, nil},
	} {
		ins, err := parseInsert(PostgreSQL, c.text)
		if err != nil || (ins.noCopy == "") != (c.table != nil) {
			t.Errorf("%s: %q, %v", c.text, ins.noCopy, err)
		}
		if !reflect.DeepEqual(ins.table, c.table) || !reflect.DeepEqual(ins.columns, c.columns) || !reflect.DeepEqual(ins.order, c.order) {
			t.Errorf("%s: table %v, columns %q, order %v", c.text, ins.table, ins.columns, ins.order)
		}
	}
}

func TestChunksStayBelowTheLimits(t *testing.T) {
	many := "INSERT INTO t VALUES (?" + strings.Repeat(", ?", 999) + ")"
	pg := many
	for i := range 1000 {
		pg = strings.Replace(pg, "?", fmt.Sprintf("$%d", i+1), 1)
	}
	for _, c := range []struct {
		dialect Dialect
		text    string
		opts    []BatchOption
		want    int
	}{
		{PostgreSQL, "INSERT INTO t VALUES ($1)", nil, 100},
		{PostgreSQL, "INSERT INTO t VALUES ($1)", []BatchOption{ChunkSize(1_000_000)}, 65535},
		{SQLite, "INSERT INTO t VALUES (?)", []BatchOption{ChunkSize(1_000_000)}, 32766},
		{PostgreSQL, pg, nil, 65},
		{MySQL, many, nil, 65},
		{SQLite, many, nil, 32},
	} {
		b := batch{n: 10_000_000, settings: batchSettings{dialect: c.dialect}}
		for _, o := range c.opts {
			o.setBatch(&b.settings)
		}
		if err := b.check(c.text); err != nil || !b.multi || b.size != c.want {
			t.Errorf("%v, %d arguments: %d items, %v; want %d", c.dialect, b.ins.params, b.size, err, c.want)
		}
	}
}

func TestSizeOfArguments(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, arg := range []any{long, []byte(long), &long, label(long)} {
		if n := sizeOf(arg, PostgreSQL); n < 1000 || n > 1100 {
			t.Errorf("%T: %d", arg, n)
		}
	}
	for _, arg := range []any{nil, 1, true, 2.5, time.Now(), (*string)(nil), new(int)} {
		if n := sizeOf(arg, MySQL); n > 100 {
			t.Errorf("%T: %d", arg, n)
		}
	}
}

type label string

// blob is a value that makes another one of itself.
type blob int

func (n blob) Value() (driver.Value, error) { return strings.Repeat("x", int(n)), nil }

func TestValuersAreAskedWhereTheSizeCounts(t *testing.T) {
	if n := sizeOf(blob(5000), MySQL); n < 5000 {
		t.Errorf("MySQL: %d", n)
	}
	if n := sizeOf(blob(5000), PostgreSQL); n > 100 {
		t.Errorf("PostgreSQL: %d", n)
	}
	if n := sizeOf((*blob)(nil), MySQL); n > 100 {
		t.Errorf("nil: %d", n)
	}
}

// telling is a DB that says what its driver is, and hollow one whose methods are
// those of nothing.
type telling struct{ d driver.Driver }

func (t telling) Driver() driver.Driver { return t.d }

type hollow struct {
	*sql.DB
	*sql.Tx
}

func TestDialectOfWhatIsNotKnown(t *testing.T) {
	var none driver.Driver
	for _, db := range []any{nil, 1, telling{none}, hollow{}, &hollow{}, struct{ DB }{}} {
		if d := dialectOf(db); d != 0 {
			t.Errorf("%T: %v", db, d)
		}
	}
}
