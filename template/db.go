package template

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
)

// DB is what the functions of this package work on: *sql.DB, *sql.Tx, *sql.Conn,
// the DBTX that sqlc generates, and whatever else has these two methods.
type DB interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Text is a statement: a string with the placeholders of its driver, or a
// [Statement] with named parameters.
type Text interface {
	~string | Statement
}

// Option changes how a statement is run. Options stand among the arguments of a
// call, anywhere, and are not sent; [With] gives them to a DB for all calls.
//
//	users, err := template.Query[User](ctx, db, "SELECT * FROM users WHERE team = $1", 7, template.Strict())
type Option interface {
	set(*settings)
}

type settings struct {
	dialect Dialect // 0: that of the driver
	strict  bool
	mapper  any // a func(Row) (T, error); nil: by type
}

type strict struct{}

func (strict) set(s *settings) { s.strict = true }

// Strict makes columns an error that no field of the struct takes. By default
// they are ignored, so that a column can be added to a table before the programs
// that read it are changed.
func Strict() Option { return strict{} }

// With returns db with options that hold for every call it is given to.
// [Batch] begins a transaction through it as through db itself.
func With(db DB, opts ...Option) DB {
	w := configured{DB: db}
	if inner, ok := db.(configured); ok {
		w = inner
	}
	for _, o := range opts {
		o.set(&w.settings)
	}
	return w
}

// configured is a DB with options.
type configured struct {
	DB
	settings settings
}

// call is a statement as it is sent, with where to send it.
type call struct {
	db       DB
	settings settings
	query    string
	args     []any
}

// prepare takes the options out of the arguments and the names out of the text.
func prepare[S Text](db DB, text S, args []any) (call, error) {
	c := call{db: db, args: args}
	if w, ok := db.(configured); ok {
		c.db, c.settings = w.DB, w.settings
	}
	if err := c.takeOptions(); err != nil {
		return c, err
	}
	switch t := any(text).(type) {
	case string:
		c.query = t
	case Statement:
		if len(c.args) > 0 {
			return c, errors.New("there are arguments besides those of Named: put them into its struct or map")
		}
		d, err := c.dialect()
		if err != nil {
			return c, err
		}
		c.query, c.args, err = t.Expand(d)
		return c, err
	default:
		c.query = reflect.ValueOf(t).String()
	}
	return c, nil
}

// takeOptions applies the options among the arguments. The caller's slice stays
// as it is.
func (c *call) takeOptions() error {
	var kept []any
	found := false
	for i, arg := range c.args {
		switch o := arg.(type) {
		case Option:
			if !found {
				kept = append(kept, c.args[:i]...)
				found = true
			}
			o.set(&c.settings)
		case BatchOption:
			return fmt.Errorf("argument %d is an option of Batch", i+1)
		default:
			if found {
				kept = append(kept, arg)
			}
		}
	}
	if found {
		c.args = kept
	}
	return nil
}

// dialect is the one that was named, or else that of the driver.
func (c *call) dialect() (Dialect, error) {
	if c.settings.dialect != 0 {
		return c.settings.dialect, nil
	}
	if d := dialectOf(c.db); d != 0 {
		return d, nil
	}
	return 0, fmt.Errorf("the placeholders of %T are not known: name its dialect, as in With(db, template.PostgreSQL)", c.db)
}

// failed names the function in which an error came up.
func failed(function string, err error) error {
	return fmt.Errorf("template.%s: %w", function, err)
}
