// Package load puts a measured load on a database through a pool and tells what
// came of it.
//
// [Run] does the whole: it opens the [Target], makes the tables of the built-in
// workloads where they are needed, runs the workload in one or more slices of
// time, cleans up and returns a [Report].
//
//	Run ── target.go    the database: temporary (leftover.go), private or the user's
//	                    own (own.go)
//	    ── tables.go    what the built-in workloads read and write
//	    ── script.go    a workload is a script of SQL; statement.go splits the text,
//	                    argument.go fills in random values
//	    ── side.go      who lends connections: the pool, or with Compare also
//	                    plain database/sql
//	    ── slice.go     workers on one side for a while, at a pace.go
//	    ── recorder.go  what they measure
//	    ── report.go    what is told; text.go for people, JSON for machines
package load
