package template

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"reflect"
)

// maxBytes is how large the arguments of a chunk may be, roughly. The smallest
// max_allowed_packet that servers have by default is 4 MiB.
const maxBytes = 1 << 20

// maxStretches is how many savepoints a batch sets one after the other, at most. Each
// costs two round trips, and PostgreSQL slows down for everybody when a transaction
// has more than 64 subtransactions that have written. The fewer there are, the more
// chunks have to be repeated when one fails.
const maxStretches = 8

// writer sends the chunks of a batch.
type writer struct {
	*batch
	tx  DB
	one statement // of one item
	all statement // of a full chunk

	args []any // of a chunk, reused
}

// chunks writes all items. In a transaction, which tx is then, it looks for the
// item at fault when a statement of many rows fails.
func (b *batch) chunks(ctx context.Context, tx DB, inTx bool) (counts []int64, err error) {
	w := &writer{batch: b, tx: tx}
	w.one = statement{batch: b, tx: tx, text: b.ins.rows(1), keep: b.n > 1}
	if b.multi {
		w.all = statement{batch: b, tx: tx, text: b.ins.rows(min(b.size, b.n)), keep: b.n >= 2*b.size}
	}
	// Before the transaction ends, on every way out.
	defer w.one.close()
	defer w.all.close()

	rescuable := inTx && (b.multi || b.settings.copy != nil) && b.settings.dialect.savepoints()
	stretch := -1 // where the last savepoint is
	for lo := 0; lo < b.n; {
		if err := ctx.Err(); err != nil {
			return nil, b.fail(-1, lo, min(lo+b.size, b.n), counts, err)
		}
		if rescuable && (stretch < 0 || lo-stretch >= (b.n+maxStretches-1)/maxStretches) {
			if err := w.mark(ctx, stretch >= 0); err != nil {
				return nil, b.fail(-1, lo, min(lo+b.size, b.n), counts, err)
			}
			stretch = lo
		}
		count, hi, index, err := w.write(ctx, lo)
		if err != nil && index < 0 && rescuable {
			count, index, err = w.rescue(ctx, stretch, lo, hi, err)
		}
		if err != nil {
			return nil, b.fail(index, lo, hi, counts, err)
		}
		counts = append(counts, count)
		lo = hi
	}
	return counts, nil
}

// mark sets the savepoint of a stretch of chunks, in place of the last one.
func (w *writer) mark(ctx context.Context, again bool) error {
	if again {
		if err := w.control(ctx, w.tx, "RELEASE SAVEPOINT "+stretchSavepoint); err != nil {
			return err
		}
	}
	return w.control(ctx, w.tx, "SAVEPOINT "+stretchSavepoint)
}

// write writes the chunk that begins at lo and returns where it ends. index is the
// item that failed, or -1.
func (w *writer) write(ctx context.Context, lo int) (count int64, hi, index int, err error) {
	switch {
	case w.settings.copy != nil:
		hi = min(lo+w.size, w.n)
		count, index, err = w.copyChunk(ctx, lo, hi)
		return count, hi, index, err
	case w.multi:
		return w.writeRows(ctx, lo)
	}
	hi = min(lo+w.size, w.n)
	for i := lo; i < hi; i++ {
		n, err := w.writeOne(ctx, i)
		if err != nil {
			return 0, hi, i, err
		}
		count = plus(count, n)
	}
	return count, hi, -1, nil
}

// writeRows writes a chunk by one statement.
func (w *writer) writeRows(ctx context.Context, lo int) (count int64, hi, index int, err error) {
	w.args = w.args[:0]
	bytes := 0
	for hi = lo; hi < min(lo+w.size, w.n); hi++ {
		args, err := w.arguments(hi)
		if err != nil {
			return 0, hi + 1, hi, err
		}
		for _, arg := range args {
			bytes += sizeOf(arg, w.settings.dialect)
		}
		if hi > lo && bytes > maxBytes {
			break
		}
		w.args = append(w.args, args...)
	}
	if rows := hi - lo; rows == min(w.size, w.n) {
		count, err = w.all.exec(ctx, w.args)
	} else {
		rest := statement{batch: w.batch, tx: w.tx, text: w.ins.rows(rows)}
		count, err = rest.exec(ctx, w.args)
	}
	if err != nil && hi-lo == 1 {
		return 0, hi, lo, err
	}
	return count, hi, -1, err
}

// writeOne writes one item by a statement of its own.
func (w *writer) writeOne(ctx context.Context, i int) (int64, error) {
	args, err := w.arguments(i)
	if err != nil {
		return 0, err
	}
	return w.one.exec(ctx, args)
}

// plus adds counts, of which -1 is unknown.
func plus(a, b int64) int64 {
	if a < 0 || b < 0 {
		return -1
	}
	return a + b
}

// statement is a text that is prepared when it is first executed, if it is to be
// kept and tx can prepare.
type statement struct {
	*batch
	tx       DB
	text     string
	keep     bool
	prepared *sql.Stmt
}

// exec returns how many rows were affected, -1 if the driver does not tell.
func (s *statement) exec(ctx context.Context, args []any) (count int64, err error) {
	var result sql.Result
	p, canPrepare := s.tx.(interface {
		PrepareContext(context.Context, string) (*sql.Stmt, error)
	})
	if s.keep && canPrepare {
		if s.prepared == nil {
			if s.prepared, err = p.PrepareContext(ctx, s.text); err != nil {
				return 0, err
			}
		}
		s.inStatement = true
		result, err = s.prepared.ExecContext(ctx, args...)
		s.inStatement = false
	} else {
		result, err = s.tx.ExecContext(ctx, s.text, args...)
	}
	if err != nil {
		return 0, err
	}
	if count, err = result.RowsAffected(); err != nil {
		return -1, nil
	}
	return count, nil
}

func (s *statement) close() {
	if s.prepared != nil {
		_ = s.prepared.Close() // the server forgets it with the connection at the latest
	}
}

// sizeOf is about how many bytes an argument has when it is sent. Values that make
// others of themselves are asked only where the size of a statement is limited.
func sizeOf(arg any, d Dialect) int {
	const small = 16
	switch v := arg.(type) {
	case nil, bool, int, int64, float64:
		return small
	case string:
		return len(v) + small
	case []byte:
		return len(v) + small
	case driver.Valuer:
		if d != MySQL || isNil(v) {
			return small
		}
		made, err := v.Value()
		if _, again := made.(driver.Valuer); err != nil || again {
			return small // the driver will say so
		}
		return sizeOf(made, d)
	}
	switch v := reflect.ValueOf(arg); v.Kind() {
	case reflect.String, reflect.Slice:
		return v.Len() + small
	case reflect.Pointer:
		if !v.IsNil() && v.Elem().Kind() != reflect.Struct {
			return sizeOf(v.Elem().Interface(), d)
		}
	}
	return small
}

func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}
