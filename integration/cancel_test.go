package integration

import (
	"context"
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/akaripool/akari"
)

// A statement is over just before its context ends the request to cancel it, which
// is on its way: it must not cancel the next one on the same sql.Conn. lib/pq gives
// the connection up there.
func TestLateCancelRequestHitsNoOtherStatement(t *testing.T) {
	for _, d := range pgDatabases(t) {
		if d.name != "pq" {
			continue
		}
		far, net := overNetwork(t, d)
		p := open(t, far, akari.Config{MaximumPoolSize: 1})
		c := conn(t, p.DB())
		mustExec(t, c, "SELECT 1")
		net.SetConnectDelay(60 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
		defer cancel()
		_, first := c.ExecContext(ctx, "SELECT pg_sleep(0.03)")
		_, second := c.ExecContext(t.Context(), "SELECT pg_sleep(0.2)")
		if first == nil && !errors.Is(second, driver.ErrBadConn) {
			t.Errorf("the next statement on the sql.Conn ended with %v", second)
		}
		net.SetConnectDelay(0)
		if _, err := p.DB().ExecContext(t.Context(), "SELECT pg_sleep(0.1)"); err != nil {
			t.Errorf("the next borrower's statement: %v", err)
		}
	}
}
