package akaritest

import (
	"fmt"
	"testing"
)

// Verify makes the test fail at its end if something is left of its work with
// the server: open connections, statements, rows or transactions, a violation,
// or goroutines that were started meanwhile and do not end within two seconds.
//
// Call it right after NewServer, so that it looks when every other clean-up has
// run. Inside a synctest bubble goroutines are left to synctest, which waits for
// them itself. In tests that run in parallel, goroutines that another test
// starts through one that has ended cannot be told from this test's own;
// compare [Server.Leftovers] yourself there.
func Verify(t testing.TB, s *Server) {
	t.Helper()
	bubble := inBubble()
	var before map[int]goroutine
	if !bubble {
		before = goroutines()
	}
	t.Cleanup(func() {
		t.Helper()
		for _, left := range s.Leftovers() {
			t.Errorf("akaritest: %s", left)
		}
		if bubble {
			return
		}
		for _, stack := range lingering(before) {
			t.Errorf("akaritest: goroutine left running:\n%s", stack)
		}
	})
}

// Leftovers says in plain words what a client has left open at the server, and
// what it has violated. It is empty after clean work.
func (s *Server) Leftovers() []string {
	var left []string
	for _, c := range s.Conns() {
		text := fmt.Sprintf("connection %d is still open", c.ID)
		if c.Stmts > 0 {
			text += fmt.Sprintf(", with %d open statements", c.Stmts)
		}
		if c.Rows > 0 {
			text += fmt.Sprintf(", with %d open rows", c.Rows)
		}
		if c.InTx {
			text += ", with an open transaction"
		}
		left = append(left, text)
	}
	stats := s.Stats()
	if stats.Connecting > 0 {
		left = append(left, fmt.Sprintf("%d calls of Connect are under way", stats.Connecting))
	}
	for _, v := range s.Violations() {
		left = append(left, fmt.Sprintf("violation: %v\n%s", v, v.Stack))
	}
	if more := stats.Violations - maxViolations; more > 0 {
		left = append(left, fmt.Sprintf("%d more violations", more))
	}
	return left
}
