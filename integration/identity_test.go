package integration

import (
	"testing"

	"github.com/akaripool/akari"
)

// TestBackendIDIsTheServersOwnNumber, which an operator sees in pg_stat_activity
// or in the list of processes.
func TestBackendIDIsTheServersOwnNumber(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			p := open(t, d, akari.Config{MaximumPoolSize: 1})
			c, err := p.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := c.Info().BackendID
			c.Release()
			query := "SELECT CONNECTION_ID()"
			if d.postgres() {
				query = "SELECT pg_backend_pid()"
			}
			if want := one[uint64](t, p.DB(), query); got != want {
				t.Errorf("BackendID is %d, the server says %d", got, want)
			}
		})
	}
}
