package conformance

import (
	"database/sql"
	"fmt"
	"reflect"
	"time"
)

// failingScanner is a Scanner that fails.
type failingScanner struct{ got any }

func (s *failingScanner) Scan(v any) error { s.got = v; return errOwn }

// keepingScanner is a Scanner that keeps what it gets.
type keepingScanner struct{ got string }

func (s *keepingScanner) Scan(v any) error { s.got = describe(v); return nil }

// destinations are one for each way in which Scan converts.
var destinations = []func() any{
	func() any { return new(any) },
	func() any { return new(string) },
	func() any { return new([]byte) },
	func() any { return new(sql.RawBytes) },
	func() any { return new(bool) },
	func() any { return new(int) },
	func() any { return new(int8) },
	func() any { return new(int16) },
	func() any { return new(int32) },
	func() any { return new(int64) },
	func() any { return new(uint) },
	func() any { return new(uint8) },
	func() any { return new(uint16) },
	func() any { return new(uint32) },
	func() any { return new(uint64) },
	func() any { return new(float32) },
	func() any { return new(float64) },
	func() any { return new(time.Time) },
	func() any { return new(time.Duration) },
	func() any { return new(*int64) },
	func() any { return new(*string) },
	func() any { return new(**string) },
	func() any { return new(*time.Time) },
	func() any { return new(myInt) },
	func() any { return new(myUint) },
	func() any { return new(myFloat) },
	func() any { return new(myString) },
	func() any { return new(myBytes) },
	func() any { return new(myBool) },
	func() any { return new(sql.NullInt64) },
	func() any { return new(sql.NullInt32) },
	func() any { return new(sql.NullInt16) },
	func() any { return new(sql.NullByte) },
	func() any { return new(sql.NullFloat64) },
	func() any { return new(sql.NullBool) },
	func() any { return new(sql.NullString) },
	func() any { return new(sql.NullTime) },
	func() any { return new(sql.Null[string]) },
	func() any { return new(sql.Null[int8]) },
	func() any { return new(keepingScanner) },
	func() any { return new(failingScanner) },
	func() any { return new(struct{}) },
	func() any { return new([]string) },
	func() any { return new([4]byte) },
	func() any { return new(sql.Rows) },
	func() any { return (*int)(nil) },
	func() any { return 7 },
	func() any { return nil },
}

func scanCases() []Case {
	var cases []Case
	for _, dest := range destinations {
		name := fmt.Sprintf("scan/into %v", reflect.TypeOf(dest()))
		if v := reflect.ValueOf(dest()); v.Kind() == reflect.Pointer && v.IsNil() {
			name += " that is nil"
		}
		cases = append(cases, Case{Name: name, Run: func(r *Run) {
			for _, text := range r.Dialect.Kinds {
				rows, err := r.DB.QueryContext(r.ctx, text)
				r.err(text, err)
				if err != nil {
					continue
				}
				for rows.Next() {
					d := dest()
					err := rows.Scan(d)
					r.note("%s: %s, %s", text, describe(d), describeError(err))
				}
				r.err("Err", rows.Err())
				r.err("Close", rows.Close())
			}
		}})
	}
	return append(cases, []Case{
		{Name: "scan/number of destinations", Run: func(r *Run) {
			rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Numbers), 2)
			r.must("Query", err)
			r.err("before Next", rows.Scan(new(int)))
			r.note("%v", rows.Next())
			r.err("none", rows.Scan())
			r.err("two", rows.Scan(new(int), new(int)))
			r.err("one", rows.Scan(new(int)))
			r.err("again", rows.Scan(new(int)))
			r.err("Close", rows.Close())
			r.err("closed", rows.Scan(new(int)))
		}},
		{Name: "scan/RawBytes", Run: func(r *Run) {
			r.eachWay(r.query(r.Dialect.Numbers), func(what string, d *doer) {
				rows, err := d.query(r.ctx, 3)
				r.must("Query", err)
				for rows.Next() {
					var raw sql.RawBytes
					err := rows.Scan(&raw)
					r.note("%s: %s, %s", what, describe(raw), describeError(err))
					r.err("Scan again", rows.Scan(&raw))
				}
				r.err("Err", rows.Err())
				r.err("Close", rows.Close())
			})
		}},
		{Name: "scan/RawBytes and Close", Run: func(r *Run) {
			rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Numbers), 3)
			r.must("Query", err)
			r.note("%v", rows.Next())
			var raw sql.RawBytes
			err = rows.Scan(&raw)
			r.note("%s, %s", describe(raw), describeError(err))
			r.err("Close", rows.Close())
			r.alive("db", r.DB)
		}},
		{Name: "scan/an error does not end the rows", Run: func(r *Run) {
			rows, err := r.DB.QueryContext(r.ctx, r.query(r.Dialect.Numbers), 3)
			r.must("Query", err)
			for rows.Next() {
				r.err("Scan", rows.Scan(&failingScanner{}))
				r.note("%s", r.scanAny(rows))
			}
			r.err("Err", rows.Err())
			r.err("Close", rows.Close())
		}},
		{Name: "scan/table of kinds", Needs: SQL, Run: func(r *Run) {
			for _, args := range [][]any{{1}, {2}} {
				for range 2 {
					rows, err := r.DB.QueryContext(r.ctx, r.query("SELECT * FROM kinds WHERE id = ?"), args...)
					r.must("Query", err)
					types, err := rows.ColumnTypes()
					r.must("ColumnTypes", err)
					for rows.Next() {
						dest := make([]any, len(types))
						for i, t := range types {
							dest[i] = reflect.New(t.ScanType()).Interface()
						}
						err := rows.Scan(dest...)
						r.note("into their ScanType: %s", describeError(err))
						for i := range dest {
							r.note("%s: %s", types[i].Name(), describe(dest[i]))
						}
					}
					r.err("Close", rows.Close())
				}
			}
		}},
	}...)
}
