package template_test

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari/template"
)

type filter struct {
	Team  int
	Roles []string
	Since *time.Time `db:"from_date"`
	base
}

// array is a slice that the driver is to get as one argument.
type array []int

func (array) Value() (driver.Value, error) { return "{}", nil }

func TestNamesBecomePlaceholders(t *testing.T) {
	params := map[string]any{
		"a": 1, "b": "x", "_c1": nil, "ids": []int{1, 2, 3}, "one": []string{"p"}, "bytes": []byte("z"),
		"pairs": [][]any{{1, "a"}, {2, "b"}}, "array": array{1, 2}, "fixed": [2]int{8, 9},
	}
	const both = template.PostgreSQL + 100 // the same text, but for the placeholders
	for _, c := range []struct {
		dialect template.Dialect
		text    string
		want    string // with ? for both
		args    []any
	}{
		{both, "SELECT 1", "SELECT 1", nil},
		{both, "SELECT :a", "SELECT ?", []any{1}},
		{both, "a=:a AND(b=:b)OR c IS :_c1;", "a=? AND(b=?)OR c IS ?;", []any{1, "x", nil}},
		{both, ":a::int, x:=:b", "?::int, x:=?", []any{1, "x"}},
		{both, "':a' || :a || ':b'':b'", "':a' || ? || ':b'':b'", []any{1}},
		{both, `":a" = :a`, `":a" = ?`, []any{1}},
		{both, "-- :b\n:a -- :b", "-- :b\n? -- :b", []any{1}},
		{both, "/* :b */:a", "/* :b */?", []any{1}},
		{both, "t[1:a] lo:hi 12:30", "t[1:a] lo:hi 12:30", nil},
		{both, "id IN (:ids)", "id IN (?, ?, ?)", []any{1, 2, 3}},
		{both, "id not in(:one) AND :a > 0", "id not in(?) AND ? > 0", []any{"p", 1}},
		{both, "id IN (:a, :ids)", "id IN (?, ?, ?, ?)", []any{1, 1, 2, 3}},
		{both, "id IN ((:a), f(:fixed))", "id IN ((?), f(?))", []any{1, [2]int{8, 9}}},
		{both, "id IN (:fixed)", "id IN (?, ?)", []any{8, 9}},
		{both, "(x, y) IN (:pairs)", "(x, y) IN ((?, ?), (?, ?))", []any{1, "a", 2, "b"}},
		{both, "id = ANY(:ids)", "id = ANY(?)", []any{[]int{1, 2, 3}}},
		{both, "b IN (:bytes)", "b IN (?)", []any{[]byte("z")}},
		{both, "b IN (:array)", "b IN (?)", []any{array{1, 2}}},
		{both, "IN (SELECT :ids FROM x)", "IN (SELECT ?, ?, ? FROM x)", []any{1, 2, 3}},
		{template.PostgreSQL, "$$ :a $$ || $t$ :a $$ $t$ || :a", "$$ :a $$ || $t$ :a $$ $t$ || $1", []any{1}},
		{template.PostgreSQL, `E'\':a' || :a`, `E'\':a' || $1`, []any{1}},
		{template.PostgreSQL, `'\' || :a`, `'\' || $1`, []any{1}},
		{template.PostgreSQL, "/* /* */ :b */ :a", "/* /* */ :b */ $1", []any{1}},
		{template.PostgreSQL, "x ? 'k' AND :a", "x ? 'k' AND $1", []any{1}},
		{template.PostgreSQL, ":a, :b, :a", "$1, $2, $1", []any{1, "x"}},
		{template.MySQL, ":a, :b, :a", "?, ?, ?", []any{1, "x", 1}},
		{template.MySQL, `'\':a' = :a`, `'\':a' = ?`, []any{1}},
		{template.MySQL, "`:a` = :a # :b", "`:a` = ? # :b", []any{1}},
		{template.MySQL, "1--:a", "1--?", []any{1}},
		{template.SQLite, "[:a] = :a", "[:a] = ?", []any{1}},
		{template.Other, ":a", "?", []any{1}},
	} {
		dialects := []template.Dialect{c.dialect}
		if c.dialect == both {
			dialects = []template.Dialect{template.PostgreSQL, template.MySQL, template.SQLite, template.Other}
		}
		for _, d := range dialects {
			t.Run(fmt.Sprintf("%v %s", d, c.text), func(t *testing.T) {
				want := c.want
				if c.dialect == both && d == template.PostgreSQL {
					want = numbered(want)
				}
				got, args, err := template.Named(c.text, params).Expand(d)
				if err != nil {
					t.Fatal(err)
				}
				if got != want || !reflect.DeepEqual(args, c.args) {
					t.Errorf("got  %s %v\nwant %s %v", got, args, want, c.args)
				}
			})
		}
	}
}

// numbered replaces question marks by $1, $2…
func numbered(text string) string {
	parts := strings.Split(text, "?")
	var b strings.Builder
	b.WriteString(parts[0])
	for i, part := range parts[1:] {
		fmt.Fprintf(&b, "$%d%s", i+1, part)
	}
	return b.String()
}

func TestNamedParametersComeFrom(t *testing.T) {
	type key string
	const text = ":team, :id, :from_date"
	want := []any{7, int64(1), (*time.Time)(nil)}
	f := filter{Team: 7, base: base{1}}
	for name, params := range map[string]any{
		"a struct":            f,
		"a pointer":           &f,
		"a map":               map[string]any{"team": 7, "id": int64(1), "from_date": (*time.Time)(nil), "unused": 1},
		"a map with own keys": map[key]any{"team": 7, "id": int64(1), "from_date": (*time.Time)(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			_, args, err := template.Named(text, params).Expand(template.MySQL)
			if err != nil || !reflect.DeepEqual(args, want) {
				t.Errorf("got %v, %v", args, err)
			}
		})
	}
	t.Run("a field behind a nil pointer", func(t *testing.T) {
		_, args, err := template.Named(":bill_zip, :id", order{ID: 3}).Expand(template.MySQL)
		if err != nil || !reflect.DeepEqual(args, []any{nil, 3}) {
			t.Errorf("got %v, %v", args, err)
		}
	})
}

func TestNamedRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		params     any
		says       string
	}{
		{"a name without a key", ":team", map[string]any{"secret": "s3cret"}, "no value for :team: no key of the map"},
		{"a name without a field", ":teem", filter{}, "no value for :teem: no field of template_test.filter"},
		{"an empty list", "x IN (:roles)", filter{}, "the list for :roles is empty"},
		{"other placeholders", ":a AND ?", map[string]any{"a": "s3cret"}, "both :names and other placeholders"},
		{"a number", ":a", 3, "not from int"},
		{"nothing", ":a", nil, "not from <nil>"},
		{"a nil struct", ":a", (*filter)(nil), "not from *template_test.filter"},
		{"two fields of one name", ":user_id", twice{}, "may be UserID or Userid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := template.Named(c.text, c.params).Expand(template.MySQL)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestNamedIsATextForEveryFunction(t *testing.T) {
	s := &scripted{results: map[string]result{"": table("n", row(int64(1)))}}
	db := sql.OpenDB(s)
	defer db.Close()
	ctx := t.Context()
	pg := template.With(db, template.PostgreSQL)
	n := template.Named("x = :x RETURNING n", map[string]any{"x": "v"})
	for name, do := range map[string]func() error{
		"Query": func() error { _, err := template.Query[int](ctx, pg, n); return err },
		"One":   func() error { _, err := template.One[int](ctx, pg, n); return err },
		"Opt":   func() error { _, _, err := template.Opt[int](ctx, pg, n); return err },
		"Each": func() error {
			for _, err := range template.Each[int](ctx, pg, n) {
				return err
			}
			return nil
		},
		"Exec":            func() error { _, err := template.Exec(ctx, pg, n); return err },
		"InsertReturning": func() error { _, err := template.InsertReturning[int](ctx, pg, n); return err },
		"an option":       func() error { _, err := template.Exec(ctx, db, n, template.PostgreSQL); return err },
	} {
		s.sent = nil
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := []sent{{"x = $1 RETURNING n", []driver.Value{"v"}}}
		if !reflect.DeepEqual(s.sent, want) {
			t.Errorf("%s: sent %v", name, s.sent)
		}
	}
	if _, err := template.Exec(ctx, pg, n, 1); err == nil || !strings.Contains(err.Error(), "arguments besides those of Named") {
		t.Errorf("with other arguments: %v", err)
	}
	if _, err := template.Exec(ctx, db, n); err == nil || !strings.Contains(err.Error(), "name its dialect") {
		t.Errorf("with an unknown driver: %v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v", n, n, n); strings.Contains(text, "map[") || !strings.Contains(text, ":x") {
		t.Errorf("printed: %s", text)
	}
}

func FuzzNamed(f *testing.F) {
	for _, text := range []string{":a", "':a", "$a$ :b $a$", "/* :a", "x IN (:a", "a[1:b]", "E'\\':a'", "::a:=:b;", "`:a`", "[:a]", ":é"} {
		f.Add(text)
	}
	dialects := []template.Dialect{template.PostgreSQL, template.MySQL, template.SQLite, template.Other}
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range dialects {
			// Where nothing but names is replaced the text without them stays.
			query, args, err := template.Named(text, everything{1, 1}).Expand(d)
			if err != nil {
				continue
			}
			if len(args) == 0 && query != text {
				t.Errorf("%v: %q became %q", d, text, query)
			}
			if slices.ContainsFunc(args, func(v any) bool { return v != 1 }) {
				t.Errorf("%v: arguments of %q are %v", d, text, args)
			}
			// A name in a literal stays one.
			literal := "'" + strings.ReplaceAll(strings.ReplaceAll(text, "'", "''"), `\`, "") + "'"
			if query, args, err := template.Named(literal, everything{1, 1}).Expand(d); err != nil || query != literal || len(args) > 0 {
				t.Errorf("%v: %q became %q %v %v", d, literal, query, args, err)
			}
		}
	})
}

// everything has a value for the names of the fuzz test's texts.
type everything struct{ A, B int }
