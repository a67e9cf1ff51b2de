package integration

import (
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/akaripool/akari"
)

// TestWorkersSeeNoErrorWhileConnectionsAreReplaced is HikariCP's PostgresTest: its
// three workers, its configurations, its change of credentials. There each runs for
// 15 seconds, in which no connection is old enough to be replaced; here all run side
// by side, and Evict ends lives every 300ms, as MaxLifetime, which is 30 seconds at
// least, would.
func TestWorkersSeeNoErrorWhileConnectionsAreReplaced(t *testing.T) {
	var all sync.WaitGroup
	for _, d := range pgDatabases(t) {
		admin := plain(t, d)
		for _, role := range []string{"before_" + d.name, "after_" + d.name} {
			mustExec(t, admin, "DROP ROLE IF EXISTS "+role)
			mustExec(t, admin, "CREATE ROLE "+role+" LOGIN PASSWORD '"+role+"'")
		}
		u, err := url.Parse(d.dsn)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("before_"+d.name, "before_"+d.name)
		d.dsn = u.String()
		for name, cfg := range map[string]akari.Config{
			"few connections":    {MinimumIdle: 3, MaximumPoolSize: 10, ConnectionTimeout: 3 * time.Second, IdleTimeout: 10 * time.Second, ValidationTimeout: 2 * time.Second},
			"impatient callers":  {MinimumIdle: 3, MaximumPoolSize: 10, ConnectionTimeout: time.Second, IdleTimeout: 20 * time.Second},
			"always asked":       {MinimumIdle: 3, MaximumPoolSize: 10, ConnectionTimeout: time.Second, IdleTimeout: 20 * time.Second, AliveBypassWindow: akari.Disabled},
			"nothing is kept":    {MinimumIdle: akari.None, MaximumPoolSize: 15, ConnectionTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second, MaxLifetime: 30 * time.Second},
			"a rotated password": {MinimumIdle: 3, MaximumPoolSize: 10, ConnectionTimeout: time.Second, IdleTimeout: 20 * time.Second},
		} {
			p := open(t, d, cfg)
			name = d.name + ", " + name
			all.Go(func() { replaceUnderLoad(t, p, name, "after_"+d.name) })
		}
	}
	all.Wait()
}

// replaceUnderLoad has three workers use a pool while its connections are
// replaced, and the credentials, if its name says so, changed. Connections are
// replaced once some of the new ones have been used: evicted more often than a
// connect takes, a pool has none.
func replaceUnderLoad(t *testing.T, p *akari.Pool, name, newUser string) {
	const rounds, life = 10, 300 * time.Millisecond
	rotates := strings.HasSuffix(name, "rotated password")
	var workers sync.WaitGroup
	var over atomic.Bool
	used := make(chan struct{}, 1)
	for range 3 {
		workers.Go(func() {
			for n := 0; !over.Load(); n++ {
				if _, err := p.DB().ExecContext(t.Context(), "SELECT pg_sleep(0.005)"); err != nil {
					t.Errorf("%s: statement %d: %v", name, n, err)
					over.Store(true)
				}
				select {
				case used <- struct{}{}:
				default:
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		workers.Wait()
		close(ended)
	}()
	for n := 0; n < rounds && !over.Load(); n++ {
		if rotates && n == 4 {
			if err := p.SetCredentials(akari.Credentials{Username: newUser, Password: newUser}); err != nil {
				t.Error(err)
			}
		}
		p.Evict()
		time.Sleep(life)
		for range 10 { // those of before the eviction have ended by then
			select {
			case <-used:
			case <-ended:
			}
		}
	}
	over.Store(true)
	<-ended
	var user string
	if err := p.DB().QueryRowContext(t.Context(), "SELECT current_user").Scan(&user); err != nil || (user == newUser) != rotates {
		t.Errorf("%s: the connections are those of %s, %v", name, user, err)
	}
	if s := p.Stats(); s.Closed[akari.CloseEvicted] < 2*rounds || s.AcquireTimeouts > 0 {
		t.Errorf("%s: %d connections were replaced, %d callers timed out", name, s.Closed[akari.CloseEvicted], s.AcquireTimeouts)
	}
}
