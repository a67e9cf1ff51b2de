package conformance

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// Value is an argument of a statement.
type Value struct {
	Name string
	Make func() any // a new one for each use
}

func is(name string, v any) Value { return Value{name, func() any { return v }} }

// Named basic types, and types that convert themselves.
type (
	myInt    int
	myUint   uint16
	myFloat  float32
	myString string
	myBytes  []byte
	myBool   bool
	myTime   time.Time
)

// valuer is a driver.Valuer that returns what it has.
type valuer struct {
	v   any
	err error
}

func (v valuer) Value() (driver.Value, error) { return v.v, v.err }

// pointerValuer is a driver.Valuer on a pointer that may be nil.
type pointerValuer struct{ text string }

func (v *pointerValuer) Value() (driver.Value, error) {
	if v == nil {
		return "nil pointer", nil
	}
	return v.text, nil
}

// panickingValuer is a driver.Valuer that panics.
type panickingValuer struct{}

func (panickingValuer) Value() (driver.Value, error) { panic("the Valuer panics") }

// countingValuer counts how often it is asked.
type countingValuer struct{ times *int }

func (v countingValuer) Value() (driver.Value, error) {
	*v.times++
	return int64(*v.times), nil
}

// sameValues are arguments of every kind, for every driver.
var sameValues = []Value{
	is("nil", nil),
	is("bool true", true),
	is("bool false", false),
	is("int", 42),
	is("int negative", -42),
	is("int8", int8(math.MinInt8)),
	is("int16", int16(math.MaxInt16)),
	is("int32", int32(math.MinInt32)),
	is("int64 least", int64(math.MinInt64)),
	is("int64 most", int64(math.MaxInt64)),
	is("uint", uint(7)),
	is("uint8", uint8(255)),
	is("uint16", uint16(65535)),
	is("uint32", uint32(math.MaxUint32)),
	is("uint64", uint64(1<<63-1)),
	is("uint64 high bit", uint64(1<<63)),
	is("uintptr", uintptr(1)),
	is("float32", float32(0.5)),
	is("float64", 1e100),
	is("float64 NaN", math.NaN()),
	is("float64 infinite", math.Inf(-1)),
	is("complex", complex(1, 2)),
	is("string", "text"),
	is("string empty", ""),
	is("string number", "12"),
	is("string quotes", `it's "quoted" \ back`),
	is("string unicode", "日本語 🙂"),
	is("string with zero byte", "a\x00b"),
	is("string not UTF-8", "a\xffb"),
	{"string long", func() any { return strings.Repeat("long ", 20000) }},
	is("bytes", []byte("bytes")),
	is("bytes empty", []byte{}),
	is("bytes nil", []byte(nil)),
	is("bytes binary", []byte{0, 1, 0xff}),
	is("raw bytes", sql.RawBytes("raw")),
	is("raw message", json.RawMessage(`{"a":1}`)),
	is("time", time.Date(2024, 2, 29, 12, 34, 56, 789_000_000, time.UTC)),
	is("time in a zone", time.Date(2024, 2, 29, 12, 34, 56, 0, time.FixedZone("KST", 9*3600))),
	is("time zero", time.Time{}),
	is("duration", 90*time.Second),
	is("pointer to int", new(42)),
	is("pointer to pointer", new(new(42))),
	is("pointer to string", new("text")),
	is("pointer to time", new(time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC))),
	is("nil *int", (*int)(nil)),
	is("nil *string", (*string)(nil)),
	is("nil *time.Time", (*time.Time)(nil)),
	is("nil **int", (**int)(nil)),
	is("named int", myInt(7)),
	is("named uint", myUint(7)),
	is("named float", myFloat(0.5)),
	is("named string", myString("named")),
	is("named bytes", myBytes("named")),
	is("named bool", myBool(true)),
	is("named time", myTime(time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC))),
	is("struct", struct{ A int }{1}),
	is("map", map[string]int{"a": 1}),
	is("func", func() {}),
	{"chan", func() any { return make(chan int) }},
	is("[]int", []int{1, 2}),
	is("[]int64", []int64{1, 2}),
	is("[]string", []string{"a", "b"}),
	is("[]any", []any{1, "a"}),
	is("array of bytes", [3]byte{1, 2, 3}),
	is("array of ints", [2]int{1, 2}),
	is("error", errors.New("an error")),
	is("NullInt64", sql.NullInt64{Int64: 7, Valid: true}),
	is("NullInt64 null", sql.NullInt64{}),
	is("NullInt32", sql.NullInt32{Int32: 7, Valid: true}),
	is("NullInt16", sql.NullInt16{Int16: 7, Valid: true}),
	is("NullByte", sql.NullByte{Byte: 7, Valid: true}),
	is("NullFloat64", sql.NullFloat64{Float64: 0.5, Valid: true}),
	is("NullBool", sql.NullBool{Bool: true, Valid: true}),
	is("NullString", sql.NullString{String: "text", Valid: true}),
	is("NullString null", sql.NullString{}),
	is("NullTime", sql.NullTime{Time: time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC), Valid: true}),
	is("Null[string]", sql.Null[string]{V: "text", Valid: true}),
	is("Null[int] null", sql.Null[int]{}),
	is("Null[int]", sql.Null[int]{V: 7, Valid: true}),
	is("pointer to NullString", &sql.NullString{String: "text", Valid: true}),
	is("nil *NullString", (*sql.NullString)(nil)),
	is("Valuer of int64", valuer{v: int64(7)}),
	is("Valuer of string", valuer{v: "text"}),
	is("Valuer of nil", valuer{}),
	is("Valuer of bytes", valuer{v: []byte("bytes")}),
	is("Valuer of time", valuer{v: time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)}),
	is("Valuer of int", valuer{v: 7}),
	is("Valuer of struct", valuer{v: struct{}{}}),
	is("Valuer of Valuer", valuer{v: valuer{v: "text"}}),
	is("Valuer failing", valuer{err: errOwn}),
	is("Valuer failing with ErrSkip", valuer{err: driver.ErrSkip}),
	is("Valuer failing with ErrRemoveArgument", valuer{err: driver.ErrRemoveArgument}),
	is("Valuer on a pointer", &pointerValuer{"text"}),
	is("Valuer on a nil pointer", (*pointerValuer)(nil)),
	is("nil pointer to Valuer", (*valuer)(nil)),
	is("named argument", sql.Named("name", 7)),
	is("named argument without a name", sql.Named("", 7)),
	is("named argument with a bad name", sql.Named("1st", 7)),
	is("named argument that is a Valuer", sql.Named("name", valuer{v: "text"})),
	{"output parameter", func() any { return sql.Out{Dest: new(string)} }},
	{"output parameter of nil", func() any { return sql.Out{} }},
	{"named output parameter", func() any { return sql.Named("name", sql.Out{Dest: new(string), In: true}) }},
}
