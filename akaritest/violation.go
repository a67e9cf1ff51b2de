package akaritest

import (
	"fmt"
	"runtime/debug"
	"slices"
)

// Violation is something that no user of a driver may do, such as two calls at
// once on one connection, or a call after Close. It is a bug in the pool.
type Violation struct {
	ConnID int
	Text   string // "Exec while Query is under way"
	Stack  string // of the goroutine that did it
}

// String shows the violation without its stack.
func (v Violation) String() string { return fmt.Sprintf("connection %d: %s", v.ConnID, v.Text) }

// maxViolations bounds what is kept; Stats counts all.
const maxViolations = 100

// violate records a violation.
func (c *conn) violate(text string) {
	v := Violation{ConnID: c.id, Text: text, Stack: string(debug.Stack())}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violated++
	if len(s.violations) < maxViolations {
		s.violations = append(s.violations, v)
	}
}

// Violations returns the violations so far, the first hundred of them.
func (s *Server) Violations() []Violation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}
