package sqlerr

import "strconv"

// Class is what an error means for the program. An error that is alone is of
// one class.
type Class uint8

// The classes. What belongs to each says the predicate of its name.
const (
	Unknown            Class = iota // none of the others, or no error at all
	Duplicate                       // a unique or primary key is taken: [IsDuplicate]
	ForeignKey                      // a row that is referred to is missing, or is still referred to: [IsForeignKey]
	NotNull                         // a value is missing: [IsNotNull]
	Check                           // a CHECK constraint says no: [IsCheck]
	Constraint                      // another constraint, or the database does not say which; [IsConstraint] has all five
	Deadlock                        // chosen to break a deadlock: [IsDeadlock]
	Serialization                   // overtaken by another transaction: [IsSerialization]
	LockTimeout                     // a lock was not to be had in time: [IsLockTimeout]
	Cancelled                       // ended by request, or its time ran out: [IsCancelled]
	ReadOnly                        // the transaction, or the server, takes no writes: [IsReadOnly]
	ConnectionLost                  // the connection ended, or could not be made: [IsConnectionLost]
	TooManyConnections              // the server has no room for another connection: [IsTooManyConnections]
	Syntax                          // the text is not SQL: [IsSyntax]
	Undefined                       // a table, a column, … does not exist: [IsUndefined]
)

var classNames = [...]string{
	"unknown", "duplicate", "foreign key", "not null", "check", "constraint", "deadlock", "serialization", "lock timeout",
	"cancelled", "read-only", "connection lost", "too many connections", "syntax", "undefined",
}

// String is the name in words, such as "foreign key".
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "Class(" + strconv.Itoa(int(c)) + ")"
}

// Of returns the class of an error: that of the first error in its tree that
// has one, and Unknown if there is none. Where errors are joined it may be of
// several; the predicates see them all.
func Of(err error) Class { return diagnose(err).first }

// IsDuplicate reports whether a unique constraint, a unique index or a primary
// key has been violated.
//
// PostgreSQL: 23505 unique_violation. MySQL and MariaDB: 1062 ER_DUP_ENTRY,
// 1586 ER_DUP_ENTRY_WITH_KEY_NAME, and the rarer 1022 ER_DUP_KEY, 1169
// ER_DUP_UNIQUE, 1761 and 1762 ER_FOREIGN_DUPLICATE_KEY_… (a cascade met a
// duplicate), 1859 ER_DUP_UNKNOWN_IN_INDEX. SQLite: 2067
// SQLITE_CONSTRAINT_UNIQUE, 1555 SQLITE_CONSTRAINT_PRIMARYKEY, 2579
// SQLITE_CONSTRAINT_ROWID. SQL Server: 2627 (constraint), 2601 (index). Oracle:
// ORA-00001.
func IsDuplicate(err error) bool { return diagnose(err).has(Duplicate) }

// IsForeignKey reports whether a foreign key has been violated, from either
// side: the row referred to does not exist, or it is to go and others refer to
// it.
//
// PostgreSQL: 23503 foreign_key_violation, 23001 restrict_violation (from
// version 18 on what ON DELETE RESTRICT says). MySQL and MariaDB: 1451
// ER_ROW_IS_REFERENCED_2, 1452 ER_NO_REFERENCED_ROW_2, 1216 and 1217 for users
// who may not see the other table. SQLite: 787 SQLITE_CONSTRAINT_FOREIGNKEY. SQL
// Server: 547 whose text says FOREIGN KEY or REFERENCE. Oracle: ORA-02291,
// ORA-02292.
func IsForeignKey(err error) bool { return diagnose(err).has(ForeignKey) }

// IsNotNull reports whether a value is missing in a column that must have one.
//
// PostgreSQL: 23502 not_null_violation. MySQL and MariaDB: 1048
// ER_BAD_NULL_ERROR, 1364 ER_NO_DEFAULT_FOR_FIELD (the column was left out), 1263
// ER_WARN_NULL_TO_NOTNULL. SQLite: 1299 SQLITE_CONSTRAINT_NOTNULL. SQL Server:
// 515. Oracle: ORA-01400, ORA-01407.
func IsNotNull(err error) bool { return diagnose(err).has(NotNull) }

// IsCheck reports whether a CHECK constraint has been violated.
//
// PostgreSQL: 23514 check_violation. MySQL: 3819 ER_CHECK_CONSTRAINT_VIOLATED.
// MariaDB: 4025 ER_CONSTRAINT_FAILED with its SQLSTATE 23000 (MySQL has another
// error of that number). SQLite: 275 SQLITE_CONSTRAINT_CHECK. SQL Server: 547
// whose text says CHECK. Oracle: ORA-02290.
func IsCheck(err error) bool { return diagnose(err).has(Check) }

// IsConstraint reports whether the data do not fit, whichever constraint says
// so: all of IsDuplicate, IsForeignKey, IsNotNull and IsCheck, and what is left
// of SQLSTATE class 23 (PostgreSQL's exclusion constraints, 23P01), of SQLite's
// SQLITE_CONSTRAINT (19), and of SQL Server's 547.
func IsConstraint(err error) bool {
	return diagnose(err).has(Duplicate, ForeignKey, NotNull, Check, Constraint)
}

// IsDeadlock reports whether the server has ended this transaction to break a
// deadlock.
//
// PostgreSQL: 40P01 deadlock_detected. MySQL and MariaDB: 1213
// ER_LOCK_DEADLOCK, which Galera says of conflicts between nodes too, and 1614
// ER_XA_RBDEADLOCK. SQL Server: 1205. Oracle: ORA-00060. SQLite has no deadlocks
// that it tells from a time-out.
//
// MySQL and MariaDB have rolled back the transaction already; what is executed
// in it after this error is committed on its own.
func IsDeadlock(err error) bool { return diagnose(err).has(Deadlock) }

// IsSerialization reports whether the transaction cannot go on because another
// one has changed what it has read, or was about to write.
//
// SQLSTATE 40001 serialization_failure: PostgreSQL under REPEATABLE READ and
// SERIALIZABLE, by a statement or by COMMIT, and its standbys when replay ends a
// query; CockroachDB under any isolation. MariaDB: 1020 ER_CHECKREAD (with
// innodb_snapshot_isolation, the default from 11.6.2 on). MySQL: 3101
// ER_TRANSACTION_ROLLBACK_DURING_COMMIT and 1180 ER_ERROR_DURING_COMMIT whose
// text says "error 149", by group replication. SQLite: 517
// SQLITE_BUSY_SNAPSHOT. SQL Server: 3960 (snapshot isolation), 41301, 41302,
// 41305 and 41325 (tables in memory). Oracle: ORA-08177.
func IsSerialization(err error) bool { return diagnose(err).has(Serialization) }

// IsLockTimeout reports whether a lock was not to be had in the time there was,
// which with NOWAIT is none.
//
// PostgreSQL: 55P03 lock_not_available (NOWAIT, lock_timeout). MySQL and
// MariaDB: 1205 ER_LOCK_WAIT_TIMEOUT (innodb_lock_wait_timeout, the lock of a
// table, MariaDB's NOWAIT), 3572 ER_LOCK_NOWAIT. SQLite: SQLITE_BUSY (5) and
// SQLITE_LOCKED (6) with their extended codes, but for SQLITE_BUSY_SNAPSHOT,
// which waiting would not have helped. SQL Server: 1222. Oracle: ORA-00054,
// ORA-30006, ORA-04021, ORA-02049.
func IsLockTimeout(err error) bool { return diagnose(err).has(LockTimeout) }

// IsRetryable reports whether the transaction has failed only because of others
// that ran at the same time: rolled back, and run again from its beginning, it
// may succeed. Not the statement alone: what the transaction has read is out of
// date. Run it again a few times at most, after a short random pause, and only
// if its function does nothing that a rollback does not undo.
//
// These are IsDeadlock and IsSerialization, MySQL's and MariaDB's 1205
// ER_LOCK_WAIT_TIMEOUT (which rolls back the statement only: roll back the
// rest), and SQLite's SQLITE_BUSY (5) with its extended codes and
// SQLITE_LOCKED_SHAREDCACHE (262). PostgreSQL's 55P03 and MySQL's 3572 are not:
// who says NOWAIT, or sets lock_timeout, has said what is to happen.
//
// It is false, whatever else there is, if one of the errors is a lost connection
// (IsConnectionLost) or the end of a context. After a lost connection nobody
// knows whether a COMMIT was executed; and when the context has ended there is
// no time left.
func IsRetryable(err error) bool { return diagnose(err).retryable() }

// IsConnectionLost reports whether the connection ended, or could not be made.
// What was under way may have been executed or not; a transaction that was not
// being committed is rolled back.
//
// SQLSTATE class 08. PostgreSQL: 57P01 admin_shutdown (also by
// pg_terminate_backend), 57P02 crash_shutdown, 57P03 cannot_connect_now, 57P04
// database_dropped, 57P05 idle_session_timeout, 25P03
// idle_in_transaction_session_timeout, 25P04 transaction_timeout. MySQL and
// MariaDB: 1053 ER_SERVER_SHUTDOWN, 1080 ER_FORCING_CLOSE, 1152
// ER_ABORTING_CONNECTION, 1184 ER_NEW_ABORTING_CONNECTION, 1927
// ER_CONNECTION_KILLED, 3169 ER_SESSION_WAS_KILLED, 4031
// ER_CLIENT_INTERACTION_TIMEOUT (unless the text speaks of a trigger: MariaDB has
// another error of that number), and 2006, 2013 and 2055 that proxies pass on
// from the C client. SQL Server: 596, 6005, 40197, 40613. Oracle: ORA-00028,
// 01012, 01033, 01034, 01089, 01090, 01092, 02396, 02399, 03113, 03114, 03135.
//
// Without a code: driver.ErrBadConn; io.EOF, a reset, a refusal, a time-out or
// whatever else of the network; go-sql-driver's "invalid connection", pgx's "conn
// closed"; the pool's ErrOutcomeUnknown. Errors of the network do not count if
// the error comes from a context as well: then the caller gave up, though some
// drivers give the connection up with it. See IsCancelled.
func IsConnectionLost(err error) bool { return diagnose(err).has(ConnectionLost) }

// IsTooManyConnections reports whether the server has refused a connection
// because it, or the user, has too many.
//
// PostgreSQL: 53300 too_many_connections. MySQL and MariaDB: 1040
// ER_CON_COUNT_ERROR, 1203 ER_TOO_MANY_USER_CONNECTIONS, 1226
// ER_USER_LIMIT_REACHED. SQL Server: 17809. Oracle: ORA-00018, ORA-00020,
// ORA-02391, and the listener's ORA-12516, ORA-12519, ORA-12520.
func IsTooManyConnections(err error) bool { return diagnose(err).has(TooManyConnections) }

// IsReadOnly reports whether something was to be written in a transaction or on
// a server that takes no writes: a standby, or a primary that has been demoted.
//
// PostgreSQL: 25006 read_only_sql_transaction. MySQL and MariaDB: 1792
// ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, 1290 ER_OPTION_PREVENTS_STATEMENT
// whose text names a read-only option, 1836 ER_READ_ONLY_MODE, 1874
// ER_INNODB_READ_ONLY, 1036 ER_OPEN_AS_READONLY. SQLite: SQLITE_READONLY (8) with
// its extended codes. SQL Server: 3906. Oracle: ORA-01456, ORA-16000.
func IsReadOnly(err error) bool { return diagnose(err).has(ReadOnly) }

// IsCancelled reports whether the statement was ended before it was done: by its
// context, by its time-out at the server, or by request of somebody else.
//
// context.Canceled and context.DeadlineExceeded, also in an error whose method Is
// says so; a dial of package net that takes too long is one. PostgreSQL: 57014
// query_canceled (statement_timeout, pg_cancel_backend). MySQL: 3024
// ER_QUERY_TIMEOUT, 1317 ER_QUERY_INTERRUPTED (KILL QUERY). MariaDB: 1969
// ER_STATEMENT_TIMEOUT, 1317. SQLite: SQLITE_INTERRUPT (9). Oracle: ORA-01013.
func IsCancelled(err error) bool { return diagnose(err).has(Cancelled) }

// IsSyntax reports whether the text of the statement could not be parsed.
//
// PostgreSQL: 42601 syntax_error. MySQL and MariaDB: 1064 ER_PARSE_ERROR, 1149
// ER_SYNTAX_ERROR. SQLite: SQLITE_ERROR (1) whose text says so. SQL Server: 102,
// 105, 156. Oracle: ORA-00900, 00905, 00906, 00907, 00911, 00917, 00921, 00923,
// 00933, 00936.
func IsSyntax(err error) bool { return diagnose(err).has(Syntax) }

// IsUndefined reports whether the statement names something that does not
// exist: a table, a column, a function, a schema, a database.
//
// PostgreSQL: 42P01 undefined_table, 42703 undefined_column, 42883
// undefined_function, 42704 undefined_object, 42P02 undefined_parameter, 3D000
// invalid_catalog_name, 3F000 invalid_schema_name. MySQL and MariaDB: 1146
// ER_NO_SUCH_TABLE, 1054 ER_BAD_FIELD_ERROR, 1305 ER_SP_DOES_NOT_EXIST (also of a
// savepoint), 1049 ER_BAD_DB_ERROR, 1051 ER_BAD_TABLE_ERROR, 1091
// ER_CANT_DROP_FIELD_OR_KEY, 1109 ER_UNKNOWN_TABLE; SQLSTATEs 42S02 and 42S22.
// SQLite: SQLITE_ERROR (1) whose text says "no such". SQL Server: 207, 208, 2812,
// 4121. Oracle: ORA-00904, ORA-00942, ORA-04043.
func IsUndefined(err error) bool { return diagnose(err).has(Undefined) }
