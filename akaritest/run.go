package akaritest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// outcome is what a text of one or more statements has come to.
type outcome struct {
	lastID, affected int64
	sets             []resultSet
}

// result makes no garbage for statements that change nothing.
func (o *outcome) result() driver.Result {
	if o.lastID == 0 {
		return driver.RowsAffected(o.affected)
	}
	return inserted{o.lastID, o.affected}
}

type inserted struct{ id, n int64 }

func (i inserted) LastInsertId() (int64, error) { return i.id, nil }
func (i inserted) RowsAffected() (int64, error) { return i.n, nil }

// run executes a text on a connection.
func (c *conn) run(ctx context.Context, text string, args []driver.NamedValue) (outcome, error) {
	var out outcome
	if err := c.executing(text); err != nil {
		return out, err
	}
	o := operands{server: c.server, args: args}
	rest := c.server.program(text)
	for {
		cmd, next, ok := nextCommand(rest)
		if !ok {
			return out, nil
		}
		rest = next
		o.verb, o.tail = cmd.word, cmd.tail
		if err := c.do(ctx, cmd.verb, &o, &out); err != nil {
			c.failTx()
			if endsConnection(err) {
				c.end(broken)
			}
			return out, err
		}
	}
}

// executing counts a text that the server is about to execute.
func (c *conn) executing(text string) error {
	s := c.server
	quiet := s.quiet.Load()
	if quiet && !s.profile.RowsBlock {
		return nil // do will look whether the connection can be used
	}
	if err := c.answer(); err != nil {
		return err
	}
	if quiet {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statements++
	s.executions[text]++
	return nil
}

// do executes one statement.
func (c *conn) do(ctx context.Context, v verb, o *operands, out *outcome) error {
	if v == sleepVerb {
		return c.sleep(ctx, o)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usableLocked(); err != nil {
		return err
	}
	if t := c.session.tx; t != nil && t.failed && v != rollbackVerb && v != commitVerb {
		return c.server.fail(transactionAborted, "%s: the transaction has failed; roll it back", o.verb)
	}
	switch v {
	case nop:
		return nil
	case setVerb, getVerb, resetVerb, discardVerb, stateVerb, tempVerb, lockVerb, unlockVerb:
		return c.doSession(v, o, out)
	case beginVerb, commitVerb, rollbackVerb, savepointVerb, releaseVerb:
		return c.doTransaction(v, o)
	case insertVerb, selectVerb, countVerb:
		return c.doLedger(v, o, out)
	case connVerb, rowsVerb, echoVerb, outVerb, failVerb:
		return c.doOther(v, o, out)
	case unknownVerb:
		return c.server.unknownStatement(o.verb)
	}
	panic(fmt.Sprintf("akaritest: bug: verb %s is not executed", o.verb))
}

// doSession executes the statements about the state of the session.
func (c *conn) doSession(v verb, o *operands, out *outcome) error {
	if v == stateVerb {
		out.sets = append(out.sets, resultSet{
			columns: []column{textColumn("name"), textColumn("value")},
			rows:    c.stateLocked(),
		})
		return nil
	}
	name, err := o.word()
	if err != nil {
		return err
	}
	s := &c.session
	all := strings.EqualFold(name, "ALL")
	switch v {
	case setVerb:
		value, err := o.rest()
		if err != nil {
			return err
		}
		s.set(name, value)
	case getVerb:
		row := []driver.Value{nil}
		if value, ok := s.vars[name]; ok {
			row[0] = value
		}
		out.sets = append(out.sets, resultSet{
			columns: []column{varcharColumn(name)},
			rows:    [][]driver.Value{row},
		})
	case resetVerb:
		for _, key := range slices.Collect(maps.Keys(s.vars)) {
			if all || key == name {
				s.reset(key)
			}
		}
	case discardVerb:
		if !all {
			return c.server.fail(badStatement, "DISCARD %s: only DISCARD ALL is known", name)
		}
		if s.tx != nil {
			return c.server.fail(transactionOpen, "DISCARD ALL: a transaction is open")
		}
		c.clearLocked()
	case tempVerb:
		if !s.addTemp(name) {
			return c.server.fail(tempExists, "TEMP %s: the session has one of that name", name)
		}
	case lockVerb:
		if !c.lock(name) {
			return c.server.fail(lockTaken, "LOCK %s: another session holds it", name)
		}
	case unlockVerb:
		if all {
			c.unlockAll()
		} else {
			c.unlock(name)
		}
	}
	return nil
}

// stateLocked lists what the next borrower of the connection would find.
func (c *conn) stateLocked() [][]driver.Value {
	var state [][]driver.Value
	for _, key := range slices.Sorted(maps.Keys(c.session.vars)) {
		state = append(state, []driver.Value{"set " + key, c.session.vars[key]})
	}
	for _, name := range slices.Sorted(maps.Keys(c.session.temps)) {
		state = append(state, []driver.Value{"temp " + name, ""})
	}
	for _, name := range c.heldLocks() {
		state = append(state, []driver.Value{"lock " + name, ""})
	}
	if t := c.session.tx; t != nil {
		kind := "read write"
		if t.opts.ReadOnly {
			kind = "read only"
		}
		state = append(state, []driver.Value{"transaction", kind})
	}
	return state
}

// doTransaction executes the statements about transactions. COMMIT and ROLLBACK
// do nothing where there is no transaction.
func (c *conn) doTransaction(v verb, o *operands) error {
	s := &c.session
	switch {
	case v == beginVerb:
		readOnly := strings.EqualFold(o.tail, "READ ONLY")
		if o.tail != "" && !readOnly {
			return c.server.fail(badStatement, "BEGIN %s: only BEGIN READ ONLY is known", o.tail)
		}
		return c.beginLocked(driver.TxOptions{ReadOnly: readOnly})
	case v == commitVerb && s.tx != nil:
		return c.commitLocked()
	case v == rollbackVerb && o.tail == "" && s.tx != nil:
		return c.rollbackLocked()
	case v == commitVerb, v == rollbackVerb && o.tail == "":
		return nil
	}
	return c.doSavepoint(v, o)
}

// doSavepoint executes SAVEPOINT name, ROLLBACK TO [SAVEPOINT] name and RELEASE
// [SAVEPOINT] name.
func (c *conn) doSavepoint(v verb, o *operands) error {
	t := c.session.tx
	if t == nil {
		return c.server.fail(noTransaction, "%s: no transaction is open", o.verb)
	}
	name, err := o.word()
	if v == rollbackVerb {
		if !strings.EqualFold(name, "TO") {
			return c.server.fail(badStatement, "ROLLBACK %s: only ROLLBACK TO is known", name)
		}
		name, err = o.word()
	}
	if v != savepointVerb && strings.EqualFold(name, "SAVEPOINT") { // a word that may be left out
		name, err = o.word()
	}
	if err != nil {
		return err
	}
	if v == savepointVerb {
		t.savepoints = append(t.savepoints, savepoint{name, len(t.undo)})
		return nil
	}
	i, ok := t.find(name)
	if !ok {
		return c.server.fail(noSavepoint, "%s: no savepoint %s", o.verb, name)
	}
	if v == releaseVerb {
		t.savepoints = t.savepoints[:i]
		return nil
	}
	t.back(t.savepoints[i].mark)
	t.savepoints = t.savepoints[:i+1]
	t.failed = false
	return nil
}

// doLedger executes INSERT, SELECT and COUNT.
func (c *conn) doLedger(v verb, o *operands, out *outcome) error {
	s := c.server
	if v == countVerb {
		s.mu.Lock()
		n := s.ledger.count(c)
		s.mu.Unlock()
		out.sets = append(out.sets, resultSet{
			columns: []column{decimalColumn("count")},
			rows:    [][]driver.Value{{int64(n)}},
		})
		return nil
	}
	id, err := o.number()
	if err != nil {
		return err
	}
	if v == insertVerb {
		if err := c.insertLocked(id); err != nil {
			return err
		}
		out.lastID = id
		out.affected++
		return nil
	}
	set := resultSet{columns: []column{bigintColumn("id")}}
	s.mu.Lock()
	visible := s.ledger.visible(id, c)
	s.mu.Unlock()
	if visible {
		set.rows = [][]driver.Value{{id}}
	}
	out.sets = append(out.sets, set)
	return nil
}

// doOther executes the statements that need no state.
func (c *conn) doOther(v verb, o *operands, out *outcome) error {
	switch v {
	case connVerb:
		out.sets = append(out.sets, resultSet{
			columns: []column{bigintColumn("conn")},
			rows:    [][]driver.Value{{int64(c.id)}},
		})
	case rowsVerb:
		n, err := o.number()
		if err != nil {
			return err
		}
		if n < 0 {
			return c.server.fail(badStatement, "ROWS %d: a number of rows cannot be negative", n)
		}
		out.sets = append(out.sets, resultSet{columns: []column{bigintColumn("n")}, numbers: int(n)})
	case echoVerb:
		out.sets = append(out.sets, echo(o.args))
		o.args = nil
	case outVerb:
		return c.assignOuts(o)
	case failVerb:
		return o.failure()
	}
	return nil
}

// echo returns the arguments as they arrived.
func echo(args []driver.NamedValue) resultSet {
	set := resultSet{columns: []column{
		bigintColumn("ordinal"), textColumn("name"), textColumn("type"), anyColumn("value"),
	}}
	for _, arg := range args {
		value := arg.Value
		if _, ok := value.(sql.Out); ok {
			value = nil
		}
		set.rows = append(set.rows, []driver.Value{
			int64(arg.Ordinal), arg.Name, fmt.Sprintf("%T", arg.Value), value,
		})
	}
	return set
}

// assignOuts is the statement OUT.
func (c *conn) assignOuts(o *operands) error {
	text, err := o.rest()
	if err != nil {
		return err
	}
	for _, arg := range o.args {
		if param, ok := arg.Value.(sql.Out); ok {
			if err := assign(param.Dest, text); err != nil {
				return c.server.fail(badArguments, "OUT: argument %d: %v", arg.Ordinal, err)
			}
		}
	}
	o.args = nil
	return nil
}

// sleep is the statement SLEEP. It ends early with its context or its
// connection.
func (c *conn) sleep(ctx context.Context, o *operands) error {
	d, err := o.duration()
	if err != nil {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		c.cancelled()
		return ctx.Err()
	case <-c.gone:
		return c.answer()
	}
}
