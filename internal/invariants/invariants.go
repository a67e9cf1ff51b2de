// Package invariants holds the switch for checks that are too dear for
// production. They are compiled in by
//
//	go test -tags invariants ./...
//
// and cost nothing otherwise, because Enabled is a constant:
//
//	if invariants.Enabled && state != inUse {
//		invariants.Broken("returned an item in state %v", state)
//	}
package invariants

import "fmt"

// Broken panics: something that the code's own reasoning excludes has happened.
func Broken(format string, args ...any) {
	panic("akari: bug: " + fmt.Sprintf(format, args...))
}
