package akari_test

import (
	"database/sql/driver"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// unsent is what pgx says of a statement that it has not sent.
type unsent struct{ error }

func (unsent) SafeToRetry() bool { return true }
func (e unsent) Unwrap() error   { return e.error }

func TestSecondAttemptHasTheArgumentsOfTheFirst(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.PgxLike, akari.Config{MaximumPoolSize: 2})
		b.want(2, 0, 2, 0)
		asked := 0
		in := b.server.Inject(akaritest.OpQuery, akaritest.Fault{Times: 1, Break: true, Err: unsent{driver.ErrBadConn}})
		got := echo(t.Context(), b.DB(), akaritest.Option{}, valuer{&asked}, akaritest.Option{}, "b")
		if got != "1 int64 7, 2 string b" || asked != 1 {
			t.Errorf("the driver got %s; the valuer was asked %d times", got, asked)
		}
		if in.Hits() != 1 {
			t.Error("there was no second attempt")
		}

		in = b.server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, Break: true, Err: unsent{driver.ErrBadConn}})
		if _, err := b.DB().ExecContext(t.Context(), "INSERT ?", akaritest.Option{}, 1); err != nil || in.Hits() != 1 {
			t.Errorf("Exec: %v after %d failures", err, in.Hits())
		}
		if n := b.server.Inserts(1); n != 1 {
			t.Errorf("executed %d times", n)
		}
		b.want(2, 0, 2, 0)
	})
}
