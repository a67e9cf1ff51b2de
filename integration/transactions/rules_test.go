package transactions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// typed is an error that has to be found by its type.
type typed struct{ code int }

func (e *typed) Error() string { return fmt.Sprintf("code %d", e.code) }

// 74: RBT defaultRule, ruleForRollbackOnChecked, ruleForCommitOnUnchecked,
// ruleForCommitOnSubclassOfChecked, rollbackNever,
// conflictingRulesToDetermineExactContract. A class is an error here, and a subclass one
// that wraps it.
func TestRulesSayWhichErrorsCommit(t *testing.T) {
	is := func(target error) func(error) bool {
		return func(err error) bool { return errors.Is(err, target) }
	}
	any := func(error) bool { return true }
	code := func(n int) func(error) bool {
		return func(err error) bool {
			var e *typed
			return errors.As(err, &e) && e.code == n
		}
	}
	type rules []txn.Option
	wrapped := func(err error) error { return fmt.Errorf("saving: %w", err) }
	cases := []struct {
		name    string
		rules   rules
		err     error
		commits bool
	}{
		{"no rule", nil, errBoom, false},
		{"a rule for it", rules{txn.CommitOn(io.EOF)}, io.EOF, true},
		{"a rule for another", rules{txn.CommitOn(io.EOF)}, errBoom, false},
		{"wrapped", rules{txn.CommitOn(io.EOF)}, wrapped(wrapped(io.EOF)), true},
		{"joined with another", rules{txn.CommitOn(io.EOF)}, errors.Join(errBoom, io.EOF), true},
		{"one of several in a rule", rules{txn.CommitOn(io.EOF, fs.ErrExist)}, fs.ErrExist, true},
		{"one of several rules", rules{txn.CommitOn(io.EOF), txn.CommitOn(fs.ErrExist)}, fs.ErrExist, true},
		{"by a function", rules{txn.CommitIf(code(1))}, wrapped(&typed{1}), true},
		{"by a function that says no", rules{txn.CommitIf(code(1))}, &typed{2}, false},
		{"never", rules{txn.CommitIf(any)}, errBoom, true},
		{"an exception before", rules{txn.RollbackIf(code(1)), txn.CommitIf(any)}, &typed{1}, false},
		{"an exception before, another error", rules{txn.RollbackIf(code(1)), txn.CommitIf(any)}, &typed{2}, true},
		{"an exception that comes too late", rules{txn.CommitIf(any), txn.RollbackIf(code(1))}, &typed{1}, true},
		{"the first that fits decides", rules{txn.CommitOn(io.EOF), txn.RollbackIf(is(io.EOF)), txn.CommitOn(io.EOF)}, io.EOF, true},
		{"joined, the first rule that fits either", rules{txn.RollbackIf(is(errBoom)), txn.CommitOn(io.EOF)}, errors.Join(io.EOF, errBoom), false},
		{"a rule to roll back alone", rules{txn.RollbackIf(any)}, errBoom, false},
	}
	each(t, akari.Config{}, nil, func(w *world) {
		var kept []int
		for id, c := range cases {
			var end ending
			err := w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, end.watch(ctx))
				w.must(nil, w.insert(ctx, id))
				return c.err
			}, c.rules...)
			if err != c.err {
				w.Errorf("%s: got %v, want the function's error as it is", c.name, err)
			}
			want := txn.StatusRolledBack
			if c.commits {
				want = txn.StatusCommitted
				kept = append(kept, id)
			}
			if len(end.statuses) != 1 || end.statuses[0] != want {
				w.Errorf("%s: the hook was told %v, want %v", c.name, end.statuses, want)
			}
			w.want(kept...)
		}
	})
}

// 74: the rules of a scope are those of what it begins, or joins, not of what is around.
func TestRulesAreThoseOfTheScope(t *testing.T) {
	for _, c := range []struct {
		name         string
		how          txn.Propagation
		outer, inner []txn.Option
		err          error // of the outer one
		want         []int
	}{
		{"joined, its rule commits, the error is swallowed", txn.Required, nil, []txn.Option{txn.CommitOn(errBoom)}, nil, []int{1, 2}},
		{"joined, only the outer one's does", txn.Required, []txn.Option{txn.CommitOn(errBoom)}, nil, txn.ErrUnexpectedRollback, nil},
		{"nested, its rule commits", txn.Nested, nil, []txn.Option{txn.CommitOn(errBoom)}, nil, []int{1, 2}},
		{"nested, only the outer one's does", txn.Nested, []txn.Option{txn.CommitOn(errBoom)}, nil, nil, []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, akari.Config{}, nil, func(w *world) {
				err := w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 1))
					inner := w.do(ctx, func(ctx context.Context) error {
						w.must(nil, w.insert(ctx, 2))
						return errBoom
					}, append(c.inner, c.how)...)
					w.wantErr(inner, errBoom)
					return nil
				}, c.outer...)
				if !errors.Is(err, c.err) {
					w.Fatalf("got %v, want %v", err, c.err)
				}
				w.want(c.want...)
			})
		})
	}
}

// 74: rules that say nothing are refused before anything is done.
func TestRulesWithoutContentAreRefused(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		for name, o := range map[string]txn.Option{"CommitOn()": txn.CommitOn(), "CommitIf(nil)": txn.CommitIf(nil), "RollbackIf(nil)": txn.RollbackIf(nil)} {
			called := false
			err := w.do(w.Context(), func(context.Context) error { called = true; return nil }, o)
			if err == nil || called {
				w.Errorf("%s: called: %t, %v", name, called, err)
			}
		}
	})
}

// 75: TRM skip_rollback_with_error, skip_rollback_with_commit_error.
func TestErrorThatCommitsIsReturnedAlsoIfTheCommitFails(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1, SessionReset: akari.ResetOff}, but{"mysql": commitsAll}, func(w *world) {
		spoil := w.refusingCommits()
		err := w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			w.must(nil, spoil(ctx))
			return errBoom
		}, txn.CommitOn(errBoom))
		w.wantErr(err, errBoom)
		if !strings.HasPrefix(err.Error(), errBoom.Error()+";") {
			w.Fatalf("got %q, want both errors, the function's first", err)
		}
		if w.server != nil {
			var e *akaritest.Error
			if !errors.As(err, &e) || e.Code != "23505" {
				w.Fatalf("got %v", err)
			}
		}
		w.want()
	})
}

// 75: Get gives the value along with an error that commits, and with no other.
func TestGetReturnsTheValueIfItWasCommitted(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		get := func(err error, opts ...txn.Option) (int, error) {
			return txn.Get(w.Context(), w.pool, func(ctx context.Context) (int, error) { return 7, err }, opts...)
		}
		for _, c := range []struct {
			err  error
			opts []txn.Option
			want int
		}{
			{nil, nil, 7},
			{errBoom, nil, 0},
			{errBoom, []txn.Option{txn.CommitOn(errBoom)}, 7},
		} {
			if v, err := get(c.err, c.opts...); v != c.want || err != c.err {
				w.Errorf("got %d and %v", v, err)
			}
		}
		v, err := txn.Get(w.Context(), w.pool, func(ctx context.Context) (int, error) {
			return 8, txn.AfterCommit(ctx, func(context.Context) error { return errBoom })
		})
		var after *txn.AfterCommitError
		if v != 8 || !errors.As(err, &after) {
			w.Errorf("got %d and %v", v, err)
		}
	})
}

// 76: TAT noRollbackOnCheckedExceptionWithRollbackException.
func TestRuleDoesNotCommitWhatIsMarked(t *testing.T) {
	marks := map[string]func(w *world, ctx context.Context) error{
		"itself": func(_ *world, ctx context.Context) error { return txn.SetRollbackOnly(ctx, io.EOF) },
		"a scope that has joined": func(w *world, ctx context.Context) error {
			return w.do(ctx, func(ctx context.Context) error { return txn.SetRollbackOnly(ctx, io.EOF) })
		},
		"a scope that has failed": func(w *world, ctx context.Context) error {
			w.wantErr(w.do(ctx, func(ctx context.Context) error { return io.EOF }), io.EOF)
			return nil
		},
	}
	for name, mark := range marks {
		t.Run(name, func(t *testing.T) {
			each(t, akari.Config{}, nil, func(w *world) {
				err := w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, w.insert(ctx, 1))
					w.must(nil, mark(w, ctx))
					if i, _ := txn.Current(ctx); !errors.Is(i.RollbackOnly, io.EOF) {
						w.Errorf("Current says %v", i.RollbackOnly)
					}
					return errBoom
				}, txn.CommitOn(errBoom))
				w.wantErr(err, errBoom)
				if name != "itself" {
					w.wantErr(err, txn.ErrUnexpectedRollback, io.EOF)
				}
				w.want()
			})
		})
	}
}

// 77: ATI withCompletableFuture…: the function returns before what it has started is
// done. It is not waited for, and what it does is not done outside of the transaction.
func TestGoroutineThatOutlivesTheScopeIsRefused(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		over, result := make(chan struct{}), make(chan error, 1)
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			go func() {
				<-over
				result <- w.insert(ctx, 2)
			}()
			return w.insert(ctx, 1)
		}))
		close(over)
		w.wantErr(<-result, txn.ErrCompleted)
		w.want(1)
	})
}

// 77: those that end in time may share the transaction.
func TestGoroutinesOfAScopeTakeTurns(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 0))
			results := make(chan error)
			for i := range 8 {
				go func() { results <- w.insert(ctx, i+1) }()
			}
			var errs []error
			for range 8 {
				errs = append(errs, <-results)
			}
			w.holds(1)
			return errors.Join(errs...)
		}))
		w.want(0, 1, 2, 3, 4, 5, 6, 7, 8)
	})
}
