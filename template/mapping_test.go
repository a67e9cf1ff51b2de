package template_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari/template"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// upper is a sql.Scanner.
type upper string

func (u *upper) Scan(v any) error {
	if v == nil {
		*u = "NOTHING"
		return nil
	}
	*u = upper(strings.ToUpper(fmt.Sprint(v)))
	return nil
}

// money is a Scanner that is a struct.
type money struct{ Cents int64 }

func (m *money) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return errors.New("money is a number")
	}
	m.Cents = n
	return nil
}

type Audit struct {
	CreatedAt time.Time
	By        *string
}

type Address struct {
	Street string
	Zip    sql.Null[string]
	Mark   upper
}

type base struct{ ID int64 }

type user struct {
	base
	Name    string `db:"full_name"`
	Email   sql.Null[string]
	Age     *int
	Balance money
	Secret  string `db:"-"`
	hidden  string //nolint:unused // no column may be for it
	Audit
}

type order struct {
	ID       int
	Delivery Address  `db:"to_,inline"`
	Invoice  *Address `db:"bill_,inline"`
}

type embeddedByPointer struct {
	*Audit `db:"audit."`
	N      int
}

func ptr[T any](v T) *T { return &v }

func valid[T any](v T) sql.Null[T] { return sql.Null[T]{V: v, Valid: true} }

// query is what Query makes of a result.
func query[T any](t *testing.T, r result, opts ...any) (any, error) {
	got, err := template.Query[T](t.Context(), script(t, r), "SELECT", opts...)
	return got, err
}

func TestRowsBecomeValues(t *testing.T) {
	for _, c := range []struct {
		name  string
		query func(*testing.T, result, ...any) (any, error)
		of    result
		want  any
	}{
		{"no rows", query[int], table("n"), []int(nil)},
		{"numbers", query[int], table("n", row(int64(1)), row(int64(2))), []int{1, 2}},
		{"strings of bytes", query[string], table("s", row([]byte("a"))), []string{"a"}},
		{"bytes", query[[]byte], table("b", row([]byte("a")), row([]byte("b")), row(nil)), [][]byte{[]byte("a"), []byte("b"), nil}},
		{"times", query[time.Time], table("t", row(noon)), []time.Time{noon}},
		{"NULLs in pointers", query[*int], table("n", row(int64(1)), row(nil)), []*int{ptr(1), nil}},
		{"NULLs in pointers to times", query[*time.Time], table("t", row(noon), row(nil)), []*time.Time{ptr(noon), nil}},
		{"NULLs in sql.Null", query[sql.Null[int]], table("n", row(int64(1)), row(nil)), []sql.Null[int]{valid(1), {}}},
		{"a Scanner", query[upper], table("s", row("a"), row(nil)), []upper{"A", "NOTHING"}},
		{"a Scanner that is a struct", query[money], table("n", row(int64(7))), []money{{7}}},
		{"anything", query[any], table("n", row(int64(1)), row(nil)), []any{int64(1), nil}},
		{"a named type", query[time.Duration], table("n", row(int64(5))), []time.Duration{5}},
		{
			"a struct", query[user],
			table("id full_name email age balance created_at by secret hidden",
				row(int64(1), "Ann", "a@b", int64(30), int64(250), noon, "root", "x", "x"),
				row(int64(2), "Bob", nil, nil, int64(0), noon, nil, "x", "x")),
			[]user{
				{base: base{1}, Name: "Ann", Email: valid("a@b"), Age: ptr(30), Balance: money{250}, Audit: Audit{noon, ptr("root")}},
				{base: base{2}, Name: "Bob", Audit: Audit{CreatedAt: noon}},
			},
		},
		{"pointers to structs", query[*base], table("id", row(int64(1)), row(int64(2))), []*base{{1}, {2}}},
		{"any way to write a name", query[Audit], table("CREATEDAT BY", row(noon, nil)), []Audit{{CreatedAt: noon}}},
		{"camel case", query[Audit], table("createdAt", row(noon)), []Audit{{CreatedAt: noon}}},
		{"columns in another order, some unknown", query[base], table("x ID y", row("?", int64(3), nil)), []base{{3}}},
		{
			"prefixes, and a pointer that has values", query[order],
			table("id to_street to_zip to_mark bill_street bill_zip bill_mark",
				row(int64(1), "Elm", "11", "m", "Oak", nil, nil)),
			[]order{{1, Address{"Elm", valid("11"), "M"}, &Address{"Oak", sql.Null[string]{}, "NOTHING"}}},
		},
		{
			"a pointer to a struct of NULLs is nil", query[order],
			table("id to_street bill_street bill_zip bill_mark", row(int64(1), "Elm", nil, nil, nil), row(int64(2), "Elm", "Oak", "9", "m"), row(int64(3), "Elm", nil, nil, nil)),
			[]order{{ID: 1, Delivery: Address{Street: "Elm"}}, {2, Address{Street: "Elm"}, &Address{"Oak", valid("9"), "M"}}, {ID: 3, Delivery: Address{Street: "Elm"}}},
		},
		{
			"an embedded pointer with a prefix", query[embeddedByPointer],
			table("n audit.created_at audit.by", row(int64(1), noon, nil), row(int64(2), nil, nil)),
			[]embeddedByPointer{{&Audit{CreatedAt: noon}, 1}, {nil, 2}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.query(t, c.of)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %#v, want %#v", got, c.want)
			}
		})
	}
}

type twice struct {
	UserID int
	Userid int
}

type hides struct {
	ID int
	base
}

type sameDepth struct {
	base
	Other struct{ ID int64 } `db:",inline"`
}

type recursive struct {
	ID   int
	Next *recursive `db:"next_,inline"`
}

type hiddenPointer struct {
	*base
	N int
}

type badOption struct {
	ID int `db:"id,omitempty"`
}

type raw struct{ B sql.RawBytes }

func TestWhatCannotBeMappedIsRefused(t *testing.T) {
	id := table("id", row(int64(1)))
	for _, c := range []struct {
		name  string
		query func(*testing.T, result, ...any) (any, error)
		of    result
		opts  []any
		says  string
	}{
		{"several columns for a scalar", query[int], table("a b", row(int64(1), int64(2))), nil, "there are 2 columns, and int takes one"},
		{"no columns at all", query[user], table(""), nil, "use Exec for one that returns none"},
		{"a map", query[map[string]any], table("a b", row(int64(1), int64(2))), nil, "use a struct, or give a Mapper"},
		{"no column for a struct", query[user], table("count total", row(int64(1), int64(1))), nil, "no field takes any of the columns count, total"},
		{"an unknown column, if strict", query[base], table("id extra more", row(int64(1), "", "")), []any{template.Strict()}, "no field takes extra, more"},
		{"two columns of one name", query[base], table("id name id", row(int64(1), "", int64(2))), nil, "columns id and id are both for field ID: give one another name"},
		{"two fields of one name", query[twice], table("user_id", row(int64(1))), nil, "user_id may be UserID or Userid: tell them apart by db tags"},
		{"two fields of one depth", query[sameDepth], id, nil, "id may be base.ID or Other.ID"},
		{"a struct within itself", query[recursive], id, nil, "field Next is within itself"},
		{"an embedded pointer that cannot be set", query[hiddenPointer], id, nil, "field base is an unexported pointer"},
		{"an unknown option", query[badOption], id, nil, "the only option is inline"},
		{"memory of the driver", query[sql.RawBytes], table("b", row([]byte("a"))), nil, "use []byte"},
		{"memory of the driver in a field", query[raw], table("b", row([]byte("a"))), nil, "use []byte"},
		{"NULL in a number", query[int], table("n", row(nil)), nil, "sql.Null[T]"},
		{"NULL in a field", query[base], table("id", row(nil)), nil, "sql.Null[T]"},
		{"NULL in a field behind a pointer", query[order], table("id bill_street bill_zip", row(int64(1), nil, "9")), nil, "column bill_street, field Invoice.Street of type string: NULL goes into"},
		{"a Scanner's error", query[money], table("n", row("x")), nil, "money is a number"},
		{"a Mapper for another type", query[int], id, []any{template.Mapper(func(template.Row) (string, error) { return "", nil })}, "not for int"},
		{"an option of Batch", query[int], id, []any{template.ChunkSize(3)}, "argument 1 is an option of Batch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.query(t, c.of, c.opts...)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "template.Query: ") {
				t.Errorf("got %v, %v; want an error that says %q", got, err, c.says)
			}
		})
	}
}

func TestFieldHidesDeeperOnes(t *testing.T) {
	got, err := template.One[hides](t.Context(), script(t, table("id", row(int64(1)))), "SELECT")
	if err != nil || got.ID != 1 || got.base.ID != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAmbiguousFieldsDoNoHarmUntilAskedFor(t *testing.T) {
	type pair struct {
		base
		Other struct{ ID, N int64 } `db:",inline"`
	}
	got, err := template.One[pair](t.Context(), script(t, table("n", row(int64(1)))), "SELECT")
	if err != nil || got.Other.N != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestMapperTakesThePlaceOfTheRules(t *testing.T) {
	r := table("first last", row("Ann", "Lee"), row("Bob", "Ray"))
	got, err := template.Query[string](t.Context(), script(t, r), "SELECT", 7,
		template.Mapper(func(r template.Row) (string, error) {
			var first, last string
			err := r.Scan(&first, &last)
			return first + " " + last, err
		}))
	if want := []string{"Ann Lee", "Bob Ray"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestErrorOfAMapperIsReturned(t *testing.T) {
	odd := errors.New("odd")
	_, err := template.One[int](t.Context(), script(t, table("n", row(int64(1)))), "SELECT",
		template.Mapper(func(template.Row) (int, error) { return 0, odd }))
	if !errors.Is(err, odd) {
		t.Errorf("got %v", err)
	}
}

// TestPlanIsOfItsColumns: the same type is read from results with other columns, and
// strictly or not.
func TestPlanIsOfItsColumns(t *testing.T) {
	for range 2 {
		for _, c := range []struct {
			of   result
			opts []any
			ok   bool
		}{
			{table("full_name", row("Ann")), nil, true},
			{table("other full_name", row("x", "Ann")), nil, true},
			{table("other full_name", row("x", "Ann")), []any{template.Strict()}, false},
			{table("full_name", row("Ann")), []any{template.Strict()}, true},
		} {
			got, err := template.One[user](t.Context(), script(t, c.of), "SELECT", c.opts...)
			if (err == nil) != c.ok || c.ok && got.Name != "Ann" {
				t.Errorf("%v, %d options: got %+v, %v", c.of.columns, len(c.opts), got, err)
			}
		}
	}
}

func TestOptionsAreNotSent(t *testing.T) {
	s := &scripted{results: map[string]result{"": table("n", row(int64(1)))}}
	db := sql.OpenDB(s)
	defer db.Close()
	args := []any{1, template.Strict(), "a", template.PostgreSQL}
	if _, err := template.Exec(t.Context(), template.With(db, template.Strict()), "UPDATE", args...); err != nil {
		t.Fatal(err)
	}
	if want := []driver.Value{int64(1), "a"}; !reflect.DeepEqual(s.sent[0].args, want) {
		t.Errorf("sent %v", s.sent[0].args)
	}
	if args[1] != template.Strict() {
		t.Error("the caller's slice was changed")
	}
}
