package template_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/template"
)

// bench is a pool of one connection, on a fake server.
type bench struct {
	*akari.Pool
	t      *testing.T
	server *akaritest.Server
}

func newBench(t *testing.T, profile akaritest.Profile) *bench {
	t.Helper()
	server := akaritest.NewServer(profile)
	akaritest.Verify(t, server)
	p, err := akari.New(t.Context(), server.Connector(), akari.Config{
		MaximumPoolSize: 1, SessionReset: akari.ResetOff, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return &bench{p, t, server}
}

// idle checks that a call has given its connection back.
func (b *bench) idle(after string) {
	b.t.Helper()
	if s := b.Stats(); s.Active != 0 || s.Waiting != 0 {
		b.t.Errorf("after %s: %d connections active, %d waiting", after, s.Active, s.Waiting)
	}
}

// returned checks that nothing is left of a call, on the connection either.
func (b *bench) returned(after string) {
	b.t.Helper()
	b.idle(after)
	for _, c := range b.server.Conns() {
		if c.Rows != 0 || c.Stmts != 0 || c.InTx {
			b.t.Errorf("after %s: left on the connection: %+v", after, c)
		}
	}
}

func TestOneAndOptCountRows(t *testing.T) {
	for _, c := range []struct {
		text     string
		one, opt error
		found    bool
	}{
		{"ROWS 0", sql.ErrNoRows, nil, false},
		{"ROWS 1", nil, nil, true},
		{"ROWS 2", template.ErrTooManyRows, template.ErrTooManyRows, false},
	} {
		t.Run(c.text, func(t *testing.T) {
			b := newBench(t, akaritest.PgxLike)
			v, err := template.One[int](t.Context(), b.DB(), c.text)
			if !errors.Is(err, c.one) || (err == nil) != (v == 1) {
				t.Errorf("One: %d, %v", v, err)
			}
			b.returned("One")
			v, found, err := template.Opt[int](t.Context(), b.DB(), c.text)
			if !errors.Is(err, c.opt) || found != c.found || found != (v == 1) {
				t.Errorf("Opt: %d, %v, %v", v, found, err)
			}
			b.returned("Opt")
		})
	}
}

func TestOneOfNULL(t *testing.T) {
	null := table("n", row(nil))
	if v, err := template.One[*int](t.Context(), script(t, null), "SELECT"); v != nil || err != nil {
		t.Errorf("a pointer: %v, %v", v, err)
	}
	if v, found, err := template.Opt[sql.Null[int]](t.Context(), script(t, null), "SELECT"); v.Valid || !found || err != nil {
		t.Errorf("sql.Null: %v, %v, %v", v, found, err)
	}
	if v, err := template.One[int](t.Context(), script(t, null), "SELECT"); err == nil {
		t.Errorf("an int: %v", v)
	}
}

// TestErrorAfterTheRowsCounts: a server may find out at the end of a statement that
// it fails, a deferred constraint for instance.
func TestErrorAfterTheRowsCounts(t *testing.T) {
	late := errors.New("late")
	r := table("n", row(int64(1)))
	r.err = late
	ctx := t.Context()
	for name, do := range map[string]func(db *sql.DB) (any, error){
		"Query": func(db *sql.DB) (any, error) {
			v, err := template.Query[int](ctx, db, "SELECT")
			return len(v), err
		},
		"One": func(db *sql.DB) (any, error) { return template.One[int](ctx, db, "SELECT") },
		"Opt": func(db *sql.DB) (any, error) { v, _, err := template.Opt[int](ctx, db, "SELECT"); return v, err },
		"InsertReturning": func(db *sql.DB) (any, error) {
			return template.InsertReturning[int](ctx, db, "INSERT RETURNING")
		},
	} {
		v, err := do(script(t, r))
		if !errors.Is(err, late) || !strings.HasPrefix(err.Error(), "template."+name+": ") || v != 0 {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

// mustPanic checks that f panics with "odd".
func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if what := recover(); what != "odd" {
			t.Errorf("recovered %v", what)
		}
	}()
	f()
}

// functions are those that run a statement, by their names.
var functions = []struct {
	name  string
	query bool
	do    func(ctx context.Context, db template.DB, text string) error
}{
	{"Query", true, func(ctx context.Context, db template.DB, text string) error {
		_, err := template.Query[int](ctx, db, text)
		return err
	}},
	{"One", true, func(ctx context.Context, db template.DB, text string) error {
		_, err := template.One[int](ctx, db, text)
		return err
	}},
	{"Opt", true, func(ctx context.Context, db template.DB, text string) error {
		_, _, err := template.Opt[int](ctx, db, text)
		return err
	}},
	{"Each", true, func(ctx context.Context, db template.DB, text string) error {
		for _, err := range template.Each[int](ctx, db, text) {
			if err != nil {
				return err
			}
		}
		return nil
	}},
	{"Exec", false, func(ctx context.Context, db template.DB, text string) error {
		_, err := template.Exec(ctx, db, text)
		return err
	}},
	{"Batch", false, func(ctx context.Context, db template.DB, text string) error {
		_, err := template.Batch(ctx, db, text, []int{1, 2, 3}, func(int) []any { return nil }, template.ChunkSize(2))
		return err
	}},
}

func TestEverythingIsClosedOnEveryWayOut(t *testing.T) {
	odd := errors.New("odd")
	for _, f := range functions {
		for _, c := range []struct {
			name  string
			op    akaritest.Op
			fault akaritest.Fault
			text  string
		}{
			{"success", 0, akaritest.Fault{}, "ROWS 1"},
			{"an error of the statement", akaritest.OpQuery | akaritest.OpExec, akaritest.Fault{Err: odd}, "ROWS 1"},
			{"an error after its work", akaritest.OpQuery | akaritest.OpExec, akaritest.Fault{Err: odd, After: true}, "ROWS 1"},
			{"an error of the second row", akaritest.OpNext, akaritest.Fault{Skip: 1, Err: odd}, "ROWS 1"},
			{"an error of the last row", akaritest.OpNext, akaritest.Fault{Skip: 1, Err: odd}, "ROWS 3"},
			{"an error of closing rows", akaritest.OpRowsClose, akaritest.Fault{Err: odd}, "ROWS 2"},
			{"an error of preparing", akaritest.OpPrepare, akaritest.Fault{Err: odd}, "ROWS 1"},
			{"an error of closing the statement", akaritest.OpStmtClose, akaritest.Fault{Err: odd}, "ROWS 1"},
			{"an error of beginning", akaritest.OpBegin, akaritest.Fault{Err: odd}, "ROWS 1"},
			{"an error of committing", akaritest.OpCommit, akaritest.Fault{Err: odd, After: true}, "ROWS 1"},
			{"a value that does not fit", 0, akaritest.Fault{}, "ECHO"},
			{"no such statement", 0, akaritest.Fault{}, "NONSENSE"},
		} {
			t.Run(f.name+"/"+c.name, func(t *testing.T) {
				b := newBench(t, akaritest.Full)
				if c.op != 0 {
					b.server.Inject(c.op, c.fault)
				}
				err := f.do(t.Context(), b.DB(), c.text)
				if err != nil && !strings.HasPrefix(err.Error(), "template."+f.name+": ") {
					t.Errorf("it does not say where: %v", err)
				}
				if c.name == "success" && err != nil {
					t.Error(err)
				}
				b.returned(c.name)
			})
		}
		t.Run(f.name+"/a panic of the driver", func(t *testing.T) {
			b := newBench(t, akaritest.Full)
			// In Next, and in a prepared statement of a transaction, database/sql
			// keeps locks after a panic, whoever calls it.
			op := akaritest.OpQuery | akaritest.OpExec
			if f.name == "Batch" {
				op = akaritest.OpPrepare
			}
			fault := b.server.Inject(op, akaritest.Fault{Panic: "odd"})
			mustPanic(t, func() { f.do(t.Context(), b.DB(), "ROWS 1") })
			fault.Release()
			b.idle("a panic")
		})
		t.Run(f.name+"/in a transaction", func(t *testing.T) {
			b := newBench(t, akaritest.Full)
			tx, err := b.DB().BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // it is not ended, nor is anything in its way
				if err := f.do(t.Context(), tx, "ROWS 1"); err != nil {
					t.Error(err)
				}
			}
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
			if n := b.server.Stats().Opened; n != 1 {
				t.Errorf("%d connections were opened", n)
			}
			b.returned("a transaction")
		})
		t.Run(f.name+"/a context that has ended", func(t *testing.T) {
			b := newBench(t, akaritest.Full)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := f.do(ctx, b.DB(), "ROWS 1"); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if n := b.server.Calls(akaritest.OpBegin | akaritest.OpExec | akaritest.OpQuery); n != 0 {
				t.Errorf("%d calls of the driver", n)
			}
			b.returned("a dead context")
		})
	}
}

// TestEachGivesTheConnectionBack however the loop ends.
func TestEachGivesTheConnectionBack(t *testing.T) {
	for name, body := range map[string]func(n int) (goOn bool){
		"to the end": func(int) bool { return true },
		"break":      func(n int) bool { return n < 2 },
		"panic": func(n int) bool {
			if n == 2 {
				panic("odd")
			}
			return true
		},
		"Goexit": func(n int) bool {
			if n == 2 {
				runtime.Goexit()
			}
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, akaritest.PgxLike)
			seq := template.Each[int](t.Context(), b.DB(), "ROWS 5")
			b.returned("making it") // nothing is borrowed yet
			for range 2 {           // it can be used again
				var got []int
				ended := make(chan any)
				go func() {
					defer func() { ended <- recover() }()
					for n, err := range seq {
						if err != nil {
							t.Error(err)
						}
						if b.Stats().Active != 1 {
							t.Error("the rows hold no connection")
						}
						got = append(got, n)
						if !body(n) {
							break
						}
					}
				}()
				if what := <-ended; (what != nil) != (name == "panic") {
					t.Errorf("recovered %v", what)
				}
				want := []int{1, 2}
				if name == "to the end" {
					want = []int{1, 2, 3, 4, 5}
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got %v", got)
				}
				b.returned("the loop")
			}
		})
	}
}

func TestEachYieldsAnErrorLastAndOnce(t *testing.T) {
	b := newBench(t, akaritest.Full)
	b.server.Inject(akaritest.OpNext, akaritest.Fault{Skip: 2, Err: io.ErrUnexpectedEOF})
	var got []int
	var errs []error
	for n, err := range template.Each[int](t.Context(), b.DB(), "ROWS 5") {
		got, errs = append(got, n), append(errs, err)
	}
	if !reflect.DeepEqual(got, []int{1, 2, 0}) || errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], io.ErrUnexpectedEOF) {
		t.Errorf("got %v, %v", got, errs)
	}
	b.returned("the loop")
}

func TestInsertReturningNeedsRETURNING(t *testing.T) {
	s := &scripted{results: map[string]result{"": table("id", row(int64(7)))}}
	db := template.With(sql.OpenDB(s), template.PostgreSQL)
	for text, ok := range map[string]bool{
		"INSERT INTO t VALUES (1) RETURNING id":               true,
		"insert into t values (1) returning id":               true,
		"INSERT INTO t VALUES (1)":                            false,
		"INSERT INTO t VALUES ('RETURNING') -- RETURNING id":  false,
		`INSERT INTO "RETURNING" VALUES (1)`:                  false,
		"INSERT INTO t SELECT * FROM (DELETE u RETURNING id)": false,
	} {
		s.sent = nil
		v, err := template.InsertReturning[int](t.Context(), db, text)
		if ok != (err == nil) || ok != (v == 7) || ok != (len(s.sent) == 1) {
			t.Errorf("%s: %v, %v, %d statements", text, v, err, len(s.sent))
		}
	}
}

func TestInsertReturningCountsRows(t *testing.T) {
	const text = "INSERT RETURNING"
	if _, err := template.InsertReturning[int](t.Context(), script(t, table("id")), text); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("none: %v", err)
	}
	if _, err := template.InsertReturning[int](t.Context(), script(t, table("id", row(int64(1)), row(int64(2)))), text); !errors.Is(err, template.ErrTooManyRows) {
		t.Errorf("two: %v", err)
	}
}

func TestExecCountsAndInsertIDTellsTheKey(t *testing.T) {
	b := newBench(t, akaritest.MySQLLike)
	if n, err := template.Exec(t.Context(), b.DB(), "INSERT ?; INSERT ?", 5, 6); n != 2 || err != nil {
		t.Errorf("Exec: %d, %v", n, err)
	}
	if id, err := template.InsertID(t.Context(), b.DB(), "INSERT ?", 9); id != 9 || err != nil {
		t.Errorf("InsertID: %d, %v", id, err)
	}
	if _, err := template.InsertID(t.Context(), template.With(b.DB(), template.PostgreSQL), "INSERT ?", 10); err == nil || b.server.Has(10) {
		t.Errorf("InsertID with PostgreSQL: %v, inserted: %v", err, b.server.Has(10))
	}
	b.returned("them")
}

func TestNumberThatTheDriverDoesNotTell(t *testing.T) {
	_, err := template.InsertID(t.Context(), script(t, table("")), "INSERT") // driver.RowsAffected has no key
	if err == nil || !strings.Contains(err.Error(), "was executed") {
		t.Errorf("got %v", err)
	}
}

func TestErrorsDoNotShowArguments(t *testing.T) {
	const secret = "s3cret"
	b := newBench(t, akaritest.PgxLike)
	ctx := t.Context()
	bind := func(s string) []any { return []any{s, secret, struct{ X string }{secret}} }
	_, one := template.One[int](ctx, b.DB(), "ROWS 2 ?", secret)
	_, exec := template.Exec(ctx, b.DB(), "NONSENSE", secret, template.Named("", nil))
	_, batch := template.Batch(ctx, b.DB(), "INSERT ? ? ?", []string{secret}, bind)
	_, count := template.Batch(ctx, template.With(b.DB(), template.MySQL), "INSERT INTO t VALUES (?)", []string{secret}, bind)
	for _, err := range []error{one, exec, batch, count} {
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("got %v", err)
		}
	}
}
