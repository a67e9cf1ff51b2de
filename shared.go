package akari

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari/internal/scope"
	"github.com/akaripool/akari/sqlerr"
)

func init() {
	scope.Pools.NewOwner = func(pool any) scope.Owner { return &owner{r: &pool.(*Pool).reserve} }
	scope.Pools.NewTx = func(ctx context.Context, pool any, o scope.Options) scope.Tx { return newShared(ctx, pool.(*Pool), o) }
	scope.Pools.Budget = func(pool any) *scope.Budget { return &pool.(*Pool).scopes.budget }
	scope.Pools.Enter = func(f *scope.Frame) uintptr { return f.Pool.(*Pool).enterScope(f) }
	scope.Pools.Leave = func(f *scope.Frame, goroutine uintptr) { f.Pool.(*Pool).leaveScope(f, goroutine) }
	scope.Pools.Strays = func(ctx context.Context, pool any) error {
		return pool.(*Pool).strays(ctx, scope.For(ctx, pool))
	}
	scope.Pools.Isolation = func(pool any, l driver.IsolationLevel) driver.IsolationLevel { return pool.(*Pool).isolation(l) }
	scope.Pools.Report = func(pool any, e scope.Event) { pool.(*Pool).reportScope(e) }
}

// wire is a connection that several sessions use, one driver call at a time, rows
// included.
type wire struct {
	p *Pool

	// turn is the lock of all that is not atomic here and in the transactions on it.
	turn

	s       *session // has the connection, once there is one
	rows    map[*sharedRows]struct{}
	by      atomic.Uintptr // the goroutine whose operation runs; 0: none
	changed chan struct{}  // closed, and forgotten, when rows or a savepoint have ended; nil: nobody waits for that
}

// moved wakes those who wait for rows, or for a savepoint, of another goroutine.
func (w *wire) moved() {
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// await waits for moved. It gives the wire up meanwhile, and has it again unless it
// returns an error.
func (w *wire) await(ctx context.Context, end <-chan time.Time) error {
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	changed := w.changed
	w.by.Store(0)
	w.unlock()
	select {
	case <-changed:
		err := w.lock(ctx)
		if err == nil {
			w.by.Store(callerID())
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-end:
		return errWaited
	}
}

var errWaited = errors.New("akari: waited for long enough")

// closeRows closes the rows that are open: all, or those that a driver cannot have
// open beside what comes next, or those read since a savepoint.
func (w *wire) closeRows(since int) {
	all := w.oneResult()
	for r := range w.rows {
		if all || r.point >= since {
			_ = r.shut()
		}
	}
}

func (w *wire) oneResult() bool { return w.s.e != nil && w.s.e.caps.profile.oneResult }

// sharedTx is a transaction of package txn, or, without a transaction, a connection
// that one of its scopes keeps. Sessions whose context leads to it run their
// operations on its wire, by the same code as on connections of their own.
type sharedTx struct {
	*wire
	ctx  context.Context // of the scope: its end rolls back
	o    scope.Options
	own  wire      // what wire points to, but for one on the connection of a host
	mine session   // what own.s points to
	host *sharedTx // the bare one whose connection this transaction uses, nil: it has its own

	holds atomic.Bool // it has a connection (its host, if there is one)
	marks marks
	fate  atomic.Pointer[error] // doomed or failed.err, for those who ask while a call is under way

	// Guarded by wire.turn.
	guest  *sharedTx // of a bare one: the transaction that uses its connection
	over   error     // it has ended: what later statements are told; nil until then
	doomed error     // why it can only be rolled back, and takes no more statements
	failed setback   // PostgreSQL refuses all statements since this one
	points []point   // those open, the outermost first
	last   int       // the number of the last one opened
	base   txContext
	ending ending
	stop   func() bool
	since  int64         // when it got its connection; 0 if it has none
	held   time.Duration // how long it had one before
}

// setback is an error that a rollback to a savepoint undoes, or to one further
// out.
type setback struct {
	err   error
	point int
}

func newShared(ctx context.Context, p *Pool, o scope.Options) *sharedTx {
	if at := o.Outer.For(p); at != nil {
		if host, ok := at.Tx.(*sharedTx); ok && host.o.Bare && !at.Over() {
			return host.newGuest(ctx, o)
		}
	}
	t := &sharedTx{ctx: ctx, o: o}
	t.mine = session{p: p, of: t}
	t.own.p, t.own.s = p, &t.mine
	t.wire = &t.own
	return t
}

// newGuest is a transaction on a connection that is kept.
func (t *sharedTx) newGuest(ctx context.Context, o scope.Options) *sharedTx {
	return &sharedTx{ctx: ctx, o: o, wire: t.wire, host: t}
}

var (
	errCompleted  = fmt.Errorf("%w: its context was kept (a hook is to use the one that it is given), or is used in a goroutine that outlives it (see txn.Detach)", scope.ErrCompleted)
	errRowsOpen   = fmt.Errorf("%w: rows of a query are open, and its driver has one result at a time: read them to the end, or close them, before the next statement", scope.ErrBusy)
	errOtherScope = fmt.Errorf("%w: a scope, or a transaction, that is nested in it is open, and would take with it what is done here if it is rolled back: use the context of the nested one; if it is another goroutine's, wait until it has ended", scope.ErrBusy)
	errWithin     = fmt.Errorf("%w: a call of its driver is under way, in which this one is made", scope.ErrBusy)
	errInner      = fmt.Errorf("%w: a transaction is open on the connection that the scope keeps: use its context", scope.ErrBusy)
	errLeftOpen   = errors.New("txn: a transaction begun within it was neither committed nor rolled back")
	errOwnEnd     = fmt.Errorf("%w: the scope begins and ends its transaction itself, not by a statement's text; use txn.Do with Nested, RequiresNew, or NotSupported", scope.ErrMismatch)
	errUndone     = fmt.Errorf("%w: it was rolled back with what is around it", scope.ErrCompleted)
)

// enter begins an operation of a session that has joined. The wire is the session's
// until leave; the operation is done by the session that enter returns.
func (t *sharedTx) enter(ctx context.Context, s *session) (*session, error) {
	if err := s.failed; err != nil {
		s.failed = nil
		return nil, err
	}
	if err := t.p.strays(ctx, s.in); err != nil {
		return nil, err
	}
	if t.by.Load() == callerID() && callerID() != unknownCaller { // a tracer of the driver's, or the function given to Raw
		return nil, errWithin
	}
	if err := t.lock(ctx); err != nil {
		return nil, err
	}
	t.by.Store(callerID())
	if err := t.take(ctx, func() error { return t.ready(ctx, s) }); err != nil {
		return nil, err
	}
	t.s.deferred, s.deferred = s.deferred, false
	t.s.point = s.point
	return t.s, nil
}

// take makes try succeed, with the wire, or returns an error, without it. For what
// another goroutine has open it waits as long as for a connection: it takes its turn.
func (t *sharedTx) take(ctx context.Context, try func() error) error {
	var end <-chan time.Time
	for {
		err := t.attempt(try)
		if _, busy := err.(*otherGoroutine); !busy {
			return err
		}
		if end == nil {
			limit := t.p.live.Load().ConnectionTimeout
			if limit <= 0 {
				limit = defaultConnectionTimeout
			}
			timer := time.NewTimer(limit)
			defer timer.Stop()
			end = timer.C
		}
		switch waited := t.await(ctx, end); waited {
		case nil:
		case errWaited:
			return err
		default:
			return waited
		}
	}
}

// attempt calls try. The wire is given up if it fails, but for what another goroutine
// has open, or the driver panics.
func (t *sharedTx) attempt(try func() error) error {
	keeps := false
	defer func() {
		if !keeps {
			t.leave()
		}
	}()
	err := try()
	_, busy := err.(*otherGoroutine)
	keeps = err == nil || busy
	return err
}

// otherGoroutine is the error of an operation that must wait for another goroutine. It
// is not wrapped.
type otherGoroutine struct{ error }

func (e *otherGoroutine) Unwrap() error { return e.error }

// ready lets an operation in, and begins what has not begun yet.
func (t *sharedTx) ready(ctx context.Context, s *session) error {
	t.endLate(0)
	switch {
	case t.over != nil:
		return t.over
	case s.in.Over():
		return errCompleted
	case t.doomed != nil:
		return &scope.Unexpected{Cause: t.doomed}
	case t.guest != nil:
		return errInner
	case len(t.rows) > 0 && t.oneResult():
		return t.busyRows()
	}
	if err := t.onTop(s.point); err != nil {
		return err
	}
	if n := len(t.points); s.inner && n > 0 && t.points[n-1].id != s.point {
		return errOtherScope // of two sql.Tx only the inner one can be used: its rollback would undo this as well
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	return t.sendPoints(ctx)
}

// busyRows is the error of an operation that cannot be sent while rows are open.
func (t *sharedTx) busyRows() error {
	c := callerID()
	for r := range t.rows {
		if r.by == c || c == unknownCaller {
			return errRowsOpen
		}
	}
	return &otherGoroutine{errRowsOpen}
}

// leave ends an operation that enter has begun, also one in which the driver has
// panicked.
func (t *sharedTx) leave() {
	t.by.Store(0)
	if t.s.ended && t.doomed == nil {
		t.lose(errPanicked)
	}
	t.unlock()
}

// begin borrows the connection, within the context of the operation that needs it
// first, and begins the transaction. The driver gets a context that has the scope's
// values and does not end with it: pgx and lib/pq would send no COMMIT and no
// ROLLBACK otherwise.
func (t *sharedTx) begin(ctx context.Context) error {
	if t.holds.Load() {
		return nil
	}
	if h := t.host; h != nil {
		switch {
		case h.guest != nil:
			return errInner
		case h.doomed != nil:
			return &scope.Unexpected{Cause: h.doomed}
		}
		if err := h.begin(ctx); err != nil {
			return err
		}
		h.guest = t
	}
	s, returned := t.s, false
	defer func() {
		if !returned { // the driver panicked
			ended := s.ended
			t.letGo()
			s.ended = ended
		}
	}()
	err := t.beginOn(ctx)
	returned = true
	if err != nil {
		t.letGo()
		return notBadConn(err)
	}
	t.holds.Store(true)
	t.since = s.e.idleSince() // when it was lent
	return nil
}

// beginOn is begin, once the host has a connection.
func (t *sharedTx) beginOn(ctx context.Context) error {
	if _, err := t.s.bind(ctx); err != nil {
		return err
	}
	if t.ctx.Done() != nil {
		t.stop = context.AfterFunc(t.ctx, t.expire)
	}
	if t.o.Bare {
		return nil
	}
	return t.beginAt(ctx)
}

// beginAt begins the transaction at the server.
func (t *sharedTx) beginAt(ctx context.Context) error {
	attempt := t.base.start(t.ctx)
	stop := func() bool { return t.ctx.Err() == nil }
	if ctx.Done() != t.ctx.Done() {
		stop = context.AfterFunc(ctx, func() { t.base.cancelAttempt(attempt) })
	}
	_, err := t.s.BeginTx(&t.base, t.o.TxOptions)
	if !stop() && err == nil { // the driver may do nothing any more with that context
		_ = (*transaction)(t.s).Rollback()
		err = context.Cause(ctx)
	}
	t.base.begun()
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return notBadConn(err)
	}
	t.s.e.task.of(t.o.Owner.(*owner))
	return nil
}

// letGo gives the connection back, or to the host.
func (t *sharedTx) letGo() {
	if t.stop != nil {
		t.stop()
	}
	t.stop = nil
	t.base.cancel()
	t.moved()
	if h := t.host; h != nil {
		if h.guest == t {
			h.guest = nil
			if h.s.ended || h.s.e == nil || h.s.e.broken != nil {
				h.lose(errHostLost)
			}
		}
	} else {
		t.s.unbind()
		t.s.ended = false
	}
	t.holds.Store(false)
	if t.since != 0 {
		t.held += time.Duration(t.p.now() - t.since)
		t.since = 0
	}
}

// expire is called when the context of the scope has ended: the connection goes
// back at once, or when the statement that runs has ended.
func (t *sharedTx) expire() {
	t.base.giveUp()
	t.seize()
	defer t.unlock()
	defer func() {
		if r := recover(); r != nil { // nobody else would, in this goroutine
			t.p.log(slog.LevelError, fmt.Sprintf("The driver panicked in the ROLLBACK of a transaction whose context has ended: %v", r))
		}
	}()
	if t.over == nil && t.holds.Load() {
		t.over = t.ended()
		_ = t.rollback()
	}
}

// current is the transaction whose operations run on the connection.
func (t *sharedTx) current() *sharedTx {
	if t.guest != nil {
		return t.guest
	}
	return t
}

var errHostLost = errors.New("txn: it was lost with a transaction on it")

// ended is what is said once the scope's context has ended.
func (t *sharedTx) ended() error {
	return fmt.Errorf("txn: the transaction was rolled back as its context, or its time, has ended: %w", context.Cause(t.ctx))
}

// lose gives up a transaction that the server has undone, or that is gone with its
// connection.
func (t *sharedTx) lose(why error) {
	if t.o.Bare { // what comes later is not sent: nothing about it is unknown
		why = errors.New("txn: the connection that the scope keeps was lost: " + why.Error())
	}
	t.doomed = firstOf(t.doomed, why)
	t.publish()
	if t.holds.Load() {
		_ = t.rollback()
	}
}

// rollback ends the transaction at the server and gives the connection back. A
// connection that does not obey is closed.
func (t *sharedTx) rollback() error {
	if t.guest != nil {
		_ = t.guest.end() // the binding around it ends first: a mistake
	}
	defer t.letGo() // also if the driver panics
	t.closeRows(0)
	s := t.s
	var err error
	if s.tx != nil && s.e != nil && s.e.broken == nil {
		err = t.finish((*transaction).Rollback)
		if err != nil && s.e != nil && s.e.broken == nil {
			s.e.broken = err
		}
	}
	return notBadConn(err)
}

// finish ends the transaction at the server, within CommitTimeout.
func (t *sharedTx) finish(how func(*transaction) error) error {
	l := &t.p.endings
	l.begin(&t.ending, &t.base, t.o.CommitTimeout)
	defer l.end(&t.ending)
	return how((*transaction)(t.s))
}

// settle takes down how an operation has ended, and makes its error one that
// database/sql does not take for a reason to run the statement again, outside of
// the transaction.
func (t *sharedTx) settle(err error) error {
	if err == driver.ErrSkip {
		return err
	}
	s := t.s
	e := s.e
	switch {
	case s.ended || e == nil:
		t.lose(firstOf(err, errPanicked))
		return notBadConn(err)
	case e.broken != nil:
		t.lose(firstOf(err, e.broken))
		return notBadConn(err)
	case e.probes.closed != nil && e.probes.closed():
		e.broken = firstOf(err, errClosedByDriver)
		t.lose(e.broken)
		return notBadConn(err)
	case t.o.Bare:
		return notBadConn(err)
	case err == nil:
		if e.outsideTx() {
			t.lose(errEndedInside)
		}
		return nil
	}
	switch t.p.undone(e, err) {
	case allUndone:
		t.lose(err)
	case untilRollback:
		if t.failed.err == nil {
			t.failed = setback{err, t.innermost()}
			t.publish()
		}
	}
	return notBadConn(err)
}

// executed is settle for a statement. One that succeeds shows that PostgreSQL refuses
// no more: it was a ROLLBACK TO.
func (t *sharedTx) executed(err error) error {
	if err == nil && t.failed.err != nil && t.s.e != nil && !t.s.e.failedTx() {
		t.failed = setback{}
		t.publish()
	}
	return t.settle(err)
}

var errEndedInside = fmt.Errorf("%w (MySQL commits before DDL): what was done before is committed, or lost, already", scope.ErrEnded)

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Begin implements scope.Tx.
func (t *sharedTx) Begin(ctx context.Context) error {
	if err := t.lock(ctx); err != nil {
		return err
	}
	defer t.unlock()
	if t.over != nil {
		return t.over
	}
	return t.begin(ctx)
}

// Begun implements scope.Tx.
func (t *sharedTx) Begun() bool { return t.holds.Load() }

// Held implements scope.Tx.
func (t *sharedTx) Held() time.Duration {
	t.seize()
	defer t.unlock()
	if t.since == 0 {
		return t.held
	}
	return t.held + time.Duration(t.p.now()-t.since)
}

// Mark implements scope.Tx.
func (t *sharedTx) Mark(why error, point int) { t.marks.add(setback{why, point}) }

// Doomed implements scope.Tx. It waits for nobody: a driver's tracer may ask, in the
// middle of a call.
func (t *sharedTx) Doomed() error {
	if why := t.fate.Load(); why != nil {
		return *why
	}
	return t.marks.since(0)
}

// publish shows what has become of the transaction.
func (t *sharedTx) publish() {
	if why := firstOf(t.doomed, t.failed.err); why != nil {
		t.fate.Store(&why)
	} else {
		t.fate.Store(nil)
	}
}

// marks say that the transaction is to be rolled back, though it goes on: the first of
// each savepoint.
type marks struct {
	mu   sync.Mutex // guards what follows; nothing else is taken while it is held
	list []setback
}

func (m *marks) add(s setback) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.ContainsFunc(m.list, func(x setback) bool { return x.point == s.point }) {
		m.list = append(m.list, s)
	}
}

// since is why what was done since a savepoint is to be rolled back: what was said
// first, nil for no reason.
func (m *marks) since(point int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.list {
		if x.point >= point {
			return x.err
		}
	}
	return nil
}

// undo forgets those made since a savepoint.
func (m *marks) undo(point int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = slices.DeleteFunc(m.list, func(x setback) bool { return x.point >= point })
}

// Commit implements scope.Tx.
func (t *sharedTx) Commit(ctx context.Context) (sent bool, err error) {
	t.seize()
	defer t.unlock()
	if t.over != nil {
		return false, t.over
	}
	t.endLate(0)
	if len(t.points) > 0 && t.doomed == nil {
		t.doomed = t.leftOpen(0)
	}
	if why := firstOf(t.doomed, t.failed.err, t.marks.since(0)); why != nil {
		_ = t.end()
		return false, &scope.Unexpected{Cause: why}
	}
	if ctx.Err() != nil {
		_ = t.end()
		return false, fmt.Errorf("txn: the transaction was rolled back, as its context ended before the COMMIT: %w", context.Cause(ctx))
	}
	t.over = errCompleted
	if !t.holds.Load() {
		return false, nil
	}
	if t.o.Bare {
		return false, t.rollback()
	}
	t.closeRows(0)
	err = t.finish((*transaction).Commit)
	switch e := t.s.e; {
	case err == nil || e == nil || errors.Is(err, ErrOutcomeUnknown) || wasRefused(err):
	case e.probes.txStatus != nil && e.outsideTx(): // pgx: the server has answered ROLLBACK
		err = &scope.Unexpected{Cause: err}
	case sqlerr.ServerOf(err) == sqlerr.UnknownServer && codeOf(err) == (code{}) && !isContext(err) && !nothingSent(e, err):
		err = &outcomeUnknown{err} // nobody knows what it means
	}
	t.letGo()
	return true, notBadConn(err)
}

// Rollback implements scope.Tx.
func (t *sharedTx) Rollback() error {
	t.seize()
	defer t.unlock()
	if t.over != nil {
		return nil
	}
	if err := t.end(); err != nil {
		return err
	}
	if t.doomed == errEndedInside {
		return t.doomed // there was nothing left to roll back
	}
	return nil
}

// end rolls back, if there is something to roll back.
func (t *sharedTx) end() (err error) {
	t.over = errCompleted
	if t.holds.Load() {
		err = t.rollback()
	}
	return err
}

// lostInTx keeps driver.ErrBadConn from database/sql, which would run the statement
// again on another connection.
type lostInTx struct{ cause error }

func (e *lostInTx) Error() string {
	return "txn: the transaction is lost with its connection: " + e.cause.Error()
}

func notBadConn(err error) error {
	if err == nil || !isBadConn(err) {
		return err
	}
	return &lostInTx{err}
}

// sharedStmt is a driver's own statement, lib/pq's COPY, in a shared transaction.
type sharedStmt struct {
	driver.Stmt
	t *sharedTx
}

// ExecContext executes the statement when it is its turn.
func (st *sharedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := st.t.lock(ctx); err != nil {
		return nil, err
	}
	defer st.t.unlock()
	if !st.t.holds.Load() {
		return nil, firstOf(st.t.over, st.t.doomed, errCompleted)
	}
	res, err := execPrepared(ctx, st.Stmt, args)
	return res, st.t.settle(err)
}

// Close closes the statement when it is its turn, unless it went with the
// transaction.
func (st *sharedStmt) Close() error {
	st.t.seize()
	defer st.t.unlock()
	if !st.t.holds.Load() {
		return nil
	}
	return st.t.settle(st.Stmt.Close())
}
