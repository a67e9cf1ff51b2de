package akaritest_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/akaripool/akari/akaritest"
)

// spy is a test that takes down what Verify reports.
type spy struct {
	testing.TB
	cleanups []func()
	errors   []string
}

func (s *spy) Helper()          {}
func (s *spy) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *spy) Errorf(format string, args ...any) {
	s.errors = append(s.errors, fmt.Sprintf(format, args...))
}

// finish runs the clean-ups and returns what they reported.
func (s *spy) finish() []string {
	for _, f := range s.cleanups {
		f()
	}
	return s.errors
}

func TestLeftovers(t *testing.T) {
	for want, use := range map[string]func(t *testing.T, db *sql.DB) (end func() error){
		"connection 1 is still open": func(t *testing.T, db *sql.DB) func() error {
			return single(t, db).Close
		},
		"connection 1 is still open, with 1 open statements": func(t *testing.T, db *sql.DB) func() error {
			stmt, err := db.PrepareContext(t.Context(), "NOP")
			if err != nil {
				t.Fatal(err)
			}
			return stmt.Close
		},
		"connection 1 is still open, with 1 open rows": func(t *testing.T, db *sql.DB) func() error {
			rows, err := db.QueryContext(t.Context(), "ROWS 1")
			if err != nil {
				t.Fatal(err)
			}
			return rows.Close
		},
		"connection 1 is still open, with an open transaction": func(t *testing.T, db *sql.DB) func() error {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			return tx.Rollback
		},
	} {
		server, db := open(t, akaritest.Full)
		end := use(t, db)
		if got := server.Leftovers(); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
		db.Close()
		if got := server.Leftovers(); len(got) != 0 {
			t.Errorf("after clean work: %q", got)
		}
	}
}

func TestLeftoversHasConnectsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.Full)
		hang := server.Inject(akaritest.OpConnect, akaritest.Fault{Hang: true})
		done := make(chan error)
		go func() { done <- db.PingContext(t.Context()) }()
		synctest.Wait()
		if got := server.Leftovers(); !slices.Equal(got, []string{"1 calls of Connect are under way"}) {
			t.Errorf("got %q", got)
		}
		hang.Release()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestVerifyReportsLeftovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		s := &spy{}
		akaritest.Verify(s, server)
		leak, err := server.Connector().Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		closed, err := server.Connector().Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		closed.Close()
		closed.Close()
		got := s.finish()
		leak.Close()
		if len(got) != 2 || got[0] != "akaritest: connection 1 is still open" ||
			!strings.HasPrefix(got[1], "akaritest: violation: connection 2: Close of a closed connection\n") {
			t.Errorf("got %q", got)
		}
	})
}

func TestVerifyReportsGoroutines(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	go func() { <-stop }() // was there before: not reported

	s := &spy{}
	akaritest.Verify(s, akaritest.NewServer(akaritest.Full))
	go leakedByTheTest(stop)
	got := s.finish()
	if len(got) != 1 || !strings.Contains(got[0], "leakedByTheTest") {
		t.Errorf("got %q", got)
	}
}

func leakedByTheTest(stop <-chan struct{}) { <-stop }

// A goroutine that is about to end gets the time to do so.
func TestVerifyWaitsForGoroutines(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	s := &spy{}
	akaritest.Verify(s, server)
	db := sql.OpenDB(server.Connector())
	exec(t, db, "NOP")
	db.Close() // the goroutine of db ends some time later
	if got := s.finish(); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestVerifyDoesNotReportGoroutinesOfAnotherTest(t *testing.T) {
	begin, started, stop, done := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		<-begin
		t.Run("another", func(t *testing.T) {
			go func() { <-stop }()
			close(started)
			<-stop
		})
	}()

	s := &spy{}
	akaritest.Verify(s, akaritest.NewServer(akaritest.Full))
	close(begin)
	<-started
	got := s.finish()
	close(stop)
	<-done
	if len(got) > 0 {
		t.Errorf("got %q", got)
	}
}
