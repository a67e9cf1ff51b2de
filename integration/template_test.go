package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/template"
	"github.com/akaripool/akari/txn"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// templateDatabases are all drivers, with what their servers call a column of
// bytes, of time, and of keys that they make.
func templateDatabases(t testing.TB) []templateDatabase {
	pg := pgDatabases(t)
	mysql := mysqlDatabases(t)[0]
	mysql.dsn += "?parseTime=true"
	sqlite := database{"sqlite", "sqlite", "file:" + filepath.Join(t.TempDir(), "template.db")}
	return []templateDatabase{
		{pg[0], template.PostgreSQL, "bytea", "timestamptz", "bigserial PRIMARY KEY"},
		{pg[1], template.PostgreSQL, "bytea", "timestamptz", "bigserial PRIMARY KEY"},
		{mysql, template.MySQL, "blob", "datetime(6)", "bigint AUTO_INCREMENT PRIMARY KEY"},
		{sqlite, template.SQLite, "blob", "datetime", "integer PRIMARY KEY"},
	}
}

type templateDatabase struct {
	database
	dialect          template.Dialect
	bytes, time, key string
}

// text numbers the placeholders for PostgreSQL.
func (d templateDatabase) text(query string) string {
	if d.dialect != template.PostgreSQL {
		return query
	}
	parts := strings.Split(query, "?")
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			fmt.Fprintf(&b, "$%d", i)
		}
		b.WriteString(part)
	}
	return b.String()
}

// onTemplateDatabases runs a test on a pool of two for each driver, with an empty
// table of people.
func onTemplateDatabases(t *testing.T, f func(t *testing.T, d templateDatabase, p *akari.Pool)) {
	for _, d := range templateDatabases(t) {
		t.Run(d.name, func(t *testing.T) {
			p := open(t, d.database, akari.Config{MaximumPoolSize: 2})
			recreate(t, p.DB(), "people", fmt.Sprintf(
				"id %s, name varchar(40) NOT NULL, email varchar(40) UNIQUE, age int, height numeric(6,2), born %s, photo %s", d.key, d.time, d.bytes))
			f(t, d, p)
			returned(t, p, "the test")
		})
	}
}

func returned(t testing.TB, p *akari.Pool, after string) {
	t.Helper()
	if n := p.Stats().Active; n != 0 {
		t.Errorf("after %s %d connections are in use", after, n)
	}
}

type person struct {
	ID     int64
	Name   string
	Email  sql.Null[string]
	Age    *int
	Height float64
	Born   time.Time
	Photo  []byte
}

const insertPerson = "INSERT INTO people (name, email, age, height, born, photo) VALUES (?, ?, ?, ?, ?, ?)"

func (p person) values() []any { return []any{p.Name, p.Email, p.Age, p.Height, p.Born, p.Photo} }

var birth = time.Date(2001, 2, 3, 4, 5, 6, 789000, time.UTC)

// people are some persons, with numbers for keys. The first has NULLs, from which
// no server can tell the types.
func people(n int) []person {
	all := make([]person, n)
	for i := range all {
		age := i % 90
		all[i] = person{
			ID: int64(i + 1), Name: fmt.Sprintf("person %d", i), Email: sql.Null[string]{V: fmt.Sprintf("p%d@example.com", i), Valid: true},
			Age: &age, Height: float64(150+i%50) / 100, Born: birth.Add(time.Duration(i) * time.Hour), Photo: []byte{byte(i), 0, 255},
		}
	}
	if n > 0 {
		all[0].Email, all[0].Age, all[0].Photo = sql.Null[string]{}, nil, nil
	}
	return all
}

// samePeople compares without the zones of times.
func samePeople(a, b []person) bool {
	return slices.EqualFunc(a, b, func(x, y person) bool {
		same := x.Born.Equal(y.Born)
		x.Born, y.Born = time.Time{}, time.Time{}
		return same && reflect.DeepEqual(x, y)
	})
}

func TestTemplateQueriesGiveTheConnectionBack(t *testing.T) {
	onTemplateDatabases(t, func(t *testing.T, d templateDatabase, p *akari.Pool) {
		ctx, db := t.Context(), p.DB()
		want := people(3)
		for _, x := range want {
			if n, err := template.Exec(ctx, db, d.text(insertPerson), x.values()...); n != 1 || err != nil {
				t.Fatalf("Exec: %d, %v", n, err)
			}
			returned(t, p, "Exec")
		}
		got, err := template.Query[person](ctx, db, "SELECT * FROM people ORDER BY id", template.Strict())
		if err != nil || !samePeople(got, want) {
			t.Errorf("Query: %+v, %v, want %+v", got, err, want)
		}
		returned(t, p, "Query")

		if n, err := template.One[int](ctx, db, "SELECT count(*) FROM people"); n != 3 || err != nil {
			t.Errorf("One: %d, %v", n, err)
		}
		returned(t, p, "One")
		if _, err := template.One[person](ctx, db, "SELECT * FROM people"); !errors.Is(err, template.ErrTooManyRows) {
			t.Errorf("One of three: %v", err)
		}
		returned(t, p, "One of three")
		if _, err := template.One[string](ctx, db, d.text("SELECT name FROM people WHERE id = ?"), 99); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("One of none: %v", err)
		}
		if b, err := template.One[[]byte](ctx, db, d.text("SELECT photo FROM people WHERE id = ?"), 2); !slices.Equal(b, want[1].Photo) || err != nil {
			t.Errorf("One of bytes: %v, %v", b, err)
		}
		if at, err := template.One[time.Time](ctx, db, d.text("SELECT born FROM people WHERE id = ?"), 2); !at.Equal(want[1].Born) || err != nil {
			t.Errorf("One time: %v, %v", at, err)
		}
		if age, err := template.One[*int](ctx, db, d.text("SELECT age FROM people WHERE id = ?"), 1); age != nil || err != nil {
			t.Errorf("One NULL: %v, %v", age, err)
		}
		if _, err := template.One[int](ctx, db, d.text("SELECT age FROM people WHERE id = ?"), 1); err == nil || !strings.Contains(err.Error(), "sql.Null[T]") {
			t.Errorf("One NULL for an int: %v", err)
		}
		if _, found, err := template.Opt[person](ctx, db, d.text("SELECT * FROM people WHERE id = ?"), 99); found || err != nil {
			t.Errorf("Opt of none: %v, %v", found, err)
		}
		if x, found, err := template.Opt[*person](ctx, db, d.text("SELECT name FROM people WHERE id = ?"), 2); !found || err != nil || x.Name != "person 1" {
			t.Errorf("Opt: %+v, %v, %v", x, found, err)
		}
		returned(t, p, "Opt")

		for x, err := range template.Each[person](ctx, db, "SELECT * FROM people ORDER BY id") {
			if err != nil || x.ID != 1 || p.Stats().Active != 1 {
				t.Errorf("Each: %+v, %v, %d active", x, err, p.Stats().Active)
			}
			break
		}
		returned(t, p, "break")
		func() {
			defer func() { _ = recover() }()
			for range template.Each[person](ctx, db, "SELECT * FROM people") {
				panic("odd")
			}
		}()
		returned(t, p, "a panic")
		if _, err := template.Query[person](ctx, db, "SELECT nonsense FROM people"); err == nil || !strings.HasPrefix(err.Error(), "template.Query: ") {
			t.Errorf("Query of nonsense: %v", err)
		}
		returned(t, p, "an error")
	})
}

func TestTemplateKeysOfInserts(t *testing.T) {
	onTemplateDatabases(t, func(t *testing.T, d templateDatabase, p *akari.Pool) {
		ctx, db := t.Context(), p.DB()
		x := people(2)[1]
		// MariaDB, like PostgreSQL and SQLite, returns rows of an INSERT.
		got, err := template.InsertReturning[person](ctx, db, d.text(insertPerson+" RETURNING id, name"), x.values()...)
		if err != nil || got.ID != 1 || got.Name != x.Name {
			t.Errorf("InsertReturning: %+v, %v", got, err)
		}
		returned(t, p, "InsertReturning")
		if _, err := template.InsertReturning[int64](ctx, db, d.text(insertPerson), x.values()...); err == nil || !strings.Contains(err.Error(), "has no RETURNING") {
			t.Errorf("without RETURNING: %v", err)
		}
		if _, err := template.InsertReturning[int64](ctx, db, d.text(insertPerson+" RETURNING id"), x.values()...); err == nil {
			t.Error("a duplicate")
		}
		returned(t, p, "a duplicate")
		x.Email.V = "other@example.com"
		id, err := template.InsertID(ctx, db, d.text(insertPerson), x.values()...)
		if d.dialect == template.PostgreSQL {
			if err == nil || !strings.Contains(err.Error(), "use InsertReturning") {
				t.Errorf("InsertID: %v", err)
			}
		} else if err != nil || id < 2 {
			t.Errorf("InsertID: %d, %v", id, err)
		}
	})
}

// TestTemplateKnowsTheDialect by the driver, behind the pool's DB, plain, and
// inside transactions and connections.
func TestTemplateKnowsTheDialect(t *testing.T) {
	onTemplateDatabases(t, func(t *testing.T, d templateDatabase, p *akari.Pool) {
		ctx := t.Context()
		mustExec(t, p.DB(), "INSERT INTO people (name, height) VALUES ('a:b', 1), ('c', 2), ('d', 3)")
		statement := template.Named(
			"SELECT name FROM people WHERE id IN (:ids) AND (height >= :least OR name = 'a:b') /* :no */ ORDER BY id",
			map[string]any{"ids": []int{1, 2, 3}, "least": 3})
		tx, err := p.DB().BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		c := conn(t, p.DB())
		for name, db := range map[string]template.DB{
			"the pool's DB": p.DB(), "another DB": plain(t, d.database), "a transaction": tx, "a connection": c,
			"an embedded DB": struct{ *sql.DB }{p.DB()}, "an embedded DB beside nothing": &struct {
				fmt.Stringer
				*sql.DB
			}{DB: plain(t, d.database)}, "an embedded transaction": &struct{ *sql.Tx }{tx},
		} {
			if name == "the pool's DB" || name == "an embedded DB" {
				continue // both connections are in use
			}
			got, err := template.Query[string](ctx, db, statement)
			if err != nil || !slices.Equal(got, []string{"a:b", "d"}) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		tx.Rollback()
		c.Close()
		for _, db := range []template.DB{p.DB(), struct{ *sql.DB }{p.DB()}} {
			if got, err := template.Query[string](ctx, db, statement); err != nil || len(got) != 2 {
				t.Errorf("%T: %v, %v", db, got, err)
			}
		}
	})
}

// traced is a driver in another one, as those for tracing are.
type traced struct {
	driver.Connector
	inner driver.Driver
}

func (c traced) Driver() driver.Driver { return &tracedDriver{c.inner} }

type tracedDriver struct{ parent driver.Driver }

func (d *tracedDriver) Open(name string) (driver.Conn, error) { return d.parent.Open(name) }

func TestTemplateKnowsTheDialectOfAWrappedDriver(t *testing.T) {
	connector := pgxConnector(t)
	db := sql.OpenDB(traced{connector, connector.Driver()})
	defer db.Close()
	if n, err := template.One[int](t.Context(), db, template.Named("SELECT :n::int", map[string]any{"n": 7})); n != 7 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

var batchModes = map[string][]template.BatchOption{"Auto": nil, "MultiRow": {template.MultiRow}, "Prepared": {template.Prepared}}

func TestTemplateBatchWritesWhatALoopWrites(t *testing.T) {
	onTemplateDatabases(t, func(t *testing.T, d templateDatabase, p *akari.Pool) {
		ctx, db := t.Context(), p.DB()
		want := people(257)
		for mode, opts := range batchModes {
			counts, err := template.Batch(ctx, db, d.text(insertPerson), want, person.values, opts...)
			if err != nil || !slices.Equal(counts, []int64{100, 100, 57}) {
				t.Fatalf("%s: %v, %v", mode, counts, err)
			}
			returned(t, p, mode)
			got, err := template.Query[person](ctx, db, "SELECT * FROM people ORDER BY id")
			for i := range got {
				got[i].ID = int64(i + 1) // keys go on from mode to mode
			}
			if err != nil || !samePeople(got, want) {
				t.Errorf("%s: %d rows, %v", mode, len(got), err)
			}
			mustExec(t, db, "DELETE FROM people")
		}
		counts, err := template.Batch(ctx, db,
			"INSERT INTO people (name, email, age, height, born, photo) VALUES (:name, :email, :age, :height, :born, :photo)", want, nil)
		if err != nil || !slices.Equal(counts, []int64{100, 100, 57}) {
			t.Errorf("by name: %v, %v", counts, err)
		}
		counts, err = template.Batch(ctx, db, d.text("UPDATE people SET age = ? WHERE name = ?"), want[:5],
			func(x person) []any { return []any{100, x.Name} }, template.ChunkSize(2))
		if err != nil || !slices.Equal(counts, []int64{2, 2, 1}) {
			t.Errorf("UPDATE: %v, %v", counts, err)
		}
		returned(t, p, "UPDATE")
	})
}

func TestTemplateBatchNamesTheItemAtFault(t *testing.T) {
	onTemplateDatabases(t, func(t *testing.T, d templateDatabase, p *akari.Pool) {
		ctx, db := t.Context(), p.DB()
		good := people(250)
		for name, spoil := range map[string]func(all []person){
			"a duplicate of an earlier chunk": func(all []person) { all[230].Email = all[10].Email },
			"a duplicate of the same chunk":   func(all []person) { all[230].Email = all[210].Email },
			"a value that does not fit": func(all []person) {
				if d.dialect == template.SQLite { // there everything fits
					all[230].Email = all[1].Email
				}
				all[230].Name = strings.Repeat("x", 41)
			},
		} {
			for mode, opts := range batchModes {
				for _, inTx := range []bool{false, true} {
					spoiled := slices.Clone(good)
					spoil(spoiled)
					var on template.DB = db
					var tx *sql.Tx
					if inTx {
						var err error
						if tx, err = db.BeginTx(ctx, nil); err != nil {
							t.Fatal(err)
						}
						on = tx
					}
					_, err := template.Batch(ctx, on, d.text(insertPerson), spoiled, person.values, opts...)
					be, ok := errors.AsType[*template.BatchError](err)
					if !ok || be.Index != 230 || be.From != 200 || be.To != 250 || !slices.Equal(be.Counts, []int64{100, 100}) {
						t.Errorf("%s, %s, in a transaction %v: %v", name, mode, inTx, err)
					}
					if inTx {
						// It goes on, and nothing of the batch is in it.
						if _, err := template.Batch(ctx, tx, d.text(insertPerson), good[:2], person.values, opts...); err != nil {
							t.Errorf("%s, %s: the next one: %v", name, mode, err)
						}
						if n, err := template.One[int](ctx, tx, "SELECT count(*) FROM people"); n != 2 || err != nil {
							t.Errorf("%s, %s: %d rows, %v", name, mode, n, err)
						}
						if err := tx.Rollback(); err != nil {
							t.Error(err)
						}
					}
					returned(t, p, name)
					if n := one[int](t, db, "SELECT count(*) FROM people"); n != 0 {
						t.Fatalf("%s, %s: %d rows are left", name, mode, n)
					}
				}
			}
		}
	})
}

func TestTemplateBatchUpserts(t *testing.T) {
	onTemplateDatabases(t, func(t *testing.T, d templateDatabase, p *akari.Pool) {
		ctx, db := t.Context(), p.DB()
		text := "INSERT INTO people (name, email, height) VALUES (?, ?, 1) ON CONFLICT (email) DO UPDATE SET name = excluded.name"
		if d.dialect == template.MySQL {
			text = "INSERT INTO people (name, email, height) VALUES (?, ?, 1) ON DUPLICATE KEY UPDATE name = VALUES(name)"
		}
		// Of two items with one key, also in one statement, the last counts.
		items := []string{"a", "b", "c", "a", "d"}
		if _, err := template.Batch(ctx, db, d.text(text), items, func(s string) []any { return []any{s + "!", s} }, template.MultiRow); err != nil {
			t.Fatal(err)
		}
		got, err := template.Query[string](ctx, db, "SELECT name FROM people ORDER BY email")
		if err != nil || !slices.Equal(got, []string{"a!", "b!", "c!", "d!"}) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestTemplateBatchOfManyArguments(t *testing.T) {
	onTemplateDatabases(t, func(t *testing.T, d templateDatabase, p *akari.Pool) {
		want := people(12000) // in chunks as large as the server takes
		counts, err := template.Batch(t.Context(), p.DB(), d.text(insertPerson), want, person.values, template.ChunkSize(1_000_000))
		var sum int64
		for _, n := range counts {
			sum += n
		}
		if err != nil || sum != 12000 || len(counts) < 2 {
			t.Errorf("got %v, %v", counts, err)
		}
	})
}

// TestTemplateBatchStaysBelowMaxAllowedPacket: MariaDB has 16 MiB by default.
func TestTemplateBatchStaysBelowMaxAllowedPacket(t *testing.T) {
	for _, d := range mysqlDatabases(t) {
		p := open(t, d, akari.Config{MaximumPoolSize: 1})
		recreate(t, p.DB(), "documents", "body longtext")
		body := strings.Repeat("x", 300_000)
		for name, bind := range map[string]func(int) []any{
			"a string": func(int) []any { return []any{body} },
			"a Valuer": func(int) []any { return []any{sql.NullString{String: body, Valid: true}} },
		} {
			counts, err := template.Batch(t.Context(), p.DB(), "INSERT INTO documents VALUES (?)", make([]int, 100), bind, template.MultiRow)
			if err != nil || len(counts) < 20 {
				t.Errorf("%s: %v, %v", name, counts, err)
			}
		}
		returned(t, p, "the batch")
	}
}

func TestTemplateBatchEndsWithItsContext(t *testing.T) {
	onTemplateDatabases(t, func(t *testing.T, d templateDatabase, p *akari.Pool) {
		for mode, opts := range batchModes {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := template.Batch(ctx, p.DB(), d.text(insertPerson), people(300), func(x person) []any {
				if x.ID == 150 {
					cancel()
				}
				return x.values()
			}, opts...)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", mode, err)
			}
			returned(t, p, mode)
			if n := one[int](t, p.DB(), "SELECT count(*) FROM people"); n != 0 {
				t.Errorf("%s: %d rows", mode, n)
			}
		}
	})
}

// copyByPgx is for template.Copy.
func copyByPgx(ctx context.Context, conn *sql.Conn, rows *template.CopyRows) (n int64, err error) {
	err = akari.Raw(conn, func(driverConn any) error {
		n, err = driverConn.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier(rows.Table), rows.Columns, rows)
		return err
	})
	return n, err
}

func TestTemplateBatchCopies(t *testing.T) {
	onTemplateDatabases(t, func(t *testing.T, d templateDatabase, p *akari.Pool) {
		if d.name != "pgx" {
			t.Skip("COPY by pgx")
		}
		ctx, db := t.Context(), p.DB()
		want := people(2500)
		copies := []template.BatchOption{template.Copy(copyByPgx), template.ChunkSize(1000)}
		counts, err := template.Batch(ctx, db, d.text(insertPerson), want, person.values, copies...)
		if err != nil || !slices.Equal(counts, []int64{1000, 1000, 500}) {
			t.Fatalf("got %v, %v", counts, err)
		}
		returned(t, p, "COPY")
		got, err := template.Query[person](ctx, db, "SELECT * FROM people ORDER BY id")
		if err != nil || !samePeople(got, want) {
			t.Errorf("%d rows, %v", len(got), err)
		}
		mustExec(t, db, "DELETE FROM people")

		want[2222].Email = want[7].Email
		_, err = template.Batch(ctx, db, d.text(insertPerson), want, person.values, copies...)
		be, ok := errors.AsType[*template.BatchError](err)
		if !ok || be.Index != 2222 || !slices.Equal(be.Counts, []int64{1000, 1000}) {
			t.Errorf("got %v", err)
		}
		returned(t, p, "a failed COPY")
		if n := one[int](t, db, "SELECT count(*) FROM people"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// TestTemplateInATransactionScope: what is called with the scope's context is part of
// its transaction, on its one connection, and a batch is a savepoint in it.
func TestTemplateInATransactionScope(t *testing.T) {
	onTemplateDatabases(t, func(t *testing.T, d templateDatabase, p *akari.Pool) {
		good := people(150)
		bad := append(people(150), good[3])
		undo := errors.New("undo")
		for _, outcome := range []error{nil, undo} {
			err := txn.Do(t.Context(), p, func(ctx context.Context) error {
				db := p.DB()
				_, err := template.Batch(ctx, db, d.text(insertPerson), bad[1:], person.values)
				if be, ok := errors.AsType[*template.BatchError](err); !ok || be.Index != 149 {
					t.Errorf("the bad one: %v", err)
				}
				if _, err := template.Batch(ctx, db, d.text(insertPerson), good, person.values); err != nil {
					t.Errorf("the good one: %v", err)
				}
				if n, err := template.One[int](ctx, db, "SELECT count(*) FROM people"); n != 150 || err != nil {
					t.Errorf("%d rows in the scope, %v", n, err)
				}
				if n := p.Stats().Active; n != 1 {
					t.Errorf("%d connections", n)
				}
				return outcome
			})
			if !errors.Is(err, outcome) {
				t.Errorf("the scope: %v", err)
			}
			returned(t, p, "the scope")
			want := 150
			if outcome != nil {
				want = 0
			}
			if n := one[int](t, p.DB(), "SELECT count(*) FROM people"); n != want {
				t.Errorf("%d rows, want %d", n, want)
			}
			mustExec(t, p.DB(), "DELETE FROM people")
		}
	})
}
