package txn

import (
	"context"
	"errors"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/internal/scope"
)

// Bind returns a context for a piece of work that is wider than a transaction, such
// as a request, and a function that ends it. All that is done with the context is
// one task: its connections are counted together, for
// akari.Config.MaxConnectionsPerTask and the statistics. It holds no connection
// itself.
//
// With Hold it does: the first statement outside of a transaction takes one, which is
// kept until the end, with what the statements set in its session, and which
// transactions of the context run on as well. Spring's "open session in view" does
// the same, and has the same price: a connection that nobody uses while the answer is
// written. Only use the context of a transaction while it is open; the one around it
// is refused with ErrScopeBusy.
//
// Of the options only Hold and Name are for Bind. In a context that is in a
// transaction already Bind changes nothing.
func Bind(ctx context.Context, pool *akari.Pool, opts ...Option) (context.Context, func(), error) {
	if err := check(ctx, pool); err != nil {
		return ctx, func() {}, err
	}
	var o options
	if err := o.read(opts); err != nil {
		return ctx, func() {}, err
	}
	if o.retry != nil || o.timeout > 0 || o.eager || o.readOnly || o.propagation != Required || o.isolation != 0 || o.rules != nil {
		return ctx, func() {}, errors.New("txn: Bind takes the options Hold and Name; the others are for transactions")
	}
	s := &Scope{pool: pool, o: &o, caller: ctx, ctx: ctx, attempt: 1, began: time.Now()}
	s.fr.Pool, s.fr.Scope, s.fr.Outer = pool, s, scope.Of(ctx)
	s.frame = &s.fr
	s.outer = s.frame.Outer.For(pool)
	switch {
	case s.outer == nil:
		s.frame.Owner = scope.Pools.NewOwner(pool)
	case s.outer.Over():
		return ctx, func() {}, ErrCompleted
	case s.around() != nil:
		return ctx, func() {}, nil
	default:
		s.frame.Owner, s.frame.Tx = s.outer.Owner, s.outer.Tx
	}
	if o.hold && s.frame.Tx == nil {
		s.frame.Tx = scope.Pools.NewTx(ctx, pool, scope.Options{Outer: s.frame.Outer, Owner: s.frame.Owner, Bare: true, CommitTimeout: o.commitTimeout})
		return scope.With(ctx, s.frame), func() {
			s.frame.End()
			_ = s.frame.Tx.Rollback()
			s.close()
		}, nil
	}
	return scope.With(ctx, s.frame), s.close, nil
}
