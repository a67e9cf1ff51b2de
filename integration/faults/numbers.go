package faults

import (
	"context"
	"fmt"

	"github.com/akaripool/akari"
)

// stillWrong says what is wrong with a pool's numbers and does not become right in
// time.
func stillWrong(ctx context.Context, p *akari.Pool, look func(akari.Stats) []string) (wrong []string) {
	until(ctx, closing, func() bool {
		wrong = look(p.Stats())
		return len(wrong) == 0
	})
	return wrong
}

// atRest says which numbers of an open pool that nobody uses any more do not add
// up.
func atRest(s akari.Stats) (wrong []string) {
	check := checker(&wrong)
	check(s.Active == 0 && s.Total == s.Idle, "at rest total=%d, active=%d, idle=%d", s.Total, s.Active, s.Idle)
	check(s.Total+s.Opening+s.Closing <= s.MaximumPoolSize, "at rest total=%d, opening=%d, closing=%d of %d", s.Total, s.Opening, s.Closing, s.MaximumPoolSize)
	check(s.Waiting == 0, "at rest waiting=%d", s.Waiting)
	check(s.Opened == s.TotalClosed()+int64(s.Total), "at rest opened %d, closed %d, total=%d", s.Opened, s.TotalClosed(), s.Total)
	check(s.Acquired == s.Released, "at rest acquired %d, released %d", s.Acquired, s.Released)
	return wrong
}

// impossible says which numbers of a closed pool, all of whose connections have
// come back, do not add up.
func impossible(s akari.Stats) (wrong []string) {
	check := checker(&wrong)
	check(s.Total == 0 && s.Active == 0 && s.Idle == 0, "total=%d, active=%d, idle=%d", s.Total, s.Active, s.Idle)
	check(s.Opening == 0, "opening=%d", s.Opening)
	check(s.Closing == 0, "closing=%d", s.Closing)
	check(s.Waiting == 0, "waiting=%d", s.Waiting)
	check(s.Opened == s.TotalClosed(), "opened %d, closed %d", s.Opened, s.TotalClosed())
	check(s.Acquired == s.Released, "acquired %d, released %d", s.Acquired, s.Released)
	return wrong
}

func checker(wrong *[]string) func(ok bool, format string, args ...any) {
	return func(ok bool, format string, args ...any) {
		if !ok {
			*wrong = append(*wrong, fmt.Sprintf(format, args...))
		}
	}
}
