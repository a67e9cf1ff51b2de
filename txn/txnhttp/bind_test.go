package txnhttp_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
	"github.com/akaripool/akari/txn/txnhttp"
)

func newPool(t *testing.T) *akari.Pool {
	t.Helper()
	server := akaritest.NewServer(akaritest.PgxLike)
	akaritest.Verify(t, server)
	p, err := akari.New(t.Context(), server.Connector(), akari.Config{MaximumPoolSize: 3, SessionReset: akari.ResetOff, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// serve sends a request to a handler that has the given binding.
func serve(t *testing.T, p *akari.Pool, h http.HandlerFunc, opts ...txn.Option) string {
	t.Helper()
	w := httptest.NewRecorder()
	txnhttp.Bind(p, opts...)(h).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	body, _ := io.ReadAll(w.Result().Body)
	return string(body)
}

// conn is the number of the connection that a statement runs on.
func conn(t *testing.T, ctx context.Context, p *akari.Pool) (n int) {
	t.Helper()
	if err := p.DB().QueryRowContext(ctx, "CONN").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRequestHoldsNoConnectionBetweenStatements(t *testing.T) {
	p := newPool(t)
	serve(t, p, func(_ http.ResponseWriter, r *http.Request) {
		conn(t, r.Context(), p)
		if n := p.Stats().Active; n != 0 {
			t.Errorf("%d connections in use between statements", n)
		}
		err := txn.Do(r.Context(), p, func(ctx context.Context) error {
			conn(t, ctx, p)
			return txn.Do(ctx, p, func(ctx context.Context) error {
				conn(t, ctx, p)
				return nil
			}, txn.RequiresNew)
		})
		if err != nil {
			t.Error(err)
		}
	})
	if tasks := p.Stats().TaskConnections; tasks[2] != 1 {
		t.Errorf("tasks by connections: %v, want one with two", tasks)
	}
}

func TestRequestThatHoldsUsesOneConnectionForAll(t *testing.T) {
	p := newPool(t)
	body := serve(t, p, func(w http.ResponseWriter, r *http.Request) {
		first := conn(t, r.Context(), p)
		if n := p.Stats().Active; n != 1 {
			t.Errorf("%d connections in use between statements, want the one that is held", n)
		}
		err := txn.Do(r.Context(), p, func(ctx context.Context) error {
			if second := conn(t, ctx, p); second != first {
				t.Errorf("the transaction runs on connection %d, the request holds %d", second, first)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if third := conn(t, r.Context(), p); third != first {
			t.Errorf("after the transaction statements run on connection %d, the request holds %d", third, first)
		}
		_, _ = io.WriteString(w, "done")
	}, txn.Hold)
	if n := p.Stats().Active; body != "done" || n != 0 {
		t.Errorf("%d connections in use after the request, which said %q", n, body)
	}
}

func TestBindRefusesOptionsOfTransactions(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(error).Error(), "Hold and Name") {
			t.Errorf("recovered %v", r)
		}
	}()
	txnhttp.Bind(newPool(t), txn.ReadOnly)
}

// What code in the request begins through database/sql is a transaction on the
// request's connection.
func TestRequestThatHoldsHasTransactionsOfDatabaseSQL(t *testing.T) {
	p := newPool(t)
	serve(t, p, func(_ http.ResponseWriter, r *http.Request) {
		first := conn(t, r.Context(), p)
		for id, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
			tx, err := p.DB().BeginTx(r.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var on int
			if err := tx.QueryRowContext(r.Context(), "CONN").Scan(&on); err != nil || on != first {
				t.Errorf("the transaction is on connection %d, the request on %d: %v", on, first, err)
			}
			if _, err := tx.ExecContext(r.Context(), "INSERT ?", id); err != nil {
				t.Error(err)
			}
			if _, err := p.DB().ExecContext(r.Context(), "NOP"); !errors.Is(err, txn.ErrScopeBusy) {
				t.Errorf("beside the transaction: %v", err)
			}
			if err := end(tx); err != nil {
				t.Error(err)
			}
		}
		var n int
		if err := p.DB().QueryRowContext(r.Context(), "COUNT").Scan(&n); err != nil || n != 1 {
			t.Errorf("%d rows, %v", n, err)
		}
	}, txn.Hold)
	if n := p.Stats().Active; n != 0 {
		t.Errorf("%d connections in use after the request", n)
	}
}

// A transaction that is still open when the request ends is rolled back with it, and
// does not go on elsewhere.
func TestTransactionLeftOpenEndsWithTheRequest(t *testing.T) {
	p := newPool(t)
	var tx *sql.Tx
	serve(t, p, func(_ http.ResponseWriter, r *http.Request) {
		var err error
		if tx, err = p.DB().BeginTx(context.WithoutCancel(r.Context()), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(r.Context(), "INSERT 1"); err != nil {
			t.Error(err)
		}
	}, txn.Hold)
	if n := p.Stats().Active; n != 0 {
		t.Errorf("%d connections in use after the request", n)
	}
	if _, err := tx.ExecContext(t.Context(), "INSERT 2"); !errors.Is(err, txn.ErrCompleted) {
		t.Errorf("a statement after the request: %v", err)
	}
	if err := tx.Commit(); !errors.Is(err, txn.ErrCompleted) {
		t.Errorf("Commit after the request: %v", err)
	}
	var n int
	if err := p.DB().QueryRowContext(t.Context(), "COUNT").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}
