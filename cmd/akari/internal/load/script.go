package load

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Script is a workload. One operation runs its steps in order; those between
// BEGIN and COMMIT or ROLLBACK in a transaction, on one connection, the others
// on their own. A step that fails ends the operation, and its transaction is
// rolled back.
type Script struct {
	Name  string
	Steps []Step
}

// Step is one statement of a script.
type Step struct {
	Name string
	SQL  string // as it is sent, with the driver's parameters

	verb verb
	args []argument
}

type verb uint8

const (
	verbExec verb = iota
	verbQuery
	verbBegin
	verbCommit
	verbRollback
)

// parseScript reads a script. Statements end with a semicolon; in a text
// without any, each line is a statement. The lines in errors count from 1.
func parseScript(d dialect, name, text string) (*Script, error) {
	s := &Script{Name: name}
	ps := pieces(d, text)
	if err := allClosed(ps); err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	byLine := true
	for _, p := range ps {
		byLine = byLine && p.sort != pieceSemicolon
	}
	if byLine {
		ps = linesAsStatements(ps)
	}
	line, from := 1, 0
	for i := 0; i <= len(ps); i++ {
		if i < len(ps) && ps[i].sort != pieceSemicolon {
			continue
		}
		statement := ps[from:i]
		step, ok, err := parseStep(d, statement)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line+firstCode(statement), err)
		}
		if ok {
			s.Steps = append(s.Steps, step)
		}
		for _, p := range ps[from:min(i+1, len(ps))] {
			line += strings.Count(p.text, "\n")
		}
		from = i + 1
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// allClosed refuses a quote or a comment that runs to the end of the text. The
// error begins with the line in which it begins.
func allClosed(ps []piece) error {
	line := 1
	for _, p := range ps {
		if p.open {
			return fmt.Errorf("%d: %s is never closed: what begins with %s runs to the end of the file", line, p.kind(), shorten(strings.Fields(p.text)[0], 20))
		}
		line += strings.Count(p.text, "\n")
	}
	return nil
}

func (p *piece) kind() string {
	if p.sort == pieceComment {
		return "a comment"
	}
	return "a quote"
}

// linesAsStatements puts semicolons between the lines, outside of quotes.
func linesAsStatements(ps []piece) []piece {
	var out []piece
	for _, p := range ps {
		if p.sort != pieceCode {
			out = append(out, p)
			continue
		}
		blank := onlyComments(out)
		for i, line := range strings.SplitAfter(p.text, "\n") {
			if i > 0 && !blank {
				out = append(out, piece{sort: pieceSemicolon})
				blank = true
			}
			out = append(out, piece{sort: pieceCode, text: line})
			blank = blank && strings.TrimSpace(line) == ""
		}
	}
	return out
}

// onlyComments reports whether the statement at the end of ps has no SQL yet.
func onlyComments(ps []piece) bool {
	for i := len(ps) - 1; i >= 0 && ps[i].sort != pieceSemicolon; i-- {
		if ps[i].sort == pieceQuoted || ps[i].sort == pieceCode && strings.TrimSpace(ps[i].text) != "" {
			return false
		}
	}
	return true
}

// firstCode is how many lines into a statement its SQL begins.
func firstCode(statement []piece) int {
	lines := 0
	for _, p := range statement {
		if p.sort == pieceQuoted {
			return lines
		}
		if code := strings.TrimLeft(p.text, " \t\r\n"); p.sort == pieceCode && code != "" {
			return lines + strings.Count(p.text[:len(p.text)-len(code)], "\n")
		}
		lines += strings.Count(p.text, "\n")
	}
	return 0
}

var nameComment = regexp.MustCompile(`^(?:--|#)\s*name:\s*(.*?)\s*$`)

// parseStep makes a step of the pieces of one statement; false if there is
// nothing in it but space and comments.
func parseStep(d dialect, statement []piece) (Step, bool, error) {
	var st Step
	var text strings.Builder
	for _, p := range statement {
		switch p.sort {
		case pieceComment:
			if m := nameComment.FindStringSubmatch(p.text); m != nil {
				st.Name = Printable(m[1])
			} else if strings.HasPrefix(p.text, "/*") {
				text.WriteString(p.text) // it may be a hint
			}
		case pieceQuoted:
			text.WriteString(p.text)
		case pieceCode:
			code, args, err := bind(d, p.text, st.args)
			if err != nil {
				return Step{}, false, err
			}
			st.args = args
			text.WriteString(code)
		}
	}
	st.SQL = strings.TrimSpace(text.String())
	if st.SQL == "" || onlyComments(statement) {
		return Step{}, false, nil
	}
	code := bareSQL(statement)
	if err := checkPlaceholders(d, code); err != nil {
		return Step{}, false, err
	}
	var err error
	if st.verb, err = verbOf(code); err != nil {
		return Step{}, false, err
	}
	if st.Name == "" {
		st.Name = shorten(st.SQL, 40)
	}
	return st, true, nil
}

var (
	beginText    = regexp.MustCompile(`(?i)^(begin(\s+(transaction|work))?|start\s+transaction)$`)
	beginLike    = regexp.MustCompile(`(?i)^(begin|start\s+transaction)\b`)
	commitText   = regexp.MustCompile(`(?i)^(commit|end)(\s+(transaction|work))?$`)
	rollbackText = regexp.MustCompile(`(?i)^(rollback|abort)(\s+(transaction|work))?$`)
	queryText    = regexp.MustCompile(`(?i)^[\s(]*(select|with|values|show|table|explain|describe|desc|pragma)\b`)
	returning    = regexp.MustCompile(`(?i)\breturning\b`)
)

// bareSQL is a statement's SQL with nothing in its quotes.
func bareSQL(statement []piece) string {
	var b strings.Builder
	for _, p := range statement {
		switch p.sort {
		case pieceCode:
			b.WriteString(p.text)
		case pieceQuoted:
			b.WriteString("''")
		}
	}
	return strings.TrimSpace(b.String())
}

// verbOf says how a statement is to be run.
func verbOf(code string) (verb, error) {
	switch {
	case beginText.MatchString(code):
		return verbBegin, nil
	case beginLike.MatchString(code):
		return 0, fmt.Errorf("write BEGIN without anything after it; how transactions are begun is said in the settings of pool and driver")
	case commitText.MatchString(code):
		return verbCommit, nil
	case rollbackText.MatchString(code):
		return verbRollback, nil
	case queryText.MatchString(code) || returning.MatchString(code):
		return verbQuery, nil
	}
	return verbExec, nil
}

// check refuses scripts whose transactions do not add up.
func (s *Script) check() error {
	open := false
	for _, st := range s.Steps {
		switch st.verb {
		case verbBegin:
			if open {
				return fmt.Errorf("%q begins a transaction inside of another", st.Name)
			}
			open = true
		case verbCommit, verbRollback:
			if !open {
				return fmt.Errorf("%q ends a transaction that has not begun", st.Name)
			}
			open = false
		}
	}
	switch {
	case open:
		return fmt.Errorf("the last transaction has no COMMIT or ROLLBACK")
	case len(s.Steps) == 0:
		return fmt.Errorf("there is no statement in it")
	}
	return nil
}

// shorten puts a text on one line of at most n characters that can be shown.
func shorten(text string, n int) string {
	text = Printable(strings.Join(strings.Fields(text), " "))
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}

// trial is what became of one operation.
type trial struct {
	took   []time.Duration // of each step that was begun
	failed int             // the step that failed, if one did
}

// perform runs one operation and notes what its steps took.
func (s *Script) perform(ctx context.Context, db *sql.DB, d *draw, t *trial) error {
	t.took = t.took[:0]
	var tx *sql.Tx
	last := time.Now()
	for i := range s.Steps {
		err := s.Steps[i].run(ctx, db, &tx, d)
		now := time.Now()
		t.took = append(t.took, now.Sub(last))
		last = now
		if err != nil {
			t.failed = i
			if tx != nil {
				_ = tx.Rollback() // the first error is the one to tell
			}
			return err
		}
	}
	return nil
}

// run executes the step; *tx is the open transaction, if there is one.
func (st *Step) run(ctx context.Context, db *sql.DB, tx **sql.Tx, d *draw) (err error) {
	switch st.verb {
	case verbBegin:
		*tx, err = db.BeginTx(ctx, nil)
		return err
	case verbCommit:
		err, *tx = (*tx).Commit(), nil
		return err
	case verbRollback:
		err, *tx = (*tx).Rollback(), nil
		return err
	}
	var on interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
		QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	} = db
	if *tx != nil {
		on = *tx
	}
	args := make([]any, len(st.args))
	for i, arg := range st.args {
		args[i] = arg(d)
	}
	if st.verb == verbExec {
		_, err = on.ExecContext(ctx, st.SQL, args...)
		return err
	}
	rows, err := on.QueryContext(ctx, st.SQL, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() { // all of them, as a program would
	}
	return rows.Err()
}
