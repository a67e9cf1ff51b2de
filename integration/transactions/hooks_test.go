package transactions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// diary is what happened, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// says makes sure what is in it, and empties it.
func (d *diary) says(w *world, want ...string) {
	w.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		w.Fatalf("it went\n%s\nwant\n%s", strings.Join(d.lines, "\n"), strings.Join(want, "\n"))
	}
	d.lines = nil
}

// hook registers one of each kind.
func (d *diary) hook(ctx context.Context, name string) error {
	return errors.Join(
		txn.AfterCompletion(ctx, func(_ context.Context, s txn.Status) { d.note("%s completed: %v", name, s) }),
		txn.AfterRollback(ctx, func(_ context.Context, cause error) { d.note("%s undone: %v", name, cause) }),
		txn.AfterCommit(ctx, func(context.Context) error { d.note("%s after", name); return nil }),
		txn.BeforeCommit(ctx, func(context.Context) error { d.note("%s before", name); return nil }),
	)
}

// 78: TEL afterCommit, afterRollback, afterCompletionCommit, afterCompletionRollback,
// beforeCommit.
func TestHooksAreCalledInTheirPhase(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(w *world, ctx context.Context) error
		want []string
	}{
		{"commit", func(w *world, ctx context.Context) error { return w.insert(ctx, 1) }, []string{"h before", "h after", "h completed: committed"}},
		{"commit of nothing", func(*world, context.Context) error { return nil }, []string{"h before", "h after", "h completed: committed"}},
		{"rollback", func(w *world, ctx context.Context) error { return errors.Join(w.insert(ctx, 1), errBoom) }, []string{"h undone: boom", "h completed: rolled back"}},
		{"rollback of nothing", func(*world, context.Context) error { return errBoom }, []string{"h undone: boom", "h completed: rolled back"}},
		{"marked", func(_ *world, ctx context.Context) error { return txn.SetRollbackOnly(ctx, io.EOF) }, []string{"h undone: EOF", "h completed: rolled back"}},
		{"marked by another", func(w *world, ctx context.Context) error {
			return w.do(ctx, func(ctx context.Context) error { return txn.SetRollbackOnly(ctx, io.EOF) })
		}, []string{"h undone: txn: the transaction was rolled back: EOF", "h completed: rolled back"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, akari.Config{}, nil, func(w *world) {
				var d diary
				_ = w.do(w.Context(), func(ctx context.Context) error {
					w.must(nil, d.hook(ctx, "h"))
					d.says(w)
					return c.f(w, ctx)
				})
				d.says(w, c.want...)
			})
		})
	}
}

// 78: SQL's COMMIT whose outcome is not known is neither.
func TestOnlyAfterCompletionIsToldOfAnUnknownOutcome(t *testing.T) {
	each(t, akari.Config{}, onlyFake, func(w *world) {
		var d diary
		w.server.Inject(akaritest.OpCommit, akaritest.Fault{Times: 1, Break: true, After: true, Err: io.ErrUnexpectedEOF})
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, d.hook(ctx, "h"))
			return w.insert(ctx, 1)
		}), txn.ErrCommitUnknown)
		d.says(w, "h before", "h completed: unknown")
	})
}

// 79: TEL immediatelyImpactsCurrentTransaction, BeforeCommit error.
func TestBeforeCommitIsAPartOfTheTransaction(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
		run := func(last error) error {
			return w.do(w.Context(), func(ctx context.Context) error {
				w.must(nil, w.insert(ctx, 1))
				return txn.BeforeCommit(ctx, func(ctx context.Context) error {
					w.holds(1)
					if !w.has(ctx, 1) {
						w.Error("it does not see what the transaction has done")
					}
					return errors.Join(w.insert(ctx, 2), last)
				})
			})
		}
		w.wantErr(run(errBoom), errBoom)
		w.want()
		w.must(nil, run(nil))
		w.want(1, 2)
	})
}

// 79: it fails, panics, or ends its goroutine.
func TestBeforeCommitThatFailsRollsBack(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errBoom },
		"panic": func() error { panic("before") },
		"goexit": func() error {
			runtime.Goexit()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
				var d diary
				done := make(chan error, 1)
				go func() {
					defer close(done)
					defer func() {
						if r := recover(); r != nil {
							d.note("panic: %v", r)
						}
					}()
					done <- w.do(w.Context(), func(ctx context.Context) error {
						return errors.Join(
							w.insert(ctx, 1),
							txn.BeforeCommit(ctx, func(context.Context) error { return fail() }),
							txn.BeforeCommit(ctx, func(context.Context) error { d.note("the next one"); return nil }),
							txn.AfterCompletion(ctx, func(_ context.Context, s txn.Status) { d.note("%v", s) }),
						)
					})
				}()
				err := <-done
				w.holds(0)
				w.want()
				if name == "panic" {
					d.says(w, "rolled back", "panic: before")
				} else {
					d.says(w, "rolled back")
				}
				if name == "error" && err != errBoom {
					w.Fatalf("got %v, want the hook's error", err)
				}
			})
		})
	}
}

// 80: TEL noTransaction, noTransactionWithFallbackExecution.
func TestHooksWithoutATransaction(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		bound, end, err := txn.Bind(w.Context(), w.pool)
		w.must(nil, err)
		defer end()
		for _, ctx := range []context.Context{w.Context(), bound} {
			called := false
			w.wantErr(txn.AfterCommit(ctx, func(got context.Context) error {
				called = got == ctx
				return errBoom
			}), errBoom)
			if !called {
				w.Error("AfterCommit has not called its function at once, with the context")
			}
			never := func() { w.Error("called without a transaction") }
			w.wantErr(txn.BeforeCommit(ctx, func(context.Context) error { never(); return nil }), txn.ErrNoTx)
			w.wantErr(txn.AfterRollback(ctx, func(context.Context, error) { never() }), txn.ErrNoTx)
			w.wantErr(txn.AfterCompletion(ctx, func(context.Context, txn.Status) { never() }), txn.ErrNoTx)
		}
	})
}

// 81: TEL transactionDemarcationWithNotSupported, …Supports, …Required.
func TestWhereAfterCommitWaitsForACommit(t *testing.T) {
	for _, c := range []struct {
		how           txn.Propagation
		inTx, without string // when it is called: at once, with its own scope, or with the one around
	}{
		{txn.Required, "around", "own"},
		{txn.RequiresNew, "own", "own"},
		{txn.Nested, "around", "own"},
		{txn.Supports, "around", "at once"},
		{txn.NotSupported, "at once", "at once"},
		{txn.Mandatory, "around", ""},
		{txn.Never, "", "at once"},
	} {
		t.Run(c.how.String(), func(t *testing.T) {
			each(t, akari.Config{}, nil, func(w *world) {
				when := func(ctx context.Context) string {
					at := "at once"
					got := "never"
					err := w.do(ctx, func(ctx context.Context) error {
						err := txn.AfterCommit(ctx, func(context.Context) error { got = at; return nil })
						at = "own"
						return err
					}, c.how)
					at = "around"
					if err != nil {
						return ""
					}
					if got == "never" {
						w.must(nil, txn.AfterCommit(ctx, func(context.Context) error {
							if got != "around" {
								w.Errorf("called %s", got)
							}
							return nil
						}))
						return "around"
					}
					return got
				}
				if got := when(w.Context()); got != c.without {
					w.Errorf("without a transaction: called %q, want %q", got, c.without)
				}
				w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
					if got := when(ctx); got != c.inTx {
						w.Errorf("in a transaction: called %q, want %q", got, c.inTx)
					}
					return nil
				}))
			})
		})
	}
}

// 82: DSTM participatingTransactionWithTransactionStartedFromSynch.
func TestHookMayOpenScopesAndRegisterNothingOnTheOneThatHasEnded(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
		var d diary
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			kept := ctx
			w.must(nil, w.insert(ctx, 1))
			return txn.AfterCompletion(ctx, func(ctx context.Context, _ txn.Status) {
				if _, in := txn.Current(ctx); in {
					w.Error("it is in a scope")
				}
				for _, how := range []txn.Propagation{txn.Required, txn.RequiresNew, txn.Nested} {
					w.must(nil, w.do(ctx, func(ctx context.Context) error {
						if i, _ := txn.Current(ctx); !i.New {
							w.Errorf("%v joins", how)
						}
						return errors.Join(w.insert(ctx, 10+int(how)), d.hook(ctx, how.String()))
					}, how))
				}
				w.wantErr(w.do(ctx, func(context.Context) error { return nil }, txn.Mandatory), txn.ErrNoTx)
				w.wantErr(txn.AfterCommit(kept, func(context.Context) error { return nil }), txn.ErrCompleted)
				w.wantErr(txn.BeforeCommit(kept, func(context.Context) error { return nil }), txn.ErrCompleted)
				w.wantErr(w.insert(kept, 9), txn.ErrCompleted)
				w.must(nil, txn.AfterCommit(ctx, func(context.Context) error { d.note("at once"); return nil }))
			})
		}))
		d.says(w,
			"Required before", "Required after", "Required completed: committed",
			"RequiresNew before", "RequiresNew after", "RequiresNew completed: committed",
			"Nested before", "Nested after", "Nested completed: committed",
			"at once")
		w.want(1, 10, 11, 12)
	})
}

// 83, 84: DSTM participatingTransactionWithDifferentConnectionObtainedFromSynch; Spring
// has the connection until the hooks have ended, and what they write is lost. With one
// connection in the pool.
func TestHooksRunWhenTheConnectionIsBack(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
		type key struct{}
		outer := context.WithValue(w.Context(), key{}, "value")
		calls := 0
		look := func(ctx context.Context) {
			calls++
			w.holds(0)
			if ctx.Value(key{}) != "value" {
				w.Error("its context is not that of the caller")
			}
			if _, ok := ctx.Deadline(); ok {
				w.Error("its time is that of the scope")
			}
		}
		w.must(nil, w.do(outer, func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 1))
			return errors.Join(
				txn.AfterCommit(ctx, func(ctx context.Context) error {
					look(ctx)
					return w.insert(ctx, 2)
				}),
				txn.AfterCommit(ctx, func(ctx context.Context) error {
					look(ctx)
					return w.do(ctx, func(ctx context.Context) error { return w.insert(ctx, 3) }, txn.RequiresNew)
				}),
				txn.AfterCompletion(ctx, func(ctx context.Context, _ txn.Status) {
					look(ctx)
					w.must(nil, w.insert(ctx, 4))
				}))
		}, txn.Timeout(time.Minute)))
		w.wantErr(w.do(outer, func(ctx context.Context) error {
			w.must(nil, w.insert(ctx, 5))
			w.must(nil, txn.AfterRollback(ctx, func(ctx context.Context, _ error) {
				look(ctx)
				w.must(nil, w.insert(ctx, 6))
			}))
			return errBoom
		}), errBoom)
		if calls != 4 {
			w.Fatalf("%d hooks were called", calls)
		}
		w.want(1, 2, 3, 4, 6)
	})
}

// 85: what follows a commit fails.
func TestAfterCommitThatFailsUndoesNothing(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		var d diary
		err := w.do(w.Context(), func(ctx context.Context) error {
			return errors.Join(
				w.insert(ctx, 1),
				txn.AfterCommit(ctx, func(context.Context) error { d.note("first"); return errBoom }),
				txn.AfterCommit(ctx, func(context.Context) error { d.note("second"); return io.EOF }),
				txn.AfterCommit(ctx, func(context.Context) error { d.note("third"); return nil }),
				txn.AfterCompletion(ctx, func(_ context.Context, s txn.Status) { d.note("%v", s) }),
			)
		}, txn.Name("Orders.Place"))
		d.says(w, "first", "second", "third", "committed")
		var after *txn.AfterCommitError
		if !errors.As(err, &after) || !slices.Equal(after.Errs, []error{errBoom, io.EOF}) {
			w.Fatalf("got %v", err)
		}
		w.wantErr(err, errBoom, io.EOF)
		if text := err.Error(); !strings.Contains(text, "committed") || !strings.Contains(text, "Orders.Place") {
			w.Fatalf("it says %q", text)
		}
		w.want(1)
		if n := w.pool.Stats().Transactions; n.Committed != 1 {
			w.Fatalf("counted %+v", n)
		}
	})
}

// 85: it panics: all others are called before the panic goes on.
func TestHookThatPanicsDoesNotStopTheOthers(t *testing.T) {
	each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
		for _, outcome := range []error{nil, errBoom} {
			var d diary
			func() {
				defer func() { d.note("panic: %v", recover()) }()
				_ = w.do(w.Context(), func(ctx context.Context) error {
					return errors.Join(
						w.insert(ctx, 1),
						txn.AfterCommit(ctx, func(context.Context) error { panic("first") }),
						txn.AfterRollback(ctx, func(context.Context, error) { panic("first") }),
						d.hook(ctx, "h"),
						txn.AfterCompletion(ctx, func(context.Context, txn.Status) { panic("last") }),
						outcome,
					)
				})
			}()
			w.holds(0)
			w.want(1)
			if outcome == nil {
				d.says(w, "h before", "h after", "h completed: committed", "panic: first")
			} else if n := len(d.lines); n != 3 || d.lines[2] != "panic: first" {
				w.Fatalf("it went %q", d.lines)
			}
		}
	})
}

// 86: what was registered in a scope goes with its savepoint.
func TestHooksOfANestedScopeGoWithItsSavepoint(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		var d diary
		nested := func(ctx context.Context, name string, f func(ctx context.Context) error) error {
			return w.do(ctx, func(ctx context.Context) error {
				w.has(ctx, 1)
				return errors.Join(d.hook(ctx, name), f(ctx))
			}, txn.Nested)
		}
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, d.hook(ctx, "root"))
			w.must(nil, nested(ctx, "a", func(ctx context.Context) error {
				return nested(ctx, "a.a", func(context.Context) error { return nil })
			}))
			d.says(w)
			w.wantErr(nested(ctx, "b", func(ctx context.Context) error {
				w.must(nil, nested(ctx, "b.a", func(context.Context) error { return nil }))
				w.must(nil, w.do(ctx, func(ctx context.Context) error { return d.hook(ctx, "b.joined") }))
				d.says(w)
				return errBoom
			}), errBoom)
			d.says(w,
				"b undone: boom", "b.a undone: boom", "b.joined undone: boom",
				"b completed: rolled back", "b.a completed: rolled back", "b.joined completed: rolled back")
			return nested(ctx, "c", func(context.Context) error { return nil })
		}))
		d.says(w,
			"root before", "a before", "a.a before", "c before",
			"root after", "a after", "a.a after", "c after",
			"root completed: committed", "a completed: committed", "a.a completed: committed", "c completed: committed")
	})
}

// 86: those of RequiresNew are its own: called with its commit, before those around it,
// and whatever becomes of that. What they do then is beside it.
func TestHooksOfRequiresNewDoNotWaitForTheScopeAround(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		var d diary
		w.wantErr(w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, d.hook(ctx, "outer"))
			w.has(ctx, 1)
			w.must(nil, w.do(ctx, func(ctx context.Context) error {
				w.must(nil, d.hook(ctx, "inner"))
				w.must(nil, txn.AfterCommit(ctx, func(ctx context.Context) error {
					w.holds(1)
					if i, _ := txn.Current(ctx); i.InTx {
						w.Error("it is in a transaction")
					}
					return w.insert(ctx, 2)
				}))
				return w.insert(ctx, 1)
			}, txn.RequiresNew))
			d.says(w, "inner before", "inner after", "inner completed: committed")
			return errBoom
		}), errBoom)
		d.says(w, "outer undone: boom", "outer completed: rolled back")
		w.want(1, 2)
	})
}

// 87: the order is that of their registration, whichever scope that was in.
func TestHooksAreCalledInTheOrderOfTheirRegistration(t *testing.T) {
	each(t, akari.Config{}, nil, func(w *world) {
		var d diary
		before := func(ctx context.Context, name string, f func(ctx context.Context) error) error {
			return txn.BeforeCommit(ctx, func(ctx context.Context) error {
				d.note("%s", name)
				if f != nil {
					return f(ctx)
				}
				return nil
			})
		}
		w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
			w.must(nil, before(ctx, "1", func(ctx context.Context) error {
				return errors.Join(
					before(ctx, "4, registered by 1", func(ctx context.Context) error { return before(ctx, "5, registered by 4", nil) }),
					txn.AfterCommit(ctx, func(context.Context) error { d.note("after b"); return nil }))
			}))
			w.must(nil, txn.AfterCommit(ctx, func(context.Context) error { d.note("after a"); return nil }))
			w.must(nil, w.do(ctx, func(ctx context.Context) error {
				w.must(nil, before(ctx, "2", nil))
				return w.do(ctx, func(ctx context.Context) error { return before(ctx, "3", nil) }, txn.Mandatory)
			}))
			return w.insert(ctx, 1)
		}))
		d.says(w, "1", "2", "3", "4, registered by 1", "5, registered by 4", "after a", "after b")
	})
}

// 88: GORM #7367: an ORM begins a transaction for each write, and has hooks of its own;
// the end of what it has begun is not that of the scope. (gorm itself runs in examples.)
func TestTransactionsOfLibrariesRunNoHooks(t *testing.T) {
	for _, opts := range [][]txn.Option{nil, {txn.JoinBegin}} {
		t.Run(fmt.Sprintf("JoinBegin %t", opts != nil), func(t *testing.T) {
			each(t, akari.Config{MaximumPoolSize: 1}, nil, func(w *world) {
				var d diary
				w.must(nil, w.do(w.Context(), func(ctx context.Context) error {
					for i := range 3 {
						tx, err := w.db.BeginTx(ctx, nil)
						w.must(nil, err)
						d.note("before create")
						w.must(nil, w.insertBy(ctx, tx, i))
						w.must(nil, txn.AfterCommit(ctx, func(context.Context) error { d.note("after commit of %d", i); return nil }))
						d.note("after create")
						w.must(nil, tx.Commit())
					}
					return nil
				}, opts...))
				d.says(w, "before create", "after create", "before create", "after create", "before create", "after create",
					"after commit of 0", "after commit of 1", "after commit of 2")
				w.want(0, 1, 2)
			})
		})
	}
}
