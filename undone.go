package akari

import (
	"context"
	"time"

	"github.com/akaripool/akari/sqlerr"
)

// undoing is what an error of a statement undoes besides the statement.
type undoing uint8

const (
	statementUndone undoing = iota // nothing: the transaction goes on
	untilRollback                  // PostgreSQL refuses all until a rollback, to a savepoint at least
	allUndone                      // the server has rolled the transaction back
)

// mysqlUndoes are MySQL's errors of a transaction that the server has rolled back:
// what follows on the connection would be executed by itself, and stay (MySQL bug
// 36959 of MariaDB's tracker).
var mysqlUndoes = map[int]bool{
	1213: true, // deadlock
	1020: true, // MariaDB: the record has changed since last read
	1614: true, // XA: deadlock
	1613: true, // XA: time-out
}

// sqliteUndoes are primary result codes of SQLite after which it may have rolled
// the transaction back ("Response To Errors Within A Transaction" of its manual).
var sqliteUndoes = map[int]bool{
	7:  true, // out of memory
	9:  true, // interrupted, as by the end of a context
	10: true, // input or output
	11: true, // corrupt
	13: true, // disk full
}

// undone says what an error has undone.
func (p *Pool) undone(e *entry, err error) undoing {
	c := codeOf(err)
	switch e.caps.profile.dialect {
	case DialectPostgreSQL:
		if e.failedTx() || e.probes.txStatus == nil && c.state != "" && c.state != "00000" {
			return untilRollback
		}
	case DialectMySQL:
		if mysqlUndoes[c.number] || c.number == 1205 && p.timeoutUndoes(e) {
			return allUndone
		}
	case DialectSQLite:
		if isContext(err) || sqlerr.ServerOf(err) == sqlerr.SQLite && sqliteUndoes[sqliteResult(err)] {
			return allUndone
		}
	}
	return statementUndone
}

// sqliteResult is the primary result code of an error of SQLite.
func sqliteResult(err error) int {
	_, code := sqlerr.Code(err)
	return code & 0xff
}

// failedTx reports whether PostgreSQL refuses all statements, as far as the driver
// says.
func (e *entry) failedTx() bool { return e.probes.txStatus != nil && e.probes.txStatus() == 'E' }

// outsideTx reports whether no transaction is open any more, after a statement that
// has succeeded.
func (e *entry) outsideTx() bool {
	if e.probes.txStatus != nil {
		return e.probes.txStatus() == 'I'
	}
	return !e.inTx
}

// timeoutUndoes asks a MySQL server, once, whether a lock wait that takes too long
// undoes the whole transaction (innodb_rollback_on_timeout), as otherwise only the
// statement.
func (p *Pool) timeoutUndoes(e *entry) bool {
	if known := p.rollsBackOnTimeout.Load(); known != nil {
		return *known
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	row, err := queryTextRow(ctx, e.conn, "SELECT @@innodb_rollback_on_timeout")
	if err != nil {
		return true // not known: the transaction is better lost than half committed
	}
	undoes := row[0] != "0"
	p.rollsBackOnTimeout.Store(&undoes)
	return undoes
}
