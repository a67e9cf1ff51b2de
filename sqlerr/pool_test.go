package sqlerr_test

import (
	"errors"
	"io"
	"log/slog"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/sqlerr"
)

// pooled opens a pool of one connection.
func pooled(t *testing.T, profile akaritest.Profile) (*akaritest.Server, *akari.Pool) {
	t.Helper()
	server := akaritest.NewServer(profile)
	akaritest.Verify(t, server)
	p, err := akari.New(t.Context(), server.Connector(), akari.Config{
		MaximumPoolSize: 1, SessionReset: akari.ResetOff, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return server, p
}

// TestUnknownOutcomeIsALostConnection, whatever the driver has said.
func TestUnknownOutcomeIsALostConnection(t *testing.T) {
	for _, lost := range []error{io.ErrUnexpectedEOF, errors.New("invalid connection")} {
		server, p := pooled(t, akaritest.MySQLLike)
		server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, After: true, Break: true, Err: lost})
		_, err := p.DB().Exec("INSERT 1")
		if !errors.Is(err, akari.ErrOutcomeUnknown) {
			t.Fatalf("the caller is told %v", err)
		}
		mean(t, err, sqlerr.ConnectionLost, false)
	}
	mean(t, akari.ErrOutcomeUnknown, sqlerr.ConnectionLost, false)
}

// TestPoolFindsCodesOfJoinedErrors: the server hangs up.
func TestPoolFindsCodesOfJoinedErrors(t *testing.T) {
	server, p := pooled(t, akaritest.MySQLLike)
	server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, Err: errors.Join(errors.New("no"), my(1927, "70100", "Connection was killed"))})
	if _, err := p.DB().Exec("NOP"); !sqlerr.IsConnectionLost(err) {
		t.Errorf("the caller is told %v", err)
	}
	if s := p.Stats(); s.Closed[akari.CloseBroken] != 1 {
		t.Errorf("%v", s.Closed)
	}
}

// TestPoolTakesNoOtherNumberForMySQLs: 1290 is SQLite's SQLITE_IOERR_DIR_FSYNC,
// and MySQL's of a server that takes no writes; 1053 is MySQL's shutdown.
func TestPoolTakesNoOtherNumberForMySQLs(t *testing.T) {
	server, p := pooled(t, akaritest.PgxLike)
	for _, err := range append(lite(1290, "disk I/O error"), ms(1053, ""), &oraErr{"no", 1053}, &OracleError{ErrCode: 2399}) {
		server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, Err: err})
		if _, got := p.DB().Exec("NOP"); got == nil || got.Error() != err.Error() {
			t.Errorf("the caller is told %v", got)
		}
	}
	if s := p.Stats(); s.TotalClosed() != 0 {
		t.Errorf("%v", s.Closed)
	}
}
