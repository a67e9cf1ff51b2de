package akari

import (
	"database/sql/driver"
	"io"
	"reflect"
)

// watchedRows are rows of a driver that cannot be left alone with the end of their
// context: they are watched until they are closed. It has all optional interfaces of rows, and
// where the driver's have not answers what database/sql would assume.
type watchedRows struct {
	driver.Rows
	watch endWatch
}

// watched returns the rows of a query, and sees to it that the watch of the query
// ends with them.
func watched(rows driver.Rows, err error, watch endWatch) driver.Rows {
	if watch.none() {
		return rows
	}
	if err != nil || rows == nil {
		watch.end()
		return rows
	}
	return &watchedRows{rows, watch}
}

func (r *watchedRows) Close() error {
	defer r.watch.end()
	return r.Rows.Close()
}

func (r *watchedRows) HasNextResultSet() bool {
	s, ok := r.Rows.(driver.RowsNextResultSet)
	return ok && s.HasNextResultSet()
}

func (r *watchedRows) NextResultSet() error {
	if s, ok := r.Rows.(driver.RowsNextResultSet); ok {
		return s.NextResultSet()
	}
	return io.EOF
}

func (r *watchedRows) ColumnTypeScanType(i int) reflect.Type {
	if c, ok := r.Rows.(driver.RowsColumnTypeScanType); ok {
		return c.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}

func (r *watchedRows) ColumnTypeDatabaseTypeName(i int) string {
	if c, ok := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return c.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

func (r *watchedRows) ColumnTypeLength(i int) (int64, bool) {
	if c, ok := r.Rows.(driver.RowsColumnTypeLength); ok {
		return c.ColumnTypeLength(i)
	}
	return 0, false
}

func (r *watchedRows) ColumnTypeNullable(i int) (nullable, ok bool) {
	if c, ok := r.Rows.(driver.RowsColumnTypeNullable); ok {
		return c.ColumnTypeNullable(i)
	}
	return false, false
}

func (r *watchedRows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	if c, ok := r.Rows.(driver.RowsColumnTypePrecisionScale); ok {
		return c.ColumnTypePrecisionScale(i)
	}
	return 0, 0, false
}
