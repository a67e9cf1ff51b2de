package faults

import "testing"

func TestNoSessionStateReachesTheNextBorrower(t *testing.T) {
	onAkari(t, sessionState, func(p Peer, v *verdict) {
		v.noErrors()
		if v.f.Tried != len(kindsOf(p)) || len(v.f.Leaks) > 0 {
			v.t.Errorf("%d kinds tried, leaked: %q", v.f.Tried, v.f.Leaks)
		}
	})
}

func TestATransactionLeftOpenSwallowsNobodysWrite(t *testing.T) {
	onAkari(t, leftOpen, func(p Peer, v *verdict) {
		v.noErrors()
		if v.f.Ledger.Written != 1 {
			v.t.Errorf("%d rows, wanted the acknowledged one", v.f.Ledger.Written)
		}
	})
}

// TestTheMatrixSeesLeaks shows that the looks can tell: what plain
// database/sql does not clean is seen, each kind of it.
func TestTheMatrixSeesLeaks(t *testing.T) {
	for _, p := range []Peer{SQLPq, SQLMySQL, SQLSQLite} {
		t.Run(p.Driver, func(t *testing.T) {
			f, err := lab.Try(t.Context(), sessionState, p)
			if err != nil {
				t.Fatal(err)
			}
			if f.Tried != len(kindsOf(p)) || len(f.Leaks) != f.Tried {
				t.Errorf("only these kinds are seen of %d: %q", f.Tried, f.Leaks)
			}
		})
	}
}
