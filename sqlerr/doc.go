// Package sqlerr tells what a database's error means: a duplicate key, a
// deadlock, a lost connection. It knows the errors of the drivers for
// PostgreSQL (pgx, lib/pq), MySQL and MariaDB (go-sql-driver/mysql), SQLite
// (mattn/go-sqlite3, modernc.org/sqlite, ncruces/go-sqlite3), SQL Server
// (go-mssqldb) and Oracle (godror, go-ora) by their shape, and imports none.
//
//	_, err := db.ExecContext(ctx, "INSERT INTO users (email) VALUES ($1)", email)
//	switch {
//	case sqlerr.IsDuplicate(err):
//		return ErrEmailTaken
//	case sqlerr.IsRetryable(err):
//		return again(ctx)
//	}
//
// # What is recognised
//
// Five characters are an SQLSTATE. It counts for whatever database sends it,
// but the number goes first where there is one: MySQL's deadlock has the state
// of a serialization failure. Numbers in parentheses need more than the number
// to be recognised; the predicate says what.
//
//	                    SQLSTATE           MySQL, MariaDB       SQLite         SQL Server   Oracle (ORA-)
//	Duplicate           23505              1022 1062 1169 1586  1555 2067      2601 2627    00001
//	                                       1761 1762 1859       2579
//	ForeignKey          23503 23001        1216 1217 1451 1452  787            (547)        02291 02292
//	NotNull             23502              1048 1263 1364       1299           515          01400 01407
//	Check               23514              3819 (4025)          275            (547)        02290
//	Constraint          other of class 23                       other of 19    (547)
//	Deadlock            40P01              1213 1614                           1205         00060
//	Serialization       40001              1020 3101 (1180)     517            3960 41301   08177
//	                                                                           41302 41305
//	                                                                           41325
//	LockTimeout         55P03              1205 3572            other of 5, 6  1222         00054 02049
//	                                                                                        04021 30006
//	Cancelled           57014              1317 1969 3024       9                           01013
//	ReadOnly            25006              1036 1792 1836 1874  any of 8       3906         01456 16000
//	                                       (1290)
//	ConnectionLost      class 08 57P01     1053 1080 1152 1184                 596 6005     00028 01012 01033
//	                    57P02 57P03 57P04  1927 2006 2013 2055                 40197 40613  01034 01089 01090
//	                    57P05 25P03 25P04  3169 (4031)                                      01092 02396 02399
//	                                                                                        03113 03114 03135
//	TooManyConnections  53300              1040 1203 1226                      17809        00018 00020 02391
//	                                                                                        12516 12519 12520
//	Syntax              42601              1064 1149            (1)            102 105 156  00900 00905 00906
//	                                                                                        00907 00911 00917
//	                                                                                        00921 00923 00933
//	                                                                                        00936
//	Undefined           42P01 42P02 42703  1049 1051 1054 1091  (1)            207 208      00904 00942 04043
//	                    42704 42883 3D000  1109 1146 1305                      2812 4121
//	                    3F000 42S02 42S22
//
// Beside the codes, errors of contexts are Cancelled, and driver.ErrBadConn,
// errors of the network, and what the pool says of an unknown outcome are
// ConnectionLost.
//
// The codes are from PostgreSQL's manual (appendix A, Error Codes), the MySQL
// Error Message Reference, MariaDB's list of error codes, SQLite's "Result and
// Error Codes", SQL Server's "Database Engine events and errors" and Oracle's
// Database Error Messages. Databases that speak the protocol of one of these and
// use its codes, as CockroachDB uses PostgreSQL's, are recognised as that one.
//
// # Which errors are looked at
//
// All: the error, those it wraps, and those joined with it, in the order of
// [errors.Is], up to a thousand, a hundred deep. A predicate is true if one of
// them is of the class; [Of] tells the class of the first that has one. Errors
// that panic when they are asked count for nothing. A nil error is of no class.
//
// All functions may be called from any goroutine, at any time. They keep
// nothing of the error, ask no database, and cost a few microseconds at most
// for an error as drivers make them.
package sqlerr
