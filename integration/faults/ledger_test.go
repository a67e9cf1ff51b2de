package faults

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
)

func TestTheLedgerSeesWhatCallersWereNotTold(t *testing.T) {
	n, err := lab.common(t.Context(), localdb.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	err = n.do(t.Context(), dropLedger, ledgerTable, "INSERT INTO ledger VALUES (1), (2), (2), (3), (3), (4), (6)")
	if err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	for id, told := range map[int64]told{
		1: acknowledged,
		2: acknowledged, // there twice
		3: uncertain,    // there twice
		4: refused,      // and there
		5: acknowledged, // and not there
		6: uncertain,
		7: uncertain,
		8: refused,
	} {
		l.note(id, told)
	}
	got, err := l.audit(t.Context(), n.admin)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Audit{Written: 7, Doubled: 2, Silent: 1, Missing: 1, Denied: 1, Unknown: 3}); got != want || got.Agrees() {
		t.Errorf("%+v, wanted %+v", got, want)
	}
}

func TestWhatACallerKnowsDependsOnTheError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want told
	}{
		{nil, acknowledged},
		{akari.ErrOutcomeUnknown, uncertain},
		{context.DeadlineExceeded, uncertain},
		{io.ErrUnexpectedEOF, uncertain},
		{&akari.AcquireError{Reason: context.DeadlineExceeded}, refused},
		{errors.New("syntax error"), refused},
	} {
		if got := knownBy(c.err); got != c.want {
			t.Errorf("%v: %d, wanted %d", c.err, got, c.want)
		}
	}
}

// TestWhatIsLeftIsSeen leaves a goroutine and a file behind.
func TestWhatIsLeftIsSeen(t *testing.T) {
	release := make(chan struct{})
	var file *os.File
	careless := Fault{
		ID:         "F0",
		serverless: true,
		try: func(context.Context, *site, *Figures) (err error) {
			go func() { <-release }()
			file, err = os.Open(os.DevNull)
			return err
		},
	}
	f, err := lab.Try(t.Context(), careless, AkariFake)
	close(release)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if f.Left.Goroutines != 1 || f.Left.Files != 1 || f.Left.Nothing() || f.Left.Stacks == "" {
		t.Errorf("%d goroutines, %d files are seen, wanted one of each", f.Left.Goroutines, f.Left.Files)
	}
}
