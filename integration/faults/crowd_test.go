package faults

import (
	"testing"
	"time"
)

func TestACrowdOnAColdPoolIsServedInTheTimeItsConnectionsNeed(t *testing.T) {
	onAkari(t, cold, func(p Peer, v *verdict) {
		v.noErrors()
		v.unhurried("connections opened", int(v.f.Dials), 50)
		// 100 ms to connect and ten rounds of 20 ms are 300 ms.
		v.within("the last of 500 callers", v.f.Max, 2500*time.Millisecond)
	})
}

func TestNestedAcquisitionIsEndedByAnErrorThatExplainsIt(t *testing.T) {
	onAkari(t, nested, func(p Peer, v *verdict) {
		v.only(classPoolLock)
		if n := v.f.Errors[classPoolLock]; n == 0 || n == v.f.Calls || v.f.Explained != n {
			v.t.Errorf("%d of %d callers failed, %d errors explain why", n, v.f.Calls, v.f.Explained)
		}
		v.within("until all were served or told", v.f.Max, time.Second)
	})
}

func TestCallersWhoGiveUpDoNotMakeThePoolExceedItsSize(t *testing.T) {
	onAkari(t, storm, func(p Peer, v *verdict) {
		v.only(classDeadline, classWaited, classUnknown)
		v.within("the slowest call of those with 5 ms", v.f.Max, 1500*time.Millisecond)
		v.within("from the end of the storm to the next success", v.f.Recovered, time.Second)
	})
}
