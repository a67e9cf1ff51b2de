package faults

import (
	"testing"
	"time"
)

func TestCallersAreServedInTheOrderInWhichTheyCame(t *testing.T) {
	onAkari(t, order, func(p Peer, v *verdict) {
		v.noErrors()
		if v.f.Inversions > 0 {
			v.t.Errorf("%.1f %% of pairs were served in the wrong order, by up to %d places", 100*v.f.Inversions, v.f.Displacement)
		}
	})
}

func TestDisorderIsMeasured(t *testing.T) {
	for _, c := range []struct {
		order        []int
		inversions   float64
		displacement int
	}{
		{[]int{0, 1, 2, 3}, 0, 0},
		{[]int{3, 2, 1, 0}, 1, 3},
		{[]int{1, 0, 2, 3}, 1. / 6, 1},
		{nil, 0, 0},
	} {
		if i, d := disorder(c.order); i != c.inversions || d != c.displacement {
			t.Errorf("%v: %v, %d, wanted %v, %d", c.order, i, d, c.inversions, c.displacement)
		}
	}
}

func TestNoCallerWaitsMuchLongerThanTheOthers(t *testing.T) {
	onAkari(t, queueing, func(p Peer, v *verdict) {
		v.noErrors()
		v.within("the slowest of all", v.f.Max, muchLonger*v.f.P50)
	})
}

func TestThePoolLivesWithWhatTheServerGrantsTheUser(t *testing.T) {
	onAkari(t, userLimit, withinTheGrant)
}

func TestThePoolLivesWithWhatTheServerGrantsAll(t *testing.T) {
	onAkari(t, serverLimit, withinTheGrant)
}

func withinTheGrant(p Peer, v *verdict) {
	v.noErrors()
	v.unhurried("dials", int(v.f.Dials), fewDials)
}

func TestThePoolIsWellWithinASecondOfABlackHole(t *testing.T) {
	onAkari(t, silence, wellWithinASecond)
}

func TestThePoolIsWellWithinASecondOfLostConnects(t *testing.T) {
	onAkari(t, synsLost, wellWithinASecond)
}

func wellWithinASecond(p Peer, v *verdict) {
	// Of rows that are cut off the reader is told by the driver's error.
	cutOff := []string{classReset, classEOF, classBadConn, classInvalid}
	v.only(append(cutOff, classWaited, classDeadline, classUnknown)...)
	v.atMost("rows cut off", v.f.Errors.Total()-v.f.Errors.Except(cutOff...), 10)
	v.within("from the end of the black hole until all callers had success", v.f.AllWell, time.Second)
}

func TestASilentNetworkHoldsNobodyBeyondHisTimeNorThePlacesOfThePool(t *testing.T) {
	onAkari(t, stalledQuery, func(p Peer, v *verdict) {
		v.noErrors()
		if v.f.Caught.Total() != 10 || v.f.Caught.Except(classDeadline, classUnknown) > 0 {
			v.t.Errorf("the ten whose statements were under way were told %v", v.f.Caught)
		}
		v.within("those whose statements were under way", v.f.Max, 650*time.Millisecond)
		v.within("the next callers", v.f.Recovered, 1500*time.Millisecond)
	})
}
