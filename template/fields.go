package template

import (
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// field is a field of a struct that a column or a named parameter may stand for.
type field struct {
	path    string // in Go, for messages
	index   []int
	typ     reflect.Type
	pointer bool // the way leads through pointers

	// ambiguous: another field of the same depth has the same name.
	ambiguous string
}

// fields are those of a struct, by their names: of tags in lower case, of others
// folded as well. They are read only.
type fields struct {
	tagged   map[string]*field
	untagged map[string]*field
}

// find returns the field for a column, nil if there is none.
func (f *fields) find(name string) (*field, error) {
	found := f.tagged[strings.ToLower(name)]
	if found == nil {
		found = f.untagged[fold(name)]
	}
	if found != nil && found.ambiguous != "" {
		return nil, fmt.Errorf("%s may be %s or %s: tell them apart by db tags", name, found.path, found.ambiguous)
	}
	return found, nil
}

// fold makes CreatedAt, created_at and CREATEDAT the same.
func fold(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, "_", ""))
}

var knownFields sync.Map // reflect.Type → *fields

// fieldsOf returns the fields of a struct.
func fieldsOf(t reflect.Type) (*fields, error) {
	if known, ok := knownFields.Load(t); ok {
		return known.(*fields), nil
	}
	f := &fields{tagged: map[string]*field{}, untagged: map[string]*field{}}
	level := []group{{typ: t, within: []reflect.Type{t}}}
	for len(level) > 0 {
		var deeper []group
		seen := map[*field]bool{} // fields of this level
		for _, g := range level {
			inner, err := f.add(g, seen)
			if err != nil {
				return nil, err
			}
			deeper = append(deeper, inner...)
		}
		level = deeper
	}
	known, _ := knownFields.LoadOrStore(t, f)
	return known.(*fields), nil
}

// group is a struct whose fields count as those of the outermost one.
type group struct {
	typ     reflect.Type
	prefix  string
	path    string
	index   []int
	pointer bool
	within  []reflect.Type // structs on the way
}

// add adds the fields of a group and returns the groups within it. As in Go, a
// field hides those of its name that are deeper.
func (f *fields) add(g group, seen map[*field]bool) ([]group, error) {
	var groups []group
	for i := range g.typ.NumField() {
		sf := g.typ.Field(i)
		tag, tagged := sf.Tag.Lookup("db")
		name, options, _ := strings.Cut(tag, ",")
		if name == "-" || !sf.IsExported() && !sf.Anonymous {
			continue
		}
		index := append(slices.Clone(g.index), i)
		elem, isPointer := sf.Type, sf.Type.Kind() == reflect.Pointer
		if isPointer {
			elem = elem.Elem()
		}
		if (sf.Anonymous || options == "inline") && !isColumn(elem) {
			if isPointer && !sf.IsExported() {
				return nil, fmt.Errorf("field %s is an unexported pointer, which cannot be set: export it, or embed the struct itself", g.path+sf.Name)
			}
			if slices.Contains(g.within, elem) {
				return nil, fmt.Errorf("field %s is within itself: leave it out with the tag db:\"-\"", g.path+sf.Name)
			}
			groups = append(groups, group{
				typ: elem, prefix: g.prefix + name, path: g.path + sf.Name + ".", index: index,
				pointer: g.pointer || isPointer, within: append(slices.Clone(g.within), elem),
			})
			continue
		}
		if options != "" {
			return nil, fmt.Errorf("field %s has the tag db:%q: the only option is inline, for structs", g.path+sf.Name, tag)
		}
		if !sf.IsExported() {
			continue
		}
		names, key := f.untagged, fold(g.prefix+sf.Name)
		if tagged && name != "" {
			names, key = f.tagged, strings.ToLower(g.prefix+name)
		}
		switch other := names[key]; {
		case other == nil:
			made := &field{path: g.path + sf.Name, index: index, typ: sf.Type, pointer: g.pointer}
			names[key] = made
			seen[made] = true
		case seen[other] && other.ambiguous == "":
			other.ambiguous = g.path + sf.Name
		}
	}
	return groups, nil
}

var scannerType = reflect.TypeFor[sql.Scanner]()

// isColumn reports whether a value of the type is scanned as a whole, from one
// column.
func isColumn(t reflect.Type) bool {
	return t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || reflect.PointerTo(t).Implements(scannerType)
}
