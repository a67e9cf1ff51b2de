package faults

import (
	"testing"
	"time"
)

func TestNoCallerIsHeldBeyondItsTimeByAFrozenServer(t *testing.T) {
	onAkari(t, frozen, func(p Peer, v *verdict) {
		v.only(classWaited, classDeadline, classUnknown)
		v.within("slowest call of those with 500 ms", v.f.Max, 900*time.Millisecond)
		// Each of the twenty may be asked for once more and be cancelled.
		v.atMost("dials while the server was frozen", int(v.f.Dials), 60)
		v.within("from the thaw until all callers had success", v.f.AllWell, 5*time.Second)
	})
}

func TestConnectionsThatTheServerClosedForIdlenessAreNotLent(t *testing.T) {
	onAkari(t, timedOutByServer, burstsSucceed)
}

func TestConnectionsThatTheServerEndedJustNowAreNotLent(t *testing.T) {
	onAkari(t, hungUpBusy, burstsSucceed)
}

func TestConnectionsThatTheServerEndedLongAgoAreNotLent(t *testing.T) {
	onAkari(t, hungUpIdle, burstsSucceed)
}

func TestConnectionsThatTheNetworkHasResetAreNotLent(t *testing.T) {
	onAkari(t, resetIdle, burstsSucceed)
}

func TestHalfClosedConnectionsAreNotLent(t *testing.T) {
	onAkari(t, closedIdle, burstsSucceed)
}

func TestHalfOpenConnectionsDelayCallersAndFailNone(t *testing.T) {
	onAkari(t, halfOpen, burstsSucceed)
}

func burstsSucceed(p Peer, v *verdict) { v.noErrors() }
