package template

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
)

// rescue deals with a chunk, lo to hi, that failed as a whole: it goes back to the
// savepoint, repeats the chunks since then, and sends the items one by one. index
// is the item that fails now. If none does the chunk is written.
func (w *writer) rescue(ctx context.Context, stretch, lo, hi int, cause error) (count int64, index int, err error) {
	if ctx.Err() != nil || !mayBeItems(cause) {
		return 0, -1, cause
	}
	if _, _, known := codesOf(cause); !known && w.settings.copy != nil {
		return 0, -1, cause // what Copy's function says is not about rows, unless the server has said so
	}
	if err := w.control(ctx, w.tx, "ROLLBACK TO SAVEPOINT "+stretchSavepoint); err != nil {
		return 0, -1, cause // MySQL has ended the transaction, or the connection is lost
	}
	for at := stretch; at < lo; {
		_, next, _, err := w.write(ctx, at)
		if err != nil {
			return 0, -1, cause
		}
		at = next
	}
	for i := lo; i < hi; i++ {
		n, err := w.writeOne(ctx, i)
		if err != nil {
			if ctx.Err() != nil || !mayBeItems(err) {
				return 0, -1, err
			}
			return 0, i, err
		}
		count = plus(count, n)
	}
	return count, -1, nil
}

// mayBeItems reports whether an error may be the fault of one of the rows, and not
// that of the text, the connection, or of another transaction.
func mayBeItems(err error) bool {
	for _, other := range []error{context.Canceled, context.DeadlineExceeded, driver.ErrBadConn, sql.ErrTxDone, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, other) {
			return false
		}
	}
	if _, lost := errors.AsType[net.Error](err); lost {
		return false
	}
	if state, number, known := codesOf(err); known {
		return itemStates[state[:min(2, len(state))]] || slices.Contains(itemNumbers, number)
	}
	if e, ok := errors.AsType[interface {
		error
		Code() int
	}](err); ok { // modernc's
		switch e.Code() & 0xff {
		case sqliteTooBig, sqliteConstraint, sqliteMismatch:
			return true
		}
		return false
	}
	return true // of the driver, about an argument
}

// itemStates are classes of SQLSTATE: two rows update the same one, a value does
// not fit, a constraint does not hold, a view's check option, a signal of a
// trigger's, and the same in PostgreSQL.
var itemStates = map[string]bool{"21": true, "22": true, "23": true, "44": true, "45": true, "P0": true}

// itemNumbers are errors of MySQL and MariaDB without a state of their own: too
// large a packet, a column without a value, a value that does not fit, JSON that is
// none, a check.
var itemNumbers = []uint64{1153, 1364, 1366, 3140, 3819}

// Results of SQLite.
const (
	sqliteTooBig     = 18
	sqliteConstraint = 19
	sqliteMismatch   = 20
)

// codesOf finds the SQLSTATE and number of an error, in a method or in fields like
// go-sql-driver's.
func codesOf(err error) (state string, number uint64, known bool) {
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return e.SQLState(), 0, true
	}
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.Indirect(reflect.ValueOf(err))
		if v.Kind() != reflect.Struct {
			continue
		}
		n, s := v.FieldByName("Number"), v.FieldByName("SQLState")
		if n.IsValid() && n.CanUint() && s.IsValid() && s.Type() == reflect.TypeFor[[5]byte]() {
			bytes := s.Interface().([5]byte)
			return strings.TrimRight(string(bytes[:]), "\x00"), n.Uint(), true
		}
	}
	return "", 0, false
}
