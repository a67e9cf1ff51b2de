package conformance

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// describe is a value with its Go type.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case []byte:
		if v == nil {
			return "[]byte(nil)"
		}
		return "[]byte(" + quote(string(v)) + ")"
	case sql.RawBytes:
		return "RawBytes(" + quote(string(v)) + ")"
	case string:
		return quote(v)
	case time.Time:
		return "time(" + v.Format(time.RFC3339Nano) + " " + v.Location().String() + ")"
	case int64:
		return "int64(" + strconv.FormatInt(v, 10) + ")"
	case error:
		return describeError(v)
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer {
		if rv.IsNil() {
			return fmt.Sprintf("%T(nil)", v)
		}
		return "&" + describe(rv.Elem().Interface())
	}
	return short(fmt.Sprintf("%T(%v)", v, v))
}

// mostText is the length of texts that are shown whole.
const mostText = 200

// quote is a text in quotes, or its length and hash if it is long.
func quote(text string) string {
	if len(text) > mostText {
		return short(text)
	}
	return strconv.Quote(text)
}

// short is a text, or its length and hash if it is long.
func short(text string) string {
	if len(text) <= mostText {
		return text
	}
	return fmt.Sprintf("%s…(%d characters, %x)", text[:40], len(text), sha256.Sum256([]byte(text)))
}

func describeRows(lines []string) string {
	if len(lines) == 0 {
		return "no rows"
	}
	return fmt.Sprintf("%d rows: %s", len(lines), short(strings.Join(lines, " | ")))
}

// describeColumn is all that is known about a column.
func describeColumn(t *sql.ColumnType) string {
	text := fmt.Sprintf("%s %q %v", t.Name(), t.DatabaseTypeName(), t.ScanType())
	if n, ok := t.Length(); ok {
		text += fmt.Sprintf(" length %d", n)
	}
	if p, s, ok := t.DecimalSize(); ok {
		text += fmt.Sprintf(" decimal %d,%d", p, s)
	}
	if null, ok := t.Nullable(); ok {
		text += fmt.Sprintf(" nullable %v", null)
	}
	return text
}

// known are the errors that programs compare with, by errors.Is.
var known = []struct {
	name string
	err  error
}{
	{"context.Canceled", context.Canceled},
	{"context.DeadlineExceeded", context.DeadlineExceeded},
	{"sql.ErrNoRows", sql.ErrNoRows},
	{"sql.ErrTxDone", sql.ErrTxDone},
	{"sql.ErrConnDone", sql.ErrConnDone},
	{"driver.ErrBadConn", driver.ErrBadConn},
	{"driver.ErrSkip", driver.ErrSkip},
	{"driver.ErrRemoveArgument", driver.ErrRemoveArgument},
	{"io.EOF", io.EOF},
	{"io.ErrUnexpectedEOF", io.ErrUnexpectedEOF},
	{"errOwn", errOwn},
}

// errOwn is an error of the program's own, which comes back from where the
// program is called: a Valuer, a Scanner, a function given to Raw.
var errOwn = errors.New("an error of the program's own")

// describeError is everything a program can tell from an error: what it is for
// errors.Is, its types for errors.As, the database's code, its text.
func describeError(err error) string {
	if err == nil {
		return "ok"
	}
	var b strings.Builder
	b.WriteString("error")
	for _, k := range known {
		switch {
		case err == k.err:
			b.WriteString(" == " + k.name)
		case errors.Is(err, k.err):
			b.WriteString(" is " + k.name)
		}
	}
	if code := codeOf(err); code != "" {
		b.WriteString(" code " + code)
	}
	fmt.Fprintf(&b, " %s: %q", typesOf(err), short(err.Error()))
	return b.String()
}

// typesOf is the chain, or tree, of the types of an error.
func typesOf(err error) string {
	text := fmt.Sprintf("%T", err)
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		if in := u.Unwrap(); in != nil {
			text += ">" + typesOf(in)
		}
	case interface{ Unwrap() []error }:
		var in []string
		for _, e := range u.Unwrap() {
			in = append(in, typesOf(e))
		}
		text += ">(" + strings.Join(in, ", ") + ")"
	}
	return text
}

// codeOf is the database's code: PostgreSQL's drivers have a method, MySQL's
// has a field, SQLite's has a method Code.
func codeOf(err error) string {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState()
	}
	var code interface{ Code() int }
	if errors.As(err, &code) {
		return fmt.Sprint(code.Code())
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		v := reflect.Indirect(reflect.ValueOf(e))
		if v.Kind() == reflect.Struct {
			if n := v.FieldByName("Number"); n.IsValid() && n.CanUint() {
				return fmt.Sprint(n.Uint())
			}
		}
	}
	return ""
}

func describePanic(p any) string {
	if err, ok := p.(error); ok {
		return err.Error()
	}
	return describe(p)
}
