package transactions

import (
	"context"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/txn"
)

// 1: DSTM transactionCommitWithAutoCommitTrue.
func TestScopeCommits(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.holds(1)
			return w.insert(ctx, 2)
		}))
		w.holds(0)
		w.want(1, 2)
	})
}

// 2: DSTM transactionRollbackWithAutoCommitTrue.
func TestErrorRollsBackAndIsReturned(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			return errBoom
		})
		if err != errBoom {
			w.Fatalf("got %v, want the function's own error", err)
		}
		w.want()
	})
}

// 7: the inner one commits, the outer one rolls back; what the inner one did stays.
func TestRequiresNewOutlivesTheScopeAroundIt(t *testing.T) {
	each(t, akari.Config{}, but{"sqlite": "SQLite has one writer: the outer transaction locks the inner one out"}, func(w *world) {
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.must(nil, w.do(ctx, func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 2))
				w.holds(2)
				return nil
			}, txn.RequiresNew))
			w.holds(1)
			return errBoom
		})
		w.wantErr(err, errBoom)
		w.want(2)
	})
}
