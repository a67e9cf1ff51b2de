// Package faults breaks private servers and networks on purpose and measures
// what the callers of a connection pool get to see: those of akari, and beside
// them those of the pools that Go programs use today.
//
// A [Fault] is tried on one [Peer] at a time by [Lab.Try]. The tests of this
// package try every fault on akari and say what must come out. Command
// faults/report tries them on all peers and writes the table in
// docs/reliability.md; nothing is demanded of the others.
package faults
