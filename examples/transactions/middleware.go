package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/txn"
)

// transactional makes each request a transaction. The answer is sent when the
// transaction has ended, so that nobody is told of what is not committed.
func transactional(pool *akari.Pool, handle func(*http.Request) (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := inTx(pool, r, handle)
		switch {
		case errors.Is(err, errSoldOut), errors.Is(err, errCard):
			http.Error(w, "not now", http.StatusConflict)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			fmt.Fprintln(w, answer)
		}
	})
}

func inTx(pool *akari.Pool, r *http.Request, handle func(*http.Request) (string, error)) (answer string, err error) {
	ctx, scope, err := txn.Begin(r.Context(), pool, txn.Name(r.Method+" "+r.URL.Path))
	if err != nil {
		return "", err
	}
	defer scope.End(&err)
	return handle(r.WithContext(ctx))
}
