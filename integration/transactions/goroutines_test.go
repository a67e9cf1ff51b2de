package transactions

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/txn"
)

// Goroutines of one scope take turns: rows that another one reads, or a transaction
// that it has begun through database/sql, as gorm does for each write, are waited for.
func TestGoroutinesOfAScopeWaitForRowsAndTransactionsOfEachOther(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, but{"fake": "of a driver that is not known it is not known that it has one result at a time"}, func(w *world) {
		w.must(nil, w.insert(w.Context(), 99))
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					for k := range 10 {
						w.has(ctx, 99)
						tx, err := w.db.BeginTx(ctx, nil)
						if err != nil {
							w.Error(err)
							return
						}
						if err := w.insertBy(ctx, tx, 10*i+k); err != nil {
							w.Error(err)
						}
						end := (*sql.Tx).Commit
						if k%2 == 1 {
							end = (*sql.Tx).Rollback
						}
						if err := end(tx); err != nil {
							w.Error(err)
						}
					}
				})
			}
			all.Wait()
			return nil
		}))
		want := []int{99}
		for i := range 80 {
			if i%2 == 0 {
				want = append(want, i)
			}
		}
		w.want(want...)
	})
}

// Who waits for rows that nobody closes, in a goroutine that waits for it, is not held
// up for ever.
func TestWaitForRowsOfAnotherGoroutineEnds(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: 300 * time.Millisecond}, but{"sqlite": "it reads several results at once", "fake": "of a driver that is not known it is not known that it has one result at a time"}, func(w *world) {
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			rows, err := w.db.QueryContext(ctx, w.some())
			w.must(nil, err)
			defer rows.Close()
			rows.Next()
			failed := make(chan error)
			go func() { failed <- w.insert(ctx, 1) }()
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			go func() { failed <- w.insert(short, 2) }()
			w.wantErr(<-failed, context.DeadlineExceeded)
			return <-failed
		}), txn.ErrScopeBusy)
		w.want()
	})
}

// A context that is not that of the scope, be it one around it, is refused.
func TestStrictContextRefusesWhatLeavesTheScope(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 3, StrictContext: true}, nil, func(w *world) {
		bound, end, err := txn.Bind(w.Context(), w.pool)
		w.must(nil, err)
		defer end()
		w.must(nil, w.do(bound, func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			for name, stray := range map[string]context.Context{"Background": context.Background(), "the request's": bound} {
				tries := map[string]func() error{
					"a statement": func() error { return w.insert(stray, 2) },
					"a scope":     func() error { return w.do(stray, func(ctx context.Context) error { return w.insert(ctx, 3) }) },
					"Acquire": func() error {
						c, err := w.pool.Acquire(stray)
						if err == nil {
							c.Release()
						}
						return err
					},
					"BeginTx": func() error {
						tx, err := w.db.BeginTx(stray, nil)
						if err == nil {
							err = tx.Rollback()
						}
						return err
					},
				}
				for what, try := range tries {
					if err := try(); !errors.Is(err, txn.ErrOutsideScope) {
						w.Errorf("%s with %s: %v", what, name, err)
					}
				}
			}
			w.must(nil, w.do(ctx, func(inner context.Context) error {
				w.wantErr(w.insert(ctx, 4), txn.ErrOutsideScope)
				return w.do(inner, func(inner context.Context) error {
					w.has(inner, 5)
					return nil
				})
			}, txn.Nested))
			w.has(txn.Detach(ctx), 6)
			return w.insert(ctx, 7)
		}))
		w.must(nil, w.insert(bound, 8))
		w.want(1, 7, 8)
	})
}

// A service that repeats its transaction can be called by one that has its own.
func TestRetryThatMayJoinIsLeftToTheScopeAround(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		service := func(ctx context.Context, id int, calls *int) error {
			return w.do(ctx, func(ctx context.Context) error {
				if *calls++; *calls == 1 {
					return errSerialization
				}
				return w.insert(ctx, id)
			}, txn.Retry{OrJoin: true})
		}
		alone, within, around := 0, 0, 0
		w.must(nil, service(w.Context(), 1, &alone))
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			around++
			return service(ctx, 2, &within)
		}, txn.Retry{}))
		if alone != 2 || within != 2 || around != 2 {
			w.Errorf("called %d times alone, %d within one called %d times; want 2 each", alone, within, around)
		}
		w.want(1, 2)
	})
}
