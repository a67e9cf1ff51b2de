package template

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// BatchOption changes how [Batch] works: a [Mode], [ChunkSize], [Copy], a
// [Dialect].
type BatchOption interface {
	setBatch(*batchSettings)
}

type batchSettings struct {
	dialect Dialect
	mode    Mode
	size    *int
	copy    copyFunc
}

// Mode is how a batch is sent. It is a [BatchOption].
type Mode uint8

// The modes.
const (
	// Auto is MultiRow where the text allows it, else Prepared.
	Auto Mode = iota

	// Prepared sends each item by one prepared statement.
	Prepared

	// MultiRow makes INSERTs of many rows out of an INSERT of one. A text that
	// does not allow it is an error.
	MultiRow
)

func (m Mode) setBatch(s *batchSettings) { s.mode = m }

func (m Mode) String() string {
	switch m {
	case Auto:
		return "Auto"
	case Prepared:
		return "Prepared"
	case MultiRow:
		return "MultiRow"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

type chunkSize int

func (n chunkSize) setBatch(s *batchSettings) { size := int(n); s.size = &size }

// ChunkSize is how many items make a chunk, at least 1; 100 by default, 10,000
// with [Copy]. A chunk has fewer where the server takes no more arguments in a
// statement (65,535 with PostgreSQL and MySQL, 32,766 with SQLite), or where its
// arguments would be larger than about a mebibyte, with MySQL's
// max_allowed_packet in mind.
func ChunkSize(n int) BatchOption { return chunkSize(n) }

const (
	defaultSize     = 100
	defaultCopySize = 10_000
)

// BatchError is the error of a [Batch] that was begun and failed.
type BatchError struct {
	// Index is the item that failed, -1 if it is not known or the error is no
	// item's.
	Index int

	// From and To are the chunk in which it failed, items[From:To].
	From, To int

	// Counts are the rows affected by the chunks before. They have been undone,
	// unless db is neither a transaction nor can begin one.
	Counts []int64

	// Err is the error of the server or driver.
	Err error
}

func (e *BatchError) Error() string {
	switch {
	case e.Index >= 0:
		return fmt.Sprintf("template.Batch: item %d: %v", e.Index, e.Err)
	case e.To-e.From == 1:
		return fmt.Sprintf("template.Batch: at item %d: %v", e.From, e.Err)
	}
	return fmt.Sprintf("template.Batch: in items %d to %d: %v", e.From, e.To-1, e.Err)
}

func (e *BatchError) Unwrap() error { return e.Err }

// Batch runs a statement once for each item, in order, and returns how many rows
// each chunk of items has affected, -1 for a chunk of which the driver does not
// tell. bind returns the arguments for an item. If it is nil the text has named
// parameters, as [Named] has them, which are fields or keys of the items; slices
// are not expanded.
//
//	counts, err := template.Batch(ctx, db, "INSERT INTO users (id, name) VALUES ($1, $2)", users,
//		func(u User) []any { return []any{u.ID, u.Name} })
//
// # How it is sent
//
// A plain INSERT … VALUES (…) of one row, or REPLACE, is rewritten: a chunk becomes
// one statement of many rows, which is several times faster. ON CONFLICT and
// ON DUPLICATE KEY stay behind it. Whatever else may be in the text, a query among
// the values for instance, goes by a prepared statement, item by item. See [Mode]
// and [Copy]. A text of several statements and one with RETURNING are refused.
//
// If a statement of many rows fails on a server whose dialect is known its rows are
// sent one by one, in a savepoint, to find the item at fault. If all are taken then,
// as when two of them update the same row of PostgreSQL ON CONFLICT, they stay. So
// bind may be called several times for an item.
//
// # All or nothing
//
// A batch is one transaction. It begins its own if db has BeginTx, as *sql.DB and
// *sql.Conn do; in a transaction scope of Akari that joins the scope's. In a *sql.Tx,
// or what else has Commit and Rollback, it sets a savepoint, so that a failed batch
// leaves nothing behind and the transaction can go on, if the dialect is known; else
// roll the transaction back. A db that is neither gets the items as they are, without
// a transaction.
//
// Without items nothing is sent. When the context ends the batch stops before the
// next chunk at the latest. Errors from the moment it has begun are a
// [*BatchError]. When it returns its statements are closed, and so is its
// transaction: the connection is back in its pool.
func Batch[T any](ctx context.Context, db DB, query string, items []T, bind func(T) []any, opts ...BatchOption) ([]int64, error) {
	b := &batch{n: len(items), db: db}
	if w, ok := db.(configured); ok {
		b.db, b.settings.dialect = w.DB, w.settings.dialect
	}
	for _, o := range opts {
		o.setBatch(&b.settings)
	}
	if b.settings.dialect == 0 {
		b.settings.dialect = dialectOf(b.db)
	}
	b.values = func(i int) ([]any, error) { return bind(items[i]), nil }
	if bind == nil {
		text, values, err := byName(b.settings.dialect, query, reflect.TypeFor[T]())
		if err != nil {
			return nil, failed("Batch", err)
		}
		query = text
		b.values = func(i int) ([]any, error) { return values(reflect.ValueOf(&items[i]).Elem()) }
	}
	if err := b.check(query); err != nil {
		return nil, failed("Batch", err)
	}
	if len(items) == 0 {
		return nil, nil
	}
	return b.run(ctx)
}

// batch is a batch at work, of items of any type.
type batch struct {
	db       DB
	settings batchSettings
	n        int                        // items
	values   func(i int) ([]any, error) // arguments of an item
	ins      insert
	size     int  // items in a chunk
	multi    bool // chunks are statements of many rows

	conn *sql.Conn // for COPY

	inStatement bool // a prepared statement is executed; still set when the driver panicked in it
}

// check looks whether the options and the text go together, and how to go about
// it.
func (b *batch) check(query string) (err error) {
	if b.ins, err = parseInsert(b.settings.dialect, query); err != nil {
		return err
	}
	s := &b.settings
	b.size = defaultSize
	if s.copy != nil {
		b.size = defaultCopySize
	}
	if s.size != nil {
		if b.size = *s.size; b.size < 1 {
			return fmt.Errorf("ChunkSize is %d: must be at least 1", b.size)
		}
	}
	switch {
	case s.mode > MultiRow:
		return fmt.Errorf("there is no %v", s.mode)
	case s.copy != nil && s.mode != Auto:
		return errors.New("Copy and a Mode exclude each other")
	case s.copy != nil && b.ins.noCopy != "":
		return refuse("Copy", b.ins.noCopy)
	case s.copy != nil:
		return nil
	case s.mode == MultiRow && b.ins.loop != "":
		return refuse("MultiRow", b.ins.loop)
	case s.mode == Prepared || b.ins.loop != "":
		return nil
	}
	if params := b.ins.params; params*b.size > s.dialect.maxParams() {
		b.size = max(1, s.dialect.maxParams()/params)
	}
	b.multi = b.size > 1 && b.n > 1
	return nil
}

// arguments returns those of an item.
func (b *batch) arguments(i int) ([]any, error) {
	args, err := b.values(i)
	if err == nil && b.ins.params >= 0 && len(args) != b.ins.params {
		err = fmt.Errorf("it has %d arguments, the text takes %d", len(args), b.ins.params)
	}
	return args, err
}

// fail makes an error. Where the chunk is one item that is the one.
func (b *batch) fail(index, from, to int, counts []int64, err error) error {
	return &BatchError{Index: index, From: from, To: to, Counts: slices.Clone(counts), Err: err}
}

// run runs the batch in a transaction.
func (b *batch) run(ctx context.Context) ([]int64, error) {
	if b.settings.copy != nil {
		if err := b.connect(ctx); err != nil {
			return nil, failed("Batch", err)
		}
		if b.conn != b.db {
			defer b.conn.Close()
		}
		return b.begin(ctx, b.conn)
	}
	if _, ok := b.db.(interface {
		Commit() error
		Rollback() error
	}); ok {
		return b.join(ctx)
	}
	if db, ok := b.db.(beginner); ok {
		return b.begin(ctx, db)
	}
	return b.chunks(ctx, b.db, false)
}

// byName makes positional parameters of a text's names, and returns what finds
// their values in an item.
func byName(d Dialect, query string, t reflect.Type) (string, func(item reflect.Value) ([]any, error), error) {
	if d == 0 {
		return "", nil, errors.New("the placeholders of the driver are not known: name its dialect, as an option")
	}
	var names []string
	x := expansion{dialect: d}
	err := eachName(d, query, func(before, name string, _ bool) error {
		x.text = append(x.text, before...)
		if name == "" {
			return nil
		}
		if err := x.add(name, nil, false); err != nil {
			return err
		}
		if len(x.args) > len(names) {
			names = append(names, name)
		}
		return nil
	})
	switch {
	case err != nil:
		return "", nil, err
	case len(names) == 0:
		return "", nil, errors.New("bind is nil, and the text has no named parameters")
	}
	values, err := finder(t, names)
	return string(x.text), values, err
}

// finder returns what takes the values of names out of an item.
func finder(t reflect.Type, names []string) (func(reflect.Value) ([]any, error), error) {
	if t.Kind() == reflect.Pointer {
		inner, err := finder(t.Elem(), names)
		return func(item reflect.Value) ([]any, error) {
			if item.IsNil() {
				return nil, errors.New("it is nil")
			}
			return inner(item.Elem())
		}, err
	}
	if t.Kind() == reflect.Map && t.Key().Kind() == reflect.String {
		return func(item reflect.Value) ([]any, error) {
			value, err := valuesOf(item.Interface())
			if err != nil {
				return nil, err
			}
			args := make([]any, len(names))
			for i, name := range names {
				if args[i], err = value(name); err != nil {
					return nil, err
				}
			}
			return args, nil
		}, nil
	}
	if t.Kind() != reflect.Struct || isColumn(t) {
		return nil, fmt.Errorf("bind is nil, and named parameters come from structs or maps with keys that are strings, not from %v", t)
	}
	all, err := fieldsOf(t)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", t, err)
	}
	found := make([]*field, len(names))
	for i, name := range names {
		if found[i], err = all.find(name); err != nil {
			return nil, fmt.Errorf("%v: %w", t, err)
		}
		if found[i] == nil {
			return nil, missing(name, "field of "+t.String())
		}
	}
	return func(item reflect.Value) ([]any, error) {
		args := make([]any, len(found))
		for i, f := range found {
			args[i] = f.of(item)
		}
		return args, nil
	}, nil
}
