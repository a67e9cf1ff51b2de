package money

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"
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
	if n.leaves > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
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
		case ok && b.levels > 0 && at.outer != nil:
			b.levels--
			panic(b)
		case n.swallowed || at.group == nil:
		case n.role == owner:
			err = apart(errPanicked)
		default:
			err = errPanicked
		}
	}()
	value, err := v.through(ctx)
	returned = true
	v.settle(err, false, value)
	switch {
	case err == nil, at.group == nil:
		return nil
	case n.swallowed && (!n.soft || v.whole(err)):
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
}

// through opens the scope by its door. value is what Get returns.
func (v *visit) through(ctx context.Context) (value any, err error) {
	n := v.n
	opts := n.options()
	switch n.door {
	case byGet:
		got, err := txn.Get(ctx, v.pool, func(ctx context.Context) (*node, error) { return n, v.inside(ctx) }, opts...)
		if got == nil {
			return nil, err
		}
		return got, err
	case byBegin:
		return nil, v.beginning(ctx, opts)
	}
	return nil, txn.Do(ctx, v.pool, v.inside, opts...)
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
func (v *visit) inside(ctx context.Context) error {
	v.calls++
	v.failed = errPanicked
	v.failed = v.body(ctx)
	return v.failed
}

func (v *visit) body(ctx context.Context) error {
	n, b := v.n, v.book
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
	case joined:
	}
	if i, ok := txn.Current(ctx); !ok || i.InTx != (here.group != nil) || i.New != (n.role == owner) || i.Savepoint != (n.role == nested) {
		b.fault("%v: Current is %+v\n\t%v", n.propagation, i, v.plan)
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
	case lingers:
		<-ctx.Done()
		if v.group != nil {
			v.group.overstays()
		}
	case succeeds:
	}
	return nil
}

// hooks registers what the plan wants.
func (v *visit) hooks(ctx context.Context, here *place) {
	g, n := here.group, v.n
	if g == nil {
		return
	}
	root := g.root()
	if n.role == owner {
		g.byTxn = true
		v.must("AfterCompletion", txn.AfterCompletion(ctx, func(_ context.Context, s txn.Status) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.status = append(g.status, s)
		}))
	}
	if n.before != hookNone {
		v.must("BeforeCommit", txn.BeforeCommit(ctx, func(ctx context.Context) error {
			switch n.before {
			case hookFails:
				return errHook
			case hookPanics:
				panic(&hookBoom{root: root})
			}
			return v.transfer(ctx, &n.work, root, v.db)
		}))
	}
	if n.after != hookNone {
		v.must("AfterCommit", txn.AfterCommit(ctx, func(ctx context.Context) error {
			v.book.count("AfterCommit " + n.after.String())
			switch n.after {
			case hookFails:
				return errHook
			case hookPanics:
				panic(&hookBoom{root, true})
			}
			return v.enter(ctx, n.then, &place{role: outside, ctx: ctx})
		}))
	}
}

// must: what cannot fail has not.
func (e *errand) must(what string, err error) {
	if err != nil {
		e.book.fault("%s: %v\n\t%v", what, err, e.plan)
	}
}

// settle takes down what the scope has told at its end: an error, or that it did not
// return; then value is what its function, or a hook, has panicked with, and else what
// Get has returned.
func (v *visit) settle(err error, unwound bool, value any) {
	if v.calls == 0 {
		if err == nil && !unwound {
			v.book.fault("%v has not called its function, and told nothing\n\t%v", v.n.propagation, v.plan)
		}
		v.book.count(fmt.Sprintf("%v not entered: %s", v.n.propagation, class(err)))
		return
	}
	var f fate
	switch v.n.role {
	case joined:
		switch {
		case v.n.soft, !unwound && (v.failed == nil || v.commits(v.failed)):
		default:
			v.at.group.breaks(fmt.Sprintf("a scope that had joined (%v) failed: %v", v.n.propagation, v.failed))
		}
	case nested:
		f = v.kept(err, unwound, value)
	case owner:
		f = v.outcome(err, unwound, value)
	}
	told := class(err)
	if unwound {
		told = "unwound"
	}
	v.book.count(fmt.Sprintf("%v %v: %s", v.n.propagation, f, told))
	if v.group == nil {
		return
	}
	v.group.end(f, err)
	if f == kept && v.n.role == owner {
		v.lookAtOnce()
	}
}

// commits reports whether the scope's rule commits in spite of an error.
func (v *visit) commits(err error) bool { return v.n.end == keeps && errors.Is(err, errKeep) }

// kept is the fate that a scope tells which is sure to know it.
func (v *visit) kept(err error, unwound bool, value any) fate {
	switch {
	case unwound, v.isMarked():
		return undone
	case err == nil, v.n.door == byGet && value != nil:
		return kept
	}
	return undone
}

// outcome is the fate of a transaction.
func (v *visit) outcome(err error, unwound bool, value any) fate {
	var after *txn.AfterCommitError
	panicked, _ := value.(*hookBoom)
	switch {
	case unwound && panicked != nil && panicked.root == v.group && panicked.committed:
		return kept
	case unwound:
		return undone
	case errors.As(err, &after):
		return kept
	case errors.Is(err, txn.ErrCommitUnknown):
		return unknown
	}
	return v.kept(err, false, value)
}

func (v *visit) isMarked() bool {
	v.group.mu.Lock()
	defer v.group.mu.Unlock()
	return v.group.marked
}

// whole reports whether no transfer is half done that was given up with err.
func (v *visit) whole(err error) bool {
	for _, e := range []error{errBoom, errKeep, errPanicked, errExited} {
		if errors.Is(err, e) {
			return true
		}
	}
	return v.calls == 0
}

// lookAtOnce makes sure now and then that what was committed is there, and not only in
// the end.
func (v *visit) lookAtOnce() {
	v.group.mu.Lock()
	m := v.group.first
	v.group.mu.Unlock()
	if m == nil || m.id%8 != 0 {
		return
	}
	n, err := v.bank.count(context.Background(), m.id)
	if err != nil {
		v.book.fault("%v", err)
	} else if n != 1 {
		v.book.fault("transfer %d is there %d times when its transaction has just been committed\n\t%v", m.id, n, v.plan)
	}
}

// execer is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// transfer moves an amount. If it fails in the middle the error must be passed on,
// but for one that must have undone it.
func (e *errand) transfer(ctx context.Context, s *step, g *group, by execer) error {
	m := e.book.open(g)
	if s.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.within)
		defer cancel()
	}
	three, err := e.statements(ctx, s, m.id, by)
	if err != nil {
		return err
	}
	var lost error
	for i, at := range s.order {
		res, err := by.ExecContext(ctx, three[at].text, three[at].args...)
		switch {
		case err == nil && lost != nil:
			e.book.fault("a statement of transfer %d was executed though the transaction was lost: %v\n\t%v", m.id, lost, e.plan)
			return lost
		case err == nil:
			if n, _ := res.RowsAffected(); n != 1 {
				e.book.fault("a statement of transfer %d has changed %d rows\n\t%v", m.id, n, e.plan)
			}
		case lost != nil:
		case s.stubborn && i > 0 && e.bank.dooms(err):
			e.book.count("gone on after: " + class(err))
			g.breaks("it has swallowed " + err.Error())
			lost = err
		default:
			e.book.count("transfer failed: " + class(err))
			if state, _ := sqlerr.Code(err); state == "25P01" {
				e.book.fault("transfer %d was sent outside of its transaction: %v\n\t%v", m.id, err, e.plan)
			}
			return err
		}
	}
	if lost != nil {
		return nil
	}
	m.ok = true
	g.done(m)
	if s.hooked {
		m.hooked = true
		e.must("AfterCommit", txn.AfterCommit(ctx, func(context.Context) error { e.book.heard(m.id, true); return nil }))
		e.must("AfterRollback", txn.AfterRollback(ctx, func(context.Context, error) { e.book.heard(m.id, false) }))
	}
	return nil
}

// statements are what a transfer consists of.
func (e *errand) statements(ctx context.Context, s *step, id int64, by execer) (three [3]statement, err error) {
	three = [3]statement{
		e.bank.add(s.literal, s.src, -s.amount),
		e.bank.add(s.literal, s.dst, s.amount),
		e.bank.write(s.literal, id, s.src, s.dst, s.amount),
	}
	if !s.computed {
		return three, nil
	}
	for i, account := range [2]int{s.src, s.dst} {
		ask := e.bank.balance(s.literal, account)
		var n int64
		if err := by.QueryRowContext(ctx, ask.text, ask.args...).Scan(&n); err != nil {
			return three, err
		}
		three[i] = e.bank.set(s.literal, account, n+int64([2]int{-s.amount, s.amount}[i]))
	}
	return three, nil
}

// note writes a row by one statement: in the transaction, or by itself.
func (e *errand) note(ctx context.Context, s *step, at *place) error {
	m := e.book.open(at.group)
	w := e.bank.write(s.literal, m.id, s.src, s.dst, s.amount)
	_, err := e.db.ExecContext(ctx, w.text, w.args...)
	if at.group == nil {
		m.own = known(err)
		e.book.count(fmt.Sprintf("statement %v: %s", m.own, class(err)))
		return nil
	}
	m.ok = err == nil
	return err
}

// known is what the error of a statement by itself tells.
func known(err error) fate {
	var away *akari.AcquireError
	switch {
	case err == nil:
		return kept
	case errors.Is(err, akari.ErrOutcomeUnknown), sqlerr.IsConnectionLost(err):
		return unknown
	case errors.As(err, &away), errors.Is(err, txn.ErrNestingLimit), errors.Is(err, txn.ErrCompleted), errors.Is(err, txn.ErrUnexpectedRollback), sqlerr.ServerOf(err) != 0:
		return undone
	}
	return unknown
}

// look: nobody who is in no writing transaction sees anything but the sum.
func (e *errand) look(ctx context.Context) error {
	var sum int64
	if err := e.db.QueryRowContext(ctx, e.bank.sum()).Scan(&sum); err != nil {
		return err
	}
	if sum != total {
		e.book.fault("the balances add up to %d, not to %d\n\t%v", sum, total, e.plan)
	}
	return nil
}

// begin uses database/sql's own transactions: in a scope's, or by themselves.
func (e *errand) begin(ctx context.Context, s *step, at *place) error {
	if s.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.within)
		defer cancel()
	}
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	g := at.group
	if !s.joins {
		g = e.book.group(at.group, e.plan, "BeginTx")
	}
	err = e.all(ctx, s.branches[0], g, tx)
	if err != nil || s.undone {
		undoing := tx.Rollback()
		switch {
		case !s.joins:
			g.end(undone, err)
			return nil
		case undoing == nil:
			g.breaks("a transaction that has joined was rolled back")
		}
		return err
	}
	err = tx.Commit()
	switch {
	case s.joins:
		return err
	case err == nil:
		g.end(kept, nil)
	case at.group == nil && errors.Is(err, akari.ErrOutcomeUnknown):
		g.end(unknown, err)
	default:
		g.end(undone, err)
	}
	return nil
}

// all makes transfers.
func (e *errand) all(ctx context.Context, steps []step, g *group, by execer) error {
	for i := range steps {
		if err := e.transfer(ctx, &steps[i], g, by); err != nil {
			return err
		}
	}
	return nil
}

// connect makes transfers by a sql.Conn.
func (e *errand) connect(ctx context.Context, s *step, at *place) error {
	c, err := e.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return e.all(ctx, s.branches[0], at.group, c)
}

// parts does several things at once.
func (e *errand) parts(ctx context.Context, s *step, at *place) error {
	errs := make([]error, len(s.branches))
	var all sync.WaitGroup
	for i, branch := range s.branches {
		errs[i] = errExited
		all.Go(func() { errs[i] = e.steps(ctx, branch, at) })
	}
	all.Wait()
	var worst error
	v := visit{calls: 1}
	for _, err := range errs {
		if worst == nil || err != nil && !v.whole(err) {
			worst = err
		}
	}
	return worst
}

// trail leaves a goroutine behind: what it does is a part of the transaction, or
// refused.
func (e *errand) trail(ctx context.Context, s *step, at *place) {
	e.late.Go(func() {
		for range 4 {
			if e.note(ctx, s, at) != nil {
				break
			}
		}
		<-at.ended
		m := e.book.open(at.group)
		w := e.bank.write(s.literal, m.id, s.src, s.dst, s.amount)
		if _, err := e.db.ExecContext(ctx, w.text, w.args...); err == nil {
			e.book.fault("statement %d was executed with the context of a scope that had ended\n\t%v", m.id, e.plan)
		}
	})
}

// detach leaves a goroutine behind whose statement is by itself.
func (e *errand) detach(ctx context.Context, s *step, at *place) {
	e.late.Go(func() {
		<-at.ended
		_ = e.note(txn.Detach(ctx), s, &place{})
	})
}

// escape does something that the scope knows nothing of.
func (e *errand) escape(s *step) {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_ = e.note(ctx, s, &place{})
}

func (e *errand) mark(ctx context.Context, at *place) {
	e.must("SetRollbackOnly", txn.SetRollbackOnly(ctx, errBoom))
	if at.role == joined {
		at.group.breaks("SetRollbackOnly was called")
		return
	}
	at.group.mu.Lock()
	defer at.group.mu.Unlock()
	at.group.marked = true
}

// markOuter calls SetRollbackOnly for the scope around, if that is in the same
// transaction.
func (e *errand) markOuter(at *place) {
	if o := at.outer; o.group != nil && o.group.root() == at.group.root() {
		e.mark(o.ctx, o)
	}
}

// class is a short name for an error, for the tally.
func class(err error) string {
	var away *akari.AcquireError
	var retried *txn.RetryError
	switch {
	case err == nil:
		return "nil"
	case errors.Is(err, txn.ErrCommitUnknown):
		return "outcome unknown"
	case errors.Is(err, akari.ErrPoolLock):
		return "pool-lock"
	case errors.As(err, &away) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return "no connection"
	case errors.Is(err, txn.ErrTimeout):
		return "Timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	case sqlerr.IsDeadlock(err):
		return "deadlock"
	case sqlerr.IsSerialization(err):
		return "serialization"
	case sqlerr.IsLockTimeout(err):
		return "lock timeout"
	case sqlerr.IsConnectionLost(err):
		return "connection lost"
	case sqlerr.IsCancelled(err):
		return "cancelled by the server"
	case errors.As(err, &retried):
		return "retried"
	}
	for _, e := range []error{
		txn.ErrUnexpectedRollback, txn.ErrScopeBusy, txn.ErrNestingLimit, txn.ErrCompleted, txn.ErrNoTx, txn.ErrTxExists, txn.ErrIncompatible,
		errBoom, errKeep, errHook, errPanicked, errExited, sql.ErrTxDone,
	} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	if code, number := sqlerr.Code(err); code != "" || number != 0 {
		return fmt.Sprintf("server %s %d", code, number)
	}
	var after *txn.AfterCommitError
	if errors.As(err, &after) {
		return "AfterCommitError"
	}
	text, _, _ := strings.Cut(err.Error(), ":")
	return text
}
