package akari_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// The arguments of a use's first operation are converted once it has a
// connection: only the driver's own knows how.

func TestFirstOperationWithArgumentsKeepsItsOwnDeadline(t *testing.T) {
	for name, ends := range map[string]bool{"its context is alive": false, "its context has ended": true} {
		for _, profile := range []akaritest.Profile{akaritest.PgxLike, akaritest.PqLike, akaritest.MySQLLike, akaritest.SQLiteLike} {
			t.Run(name+"/"+profile.Name, func(t *testing.T) {
				within(t, func(t *testing.T) {
					b := newBench(t, profile, akari.Config{MaximumPoolSize: 1})
					canceled, cancel := context.WithCancel(t.Context())
					cancel()
					madeWith, end := context.WithCancel(t.Context())
					defer end()
					conn, err := b.DB().Conn(madeWith)
					if ends {
						end()
					}
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					held := b.acquire()
					defer held.Release()
					for what, do := range map[string]func(context.Context) error{
						"Exec":  func(ctx context.Context) error { _, err := conn.ExecContext(ctx, "INSERT ?", 1); return err },
						"Query": func(ctx context.Context) error { _, err := conn.QueryContext(ctx, "ROWS ?", 1); return err },
					} {
						ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
						start := time.Now()
						err := do(ctx)
						cancel()
						if took := time.Since(start); took != 200*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("%s: %v after %v", what, err, took)
						}
						start = time.Now()
						if err := do(canceled); !errors.Is(err, context.Canceled) || time.Since(start) != 0 {
							t.Errorf("%s with a context that has ended: %v after %v", what, err, time.Since(start))
						}
					}
					held.Release()
					if _, err := conn.ExecContext(t.Context(), "INSERT ?", 1); err != nil {
						t.Errorf("the Conn is of no use any more: %v", err)
					}
				})
			})
		}
	}
}

// valuer counts how often it is asked for its value.
type valuer struct{ asked *int }

func (v valuer) Value() (driver.Value, error) { *v.asked++; return int64(7), nil }

// failingValuer has none.
type failingValuer struct{}

func (failingValuer) Value() (driver.Value, error) { return nil, errors.New("it has no value") }

// echo returns what the driver was given, and how many times the valuer among
// the arguments was asked, or the error.
func echo(ctx context.Context, q querier, args ...any) string {
	rs, err := q.QueryContext(ctx, "ECHO", args...)
	if err != nil {
		return err.Error()
	}
	defer rs.Close()
	var got []string
	for rs.Next() {
		var ordinal int
		var name, kind string
		var v any
		if err := rs.Scan(&ordinal, &name, &kind, &v); err != nil {
			return err.Error()
		}
		got = append(got, fmt.Sprintf("%d%s %s %v", ordinal, name, kind, v))
	}
	if err := rs.Err(); err != nil {
		return err.Error()
	}
	return strings.Join(got, ", ")
}

func TestArgumentsAreConvertedAsWithoutAPool(t *testing.T) {
	asked := 0
	for name, args := range map[string][]any{
		"plain":                           {1, "a", nil, time.Unix(0, 0).UTC()},
		"one for the driver's checker":    {1, akaritest.Probe{}, "b"},
		"one that the checker takes away": {akaritest.Option{}, "b", akaritest.Option{}, 3},
		"a valuer":                        {valuer{&asked}, "b"},
		"a valuer that fails":             {1, failingValuer{}},
		"a type that nobody knows":        {1, struct{}{}},
		"a channel":                       {make(chan int)},
		"a named one":                     {sql.Named("n", 1)},
		"a named one that nobody knows":   {sql.Named("n", struct{}{})},
		"an unknown one after an option":  {akaritest.Option{}, "b", struct{}{}},
	} {
		for _, profile := range akaritest.Profiles() {
			t.Run(name+"/"+profile.Name, func(t *testing.T) {
				within(t, func(t *testing.T) {
					server := akaritest.NewServer(profile)
					akaritest.Verify(t, server)
					bare := sql.OpenDB(server.Connector())
					defer bare.Close()
					b := newBench(t, profile, akari.Config{MaximumPoolSize: 1})
					// A driver that has everything prepared is found out too late for
					// arguments to be converted but once.
					counted := profile.Conn&akaritest.QueryerContext != 0
					ask := func(q querier) string {
						asked = 0
						got := echo(t.Context(), q, args...)
						if counted {
							got += fmt.Sprintf("; asked %d times", asked)
						}
						return got
					}
					want := map[string]string{}
					everyQuerier(t, bare, func(kind string, q querier) { want[kind] = ask(q) })
					everyQuerier(t, b.DB(), func(kind string, q querier) {
						if got := ask(q); got != want[kind] {
							t.Errorf("%s: %s\nwithout a pool: %s", kind, got, want[kind])
						}
					})
					b.want(1, 0, 1, 0)
				})
			})
		}
	}
}

func TestArgumentsOfAFirstOperationAreCheckedOnItsConnection(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.PgxLike, akari.Config{MaximumPoolSize: 1})
		record := b.server.Record()
		asked := 0
		if got := echo(t.Context(), b.DB(), valuer{&asked}, akaritest.Option{}, akaritest.Probe{}); got != "1 int64 7, 2 string conn checker" {
			t.Errorf("the driver got %s", got)
		}
		record.Stop()
		if asked != 1 {
			t.Errorf("the valuer was asked %d times", asked)
		}
		checks := 0
		for _, c := range record.Calls() {
			if c.Op == akaritest.OpCheck {
				checks++
			}
		}
		if checks != 3 {
			t.Errorf("the driver checked %d times, want once for each of 3 arguments", checks)
		}
	})
}
