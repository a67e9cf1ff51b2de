package faults

import "testing"

func TestDriversThatHangPanicOrLieDoNoHarm(t *testing.T) {
	onAkari(t, badDriver, func(p Peer, v *verdict) {
		if v.f.Tried != len(harms) || len(v.f.Leaks) > 0 {
			v.t.Errorf("%d tried, did harm: %q", v.f.Tried, v.f.Leaks)
		}
	})
}

// The pool calls the driver on the caller's goroutine, as database/sql does. It
// can only take the socket from a deaf driver; the fake one has none, lib/pq has
// (TestASilentNetworkHoldsNobodyBeyondHisTimeNorThePlacesOfThePool).
func TestADriverDeafToItsContextLosesNoPlace(t *testing.T) {
	onAkari(t, deafDriver, func(p Peer, v *verdict) {
		for _, harm := range v.f.Leaks {
			if harm != heldByDriver {
				v.t.Error(harm)
			}
		}
		if v.f.Tried != len(deafness) {
			v.t.Errorf("%d tried", v.f.Tried)
		}
	})
}

// TestTheHarmsAreSeen shows that the trials can tell: plain database/sql comes
// to harm in most of them.
func TestTheHarmsAreSeen(t *testing.T) {
	f, err := lab.Try(t.Context(), badDriver, SQLFake)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Leaks) < len(harms)-2 {
		t.Errorf("of %d only these are seen: %q", f.Tried, f.Leaks)
	}
	t.Log(badDriver.Tell(f))
}
