package template

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Row is the current row of a query, for a [Mapper].
type Row interface {
	Columns() ([]string, error)
	ColumnTypes() ([]*sql.ColumnType, error)
	Scan(dest ...any) error
}

type mapper struct {
	f any
}

func (m mapper) set(s *settings) { s.mapper = m.f }

// Mapper makes f turn rows into values, in place of the rules for T. f is called
// once for each row, in order, and must not keep the Row.
//
//	names, err := template.Query[string](ctx, db, "SELECT first, last FROM users",
//		template.Mapper(func(r template.Row) (string, error) {
//			var first, last string
//			err := r.Scan(&first, &last)
//			return first + " " + last, err
//		}))
func Mapper[T any](f func(Row) (T, error)) Option { return mapper{f} }

// scanning returns what turns the current row into a T.
func scanning[T any](rows *sql.Rows, s settings) (func(*T) error, error) {
	if s.mapper != nil {
		f, ok := s.mapper.(func(Row) (T, error))
		if !ok {
			return nil, fmt.Errorf("the Mapper is a %T, not for %v", s.mapper, reflect.TypeFor[T]())
		}
		return func(v *T) (err error) {
			*v, err = f(rows)
			return err
		}, nil
	}
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	p, err := planFor(reflect.TypeFor[T](), columns, s.strict)
	if err != nil {
		return nil, err
	}
	if p.scalar {
		return func(v *T) error { return rows.Scan(v) }, nil
	}
	r := p.begin()
	return func(v *T) error { return r.scan(rows, reflect.ValueOf(v).Elem()) }, nil
}

var errNull = errors.New("NULL goes into a pointer, a sql.Null[T], []byte or a sql.Scanner")

// explain adds what to do to database/sql's complaint about a NULL.
func explain(err error) error {
	if strings.Contains(err.Error(), "converting NULL to") {
		return fmt.Errorf("%w (%w)", err, errNull)
	}
	return err
}
