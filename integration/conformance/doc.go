// Package conformance says what a *sql.DB does in some hundreds of situations,
// so that two of them can be compared: the one that sql.Open makes of a driver,
// and the one of an akari pool on top of the same driver.
//
// A [Case] is given a [Target] and writes a [Transcript] of everything a program
// could observe: values and their Go types, column types, results, errors with
// their identity, their codes and their text, panics. What differs from one run
// to the next (addresses, numbers of backends) is replaced by a placeholder.
// [Compare] puts two transcripts side by side. Whatever it finds is either in
// the table [Differences], with the reason, or a bug of the pool.
//
// The package needs database/sql only. Its tests run the cases on pgx, lib/pq,
// go-sql-driver/mysql and modernc.org/sqlite, and on the fake driver of package
// akaritest in all its combinations of optional interfaces.
package conformance
