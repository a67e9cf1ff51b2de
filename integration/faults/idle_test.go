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
	onAkari(t, timedOutByServer, burstsSucceed(idleSize))
}

func TestConnectionsThatTheServerEndedJustNowAreNotLent(t *testing.T) {
	onAkari(t, hungUpBusy, burstsSucceed(idleSize))
}

func TestConnectionsThatTheServerEndedLongAgoAreNotLent(t *testing.T) {
	onAkari(t, hungUpIdle, burstsSucceed(fewIdle))
}

func TestConnectionsThatTheNetworkHasResetAreNotLent(t *testing.T) {
	onAkari(t, resetIdle, burstsSucceed(fewIdle))
}

func TestHalfClosedConnectionsAreNotLent(t *testing.T) {
	onAkari(t, closedIdle, burstsSucceed(fewIdle))
}

func TestHalfOpenConnectionsDelayCallersAndFailNone(t *testing.T) {
	onAkari(t, halfOpen, func(p Peer, v *verdict) {
		v.noErrors()
		v.mostly("dials", int(v.f.Dials), 2*idleSize) // pgx dials once more for each that it gives up
		// They have 2 s; a connection is waited for half a second.
		v.byClock("the slowest of those on half-open connections", v.f.Max, 1500*time.Millisecond)
	})
}

// burstsSucceed: each dead connection is replaced once, in each of the bursts, and
// pgx dials once more to cancel what it has lost.
func burstsSucceed(size int) func(Peer, *verdict) {
	return func(p Peer, v *verdict) {
		v.noErrors()
		most := len(doings) * size
		if p == AkariPgx {
			most *= 2
		}
		v.mostly("dials", int(v.f.Dials), most+most/4)
		v.within("the slowest call", v.f.Max, 2*time.Second)
	}
}
