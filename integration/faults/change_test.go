package faults

import (
	"testing"
	"time"
)

func TestAChangedPasswordIsAskedFor(t *testing.T) {
	onAkari(t, passwordChanged, func(p Peer, v *verdict) {
		v.only(classUnknown)
		v.atMost("statements lost in flight", v.f.Errors.Total(), 5)
		v.within("until all callers were well", v.f.AllWell, 1500*time.Millisecond)
	})
}

func TestAPoolThatIsToldTheNewPasswordLateStormsNobodyMeanwhile(t *testing.T) {
	onAkari(t, passwordTold, func(p Peer, v *verdict) {
		v.only(classUnknown)
		v.atMost("statements lost in flight", v.f.Errors.Total(), 5)
		// Five at once, one a second after that, five with the new password;
		// pgx dials once more for each connection lost.
		v.atMost("dials", int(v.f.Dials), 25)
		v.within("until all callers were well, from the new password on", v.f.AllWell, 1500*time.Millisecond)
	})
}

func TestNoCallerNoticesThatATableChangesUnderCachedStatements(t *testing.T) {
	onAkari(t, ddl, func(p Peer, v *verdict) { v.noErrors() })
}

// Those with too little time for a new connection and their statement may fail
// for as long as they come; the pool does not choose whom to serve by it.
func TestACallerWithTimeGetsThroughACollapse(t *testing.T) {
	onAkari(t, collapse, func(p Peer, v *verdict) {
		v.only(classUnknown, classDeadline, classWaited)
		v.within("until the caller with more time was served", v.f.Recovered, 2*time.Second)
	})
}
