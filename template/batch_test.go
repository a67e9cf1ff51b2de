package template_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/template"
)

const insertOne = "INSERT INTO numbers (id) VALUES ($1)"

// insertMany is insertOne for some rows.
func insertMany(rows int) string {
	text := insertOne
	for i := range rows - 1 {
		text += fmt.Sprintf(", ($%d)", i+2)
	}
	return text
}

// newLedger is a bench whose server knows insertOne, for up to ten rows at once,
// and speaks of savepoints as PostgreSQL does.
func newLedger(t *testing.T, profile akaritest.Profile) *bench {
	t.Helper()
	b := newBench(t, profile)
	for rows := 1; rows <= 10; rows++ {
		b.server.Define(insertMany(rows), strings.TrimSuffix(strings.Repeat("INSERT ?; ", rows), "; "))
	}
	for _, name := range []string{"akari_batch", "akari_stretch"} {
		b.server.Define("ROLLBACK TO SAVEPOINT "+name, "ROLLBACK TO "+name)
		b.server.Define("RELEASE SAVEPOINT "+name, "RELEASE "+name)
	}
	return b
}

func (b *bench) pg() template.DB { return template.With(b.DB(), template.PostgreSQL) }

// upTo is 1 to n.
func upTo(n int) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i + 1)
	}
	return all
}

func itself(n int64) []any { return []any{n} }

var modes = map[string][]template.BatchOption{
	"Auto":     nil,
	"MultiRow": {template.MultiRow},
	"Prepared": {template.Prepared},
}

func TestBatchWritesChunks(t *testing.T) {
	for mode, opts := range modes {
		for _, c := range []struct {
			items, chunk int
			counts       []int64
		}{
			{0, 2, nil},
			{1, 2, []int64{1}},
			{2, 2, []int64{2}},
			{3, 2, []int64{2, 1}},
			{7, 3, []int64{3, 3, 1}},
			{3, 1, []int64{1, 1, 1}},
			{9, 100, []int64{9}},
		} {
			t.Run(fmt.Sprintf("%s/%d by %d", mode, c.items, c.chunk), func(t *testing.T) {
				b := newLedger(t, akaritest.PgxLike)
				counts, err := template.Batch(t.Context(), b.pg(), insertOne, upTo(c.items), itself, append(opts, template.ChunkSize(c.chunk))...)
				if err != nil || !reflect.DeepEqual(counts, c.counts) {
					t.Errorf("got %v, %v", counts, err)
				}
				if got := b.server.Committed(); !slices.Equal(got, upTo(c.items)) {
					t.Errorf("written: %v", got)
				}
				inserts := b.server.Executions(insertOne)
				want := c.items
				if mode != "Prepared" && c.chunk > 1 {
					want = 0
					if c.items > 0 && c.items%c.chunk == 1 {
						want = 1
					}
				}
				if inserts != want {
					t.Errorf("%d statements of one row, want %d: %v", inserts, want, b.server.Texts())
				}
				if begun := b.server.Calls(akaritest.OpBegin); begun != min(c.items, 1) {
					t.Errorf("%d transactions", begun)
				}
				b.returned("the batch")
			})
		}
	}
}

func TestBatchWithoutItemsSendsNothing(t *testing.T) {
	b := newLedger(t, akaritest.PgxLike)
	before := b.server.Calls(akaritest.OpAny)
	if counts, err := template.Batch(t.Context(), b.pg(), insertOne, nil, itself); counts != nil || err != nil {
		t.Errorf("got %v, %v", counts, err)
	}
	if b.server.Calls(akaritest.OpAny) != before {
		t.Error("the driver was called")
	}
}

// TestBatchNamesTheItemAtFault in every mode, with a server that refuses everything
// in a transaction after an error, and one that does not.
func TestBatchNamesTheItemAtFault(t *testing.T) {
	for mode, opts := range modes {
		for _, profile := range []akaritest.Profile{akaritest.PgxLike, akaritest.MySQLLike, akaritest.SQLiteLike} {
			for _, bad := range []int{0, 1, 6, 9} {
				t.Run(fmt.Sprintf("%s/%s/%d", mode, profile.Name, bad), func(t *testing.T) {
					b := newLedger(t, profile)
					mustExec(t, b.DB(), "INSERT 77")
					items := upTo(10)
					items[bad] = 77
					counts, err := template.Batch(t.Context(), b.pg(), insertOne, items, itself, append(opts, template.ChunkSize(3))...)
					var be *template.BatchError
					if counts != nil || !errors.As(err, &be) {
						t.Fatalf("got %v, %v", counts, err)
					}
					from := bad / 3 * 3
					want := template.BatchError{Index: bad, From: from, To: min(from+3, 10), Counts: slices.Repeat([]int64{3}, bad/3), Err: be.Err}
					if len(want.Counts) == 0 {
						want.Counts = nil
					}
					if !reflect.DeepEqual(*be, want) {
						t.Errorf("got %+v, want %+v", *be, want)
					}
					if !strings.HasPrefix(err.Error(), fmt.Sprintf("template.Batch: item %d: ", bad)) || !strings.Contains(err.Error(), "INSERT 77") {
						t.Errorf("it says %v", err)
					}
					if got := b.server.Committed(); !slices.Equal(got, []int64{77}) {
						t.Errorf("written: %v", got)
					}
					b.returned("the batch")
				})
			}
		}
	}
}

// TestFailedBatchLeavesTheTransactionUsable, with nothing of the batch in it.
func TestFailedBatchLeavesTheTransactionUsable(t *testing.T) {
	for mode, opts := range modes {
		for _, profile := range []akaritest.Profile{akaritest.PgxLike, akaritest.MySQLLike} {
			t.Run(mode+"/"+profile.Name, func(t *testing.T) {
				b := newLedger(t, profile)
				tx, err := b.DB().BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer tx.Rollback()
				db := template.With(tx, template.PostgreSQL)
				mustExec(t, tx, "INSERT 77")
				items := append(upTo(8), 77)
				opts := append(opts, template.ChunkSize(2))
				if _, err := template.Batch(t.Context(), db, insertOne, items, itself, opts...); err == nil {
					t.Error("it did not fail")
				}
				if counts, err := template.Batch(t.Context(), db, insertOne, upTo(3), itself, opts...); err != nil || !slices.Equal(counts, []int64{2, 1}) {
					t.Errorf("the next one: %v, %v", counts, err)
				}
				if err := tx.Commit(); err != nil {
					t.Error(err)
				}
				if got := b.server.Committed(); !slices.Equal(got, []int64{1, 2, 3, 77}) {
					t.Errorf("written: %v", got)
				}
				if n := b.server.Calls(akaritest.OpBegin); n != 1 {
					t.Errorf("%d transactions", n)
				}
				b.returned("the transaction")
			})
		}
	}
}

// TestRowsThatGoInOneByOneStay: what only rows of the same statement may not do to
// each other is no error of the batch's.
func TestRowsThatGoInOneByOneStay(t *testing.T) {
	b := newLedger(t, akaritest.PgxLike)
	b.server.Define(insertMany(3), "FAIL 21000 a row a second time")
	counts, err := template.Batch(t.Context(), b.pg(), insertOne, upTo(8), itself, template.ChunkSize(3))
	if err != nil || !slices.Equal(counts, []int64{3, 3, 2}) {
		t.Errorf("got %v, %v", counts, err)
	}
	if got := b.server.Committed(); !slices.Equal(got, upTo(8)) {
		t.Errorf("written: %v", got)
	}
	b.returned("the batch")
}

// TestErrorsThatAreNoItems are not looked for by sending the items again.
func TestErrorsThatAreNoItems(t *testing.T) {
	for _, c := range []struct {
		name    string
		profile akaritest.Profile
		err     error
	}{
		{"a deadlock", akaritest.PgxLike, &akaritest.Error{Code: "40P01"}},
		{"a failed serialization", akaritest.PgxLike, &akaritest.Error{Code: "40001"}},
		{"no such table", akaritest.PgxLike, &akaritest.Error{Code: "42P01"}},
		{"a full disk", akaritest.PgxLike, &akaritest.Error{Code: "53100"}},
		{"a lost connection", akaritest.PgxLike, &akaritest.Error{Code: "08006"}},
		{"MySQL's deadlock", akaritest.MySQLLike, &akaritest.MySQLError{Number: 1213, SQLState: [5]byte([]byte("40001"))}},
		{"MySQL's lock time-out", akaritest.MySQLLike, &akaritest.MySQLError{Number: 1205, SQLState: [5]byte([]byte("HY000"))}},
		{"a cancelled statement", akaritest.PgxLike, context.Canceled},
		{"a bad connection", akaritest.PgxLike, driver.ErrBadConn},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newLedger(t, c.profile)
			b.server.Inject(akaritest.OpExec, akaritest.Fault{Err: c.err, Match: func(call akaritest.Call) bool { return call.Text == insertMany(2) }})
			_, err := template.Batch(t.Context(), b.pg(), insertOne, upTo(5), itself, template.ChunkSize(2))
			be, ok := errors.AsType[*template.BatchError](err)
			if !ok || be.Index != -1 || be.From != 0 || be.To != 2 || !strings.Contains(err.Error(), "in items 0 to 1: ") {
				t.Errorf("got %v", err)
			}
			if n := b.server.Executions(insertOne) + b.server.Executions("ROLLBACK TO SAVEPOINT akari_stretch"); n != 0 {
				t.Errorf("the items were sent again: %v", b.server.Texts())
			}
			b.idle("the batch")
		})
	}
}

// TestNothingIsSentWhenTheServerHasEndedTheTransaction: what would be sent then, as
// after a deadlock of MySQL's, would be committed by itself.
func TestNothingIsSentWhenTheServerHasEndedTheTransaction(t *testing.T) {
	b := newLedger(t, akaritest.MySQLLike)
	b.server.Define(insertMany(2), "ROLLBACK; FAIL 1062 duplicate")
	_, err := template.Batch(t.Context(), b.pg(), insertOne, upTo(5), itself, template.ChunkSize(2))
	if be, ok := errors.AsType[*template.BatchError](err); !ok || be.Index != -1 {
		t.Errorf("got %v", err)
	}
	if got := b.server.Committed(); len(got) != 0 {
		t.Errorf("written: %v", got)
	}
}

func TestSavepointsOfABatchAreFew(t *testing.T) {
	b := newLedger(t, akaritest.PgxLike)
	if _, err := template.Batch(t.Context(), b.pg(), insertOne, upTo(400), itself, template.ChunkSize(2)); err != nil {
		t.Fatal(err)
	}
	set, released := b.server.Executions("SAVEPOINT akari_stretch"), b.server.Executions("RELEASE SAVEPOINT akari_stretch")
	if set < 2 || set > 8 || released != set-1 {
		t.Errorf("%d savepoints, %d released", set, released)
	}
}

func TestBatchStopsBetweenChunks(t *testing.T) {
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			b := newLedger(t, akaritest.Full)
			ctx, cancel := context.WithCancel(t.Context())
			var bound []int64
			_, err := template.Batch(ctx, b.pg(), insertOne, upTo(9), func(n int64) []any {
				if bound = append(bound, n); n == 4 {
					cancel()
				}
				return []any{n}
			}, append(opts, template.ChunkSize(3))...)
			be, ok := errors.AsType[*template.BatchError](err)
			if !ok || !errors.Is(err, context.Canceled) || !slices.Equal(be.Counts, []int64{3}) {
				t.Errorf("got %v", err)
			}
			if last := bound[len(bound)-1]; last > 6 {
				t.Errorf("it went on to item %d", last)
			}
			if got := b.server.Committed(); len(got) != 0 {
				t.Errorf("written: %v", got)
			}
			b.returned("it")
		})
	}
}

func TestBindThatDoesNotReturn(t *testing.T) {
	for mode, opts := range modes {
		for way, leave := range map[string]func(){"panic": func() { panic("odd") }, "Goexit": runtime.Goexit} {
			for _, where := range []string{"in a transaction of its own", "in the caller's"} {
				t.Run(mode+"/"+way+"/"+where, func(t *testing.T) {
					b := newLedger(t, akaritest.PgxLike)
					db := b.pg()
					if where == "in the caller's" {
						tx, err := b.DB().BeginTx(t.Context(), nil)
						if err != nil {
							t.Fatal(err)
						}
						defer func() {
							tx.Commit()
							b.returned("the transaction")
							if got := b.server.Committed(); len(got) != 0 {
								t.Errorf("written: %v", got)
							}
						}()
						db = template.With(tx, template.PostgreSQL)
					}
					ended := make(chan any)
					go func() {
						defer func() { ended <- recover() }()
						template.Batch(t.Context(), db, insertOne, upTo(9), func(n int64) []any {
							if n == 5 {
								leave()
							}
							return []any{n}
						}, append(opts, template.ChunkSize(2))...)
					}()
					if what := <-ended; (what != nil) != (way == "panic") {
						t.Errorf("recovered %v", what)
					}
					if where != "in the caller's" {
						b.returned("it")
						if got := b.server.Committed(); len(got) != 0 {
							t.Errorf("written: %v", got)
						}
					}
				})
			}
		}
	}
}

// TestPanicOfTheDriverReachesTheCaller: database/sql keeps a lock then that
// Tx.Rollback would wait for.
func TestPanicOfTheDriverReachesTheCaller(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	db := sql.OpenDB(server.Connector())
	server.Inject(akaritest.OpExec, akaritest.Fault{Panic: "odd", Times: 1})
	mustPanic(t, func() {
		template.Batch(t.Context(), db, "INSERT ?", upTo(3), itself)
	})
}

func TestWrongNumberOfArgumentsNamesTheItem(t *testing.T) {
	for mode, opts := range modes {
		b := newLedger(t, akaritest.PgxLike)
		_, err := template.Batch(t.Context(), b.pg(), insertOne, upTo(5), func(n int64) []any { return slices.Repeat([]any{n}, max(1, int(n)-2)) },
			append(opts, template.ChunkSize(2))...)
		if want := "template.Batch: item 3: it has 2 arguments, the text takes 1"; mode != "Prepared" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v, want %s", mode, err, want)
		}
		if be, ok := errors.AsType[*template.BatchError](err); !ok || mode == "Prepared" && be.Index > 3 {
			t.Errorf("%s: %v", mode, err)
		}
		b.returned("it")
	}
}

func TestBatchWithoutATransaction(t *testing.T) {
	b := newLedger(t, akaritest.MySQLLike)
	// What can neither begin one nor is one is taken as it is.
	plain := struct{ template.DB }{b.DB()}
	items := append(upTo(3), 1, 5)
	_, err := template.Batch(t.Context(), plain, insertOne, items, itself, template.PostgreSQL, template.ChunkSize(2))
	be, ok := errors.AsType[*template.BatchError](err)
	if !ok || be.Index != -1 || be.From != 2 || be.To != 4 {
		t.Errorf("got %v", err)
	}
	if n := b.server.Calls(akaritest.OpBegin) + b.server.Executions("SAVEPOINT akari_stretch"); n != 0 {
		t.Errorf("%d transactions or savepoints", n)
	}
	b.returned("it")
}

func TestCommitThatFails(t *testing.T) {
	b := newLedger(t, akaritest.PgxLike)
	odd := errors.New("odd")
	b.server.Inject(akaritest.OpCommit, akaritest.Fault{Err: odd})
	_, err := template.Batch(t.Context(), b.pg(), insertOne, upTo(3), itself, template.ChunkSize(2))
	be, ok := errors.AsType[*template.BatchError](err)
	if !ok || !errors.Is(err, odd) || be.Index != -1 || !slices.Equal(be.Counts, []int64{2, 1}) || !strings.Contains(err.Error(), "commit: odd") {
		t.Errorf("got %v", err)
	}
	b.idle("it")
}

type numberItem struct {
	ID   int64
	Note *string
}

func TestBatchBindsByName(t *testing.T) {
	const text = "INSERT INTO numbers (id) VALUES (:id)"
	for name, do := range map[string]func(db template.DB) ([]int64, error){
		"structs": func(db template.DB) ([]int64, error) {
			return template.Batch(t.Context(), db, text, []numberItem{{ID: 1}, {ID: 2}, {ID: 3}}, nil)
		},
		"pointers": func(db template.DB) ([]int64, error) {
			return template.Batch(t.Context(), db, text, []*numberItem{{ID: 1}, {ID: 2}, {ID: 3}}, nil)
		},
		"maps": func(db template.DB) ([]int64, error) {
			return template.Batch(t.Context(), db, text, []map[string]any{{"id": 1}, {"id": 2}, {"id": 3}}, nil)
		},
	} {
		b := newLedger(t, akaritest.PgxLike)
		if counts, err := do(b.pg()); err != nil || !slices.Equal(counts, []int64{3}) || !slices.Equal(b.server.Committed(), upTo(3)) {
			t.Errorf("%s: %v, %v, written %v", name, counts, err, b.server.Committed())
		}
	}
}

func TestBatchRefuses(t *testing.T) {
	bind := itself
	for _, c := range []struct {
		name, text string
		bind       func(int64) []any
		opts       []template.BatchOption
		says       string
	}{
		{"several statements", "INSERT INTO a VALUES ($1); INSERT INTO b VALUES ($1)", bind, nil, "several statements"},
		{"RETURNING", "INSERT INTO a VALUES ($1) RETURNING id", bind, nil, "RETURNING"},
		{"no text", " -- nothing\n", bind, nil, "the text is empty"},
		{"MultiRow of an UPDATE", "UPDATE a SET b = $1", bind, []template.BatchOption{template.MultiRow}, "MultiRow is not possible: the text is no INSERT"},
		{"a chunk of nothing", insertOne, bind, []template.BatchOption{template.ChunkSize(0)}, "ChunkSize is 0: must be at least 1"},
		{"an unknown mode", insertOne, bind, []template.BatchOption{template.Mode(9)}, "there is no Mode(9)"},
		{"Copy and a Mode", insertOne, bind, []template.BatchOption{template.MultiRow, template.Copy(nil), template.Copy(copyNothing)}, "exclude each other"},
		{"Copy of more than columns", "INSERT INTO a (b) VALUES ($1 + 1)", bind, []template.BatchOption{template.Copy(copyNothing)}, "Copy is not possible: the text is not just"},
		{"no bind and no names", insertOne, nil, nil, "bind is nil, and the text has no named parameters"},
		{"names that an int has not", "INSERT INTO a VALUES (:id)", nil, nil, "not from int64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newLedger(t, akaritest.PgxLike)
			before := b.server.Stats().Statements
			counts, err := template.Batch(t.Context(), b.pg(), c.text, upTo(3), c.bind, c.opts...)
			if err == nil || counts != nil || !strings.HasPrefix(err.Error(), "template.Batch: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, %v; want %q", counts, err, c.says)
			}
			if n := b.server.Stats().Statements - before; n != 0 {
				t.Errorf("%d statements were sent", n)
			}
			b.returned("it")
		})
	}
}

func copyNothing(context.Context, *sql.Conn, *template.CopyRows) (int64, error) { return 0, nil }

// copied is a function for Copy that inserts, after taking the rows apart.
func copied(t *testing.T, fail func(row int64) error) template.BatchOption {
	return template.Copy(func(ctx context.Context, conn *sql.Conn, rows *template.CopyRows) (n int64, err error) {
		if !slices.Equal(rows.Table, []string{"numbers"}) || !slices.Equal(rows.Columns, []string{"id"}) {
			t.Errorf("table %v, columns %v", rows.Table, rows.Columns)
		}
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				return n, err
			}
			if err := fail(values[0].(int64)); err != nil {
				return n, err
			}
			if _, err := conn.ExecContext(ctx, insertOne, values...); err != nil {
				return n, err
			}
			n++
		}
		return n, rows.Err()
	})
}

func fine(int64) error { return nil }

func TestCopyIsPartOfTheTransaction(t *testing.T) {
	b := newLedger(t, akaritest.PgxLike)
	counts, err := template.Batch(t.Context(), b.pg(), insertOne, upTo(7), itself, copied(t, fine), template.ChunkSize(3))
	if err != nil || !slices.Equal(counts, []int64{3, 3, 1}) || !slices.Equal(b.server.Committed(), upTo(7)) {
		t.Errorf("got %v, %v, written %v", counts, err, b.server.Committed())
	}
	b.returned("it")

	counts, err = template.Batch(t.Context(), b.pg(), insertOne, []int64{8, 9, 10, 7, 11}, itself, copied(t, fine), template.ChunkSize(2))
	be, ok := errors.AsType[*template.BatchError](err)
	if counts != nil || !ok || be.Index != 3 || !slices.Equal(be.Counts, []int64{2}) || !slices.Equal(b.server.Committed(), upTo(7)) {
		t.Errorf("got %v, %v, written %v", counts, err, b.server.Committed())
	}
	b.returned("it")

	conn, err := b.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if counts, err = template.Batch(t.Context(), template.With(conn, template.PostgreSQL), insertOne, []int64{20}, itself, copied(t, fine)); err != nil || !slices.Equal(counts, []int64{1}) {
		t.Errorf("on a connection: %v, %v", counts, err)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("the caller's connection: %v", err)
	}
	b.returned("it")
}

func TestCopyThatGoesWrong(t *testing.T) {
	odd := errors.New("odd")
	for _, c := range []struct {
		name  string
		bind  func(int64) []any
		copy  template.BatchOption
		index int
		says  string
	}{
		{"its function's own error", itself, copied(t, func(n int64) error {
			if n == 5 {
				return odd
			}
			return nil
		}), -1, "odd"},
		{"rows that were not read", itself, template.Copy(copyNothing), -1, "has not read all rows"},
		{"an item without its arguments", func(n int64) []any { return make([]any, n/5) }, copied(t, fine), 0, "it has 0 arguments"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newLedger(t, akaritest.PgxLike)
			_, err := template.Batch(t.Context(), b.pg(), insertOne, upTo(7), c.bind, c.copy)
			be, ok := errors.AsType[*template.BatchError](err)
			if !ok || be.Index != c.index || !strings.Contains(err.Error(), c.says) || len(b.server.Committed()) != 0 {
				t.Errorf("got %v, written %v", err, b.server.Committed())
			}
			b.returned("it")
		})
	}
	t.Run("in a transaction", func(t *testing.T) {
		b := newLedger(t, akaritest.PgxLike)
		tx, err := b.DB().BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := template.Batch(t.Context(), template.With(tx, template.PostgreSQL), insertOne, upTo(3), itself, copied(t, fine)); err == nil || !strings.Contains(err.Error(), "Copy needs a *sql.DB or a *sql.Conn") {
			t.Errorf("got %v", err)
		}
	})
}

func mustExec(t testing.TB, db template.DB, text string) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), text); err != nil {
		t.Fatal(err)
	}
}

// TestChunksOfAStretchAreRepeated after going back to its savepoint.
func TestChunksOfAStretchAreRepeated(t *testing.T) {
	b := newLedger(t, akaritest.PgxLike)
	b.server.Inject(akaritest.OpExec, akaritest.Fault{
		Err: &akaritest.Error{Code: "21000"}, Skip: 20, Times: 1,
		Match: func(call akaritest.Call) bool { return call.Text == insertMany(2) },
	})
	counts, err := template.Batch(t.Context(), b.pg(), insertOne, upTo(400), itself, template.ChunkSize(2))
	if err != nil || !slices.Equal(counts, slices.Repeat([]int64{2}, 200)) {
		t.Errorf("got %v, %v", counts, err)
	}
	if got := b.server.Committed(); !slices.Equal(got, upTo(400)) {
		t.Errorf("%d rows were written", len(got))
	}
}

// TestBatchReturnsWhenItsTransactionIsOver, and not while database/sql rolls it back
// in the background, which it does when the context of a transaction ends.
func TestBatchReturnsWhenItsTransactionIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLedger(t, akaritest.Full)
		b.server.Inject(akaritest.OpRollback, akaritest.Fault{Delay: time.Second, IgnoreContext: true})
		ctx, cancel := context.WithCancel(t.Context())
		_, err := template.Batch(ctx, b.pg(), insertOne, upTo(9), func(n int64) []any {
			if n == 4 {
				cancel()
				synctest.Wait()
			}
			return []any{n}
		}, template.ChunkSize(3))
		b.returned("it")
		if !errors.Is(err, context.Canceled) || b.server.Calls(akaritest.OpRollback) != 1 {
			t.Errorf("got %v, %d rollbacks", err, b.server.Calls(akaritest.OpRollback))
		}
	})
}

func TestBatchIsNotCommittedWhenItsContextHasEnded(t *testing.T) {
	b := newLedger(t, akaritest.Full)
	ctx, cancel := context.WithCancel(t.Context())
	b.server.Inject(akaritest.OpStmtClose, akaritest.Fault{Delay: 1, Match: func(akaritest.Call) bool { cancel(); return false }})
	_, err := template.Batch(ctx, b.pg(), insertOne, upTo(3), itself, template.Prepared)
	if !errors.Is(err, context.Canceled) || len(b.server.Committed()) != 0 {
		t.Errorf("got %v, written %v", err, b.server.Committed())
	}
	b.returned("it")
}

// TestBatchThatIsCancelledLeavesTheTransactionUsable, where the driver does.
func TestBatchThatIsCancelledLeavesTheTransactionUsable(t *testing.T) {
	b := newLedger(t, akaritest.MySQLLike)
	tx, err := b.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	ctx, cancel := context.WithCancel(t.Context())
	_, err = template.Batch(ctx, tx, insertOne, upTo(9), func(n int64) []any {
		if n == 4 {
			cancel()
		}
		return []any{n}
	}, template.ChunkSize(3), template.PostgreSQL)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if c := b.server.Conns()[0]; c.Stmts != 0 {
		t.Errorf("left in the transaction: %+v", c)
	}
	if err := tx.Commit(); err != nil || len(b.server.Committed()) != 0 {
		t.Errorf("commit: %v, written %v", err, b.server.Committed())
	}
}

// deaf is a DB that does not mind contexts.
type deaf struct{ sent int }

func (d *deaf) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	d.sent++
	return driver.RowsAffected(1), nil
}

func (d *deaf) QueryContext(context.Context, string, ...any) (*sql.Rows, error) { return nil, nil }

func TestBatchLooksAtItsContextBetweenChunks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := &deaf{}
	_, err := template.Batch(ctx, d, insertOne, upTo(9), func(n int64) []any {
		if n == 2 {
			cancel()
		}
		return []any{n}
	}, template.ChunkSize(3))
	if !errors.Is(err, context.Canceled) || d.sent != 3 {
		t.Errorf("got %v after %d statements", err, d.sent)
	}
}

func TestCopyOrdersValuesAsColumns(t *testing.T) {
	db := template.With(script(t, table("")), template.PostgreSQL)
	var got [][]any
	counts, err := template.Batch(t.Context(), db, "INSERT INTO t (a, b) VALUES ($2, $1)", upTo(2), func(n int64) []any { return []any{n, -n} },
		template.Copy(func(_ context.Context, _ *sql.Conn, rows *template.CopyRows) (int64, error) {
			for rows.Next() {
				values, _ := rows.Values()
				got = append(got, values)
			}
			return int64(len(got)), rows.Err()
		}))
	if err != nil || !slices.Equal(counts, []int64{2}) || !reflect.DeepEqual(got, [][]any{{int64(-1), int64(1)}, {int64(-2), int64(2)}}) {
		t.Errorf("got %v, %v, rows %v", counts, err, got)
	}
}

func TestLargeItemsMakeSmallChunks(t *testing.T) {
	body := strings.Repeat("x", 300_000)
	counts, err := template.Batch(t.Context(), template.With(script(t, table("")), template.MySQL), "INSERT INTO t VALUES (?)", upTo(10),
		func(int64) []any { return []any{body} })
	if err != nil || len(counts) != 4 { // three of them are less than a mebibyte
		t.Errorf("%d chunks, %v", len(counts), err)
	}
}
