// Package txnhttp binds the requests of net/http to a pool: see txn.Bind.
package txnhttp

import (
	"context"
	"net/http"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/txn"
)

// Bind returns middleware that makes each request one task of a pool: what its handler
// does with the request's context is counted together (akari.Stats.TaskConnections),
// and limited by akari.Config.MaxConnectionsPerTask: a handler that has several
// goroutines open transactions at once needs as many, or txn.Detach. No connection is
// held between statements.
//
//	mux := http.NewServeMux()
//	…
//	http.ListenAndServe(addr, txnhttp.Bind(pool)(mux))
//
// Of the options only txn.Name and txn.Hold apply. With Hold the request keeps its
// first connection until the handler returns, also while it renders or waits for
// others: Spring's "open session in view". Each request then needs one, and those that
// nest txn.RequiresNew two. Bind panics if it is given other options, as they are
// wrong whatever the request.
//
// Transactions are left to the code that knows what belongs together: what a handler
// has written to the client cannot be taken back when a COMMIT at the end fails.
func Bind(pool *akari.Pool, opts ...txn.Option) func(http.Handler) http.Handler {
	_, end, err := txn.Bind(context.Background(), pool, opts...)
	if err != nil {
		panic(err)
	}
	end()
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, end, err := txn.Bind(r.Context(), pool, opts...)
			if err != nil {
				http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
				return
			}
			defer end()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}
