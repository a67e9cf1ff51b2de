package faults

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/lib/pq"
)

func TestADemotedPrimaryIsLeftForTheNewOneWithinASecond(t *testing.T) {
	onAkari(t, demoted, func(p Peer, v *verdict) {
		v.only("25006", "1290", classUnknown)
		v.within("from the demotion until all callers wrote to the new primary", v.f.AllWell, time.Second)
	})
}

func TestABorrowersOwnReadOnlyTransactionReplacesNoConnection(t *testing.T) {
	onAkari(t, ownReadOnly, func(p Peer, v *verdict) {
		v.only("25006", "1792")
		if v.f.Errors.Total() != 20 || v.f.Dials != 0 {
			v.t.Errorf("%v, %d connections replaced; wanted 20 errors and none", v.f.Errors, v.f.Dials)
		}
	})
}

func TestBehindPgBouncerNoAnswerIsWrongAndNoneFails(t *testing.T) {
	onAkari(t, pooler, func(p Peer, v *verdict) {
		v.noErrors()
		v.atMost("wrong answers", v.f.Wrong, 0)
	})
}

// The pool cannot set lib/pq's option on a connector that somebody else made.
func TestBehindPgBouncerAConnectorOfLibPqIsRefusedWithAnExplanation(t *testing.T) {
	pg, err := lab.common(t.Context(), localdb.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	bouncer, err := localdb.StartPgBouncer(t.Context(), pg.Server, localdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer bouncer.Close()
	c, err := pq.NewConnector(bouncer.URL())
	if err != nil {
		t.Fatal(err)
	}
	p, err := akari.New(t.Context(), c, akari.Config{MaximumPoolSize: 2, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var n int
	err = p.DB().QueryRowContext(t.Context(), "SELECT $1::int", 1).Scan(&n)
	if err == nil || !strings.Contains(err.Error(), "binary_parameters=yes") {
		t.Errorf("a parametrised query: %v, wanted an error that names binary_parameters=yes", err)
	}
	if err := p.DB().QueryRowContext(t.Context(), "SELECT 7").Scan(&n); err != nil || n != 7 {
		t.Errorf("a query without parameters, which is safe: %d, %v", n, err)
	}
}

func TestNothingIsExecutedTwiceWhenAReplyIsLostByFIN(t *testing.T) {
	onAkari(t, lostByFIN, outcomeIsSaidToBeUnknown)
}

func TestNothingIsExecutedTwiceWhenAReplyIsLostByRST(t *testing.T) {
	onAkari(t, lostByRST, outcomeIsSaidToBeUnknown)
}

func outcomeIsSaidToBeUnknown(p Peer, v *verdict) {
	v.only(classUnknown)
	v.atMost("numbers executed twice", v.f.Ledger.Doubled, 0)
	if v.f.Errors[classUnknown] == 0 {
		v.t.Error("no reply was lost")
	}
}

func TestDefaultSettingsKeepConnections(t *testing.T) {
	onAkari(t, defaults, func(p Peer, v *verdict) {
		v.noErrors()
		v.unhurried("connections opened", int(v.f.Dials), 50)
	})
}
