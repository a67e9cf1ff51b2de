package txn

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/internal/scope"
)

// Info says what scope a context is in.
type Info struct {
	Name        string
	Pool        string // the pool's name
	Propagation Propagation
	InTx        bool // it is in a transaction
	New         bool // the scope has begun it
	Savepoint   bool // the scope is a savepoint in it
	Depth       int  // scopes of the pool, this one included
	Attempt     int  // 1 for the first, see Retry
	Isolation   sql.IsolationLevel
	ReadOnly    bool
	Began       time.Time // when the scope was entered

	// HasConnection: the transaction, if there is one, has run a statement.
	HasConnection bool

	// RollbackOnly is why the transaction, as far as is known, can only be rolled
	// back; nil if it can be committed.
	RollbackOnly error
}

// of is the scope of a context, nil if there is none.
func of(ctx context.Context) *Scope {
	if f := scope.Of(ctx); f != nil {
		s, _ := f.Scope.(*Scope)
		return s
	}
	return nil
}

// Current tells of the innermost scope of a context, of whatever pool; false if there
// is none, or it has ended. See In.
func Current(ctx context.Context) (Info, bool) {
	s := of(ctx)
	if s == nil || s.frame == nil || s.frame.Over() {
		return Info{}, false
	}
	i := Info{
		Name: s.o.name, Pool: s.pool.Name(), Propagation: s.o.propagation, Depth: s.depth(), Attempt: s.attempt, Began: s.began,
		InTx: s.t != nil, New: s.role == owner, Savepoint: s.role == nested,
	}
	if t := s.t; t != nil {
		i.Isolation, i.ReadOnly = t.root.o.isolation, t.root.o.readOnly
		i.HasConnection = t.tx.Begun()
		i.RollbackOnly = t.tx.Doomed()
		for in := s; in != nil && in.t == t && i.RollbackOnly == nil; in = in.encloser() {
			in.mu.Lock()
			i.RollbackOnly = in.mark
			in.mu.Unlock()
		}
	}
	return i, true
}

// encloser is the scope of the pool around s, nil if there is none.
func (s *Scope) encloser() *Scope {
	if s.outer == nil {
		return nil
	}
	return s.outer.Scope.(*Scope)
}

// SetRollbackOnly has the transaction of ctx rolled back when the scope ends, also if
// its function returns nil. In the scope that has begun the transaction, or has a
// savepoint in it, that is no error; in one that has joined, it is one of the scope
// that would commit (ErrUnexpectedRollback, with cause), unless the cause is passed
// on. Statements go on to work.
func SetRollbackOnly(ctx context.Context, cause error) error {
	s := of(ctx)
	switch {
	case s == nil || s.t == nil:
		return ErrNoTx
	case s.frame.Over():
		return ErrCompleted
	case cause == nil:
		cause = errors.New("txn: SetRollbackOnly was called")
	}
	if s.role == joined {
		s.t.tx.Mark(cause, s.frame.Point)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mark == nil {
		s.mark = cause
	}
	return nil
}

// In returns ctx with the innermost scope of a pool as the one that Current,
// SetRollbackOnly and the hooks mean, for contexts that are in scopes of several
// pools. It is to be passed to them alone.
func In(ctx context.Context, pool *akari.Pool) context.Context {
	return scope.With(ctx, scope.For(ctx, pool))
}

// Detach returns a context in no scope, for a goroutine that goes on when the scope
// has ended: its statements take connections of their own. It has the values of ctx,
// and ends with the context with which the outermost scope was entered; wrap it in
// context.WithoutCancel if it must not end with the request.
func Detach(ctx context.Context) context.Context {
	f := scope.Of(ctx)
	if f == nil {
		return ctx
	}
	for f.Outer != nil {
		f = f.Outer
	}
	s, _ := f.Scope.(*Scope)
	return detached{s.caller, scope.With(ctx, nil)}
}

// detached ends with one context and has the values of another.
type detached struct {
	context.Context
	values context.Context
}

func (d detached) Value(key any) any { return d.values.Value(key) }
