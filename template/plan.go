package template

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
)

// plan says where the columns of a result go in a type. It is read only.
type plan struct {
	scalar  bool // the only column is the value
	pointer bool // the type is a pointer to the struct
	typ     reflect.Type
	columns []*field // nil: nowhere
	names   []string
}

type planKey struct {
	typ     reflect.Type
	columns string
	strict  bool
}

// plans are kept until there are maxPlans of them: programs that make up columns
// must not fill the memory.
var (
	plans     sync.Map // planKey → *plan
	planCount atomic.Int64
)

const maxPlans = 2048

// planFor returns the plan for a type and columns. Its error says why there is
// none.
func planFor(t reflect.Type, columns []string, strict bool) (*plan, error) {
	key := planKey{t, strings.Join(columns, "\x00"), strict}
	if known, ok := plans.Load(key); ok {
		return known.(*plan), nil
	}
	p, err := newPlan(t, columns, strict)
	if err != nil {
		return nil, err
	}
	if planCount.Load() < maxPlans {
		if _, loaded := plans.LoadOrStore(key, p); !loaded {
			planCount.Add(1)
		}
	}
	return p, nil
}

var errRawBytes = errors.New("sql.RawBytes is overwritten by the next row: use []byte")

func newPlan(t reflect.Type, columns []string, strict bool) (*plan, error) {
	if len(columns) == 0 {
		return nil, errors.New("the statement has returned no rows, and was executed: use Exec for one that returns none")
	}
	if t.Kind() == reflect.Map {
		return nil, fmt.Errorf("%v has no fields for columns: use a struct, or give a Mapper", t)
	}
	p := &plan{typ: t, names: columns}
	if t.Kind() == reflect.Pointer && !isColumn(t.Elem()) {
		p.pointer, p.typ = true, t.Elem()
	}
	if isColumn(p.typ) {
		if t == reflect.TypeFor[sql.RawBytes]() {
			return nil, errRawBytes
		}
		if len(columns) != 1 {
			return nil, fmt.Errorf("there are %d columns, and %v takes one", len(columns), t)
		}
		p.scalar = true
		return p, nil
	}
	all, err := fieldsOf(p.typ)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", p.typ, err)
	}
	if err := p.assign(all, strict); err != nil {
		return nil, fmt.Errorf("%v: %w", p.typ, err)
	}
	return p, nil
}

// assign finds the field of each column.
func (p *plan) assign(all *fields, strict bool) error {
	var unknown []string
	taken := map[*field]string{}
	for _, name := range p.names {
		f, err := all.find(name)
		if err != nil {
			return err
		}
		p.columns = append(p.columns, f)
		switch {
		case f == nil:
			unknown = append(unknown, name)
			continue
		case taken[f] != "":
			return fmt.Errorf("columns %s and %s are both for field %s: give one another name, with AS", taken[f], name, f.path)
		case f.typ == reflect.TypeFor[sql.RawBytes]():
			return fmt.Errorf("field %s: %w", f.path, errRawBytes)
		}
		taken[f] = name
	}
	switch {
	case len(taken) == 0:
		return fmt.Errorf("no field takes any of the columns %s", strings.Join(p.names, ", "))
	case strict && len(unknown) > 0:
		return fmt.Errorf("no field takes %s", strings.Join(unknown, ", "))
	}
	return nil
}

// nowhere is where columns go that nobody wants.
type nowhere struct{}

func (nowhere) Scan(any) error { return nil }

// reading is a plan at work on one result.
type reading struct {
	*plan
	dest []any

	// values are pointers to pointers, for fields behind pointers: those are
	// allocated only if one of their columns is not NULL.
	values []reflect.Value
}

func (p *plan) begin() *reading {
	r := &reading{plan: p, dest: make([]any, len(p.columns))}
	for i, f := range p.columns {
		switch {
		case f == nil:
			r.dest[i] = nowhere{}
		case f.pointer:
			if r.values == nil {
				r.values = make([]reflect.Value, len(p.columns))
			}
			r.values[i] = reflect.New(reflect.PointerTo(f.typ))
			r.dest[i] = r.values[i].Interface()
		}
	}
	return r
}

// scan puts the current row into v.
func (r *reading) scan(rows *sql.Rows, v reflect.Value) error {
	if r.pointer {
		v.Set(reflect.New(r.typ))
		v = v.Elem()
	}
	for i, f := range r.columns {
		if f != nil && !f.pointer {
			r.dest[i] = v.FieldByIndex(f.index).Addr().Interface()
		}
	}
	if err := rows.Scan(r.dest...); err != nil {
		return err
	}
	if r.values != nil {
		return r.place(v)
	}
	return nil
}

// place moves what was scanned for fields behind pointers to them. NULLs come
// last, when it is known which structs there are.
func (r *reading) place(v reflect.Value) error {
	for i, value := range r.values {
		if value.IsValid() && !value.Elem().IsNil() {
			reach(v, r.columns[i].index, true).Set(value.Elem().Elem())
		}
	}
	for i, value := range r.values {
		if !value.IsValid() || !value.Elem().IsNil() {
			continue
		}
		f := reach(v, r.columns[i].index, false)
		if !f.IsValid() {
			continue
		}
		if s, ok := f.Addr().Interface().(sql.Scanner); ok {
			if err := s.Scan(nil); err != nil {
				return fmt.Errorf("column %s: %w", r.names[i], err)
			}
			continue
		}
		switch f.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		default:
			return fmt.Errorf("column %s, field %s of type %v: %w", r.names[i], r.columns[i].path, f.Type(), errNull)
		}
	}
	return nil
}

// reach returns a field behind pointers. Those that are nil are allocated, or it
// returns the zero Value.
func reach(v reflect.Value, index []int, allocate bool) reflect.Value {
	for _, i := range index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !allocate {
					return reflect.Value{}
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v
}
