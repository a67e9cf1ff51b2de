package template

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
)

// Statement is a text with named parameters, and their values. [Named] makes it.
type Statement struct {
	text   string
	params any
}

// Named is a statement whose parameters have names, for every function of this
// package in place of a text and its arguments:
//
//	users, err := template.Query[User](ctx, db, template.Named(
//		"SELECT * FROM users WHERE team = :team AND role IN (:roles)",
//		map[string]any{"team": 7, "roles": []string{"admin", "owner"}}))
//
// A parameter is a colon and a word of letters, digits and underscores. It is none
// in literals, quoted identifiers and comments, in ::casts, and right after a
// letter or digit. Other placeholders may not stand beside them.
//
// params is a map whose keys are the names, or a struct (or a pointer to one) with
// a field for each name, found as for columns. A value that has no use is ignored,
// a name without a value is an error.
//
// A slice, other than of bytes, becomes a list where its name stands in the
// parentheses of IN; slices in it become lists in parentheses, for (a, b) IN
// (:pairs). An empty one is an error, since no server takes IN (). Anywhere else a
// slice goes to the driver as it is, for = ANY(:ids) with pgx.
func Named(query string, params any) Statement { return Statement{query, params} }

// Expand returns the text with the placeholders of a dialect and the arguments in
// their order, for use without this package. With PostgreSQL a name that stands
// twice is one argument.
func (s Statement) Expand(d Dialect) (query string, args []any, err error) {
	value, err := valuesOf(s.params)
	if err != nil {
		return "", nil, err
	}
	x := expansion{dialect: d}
	err = eachName(d, s.text, func(before, name string, inList bool) error {
		x.text = append(x.text, before...)
		if name == "" {
			return nil
		}
		v, err := value(name)
		if err != nil {
			return err
		}
		return x.add(name, v, inList)
	})
	if err != nil {
		return "", nil, err
	}
	return string(x.text), x.args, nil
}

// String returns the text. The values are not shown.
func (s Statement) String() string { return s.text }

// GoString is String.
func (s Statement) GoString() string { return "template.Named(" + fmt.Sprintf("%q", s.text) + ", …)" }

// expansion is a statement that is being put together.
type expansion struct {
	dialect Dialect
	text    []byte
	args    []any
	numbers map[string]int // of names that are arguments already, with PostgreSQL
}

// add adds a parameter.
func (x *expansion) add(name string, v any, inList bool) error {
	if inList {
		if list, ok := listOf(v); ok {
			return x.addList(name, list)
		}
	}
	if x.dialect != PostgreSQL {
		x.addValue(v)
		return nil
	}
	if n := x.numbers[name]; n != 0 {
		x.text = x.dialect.appendPlaceholder(x.text, n)
		return nil
	}
	x.addValue(v)
	if x.numbers == nil {
		x.numbers = map[string]int{}
	}
	x.numbers[name] = len(x.args)
	return nil
}

func (x *expansion) addValue(v any) {
	x.args = append(x.args, v)
	x.text = x.dialect.appendPlaceholder(x.text, len(x.args))
}

// addList adds the elements of a slice.
func (x *expansion) addList(name string, list reflect.Value) error {
	if list.Len() == 0 {
		return fmt.Errorf("the list for :%s is empty, and no server takes IN (): leave the condition out, or the query", name)
	}
	for i := range list.Len() {
		if i > 0 {
			x.text = append(x.text, ", "...)
		}
		v := list.Index(i).Interface()
		inner, ok := listOf(v)
		if !ok {
			x.addValue(v)
			continue
		}
		x.text = append(x.text, '(')
		if err := x.addList(name, inner); err != nil {
			return err
		}
		x.text = append(x.text, ')')
	}
	return nil
}

// listOf returns a value that is a list of arguments.
func listOf(v any) (reflect.Value, bool) {
	if _, ok := v.(driver.Valuer); ok {
		return reflect.Value{}, false
	}
	list := reflect.ValueOf(v)
	if k := list.Kind(); k != reflect.Slice && k != reflect.Array || list.Type().Elem().Kind() == reflect.Uint8 {
		return reflect.Value{}, false
	}
	return list, true
}

// eachName calls found for each named parameter of a text, with the text before
// it, and whether it stands in the parentheses of IN; at the end with the rest of
// the text, and no name.
func eachName(d Dialect, text string, found func(before, name string, inList bool) error) error {
	l := lexer{dialect: d, text: text}
	var (
		copied  int
		names   bool
		marks   bool
		afterIn bool
		lists   []bool // of open parentheses: are they those of IN?
	)
	for t := l.next(); t.kind != end; t = l.next() {
		switch {
		case l.isSymbol(t, "("):
			lists = append(lists, afterIn)
		case l.isSymbol(t, ")") && len(lists) > 0:
			lists = lists[:len(lists)-1]
		case t.kind == param:
			marks = true
		case t.kind == named:
			names = true
			inList := len(lists) > 0 && lists[len(lists)-1]
			if err := found(text[copied:t.start], text[t.start+1:t.end], inList); err != nil {
				return err
			}
			copied = t.end
		}
		afterIn = l.is(t, "IN")
	}
	if names && marks {
		return errors.New("the text has both :names and other placeholders")
	}
	return found(text[copied:], "", false)
}

// valuesOf returns what finds the values of parameters in a struct or map.
func valuesOf(params any) (func(name string) (any, error), error) {
	if m, ok := params.(map[string]any); ok {
		return func(name string) (any, error) {
			v, ok := m[name]
			if !ok {
				return nil, missing(name, "key of the map")
			}
			return v, nil
		}, nil
	}
	v := reflect.ValueOf(params)
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch {
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		return func(name string) (any, error) {
			value := v.MapIndex(reflect.ValueOf(name).Convert(v.Type().Key()))
			if !value.IsValid() {
				return nil, missing(name, "key of the map")
			}
			return value.Interface(), nil
		}, nil
	case v.Kind() == reflect.Struct && !isColumn(v.Type()):
		all, err := fieldsOf(v.Type())
		if err != nil {
			return nil, fmt.Errorf("%v: %w", v.Type(), err)
		}
		return func(name string) (any, error) {
			f, err := all.find(name)
			switch {
			case err != nil:
				return nil, fmt.Errorf("%v: %w", v.Type(), err)
			case f == nil:
				return nil, missing(name, "field of "+v.Type().String())
			}
			return f.of(v), nil
		}, nil
	}
	return nil, fmt.Errorf("named parameters come from a struct or a map with keys that are strings, not from %T", params)
}

func missing(name, what string) error {
	return fmt.Errorf("there is no value for :%s: no %s has that name", name, what)
}

// of returns the value of a field, nil if it is behind a nil pointer.
func (f *field) of(v reflect.Value) any {
	if !f.pointer {
		return v.FieldByIndex(f.index).Interface()
	}
	if inner := reach(v, f.index, false); inner.IsValid() {
		return inner.Interface()
	}
	return nil
}
