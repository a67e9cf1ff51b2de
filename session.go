package akari

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/akaripool/akari/internal/sessionstate"
)

// session is what database/sql takes for a connection. It owns none: with the
// first operation of a use it borrows one (bind), and when database/sql puts the
// session back (IsValid) it returns it (unbind). What database/sql calls, and
// when, is pinned by TestDatabaseSQLKeepsThePairing.
//
// database/sql never calls a session from two goroutines at once, so nothing
// here is locked.
type session struct {
	p *Pool
	use
	of *sharedTx // whose connection this session has; nil for those of database/sql

	opCtx context.Context // of the last operation

	e        *entry // borrowed; nil between uses and before the first operation
	used     bool   // a statement was sent on e in this use
	inCall   bool   // the driver is being called; still set when it panicked
	ended    bool   // the driver panicked in this use: it has no connection any more, and must not get another
	failed   error  // binding failed where the error could not be returned
	deferred bool   // arguments are to be converted once there is a connection
	asked    bool   // the driver has told database/sql to prepare (ErrSkip) in this use

	cancelled bool // a statement of this use ended with its context
	late      bool // the server may have been asked to cancel, see endContexts

	tx    driver.Tx
	txCtx context.Context // of the open transaction
	txRO  bool            // it was asked to be read-only

	known *statement // the last text, and what is known of it: looking it up costs more than comparing
}

var (
	_ driver.Conn               = (*session)(nil)
	_ driver.ConnPrepareContext = (*session)(nil)
	_ driver.ConnBeginTx        = (*session)(nil)
	_ driver.ExecerContext      = (*session)(nil)
	_ driver.QueryerContext     = (*session)(nil)
	_ driver.Pinger             = (*session)(nil)
	_ driver.NamedValueChecker  = (*session)(nil)
	_ driver.SessionResetter    = (*session)(nil)
	_ driver.Validator          = (*session)(nil)
)

// ResetSession begins a use. No connection is borrowed yet: database/sql
// ignores every error of this call but ErrBadConn.
func (s *session) ResetSession(ctx context.Context) error {
	s.use = s.p.useOf(ctx)
	return nil
}

// IsValid ends a use. The session itself is good for another, unless the driver
// panicked in it.
func (s *session) IsValid() bool {
	s.unbind()
	return !s.ended
}

// Close ends the session. If it does so in the middle of a use, database/sql has
// given the connection up: an error that says driver.ErrBadConn came from
// somewhere else, as from the function given to sql.Conn.Raw, or that panicked.
func (s *session) Close() error {
	if s.e != nil && s.e.broken == nil {
		s.e.broken = errGivenUp
	}
	s.unbind()
	return nil
}

// Raw returns the driver's own connection, as other wrappers do, for code that
// was handed the session by sql.Conn.Raw. See also akari.Raw.
func (s *session) Raw() driver.Conn {
	if s.joined != nil {
		var conn driver.Conn
		_ = s.joined.raw(s, func(c any) error { conn = c.(driver.Conn); return nil })
		return conn
	}
	e, err := s.bind(s.useContext())
	if err != nil {
		return nil
	}
	e.rawChanged(s.p)
	s.used = true
	return e.conn
}

// bind borrows a connection, if the use has none.
func (s *session) bind(ctx context.Context) (*entry, error) {
	if err := s.failed; err != nil {
		s.failed = nil
		return nil, err
	}
	if s.ended {
		return nil, driver.ErrBadConn // what follows would run outside of the transaction that is lost
	}
	if s.e != nil {
		if s.e.broken != nil {
			return nil, driver.ErrBadConn // nothing is sent; a sql.Conn is closed by it
		}
		return s.e, nil
	}
	e, err := s.borrow(ctx)
	if err != nil {
		return nil, err
	}
	s.e = e
	return e, nil
}

// unbind returns the connection, if there is one.
func (s *session) unbind() {
	e := s.e
	if e == nil {
		s.failed = nil
		return
	}
	if s.inCall && e.broken == nil {
		e.broken = errPanicked
	}
	s.endContexts(e)
	*s = session{p: s.p, of: s.of, known: s.known}
	s.p.giveBack(e)
}

var errClosedByDriver = errors.New("akari: closed by the driver")

var errGivenUp = errors.New("akari: given up by database/sql")

var errPanicked = errors.New("akari: the driver panicked, or its caller's goroutine was ended")

// guard is deferred around calls of the driver. When the driver panics,
// database/sql may never put the session back.
func (s *session) guard() {
	if s.inCall {
		s.unbind()
		s.ended = true
	}
}

// call is one operation: its connection, what is known of its text, and how
// often it was begun.
type call struct {
	e        *entry
	text     *statement
	prepared *prepared // the prepared statement that is executed, if one is
	kept     bool      // and it was prepared for an earlier call
	inTx     bool      // a transaction was open before
	tries    int
}

// maxTries bounds how often an operation that did not reach the server is begun
// again. After the first the pool asks the server before it lends.
const maxTries = 5

// begin binds. A connection that the driver has closed since the last operation
// is not used: nothing is sent, and where nobody has seen anything of it yet
// another one takes its place. Nor is a driver called whose caller's context has
// ended: lib/pq would send the statement, and pgx close the connection.
func (s *session) begin(ctx context.Context, c *call) error {
	for {
		e, err := s.bind(ctx)
		if err != nil {
			return err
		}
		c.e = e
		c.tries++
		e.held(gripFirm)
		if e.calling(); !e.wasClosed {
			return s.enter(ctx)
		}
		e.broken = errClosedByDriver
		if s.used || s.tx != nil || c.tries >= maxTries {
			return driver.ErrBadConn
		}
		s.rebind()
	}
}

// enter begins the call of the driver itself.
func (s *session) enter(ctx context.Context) error {
	s.opCtx = ctx
	if err := ctx.Err(); err != nil {
		return err
	}
	s.inCall = true
	if s.tx != nil {
		s.e.task.enter()
	}
	return nil
}

// leave ends the call of the driver that enter has begun.
func (s *session) leave() {
	s.inCall = false
	if s.tx != nil {
		s.e.task.leave()
	}
}

// beginText begins the operation of a text, and notes what it may do to the
// session.
func (s *session) beginText(ctx context.Context, c *call, query string) error {
	if err := s.begin(ctx, c); err != nil {
		return err
	}
	if s.known == nil || s.known.query != query || query == "" {
		s.known = s.p.effects.of(s.p, c.e.caps.profile.dialect, query)
	}
	c.text = s.known
	if c.text.demarcates && s.of != nil && !s.of.current().o.Bare {
		s.leave()
		return errOwnEnd
	}
	c.inTx = s.tx != nil || c.e.inTx
	c.e.note(c.text.effect)
	return nil
}

// end takes down how an operation ended. It returns errAgain when it is to be
// begun again, and else the error for the caller. harmless operations may be
// repeated even if the server has executed them.
func (s *session) end(c *call, err error, harmless bool) error {
	s.leave()
	first := !s.used
	s.used = true
	if c.text != nil && err != driver.ErrSkip {
		c.e.settled(s.p, c.text, err)
	}
	switch err {
	case nil:
		return nil
	case driver.ErrSkip:
		s.used = !first // nothing was sent
		s.asked = true
		return err
	}
	return s.fail(c, err, first, harmless)
}

var errAgain = errors.New("akari: begin again")

// fail decides what an error means for the connection and for the caller. Never
// does it return driver.ErrBadConn for a statement that the server may have
// executed: database/sql would send it again.
func (s *session) fail(c *call, err error, first, harmless bool) error {
	p, e := s.p, c.e
	if e.broken == errAborted { // the network error is the pool's own doing
		err = s.opCtx.Err()
	}
	if isContext(err) {
		s.cancelled = true
		if e.validator == nil {
			e.suspect = true // the driver cannot say whether the connection survived
		}
	}
	unsent, refused := nothingSent(e, err), wasRefused(err)
	fate := s.fate(c)
	found := p.judge(err)
	switch {
	case refused && c.kept && strings.HasPrefix(codeOf(err).state, "42") && e.caps.profile.dialect == DialectPostgreSQL:
		found = troubleStale // the text may be right again for the tables as they are now
	case refused && found == troubleBroken:
		e.doom.CompareAndSwap(0, uint32(CloseBroken)) // the session goes on until it is given back
		p.reportBroken(e, err)
		return err
	case found == troubleBroken && isNetwork(err) && e.probes.closed != nil && !e.probes.closed():
		found = troubleNone // an argument's own io.EOF, met while pgx encoded it
	case found == troubleNone && e.died() && !isContext(err):
		if refused { // lib/pq closes after a statement that was cancelled
			e.broken = err
			return err
		}
		found = troubleBroken
	}
	switch found {
	case troubleBroken:
		alone := first && s.tx == nil // nobody has seen anything of this connection
		if unsent && !alone && e.probes.closed != nil && !e.probes.closed() {
			return err // pgx, which is busy with rows that are open still
		}
		s.lost(err)
		switch {
		case alone && (unsent || harmless) && c.tries < maxTries && s.ctxAlive():
			s.rebind()
			return errAgain
		case fate == itsOwn && !unsent && !harmless:
			return &outcomeUnknown{err}
		}
	case troubleReadOnly:
		p.metReadOnly(e, s.txRO || e.changed&sessionstate.ReadOnlyTx != 0 || p.cfg.ReadOnly)
	case troubleStale:
		return s.stale(c, err)
	case troubleNone:
		open := e.probes.closed != nil && !e.probes.closed()
		if (isBadConn(err) || isNetwork(err) && !open) && fate == itsOwn && !unsent && !harmless {
			return &outcomeUnknown{err} // Config.Adjudicate may call it harmless, it is not
		}
	}
	return err
}

// fate is what becomes of a statement whose connection is lost.
type fate uint8

const (
	itsOwn        fate = iota // it may have been executed
	ofTransaction             // it is rolled back with the transaction that it is a part of
)

// fate says which it is. A text that may end the transaction it begins in, or
// begins one and ends it, has a fate of its own.
func (s *session) fate(c *call) fate {
	if c.inTx && (c.text == nil || !c.text.endsTx) {
		return ofTransaction
	}
	return itsOwn
}

// stale deals with a prepared statement that the tables, or the session, have
// changed under. Nothing was executed if it was but one statement; that is known
// of a prepared one, and of several in PostgreSQL, which executes all or none.
func (s *session) stale(c *call, err error) error {
	e := c.e
	again := !c.inTx && !e.inTx && c.tries < maxTries &&
		(c.prepared != nil || e.caps.profile.dialect == DialectPostgreSQL) &&
		(c.text == nil || c.text.effect&(sessionstate.Opaque|sessionstate.Prepared|sessionstate.TxBegin|sessionstate.TxEnd) == 0)
	if c.prepared != nil {
		e.stmts.discard(c.prepared)
		if again { // pgx would find the stale one by its text
			err = e.stmts.closeUnused(e.uses.Load())
		}
	}
	if again && !isBadConn(err) {
		return errAgain
	}
	return err
}

// reading notes that rows are being read. In a transaction that changes nothing.
func (s *session) reading() {
	if s.tx == nil {
		s.e.held(gripRows)
	}
}

// lost marks the connection as lost. After a cancelled statement that is the
// driver's doing, and says nothing about the others.
func (s *session) lost(err error) {
	s.e.broken = err
	if !s.cancelled {
		s.p.suspect()
		s.p.reportBroken(s.e, err)
	}
}

// useContext is the context for calls that come without one. A sql.Conn outlives
// the one it was made with; then only ConnectionTimeout bounds the wait.
func (s *session) useContext() context.Context {
	if s.ctx == nil {
		return context.Background()
	}
	if s.ctx.Err() != nil {
		return context.WithoutCancel(s.ctx)
	}
	return s.ctx
}

// ctxAlive reports whether the context that the use began with has time left.
func (s *session) ctxAlive() bool { return s.ctx == nil || s.ctx.Err() == nil }

// rebind gives a broken connection back before anybody else in database/sql has
// seen it, so that another one can take its place.
func (s *session) rebind() {
	u := s.use
	s.unbind()
	s.use = u
}

// CheckNamedValue lets the driver convert an argument. It comes before the
// operation and without a context, so a connection is not waited for here: if
// there is none yet the argument is converted when the operation has one.
func (s *session) CheckNamedValue(nv *driver.NamedValue) error {
	return s.check(nv, true)
}

// check is CheckNamedValue. With whole it does what database/sql would do for an
// argument that the driver has no opinion of.
func (s *session) check(nv *driver.NamedValue, whole bool) error {
	if s.e == nil {
		caps := s.p.caps.Load()
		if caps != nil && !caps.namedValueChk {
			return driver.ErrSkip
		}
		s.deferred = true
		return nil
	}
	if s.e.broken != nil { // the operation says so
		return nil
	}
	s.deferred = false
	s.inCall = true
	defer s.guard()
	err := driver.ErrSkip
	if s.e.caps.namedValueChk {
		err = s.e.conn.(driver.NamedValueChecker).CheckNamedValue(nv)
	}
	if err == driver.ErrSkip && whole {
		err = byDefault(nv)
	}
	s.inCall = false
	return err
}

// arguments converts, in place, those that CheckNamedValue has put off, the way
// database/sql does. Nothing has been sent if it fails.
func (s *session) arguments(e *entry, args []driver.NamedValue) ([]driver.NamedValue, error) {
	if !s.deferred {
		return args, nil
	}
	s.deferred = false
	var checker driver.NamedValueChecker
	if e.caps.namedValueChk {
		checker = e.conn.(driver.NamedValueChecker)
	}
	out := args[:0]
	for _, nv := range args {
		nv.Ordinal = len(out) + 1
		err := driver.ErrSkip
		if checker != nil {
			err = checker.CheckNamedValue(&nv)
		}
		for err == driver.ErrSkip { // again if a Valuer says that: so does database/sql
			nv.Value, err = driver.DefaultParameterConverter.ConvertValue(nv.Value)
		}
		switch err {
		case nil:
			out = append(out, nv)
		case driver.ErrRemoveArgument:
		default:
			s.leave()
			which := "$" + strconv.Itoa(nv.Ordinal)
			if nv.Name != "" {
				which = fmt.Sprintf("with name %q", nv.Name)
			}
			return nil, fmt.Errorf("sql: converting argument %s type: %w", which, err)
		}
	}
	return out, nil
}

// ExecContext runs a statement as database/sql would on the driver's own
// connection.
func (s *session) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if s.joined != nil {
		return s.joined.exec(ctx, s, query, args)
	}
	defer s.guard()
	for c := (call{}); ; {
		if err := s.beginText(ctx, &c, query); err != nil {
			return nil, err
		}
		var err error
		if args, err = s.arguments(c.e, args); err != nil { // once: the next attempt finds them converted
			return nil, err
		}
		var res driver.Result
		st, err := s.cached(ctx, &c, query, args)
		harmless := err != nil
		if err == nil {
			during, watch := s.watchStatement(ctx, c.e, st != nil)
			if st != nil {
				res, err = execPrepared(during, st, args)
			} else {
				res, err = execOn(during, c.e, query, args)
			}
			watch.end()
		}
		if err = s.end(&c, err, harmless); err == nil {
			return res, nil
		} else if err != errAgain {
			return nil, err
		}
	}
}

// QueryContext runs a query; the rows are the driver's own.
func (s *session) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if s.joined != nil {
		return s.joined.query(ctx, s, query, args)
	}
	defer s.guard()
	for c := (call{}); ; {
		if err := s.beginText(ctx, &c, query); err != nil {
			return nil, err
		}
		var err error
		if args, err = s.arguments(c.e, args); err != nil { // once: the next attempt finds them converted
			return nil, err
		}
		var rows driver.Rows
		st, err := s.cached(ctx, &c, query, args)
		harmless := err != nil
		if err == nil {
			during, watch := s.watchStatement(ctx, c.e, st != nil)
			if st != nil {
				rows, err = queryPrepared(during, st, args)
			} else {
				rows, err = queryOn(during, c.e, query, args)
			}
			rows = watched(rows, err, watch)
		}
		if err = s.end(&c, err, harmless); err == nil {
			s.reading()
			return rows, nil
		} else if err != errAgain {
			return nil, err
		}
	}
}

func execOn(ctx context.Context, e *entry, query string, args []driver.NamedValue) (driver.Result, error) {
	if e.pooled {
		var err error
		if args, err = throughPooler(e, args); err != nil {
			return nil, err
		}
	}
	switch {
	case e.caps.execContext:
		return e.conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	case e.caps.exec:
		values, err := unnamed(ctx, args)
		if err != nil {
			return nil, err
		}
		return e.conn.(driver.Execer).Exec(query, values)
	}
	return nil, driver.ErrSkip
}

func queryOn(ctx context.Context, e *entry, query string, args []driver.NamedValue) (driver.Rows, error) {
	if e.pooled {
		var err error
		if args, err = throughPooler(e, args); err != nil {
			return nil, err
		}
	}
	switch {
	case e.caps.queryContext:
		return e.conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	case e.caps.query:
		values, err := unnamed(ctx, args)
		if err != nil {
			return nil, err
		}
		return e.conn.(driver.Queryer).Query(query, values)
	}
	return nil, driver.ErrSkip
}

// unnamed is what database/sql does with arguments for drivers of before Go 1.8.
func unnamed(ctx context.Context, args []driver.NamedValue) ([]driver.Value, error) {
	values := make([]driver.Value, len(args))
	for i, a := range args {
		if a.Name != "" {
			return nil, errors.New("sql: driver does not support the use of Named Parameters")
		}
		values[i] = a.Value
	}
	return values, ctx.Err()
}

// Prepare is PrepareContext for callers of before Go 1.8.
func (s *session) Prepare(query string) (driver.Stmt, error) {
	return s.PrepareContext(context.Background(), query)
}

// Begin is BeginTx for callers of before Go 1.8.
func (s *session) Begin() (driver.Tx, error) {
	return s.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx begins a transaction. A connection that turns out to be lost is
// replaced: nothing is lost with an empty transaction.
//
// A second one on a sql.Conn is refused: MySQL would commit the first without a
// word, PostgreSQL would end both with the Commit or Rollback of either.
func (s *session) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	switch {
	case s.joined != nil:
		return s.joined.open(ctx, s, opts)
	case s.tx != nil:
		return nil, errTxOpen
	}
	defer s.guard()
	for c := (call{}); ; {
		if err := s.begin(ctx, &c); err != nil {
			return nil, err
		}
		if s.p.cfg.ReadOnly && c.e.caps.profile.beginsWritable {
			opts.ReadOnly = true
		}
		during, watch := s.watch(ctx, c.e)
		tx, err := beginOn(during, c.e, opts)
		watch.end()
		switch err = s.end(&c, err, true); {
		case err == nil:
			c.e.inTx = true
			s.tx, s.txCtx, s.txRO = tx, ctx, opts.ReadOnly
			c.e.task.began(ctx)
			c.e.held(gripRows) // it may be given to another goroutine, which is known once it uses it
			return (*transaction)(s), nil
		case err != errAgain:
			return nil, err
		}
	}
}

var errTxOpen = errors.New("akari: a transaction is open on this sql.Conn already: end it first, or use SAVEPOINT within it")

// beginOn does what database/sql does.
func beginOn(ctx context.Context, e *entry, opts driver.TxOptions) (driver.Tx, error) {
	if e.caps.beginTx {
		return e.conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	}
	if sql.IsolationLevel(opts.Isolation) != sql.LevelDefault {
		return nil, errors.New("sql: driver does not support non-default isolation level")
	}
	if opts.ReadOnly {
		return nil, errors.New("sql: driver does not support read-only transactions")
	}
	tx, err := e.conn.Begin()
	if err == nil && ctx.Err() != nil {
		_ = tx.Rollback()
		return nil, ctx.Err()
	}
	return tx, err
}

// Ping asks the server, on another connection if the first is lost.
func (s *session) Ping(ctx context.Context) error {
	if s.joined != nil {
		return s.joined.ping(ctx, s)
	}
	defer s.guard()
	for c := (call{}); ; {
		if err := s.begin(ctx, &c); err != nil {
			return err
		}
		var err error
		during, watch := s.watch(ctx, c.e)
		if c.e.caps.pinger {
			err = c.e.conn.(driver.Pinger).Ping(during)
		}
		watch.end()
		if err = s.end(&c, err, true); err != errAgain {
			return err
		}
	}
}

// transaction is the session as driver.Tx.
type transaction session

// Commit ends the transaction. If the connection is lost meanwhile, nobody
// knows whether it was committed.
func (t *transaction) Commit() error {
	return (*session)(t).endTx(driver.Tx.Commit, true)
}

// Rollback ends the transaction.
func (t *transaction) Rollback() error {
	return (*session)(t).endTx(driver.Tx.Rollback, false)
}

func (s *session) endTx(do func(driver.Tx) error, commit bool) error {
	e, tx := s.e, s.tx
	if e == nil || tx == nil {
		return driver.ErrBadConn // the connection went with a panic of the driver
	}
	if e.broken != nil {
		return driver.ErrBadConn
	}
	defer s.guard()
	ctx := s.txCtx
	if e.calling(); e.wasClosed { // as lib/pq does when a context ends
		e.broken = errClosedByDriver
		return driver.ErrBadConn
	}
	s.inCall = true
	var watch endWatch
	switch {
	case s.of != nil:
		watch = s.watchEnd(ctx, e)
	case !e.caps.profile.hangsUp: // which does not mind contexts here
		_, watch = s.watch(ctx, e)
	}
	err := do(tx)
	watch.end()
	s.inCall = false
	s.tx, s.txCtx = nil, nil
	e.task.over()
	if err == nil {
		e.inTx = false
		e.settleTables(s.p, true)
		if !commit && ctx.Err() != nil && (e.resetter == nil || e.validator == nil) && e.probes.txStatus == nil {
			// database/sql gives a connection up after a cancelled transaction
			// if its driver cannot say what state it is in.
			e.broken = ctx.Err()
		}
		return nil
	}
	if e.broken == errAborted {
		err = ctx.Err()
	}
	unknown := commit && !wasRefused(err) && !nothingSent(e, err)
	switch {
	case isContext(err):
		if unknown {
			return &outcomeUnknown{err}
		}
		return err
	case s.p.judge(err) != troubleBroken && !e.died():
		if unknown && isBadConn(err) {
			return &outcomeUnknown{err}
		}
		return err // e.inTx stays: whether it is over is seen to when the connection comes back
	}
	s.lost(err)
	if unknown {
		return &outcomeUnknown{err}
	}
	return err
}
