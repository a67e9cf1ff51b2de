package integration

import (
	"database/sql/driver"
	"errors"
	"io"
	"net/url"
	"testing"

	"github.com/akaripool/akari"
)

// refusal is a statement that the server refuses with a code that elsewhere means
// a lost connection, or a server that was demoted.
type refusal struct {
	name  string
	on    func(testing.TB) []database
	text  string
	args  []any
	evict int64 // how many connections one of them may cost at most
}

var refusals = []refusal{
	{"feature not supported (0A000)", pgDatabases, "SELECT DISTINCT id FROM refused FOR UPDATE", nil, 1},
	{"feature not supported (0A000), with an argument", pgDatabases, "SELECT DISTINCT id FROM refused WHERE id > $1 FOR UPDATE", []any{1}, 1},
	{"a foreign server is down (08001)", pgDatabases, "DO $$BEGIN RAISE EXCEPTION 'could not connect to server' USING ERRCODE = '08001'; END$$", nil, 1},
	{"a bad path (1105)", mysqlDatabases, "DO ExtractValue('<a/>', '/a***')", nil, 1},
	{"--secure-file-priv (1290)", mysqlDatabases, "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = 'The MariaDB server is running with the --secure-file-priv option so it cannot execute this statement'", nil, 0},
}

func eachRefusal(t *testing.T, f func(t *testing.T, d database, r refusal)) {
	for _, r := range refusals {
		for _, d := range r.on(t) {
			t.Run(r.name+"/"+d.name, func(t *testing.T) {
				recreate(t, plain(t, d), "refused", "id INT")
				f(t, d, r)
			})
		}
	}
}

// TestRefusedStatementHasAKnownOutcome, and costs one connection at most.
func TestRefusedStatementHasAKnownOutcome(t *testing.T) {
	eachRefusal(t, func(t *testing.T, d database, r refusal) {
		p := open(t, d, akari.Config{MaximumPoolSize: 4})
		eventually(t, "the pool is full", func() bool { return p.Stats().Idle == 4 })
		const times = 3
		for range times {
			if _, err := p.DB().Exec(r.text, r.args...); err == nil || errors.Is(err, akari.ErrOutcomeUnknown) {
				t.Errorf("the caller is told %v", err)
			}
		}
		if most := times * r.evict; closed(t, p) > most {
			t.Errorf("%v for %d errors", p.Stats().Closed, times)
		}
	})
}

// closed is how many connections a pool has closed before it was closed itself.
func closed(t *testing.T, p *akari.Pool) int64 {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	s := p.Stats()
	return s.TotalClosed() - s.Closed[akari.CloseShutdown]
}

// TestTransactionGoesOnAfterARefusal as it would without a pool: by a savepoint in
// PostgreSQL, just so in MySQL.
func TestTransactionGoesOnAfterARefusal(t *testing.T) {
	eachRefusal(t, func(t *testing.T, d database, r refusal) {
		p := open(t, d, akari.Config{MaximumPoolSize: 1})
		tx := begin(t, p.DB())
		mustExec(t, tx, "INSERT INTO refused VALUES (1)")
		mustExec(t, tx, "SAVEPOINT here")
		if _, err := tx.Exec(r.text, r.args...); err == nil {
			t.Error("the statement was not refused")
		}
		mustExec(t, tx, "ROLLBACK TO here")
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if n := one[int](t, p.DB(), "SELECT COUNT(*) FROM refused"); n != 1 {
			t.Error("the transaction is lost")
		}
	})
}

// sealed is encrypted by a service that cannot be reached.
type sealed struct{}

func (sealed) Value() (driver.Value, error) { return nil, io.ErrUnexpectedEOF }

// TestErrorOfAnArgumentIsNotTheConnections, though it looks like the network's.
func TestErrorOfAnArgumentIsNotTheConnections(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			p := open(t, d, akari.Config{MaximumPoolSize: 3})
			query := "SELECT ?"
			if d.postgres() {
				query = "SELECT $1::text"
			}
			for range 3 {
				if _, err := p.DB().Exec(query, sealed{}); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, akari.ErrOutcomeUnknown) {
					t.Errorf("the caller is told %v", err)
				}
			}
			if n := closed(t, p); n > 0 {
				t.Errorf("%v", p.Stats().Closed)
			}
		})
	}
}

// TestCredentialsReachEveryFormOfURL: user and password may stand in the query as
// well, and the URL may name several hosts.
func TestCredentialsReachEveryFormOfURL(t *testing.T) {
	for _, d := range pgDatabases(t) {
		mustExec(t, plain(t, d), "DROP ROLE IF EXISTS rotated")
		mustExec(t, plain(t, d), "CREATE ROLE rotated LOGIN PASSWORD 'new'")
		u, err := url.Parse(d.dsn)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		inQuery, hosts := *u, *u
		inQuery.User = nil
		inQuery.RawQuery += "&user=" + url.QueryEscape(u.User.Username()) + "&password=" + url.QueryEscape(password)
		hosts.Host += "," + u.Host
		for name, u := range map[string]url.URL{"in the query": inQuery, "several hosts": hosts} {
			if name == "several hosts" && d.name == "pq" {
				continue // takes them in the query only
			}
			t.Run(name+"/"+d.name, func(t *testing.T) {
				d.dsn = u.String()
				p := open(t, d, akari.Config{MaximumPoolSize: 1})
				if err := p.SetCredentials(akari.Credentials{Username: "rotated", Password: "new"}); err != nil {
					t.Fatal(err)
				}
				p.Evict()
				if got := one[string](t, p.DB(), "SELECT current_user"); got != "rotated" {
					t.Errorf("new connections are those of %s", got)
				}
			})
		}
	}
}
