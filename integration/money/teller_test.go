package money

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/sqlerr"
	"github.com/akaripool/akari/txn"
)

// Errors that functions of scopes return on purpose.
var (
	errBoom     = errors.New("boom")
	errKeep     = errors.New("boom, but commit")
	errHook     = errors.New("a hook's boom")
	errPanicked = errors.New("a scope within has panicked")
	errExited   = errors.New("a goroutine within has ended")
)

// boom is what functions panic with. It goes through as many scopes as levels says.
type boom struct{ levels int }

// hookBoom is what hooks of a transaction panic with.
type hookBoom struct {
	root      *group
	committed bool
}

// apart is the error of another transaction: what it says about that one is not
// true of this one.
func apart(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("apart: %v", err) //nolint:errorlint // that is the purpose
}

// errand runs one task.
type errand struct {
	bank *bank
	book *book
	pool *akari.Pool
	db   *sql.DB
	plan *errandPlan
	late sync.WaitGroup // goroutines that outlive the scopes that have started them
}

// place is where a step is done.
type place struct {
	group *group // nil: in no transaction
	role  role
	outer *place
	ctx   context.Context
	ended <-chan struct{} // the scope's end
}

// run does all of the task, in a goroutine of its own, as one scope or another may end
// it.
func (e *errand) run() {
	var all sync.WaitGroup
	all.Go(func() {
		ctx := context.Background()
		at := &place{role: outside, ended: make(chan struct{})}
		if e.plan.bind {
			var opts []txn.Option
			if e.plan.hold {
				opts = append(opts, txn.Hold)
			}
			bound, end, err := txn.Bind(ctx, e.pool, opts...)
			if err != nil {
				e.book.fault("Bind: %v", err)
				return
			}
			defer end()
			ctx = bound
		}
		at.ctx = ctx
		for i := range e.plan.steps {
			_ = e.step(ctx, &e.plan.steps[i], at)
		}
	})
	all.Wait()
	e.late.Wait()
}

func (e *errand) steps(ctx context.Context, steps []step, at *place) error {
	for i := range steps {
		if err := e.step(ctx, &steps[i], at); err != nil {
			return err
		}
	}
	return nil
}

func (e *errand) step(ctx context.Context, s *step, at *place) error {
	switch s.do {
	case transfers:
		return e.transfer(ctx, s, at.group, e.db)
	case notes:
		return e.note(ctx, s, at)
	case looks:
		return e.look(ctx)
	case enters:
		return e.enter(ctx, s.scope, at)
	case begins:
		return e.begin(ctx, s, at)
	case connects:
		return e.connect(ctx, s, at)
	case parts:
		return e.parts(ctx, s, at)
	case trails:
		e.trail(ctx, s, at)
	case detaches:
		e.detach(ctx, s, at)
	case escapes:
		e.escape(s)
	case marks:
		e.mark(ctx, at)
	case marksOuter:
		e.markOuter(at)
	case pauses:
		time.Sleep(s.takes)
	}
	return nil
}

// enter opens a scope, and takes down what it says at its end.
func (e *errand) enter(ctx context.Context, n *node, at *place) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if n.leaves > 0 {
		defer time.AfterFunc(n.leaves, cancel).Stop()
	}
	v := &visit{errand: e, n: n, at: at, ended: make(chan struct{})}
	returned := false
	defer func() {
		close(v.ended)
		if returned {
			return
		}
		p := recover()
		v.settle(nil, true, p)
		switch b, ok := p.(*boom); {
		case p == nil: // runtime.Goexit, which goes on
		case ok && b.levels > 0:
			b.levels--
			panic(b)
		case n.swallowed || at.group == nil:
		case n.role == owner:
			err = apart(errPanicked)
		default:
			err = errPanicked
		}
	}()
	err, value := v.through(ctx)
	returned = true
	v.settle(err, false, value)
	switch {
	case err == nil, at.group == nil:
		return nil
	case n.swallowed && (n.role != joined || !n.soft || v.whole(err)):
		return nil
	case n.role == owner || n.role == outside:
		return apart(err)
	}
	return err
}

// visit is one execution of a scope.
type visit struct {
	*errand
	n     *node
	at    *place
	ended chan struct{}

	group  *group // of the last call of its function
	calls  int
	failed error // of the function's last call
	marked bool
}

// through opens the scope by its door. value is what Get returns.
func (v *visit) through(ctx context.Context) (err error, value any) { //nolint:revive // the error decides
	n := v.n
	opts := n.options()
	switch n.door {
	case byGet:
		got, err := txn.Get(ctx, v.pool, func(ctx context.Context) (*node, error) { return n, v.inside(ctx) }, opts...)
		if got == nil {
			return err, nil
		}
		return err, got
	case byBegin:
		return v.beginning(ctx, opts), nil
	}
	return txn.Do(ctx, v.pool, v.inside, opts...), nil
}

func (v *visit) beginning(ctx context.Context, opts []txn.Option) (err error) {
	ctx, sc, err := txn.Begin(ctx, v.pool, opts...)
	if err != nil {
		return err
	}
	defer sc.End(&err)
	return v.inside(ctx)
}

func (n *node) options() []txn.Option {
	opts := []txn.Option{n.propagation}
	for _, o := range []struct {
		is  bool
		opt func() txn.Option
	}{
		{n.isolation != 0, func() txn.Option { return txn.Isolation(n.isolation) }},
		{n.readOnly, func() txn.Option { return txn.ReadOnly }},
		{n.timeout > 0, func() txn.Option { return txn.Timeout(n.timeout) }},
		{n.patience > 0, func() txn.Option { return txn.CommitTimeout(n.patience) }},
		{n.retry != nil, func() txn.Option { return *n.retry }},
		{n.soft, func() txn.Option { return txn.SoftJoin }},
		{n.early, func() txn.Option { return txn.FailEarly }},
		{n.eager, func() txn.Option { return txn.Eager }},
		{n.joinBegin, func() txn.Option { return txn.JoinBegin }},
		{n.end == keeps, func() txn.Option { return txn.CommitOn(errKeep) }},
	} {
		if o.is {
			opts = append(opts, o.opt())
		}
	}
	return opts
}

// inside is the scope's function.
func (v *visit) inside(ctx context.Context) (err error) {
	n, b := v.n, v.book
	v.calls++
	v.failed = errPanicked
	defer func() {
		if v.failed != nil {
			v.failed = err
		}
	}()
	here := &place{group: v.at.group, role: n.role, outer: v.at, ctx: ctx, ended: v.ended}
	switch n.role {
	case refused:
		b.fault("%v was entered, and must not be\n\t%v", n.propagation, v.plan)
		return errBoom
	case outside:
		here.group = nil
	case owner, nested:
		if v.group != nil {
			v.group.end(undone, errors.New("it was tried again"))
		}
		parent := v.at.group
		if n.role == owner {
			parent = nil
		}
		here.group = b.group(parent, v.plan, n.propagation.String())
		v.group = here.group
	}
	if i, ok := txn.Current(ctx); !ok || i.InTx != (here.group != nil) || i.New != (n.role == owner) || i.Savepoint != (n.role == nested) {
		if ctx.Err() == nil {
			b.fault("%v: Current is %+v\n\t%v", n.propagation, i, v.plan)
		}
	}
	v.hooks(ctx, here)
	if err := v.steps(ctx, n.steps, here); err != nil {
		return err
	}
	switch n.end {
	case fails:
		return errBoom
	case keeps:
		return errKeep
	case panics:
		panic(&boom{n.levels})
	case exits:
		runtime.Goexit()
	}
	return nil
}
