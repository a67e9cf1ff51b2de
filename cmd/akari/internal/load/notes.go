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
		if side.Operation.Count == 0 && side.Errors > 0 {
			note("%s: no operation has succeeded", s.name)
		}
		if s.dropped > 0 {
			better := ": the response times are better than what users would have seen"
			if side.Operation.Count == 0 {
				better = ""
			}
			note("%s: %s operations were due and not begun, all %s workers being busy%s", s.name, count(s.dropped), count(int64(r.plan.Workers)), better)
		}
		if s.abandoned > 0 {
			note("%s: the driver has not returned from %s operations, although they were cancelled; they are not in the numbers", s.name, count(int64(s.abandoned)))
		}
	}
	if r.tables != nil && r.db.own {
		switch kept := r.tables.kept; len(kept) {
		case 0:
		case 1:
			note("the table %s was there before and has been left", kept[0])
		default:
			note("the tables %s were there before and have been left", strings.Join(kept, " and "))
		}
		if r.plan.Keep && len(r.tables.made) > 0 {
			note("kept in the database: %s", strings.Join(r.tables.made, ", "))
		}
	}
	return notes
}
