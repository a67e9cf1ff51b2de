package conformance

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Run is one run of a case on a target.
type Run struct {
	*Target
	ctx  context.Context
	base int64 // of the numbers that are the case's own
	out  Transcript

	texts int64 // made by fresh
}

// ErrHangs is the error of a case that does not come to an end. The target may be
// of no more use.
var ErrHangs = errors.New("hangs")

// patience is that of most targets. Those whose connections are replaced all the
// time need more of it.
const (
	patience         = 10 * time.Second
	restlessPatience = 30 * time.Second
)

// Do runs a case on a target and returns what was observed. number tells the
// cases of a target apart: rows of theirs in the shared tables have numbers
// that depend on it. An error means that the case could not be run, or that it
// hangs.
func (t *Target) Do(c Case, number int) (Transcript, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := &Run{Target: t, ctx: ctx, base: int64(number) * 1000}
	done := make(chan error, 1)
	go func() { done <- r.run(c) }()
	timer := time.NewTimer(cmp.Or(t.Patience, patience))
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			return r.out, fmt.Errorf("%s: %w, after\n%v", c.Name, err, r.out)
		}
		return r.out, nil
	case <-timer.C:
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return nil, fmt.Errorf("%s: %w\n%s", c.Name, ErrHangs, stacks)
	}
}

// run turns a panic of a case into an error: that of must, or a bug.
func (r *Run) run(c Case) (err error) {
	defer func() {
		if p := recover(); p != nil {
			stop, ok := p.(*setupError)
			if !ok {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				return
			}
			err = stop
		}
	}()
	c.Run(r)
	return nil
}

// setupError ends a case whose preparations fail.
type setupError struct {
	what string
	err  error
}

func (e *setupError) Error() string { return fmt.Sprintf("preparing: %s: %v", e.what, e.err) }

// must ends the case if its preparations fail.
func (r *Run) must(what string, err error) {
	if err != nil {
		panic(&setupError{what, err})
	}
}

// id is a number that is the case's own.
func (r *Run) id(n int64) int64 { return r.base + n }

// note writes a line.
func (r *Run) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if r.Hide != nil {
		line = r.Hide(line)
	}
	r.out = append(r.out, strings.ReplaceAll(line, "\n", `\n`))
}

// err writes down whether something succeeded.
func (r *Run) err(what string, err error) { r.note("%s: %s", what, describeError(err)) }

// try writes down a panic, if f panics. It reports whether f returned.
func (r *Run) try(what string, f func()) (returned bool) {
	defer func() {
		if p := recover(); p != nil {
			if stop, ok := p.(*setupError); ok {
				panic(stop)
			}
			r.note("%s: panic: %v", what, describePanic(p))
		}
	}()
	f()
	return true
}

// result writes down what a statement without rows came to, in a line.
func (r *Run) result(what string, res sql.Result, err error) {
	if err != nil {
		r.note("%s: result %v, %s", what, res != nil, describeError(err))
		return
	}
	n, err := res.RowsAffected()
	line := fmt.Sprintf("rows affected %d, %s", n, describeError(err))
	if r.Dialect.InsertIDs {
		id, err := res.LastInsertId()
		line += fmt.Sprintf("; last insert id %d, %s", id, describeError(err))
	}
	r.note("%s: %s", what, line)
}

// rows writes down all of a result, its columns and all its sets, in a line, and
// closes it.
func (r *Run) rows(what string, rows *sql.Rows, err error) {
	if err != nil {
		r.note("%s: rows %v, %s", what, rows != nil, describeError(err))
		return
	}
	var b strings.Builder
	for {
		b.WriteString(r.columns(rows) + ": ")
		var lines []string
		for rows.Next() {
			lines = append(lines, r.scanAny(rows))
		}
		b.WriteString(describeRows(lines) + "; ")
		if !rows.NextResultSet() {
			break
		}
	}
	r.note("%s: %sErr %s; Close %s", what, b.String(), describeError(rows.Err()), describeError(rows.Close()))
}

// columns are the columns of the current set.
func (r *Run) columns(rows *sql.Rows) string {
	types, err := rows.ColumnTypes()
	if err != nil {
		return "ColumnTypes " + describeError(err)
	}
	var b strings.Builder
	names, err := rows.Columns()
	fmt.Fprintf(&b, "%q, %s", names, describeError(err))
	for _, t := range types {
		b.WriteString(" [" + describeColumn(t) + "]")
	}
	return b.String()
}

// scanAny returns the current row with the types that the driver gave.
func (r *Run) scanAny(rows *sql.Rows) string {
	names, err := rows.Columns()
	if err != nil {
		return "Columns: " + describeError(err)
	}
	values := make([]any, len(names))
	dest := make([]any, len(names))
	for i := range values {
		dest[i] = &values[i]
	}
	if err := rows.Scan(dest...); err != nil {
		return "Scan: " + describeError(err)
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = describe(v)
	}
	return strings.Join(texts, " ")
}

// row writes down a single row, of one column.
func (r *Run) row(what string, row *sql.Row) {
	var v any
	if err := row.Scan(&v); err != nil {
		r.note("%s: %s, Row.Err %s", what, describeError(err), describeError(row.Err()))
		return
	}
	r.note("%s: %s", what, describe(v))
}

// alive writes down that a handle works.
func (r *Run) alive(what string, h handle) {
	r.row(what+" afterwards", h.QueryRowContext(r.ctx, r.Dialect.One))
}

// settle waits for what database/sql and the pool do in the background, where
// that can be known.
func (r *Run) settle() {
	if r.Settle != nil {
		r.Settle()
	}
}

// until polls a condition that something in the background brings about.
func (r *Run) until(what string, ok func() bool) {
	end := time.Now().Add(patience / 2)
	for !ok() {
		if time.Now().After(end) {
			r.must(what, errors.New("did not happen"))
		}
		time.Sleep(time.Millisecond)
	}
}

// fresh returns a query of one row whose text nobody has sent before.
func (r *Run) fresh() string {
	r.texts++
	if r.Dialect.Features.Has(SQL) {
		return fmt.Sprintf("%s -- %d", r.Dialect.One, r.id(r.texts))
	}
	return fmt.Sprintf("NOP %d; %s", r.id(r.texts), r.Dialect.One)
}

// query is a text with placeholders as the database wants them: ? becomes $1.
func (r *Run) query(text string) string { return r.Dialect.Placeholders(text) }
