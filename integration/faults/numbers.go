package faults

import (
	"fmt"

	"github.com/akaripool/akari"
)

// impossible says which numbers of a closed pool, all of whose connections have
// come back, do not add up.
func impossible(s akari.Stats) (wrong []string) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	check(s.Total == 0 && s.Active == 0 && s.Idle == 0, "total=%d, active=%d, idle=%d", s.Total, s.Active, s.Idle)
	check(s.Opening == 0, "opening=%d", s.Opening)
	check(s.Closing == 0, "closing=%d", s.Closing)
	check(s.Waiting == 0, "waiting=%d", s.Waiting)
	check(s.Opened == s.TotalClosed(), "opened %d, closed %d", s.Opened, s.TotalClosed())
	check(s.Acquired == s.Released, "acquired %d, released %d", s.Acquired, s.Released)
	return wrong
}
