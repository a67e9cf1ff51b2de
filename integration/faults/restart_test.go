package faults

import (
	"testing"
	"time"
)

func TestCallersRideOverARestartOfTheServer(t *testing.T) {
	onAkari(t, restarted, func(p Peer, v *verdict) {
		v.only(classUnknown)
		v.atMost("statements lost in flight", v.f.Errors.Total(), inFlight)
		// Twenty are tried at once when all are lost, twenty are pgx's, which
		// asks the server to cancel what it has lost; the rest is the back-off.
		v.unhurried("dials while the server was down", int(v.f.Dials), 20+20+20+int(3*v.f.Outage.Seconds()))
		v.within("from the server's readiness until all callers had success", v.f.AllWell, time.Second)
	})
}

func TestWhoWaitsInVainLearnsThatTheServerIsDown(t *testing.T) {
	onAkari(t, impatient, func(p Peer, v *verdict) {
		v.only(classUnknown, classWaited, classDeadline)
		if v.f.InVain == 0 || v.f.Explained != v.f.InVain {
			v.t.Errorf("%d of %d callers who waited in vain were told the last failure to connect", v.f.Explained, v.f.InVain)
		}
		v.within("from the server's readiness until all callers had success", v.f.AllWell, time.Second)
	})
}
