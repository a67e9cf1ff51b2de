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
		v.within("the slowest of all", v.f.Max, 5*v.f.P50)
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
	// Fifty are tried at once, for fifty who wait; later there is one attempt
	// in a quarter of a second at most.
	v.unhurried("dials", int(v.f.Dials), 50+20)
}

func TestThePoolIsWellWithinASecondOfABlackHole(t *testing.T) {
	onAkari(t, silence, wellWithinASecond)
}

func TestThePoolIsWellWithinASecondOfLostConnects(t *testing.T) {
	onAkari(t, synsLost, wellWithinASecond)
}

func wellWithinASecond(p Peer, v *verdict) {
	v.only(classWaited, classDeadline, classUnknown)
	v.within("from the end of the black hole until all callers had success", v.f.AllWell, time.Second)
}

func TestASilentNetworkHoldsNobodyBeyondHisTimeNorThePlacesOfThePool(t *testing.T) {
	onAkari(t, stalledQuery, func(p Peer, v *verdict) {
		v.noErrors()
		v.within("those whose statements were under way", v.f.Max, 650*time.Millisecond)
		v.within("the next callers", v.f.Recovered, 1500*time.Millisecond)
	})
}
