package akari

import (
	"context"
	"database/sql/driver"
	"log/slog"
	"slices"
)

// prepared is a statement prepared on one connection.
type prepared struct {
	text string
	stmt driver.Stmt
	gone bool // closed, or lost with the session

	calls int // how many it was used for

	// user is the handle that uses it in the loan userIn. Another handle of
	// the same loan, with the same text, gets a statement of its own: rows of
	// the first may still be open.
	user   *stmt
	userIn int64

	prev, next *prepared
}

// statements are those prepared on one connection, known by their text, the one
// used last first. They belong to the holder of the connection.
type statements struct {
	limit       int // keep no more than this between loans, and twice as many within one
	byText      map[string]*prepared
	first, last *prepared
	leftOver    []*prepared // not among byText, to be closed between loans

	tableChanges int64 // Pool.tableChanges when they were looked through last
}

// explicitStatements is how many statements that a program has prepared itself
// are kept per connection where the pool caches none of its own.
const explicitStatements = 100

// get finds a statement and marks it as used.
func (st *statements) get(text string) *prepared {
	p := st.byText[text]
	if p != nil && p != st.first {
		st.unlink(p)
		st.pushFront(p)
	}
	return p
}

func (st *statements) put(p *prepared) {
	if st.byText == nil {
		st.byText = map[string]*prepared{}
	}
	st.byText[p.text] = p
	st.pushFront(p)
}

func (st *statements) pushFront(p *prepared) {
	p.prev, p.next = nil, st.first
	if st.first != nil {
		st.first.prev = p
	} else {
		st.last = p
	}
	st.first = p
}

func (st *statements) unlink(p *prepared) {
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		st.first = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	} else {
		st.last = p.prev
	}
	p.prev, p.next = nil, nil
}

// drop takes a statement out without closing it.
func (st *statements) drop(p *prepared) {
	if st.byText[p.text] == p {
		delete(st.byText, p.text)
		st.unlink(p)
	}
	p.gone = true
}

// discard takes a statement out that is to be closed between loans.
func (st *statements) discard(p *prepared) {
	if p.gone {
		return
	}
	if st.byText[p.text] == p {
		st.leftOver = append(st.leftOver, p)
	}
	st.drop(p)
}

// discardAll takes all out, to be closed between loans.
func (st *statements) discardAll() {
	for st.last != nil {
		st.discard(st.last)
	}
}

// unshare takes all out for those who look for a text from now on: to the
// session it means something else. A statement that a handle has prepared in
// this loan stays as it is for that handle, as it would without a pool.
func (st *statements) unshare(loan int64) {
	for p := st.last; p != nil; p = st.last {
		if p.user == nil || p.userIn != loan {
			st.discard(p)
			continue
		}
		delete(st.byText, p.text)
		st.unlink(p)
		st.leftOver = append(st.leftOver, p)
	}
}

// closeUnused closes what was left over, but for those in use by a handle.
func (st *statements) closeUnused(loan int64) error {
	var keep []*prepared
	st.leftOver = slices.DeleteFunc(st.leftOver, func(p *prepared) bool {
		used := !p.gone && p.user != nil && p.userIn == loan
		if used {
			keep = append(keep, p)
		}
		return used
	})
	err := st.closeLeftOver()
	st.leftOver = append(st.leftOver, keep...)
	return err
}

// makeRoom is called before another statement is prepared: within a loan no more
// are kept than twice the limit, and of what was left over as many. Those used
// longest ago are closed, but for those that a handle of the program's has
// prepared in the loan. The rest is done between loans, where nobody waits for it.
func (st *statements) makeRoom(loan int64) error {
	if len(st.leftOver) >= st.limit {
		if err := st.closeUnused(loan); err != nil {
			return err
		}
	}
	for p := st.last; p != nil && len(st.byText) >= 2*st.limit; {
		oldest := p
		p = p.prev
		if oldest.user != nil && oldest.userIn == loan {
			continue
		}
		st.drop(oldest)
		if err := oldest.stmt.Close(); err != nil {
			return err
		}
	}
	return nil
}

// closeAll closes all, before a connection of a driver that keeps its database
// in the process: SQLite holds the file open until the last statement is gone.
func (st *statements) closeAll() {
	st.discardAll()
	_ = st.closeLeftOver() // the connection is next, and its error is reported
}

// forget forgets all: the server has dropped them, or will with the connection.
func (st *statements) forget() {
	for st.first != nil {
		st.drop(st.first)
	}
	st.leftOver = nil
}

// untidy reports whether there is something to close.
func (st *statements) untidy() bool { return len(st.leftOver) > 0 || len(st.byText) > st.limit }

// tidy closes what was discarded, and those above the limit that have not been
// used for longest. Only between loans: no rows of theirs are open then.
func (st *statements) tidy() error {
	for len(st.byText) > st.limit {
		st.discard(st.last)
	}
	return st.closeLeftOver()
}

// closeLeftOver closes what is not to be used again. An error matters only if it
// says that the connection is lost.
func (st *statements) closeLeftOver() error {
	for len(st.leftOver) > 0 {
		p := st.leftOver[0]
		st.leftOver = st.leftOver[1:] // before: the driver may panic, and none is closed twice
		if err := p.stmt.Close(); err != nil && isBadConn(err) {
			return err
		}
	}
	return nil
}

// statementLimit is how many statements a connection of the driver keeps.
func (p *Pool) statementLimit(d *profile) int {
	if p.cfg.StatementCacheSize > 0 {
		return p.cfg.StatementCacheSize
	}
	return max(d.statementCache, explicitStatements)
}

// caches reports whether the pool keeps statements that nobody asked to be
// prepared.
func (p *Pool) caches(d *profile) bool {
	n := p.cfg.StatementCacheSize
	return (n > 0 || n == 0 && d.statementCache > 0) && !p.noCache.Load()
}

// makeRoom closes the statements that a connection keeps, and has the pool keep
// no more, when the server has no room for another one
// (max_prepared_stmt_count, which counts those of all connections).
func (p *Pool) makeRoom(e *entry) error {
	if p.noCache.CompareAndSwap(false, true) {
		p.log(slog.LevelWarn, "The server holds as many prepared statements as it allows (max_prepared_stmt_count): the pool keeps none from now on; see Config.StatementCacheSize")
	}
	e.stmts.unshare(e.uses.Load())
	return e.stmts.closeUnused(e.uses.Load())
}

// cached returns the statement that a parametrised text is executed with, which
// saves a round trip, or nil if it is to be sent as it is. Only for drivers that
// prepare every such text, one result at a time, and from the second time on: a
// text that occurs once would cost a round trip more.
func (s *session) cached(ctx context.Context, c *call, query string, args []driver.NamedValue) (driver.Stmt, error) {
	e, d := c.e, &c.e.caps.profile
	if len(args) == 0 || !d.prepares || e.pooled || e.probes.wholeStatements || c.text.copies || !s.p.caches(d) || c.text.seen.Add(1) == 1 {
		return nil, nil
	}
	p, err := s.prepared(ctx, e, query, nil)
	if err != nil {
		return nil, err
	}
	c.prepared, c.kept = p, p.calls > 0
	p.calls++
	return p.stmt, nil
}

// PrepareContext prepares a statement on the connection of this use. The handle
// it returns is not bound to that connection: in later uses of the session it
// prepares, or finds, its statement on whatever connection there is then.
//
// database/sql comes here too for a parametrised statement that the driver wants
// prepared (ErrSkip).
func (s *session) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if s.joined != nil {
		return s.joined.prepare(ctx, s, query)
	}
	return s.prepareFor(ctx, s, query)
}

// prepareFor is PrepareContext for a handle of session holder, which may be another
// one that has joined this one's transaction.
func (s *session) prepareFor(ctx context.Context, holder *session, query string) (driver.Stmt, error) {
	defer s.guard()
	implicit := s.asked
	s.asked = false
	for c := (call{}); ; {
		if err := s.beginText(ctx, &c, query); err != nil {
			return nil, err
		}
		h := &stmt{s: holder, text: query, inputs: -1}
		if c.e.pooled {
			// A prepared statement lives on one server connection, and the
			// pooler changes that with every transaction.
			return h, s.end(&c, nil, false)
		}
		h.kept = s.p.caches(&c.e.caps.profile) && (!implicit || c.text.seen.Add(1) > 1)
		p, err := h.ready(ctx, s, &c)
		if err = s.end(&c, err, true); err == errAgain {
			continue
		} else if err != nil {
			return nil, err
		}
		if c.text.copies {
			c.e.stmts.drop(p)
			if s.of != nil {
				return &sharedStmt{p.stmt, s.of.current()}, nil
			}
			return p.stmt, nil // lib/pq's COPY is no statement like others
		}
		h.inputs = p.stmt.NumInput()
		_, h.checks = p.stmt.(driver.NamedValueChecker)
		if _, ok := p.stmt.(driver.ColumnConverter); ok {
			return convertingStmt{h}, nil
		}
		return h, nil
	}
}

// stmt is a handle on a statement, as database/sql keeps it with a session.
type stmt struct {
	s      *session
	text   string
	inputs int  // what NumInput says; it depends on the text alone
	kept   bool // the statement stays with the connection when this handle is closed
	checks bool // the driver's statements check arguments themselves

	// The prepared statement in use, good for one loan of one connection.
	p    *prepared
	on   *entry
	loan int64
}

var (
	_ driver.StmtExecContext   = (*stmt)(nil)
	_ driver.StmtQueryContext  = (*stmt)(nil)
	_ driver.NamedValueChecker = (*stmt)(nil)
)

// ready finds or prepares the statement on the connection of c, which is that of s.
func (h *stmt) ready(ctx context.Context, s *session, c *call) (*prepared, error) {
	e := c.e
	loan := e.uses.Load()
	if h.p == nil || h.on != e || h.loan != loan || h.p.gone { // gone is for the holder to read: last
		p, err := s.prepared(ctx, e, h.text, h)
		if err != nil {
			return nil, err
		}
		h.p, h.on, h.loan = p, e, loan
	}
	c.prepared, c.kept = h.p, h.p.calls > 0
	h.p.calls++
	return h.p, nil
}

// prepared finds or prepares a statement on a connection, for a handle or, if
// that is nil, for one call.
func (s *session) prepared(ctx context.Context, e *entry, text string, h *stmt) (*prepared, error) {
	loan := e.uses.Load()
	e.freshStatements(s.p)
	p := e.stmts.get(text)
	shared := p != nil && h != nil && p.user != nil && p.user != h && p.userIn == loan
	if p == nil || shared {
		if err := e.stmts.makeRoom(loan); err != nil {
			return nil, err
		}
		during, watch := s.watch(ctx, e)
		st, err := prepareOn(during, e.conn, text)
		if err != nil && codeOf(err).number == 1461 && s.p.makeRoom(e) == nil {
			st, err = prepareOn(during, e.conn, text)
		}
		watch.end()
		if err != nil {
			return nil, err
		}
		p = &prepared{text: text, stmt: st}
		if shared {
			e.stmts.leftOver = append(e.stmts.leftOver, p)
		} else {
			e.stmts.put(p)
		}
		s.p.stats.statementMisses.Add(1)
	} else {
		s.p.stats.statementHits.Add(1)
	}
	if h != nil {
		p.user, p.userIn = h, loan
	}
	return p, nil
}

// Close ends the handle. The statement is closed with it, unless it is kept, or
// is on a connection that somebody else has by now: there it is closed when its
// turn comes.
func (h *stmt) Close() error {
	if t := h.s.joined; t != nil {
		t.seize()
		defer t.leave()
		return h.close(t.s)
	}
	return h.close(h.s)
}

// close is Close, with the connection of s.
func (h *stmt) close(s *session) error {
	p, e := h.p, h.on
	h.p, h.on = nil, nil
	if p == nil || s.e != e || e.uses.Load() != h.loan || e.broken != nil || p.gone {
		return nil
	}
	p.user = nil
	cached := e.stmts.byText[h.text] == p
	if h.kept && cached {
		return nil
	}
	e.stmts.drop(p)
	e.stmts.leftOver = slices.DeleteFunc(e.stmts.leftOver, func(l *prepared) bool { return l == p })
	defer s.guard()
	s.inCall = true
	err := p.stmt.Close()
	s.inCall = false
	return err
}

// NumInput returns the number of parameters, -1 if it is not known.
func (h *stmt) NumInput() int { return h.inputs }

// ExecContext executes the statement on the connection of this use.
func (h *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if t := h.s.joined; t != nil {
		on, err := t.enter(ctx, h.s)
		if err != nil {
			return nil, err
		}
		defer t.leave()
		res, err := h.exec(ctx, on, args)
		return res, t.executed(err)
	}
	return h.exec(ctx, h.s, args)
}

func (h *stmt) exec(ctx context.Context, s *session, args []driver.NamedValue) (driver.Result, error) {
	defer s.guard()
	for c := (call{}); ; {
		if err := s.beginText(ctx, &c, h.text); err != nil {
			return nil, err
		}
		var res driver.Result
		p, err := h.statement(ctx, s, &c)
		harmless := err != nil
		if err == nil {
			during, watch := s.watchStatement(ctx, c.e, p != nil)
			if p == nil {
				res, err = execOn(during, c.e, h.text, args)
			} else {
				res, err = execPrepared(during, p.stmt, args)
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

// QueryContext executes the query on the connection of this use.
func (h *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if t := h.s.joined; t != nil {
		on, err := t.enter(ctx, h.s)
		if err != nil {
			return nil, err
		}
		defer t.leave()
		return t.got(h.query(ctx, on, args))
	}
	return h.query(ctx, h.s, args)
}

func (h *stmt) query(ctx context.Context, s *session, args []driver.NamedValue) (driver.Rows, error) {
	defer s.guard()
	for c := (call{}); ; {
		if err := s.beginText(ctx, &c, h.text); err != nil {
			return nil, err
		}
		var rows driver.Rows
		p, err := h.statement(ctx, s, &c)
		harmless := err != nil
		if err == nil {
			during, watch := s.watchStatement(ctx, c.e, p != nil)
			if p == nil {
				rows, err = queryOn(during, c.e, h.text, args)
			} else {
				rows, err = queryPrepared(during, p.stmt, args)
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

// statement is ready, or nil where statements are not prepared.
func (h *stmt) statement(ctx context.Context, s *session, c *call) (*prepared, error) {
	if c.e.pooled {
		return nil, nil
	}
	return h.ready(ctx, s, c)
}

func execPrepared(ctx context.Context, st driver.Stmt, args []driver.NamedValue) (driver.Result, error) {
	if st, ok := st.(driver.StmtExecContext); ok {
		return st.ExecContext(ctx, args)
	}
	values, err := unnamed(ctx, args)
	if err != nil {
		return nil, err
	}
	return st.Exec(values)
}

func queryPrepared(ctx context.Context, st driver.Stmt, args []driver.NamedValue) (driver.Rows, error) {
	if st, ok := st.(driver.StmtQueryContext); ok {
		return st.QueryContext(ctx, args)
	}
	values, err := unnamed(ctx, args)
	if err != nil {
		return nil, err
	}
	return st.Query(values)
}

// Exec is never called by database/sql: there is ExecContext.
func (h *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return h.ExecContext(context.Background(), numbered(args))
}

// Query is never called by database/sql: there is QueryContext.
func (h *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return h.QueryContext(context.Background(), numbered(args))
}

func numbered(args []driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return out
}

// with calls f with the statement, for calls that come before the operation and
// without a context, and returns false if it is not to be had: the operation, which
// comes next, says so.
func (h *stmt) with(f func(on *session, st driver.Stmt)) bool {
	s, ctx := h.s, h.s.useContext()
	if t := s.joined; t != nil {
		on, err := t.enter(ctx, s)
		if err == nil {
			defer t.leave()
			if err = h.withOn(ctx, on, f); err == nil {
				return true
			}
			err = t.settle(err)
		}
		s.failed = err
		return false
	}
	s.failed = h.withOn(ctx, s, f)
	return s.failed == nil
}

// withOn is with on the connection of s.
func (h *stmt) withOn(ctx context.Context, s *session, f func(on *session, st driver.Stmt)) error {
	e, err := s.bind(ctx)
	if err != nil {
		return err
	}
	defer s.guard()
	var st driver.Stmt
	if !e.pooled {
		s.inCall = true
		p, err := h.ready(ctx, s, &call{e: e})
		s.inCall = false
		if err != nil {
			return err
		}
		st = p.stmt
	}
	s.inCall = true
	f(s, st)
	s.inCall = false
	return nil
}

// CheckNamedValue lets the driver's statement convert an argument, or else its
// connection.
func (h *stmt) CheckNamedValue(nv *driver.NamedValue) error { return h.check(nv, true) }

// check is CheckNamedValue, see session.check.
func (h *stmt) check(nv *driver.NamedValue, whole bool) (err error) {
	if !h.checks && h.s.e != nil {
		return h.s.check(nv, whole)
	}
	h.with(func(on *session, st driver.Stmt) {
		switch checker, ok := st.(driver.NamedValueChecker); {
		case !h.checks:
			err = on.check(nv, whole)
		case ok:
			if err = checker.CheckNamedValue(nv); err == driver.ErrSkip && whole {
				err = byDefault(nv)
			}
		}
	})
	return err
}

// byDefault converts an argument as database/sql does where the driver has no
// opinion. It asks Valuers, which may panic: database/sql would not give the
// connection back after that.
func byDefault(nv *driver.NamedValue) (err error) {
	nv.Value, err = driver.DefaultParameterConverter.ConvertValue(nv.Value)
	return err
}

// convertingStmt is a handle on a statement of a driver that converts arguments
// by column.
type convertingStmt struct{ *stmt }

// ColumnConverter returns the driver's converter for a parameter.
func (h convertingStmt) ColumnConverter(i int) driver.ValueConverter {
	var c driver.ValueConverter = driver.DefaultParameterConverter
	h.with(func(_ *session, st driver.Stmt) {
		if converts, ok := st.(driver.ColumnConverter); ok {
			c = converts.ColumnConverter(i)
		}
	})
	return c
}

// CheckNamedValue leaves to ColumnConverter what the driver has no opinion of.
func (h convertingStmt) CheckNamedValue(nv *driver.NamedValue) error { return h.check(nv, false) }
