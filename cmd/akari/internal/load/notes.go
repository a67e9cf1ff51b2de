package load

import (
	"fmt"
	"strings"
)

// notes are what a reader must know to trust the numbers, and no more.
func (r *run) notes(rep *Report) []string {
	notes := []string{}
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if rep.Interrupted {
		note("interrupted: these are the numbers up to then")
	}
	for i, s := range r.sides {
		side := &rep.Sides[i]
		if side.Operation.Count == 0 {
			note("%s: no operation has succeeded", s.name)
		}
		if s.dropped > 0 {
			note("%s: %d operations were due and not begun, all %d workers being busy: the response times are better than what users would have seen",
				s.name, s.dropped, r.plan.Workers)
		}
		if s.abandoned > 0 {
			note("%s: the driver has not returned from %d operations, although they were cancelled; they are not in the numbers", s.name, s.abandoned)
		}
	}
	if r.tables != nil && r.db.own {
		if len(r.tables.kept) > 0 {
			note("%s was there before and has been left", strings.Join(r.tables.kept, ", "))
		}
		if r.plan.Keep && len(r.tables.made) > 0 {
			note("kept in the database: %s", strings.Join(r.tables.made, ", "))
		}
	}
	return notes
}
