package integration

import (
	"database/sql"
	"testing"

	"github.com/akaripool/akari"
)

// TestSessionDefaultsHoldOnEveryConnection, also after a borrower has changed
// them and the session was cleaned.
func TestSessionDefaultsHoldOnEveryConnection(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			bare := plain(t, d)
			cfg := akari.Config{MaximumPoolSize: 1, ReadOnly: true, TransactionIsolation: sql.LevelSerializable}
			type look struct{ query, want, spoil string }
			var looks []look
			if d.postgres() {
				mustExec(t, bare, `CREATE SCHEMA IF NOT EXISTS "Fancy ""one"`)
				cfg.Schema = `Fancy "one, public`
				cfg.ConnectionInitSQL = "SET application_name = 'akari-init'"
				looks = []look{
					{"SHOW default_transaction_read_only", "on", "SET default_transaction_read_only = off"},
					{"SHOW transaction_isolation", "serializable", "SET default_transaction_isolation = 'read committed'"},
					{"SELECT current_schema()", `Fancy "one`, "SET search_path = pg_catalog"},
					{"SHOW application_name", "akari-init", "SET application_name = 'mine'"},
				}
			} else {
				mustExec(t, bare, "CREATE DATABASE IF NOT EXISTS `fancy``one`")
				cfg.Schema = "fancy`one"
				cfg.ConnectionInitSQL = "SET time_zone = '+09:00'"
				looks = []look{
					{"SELECT CAST(@@session.tx_read_only AS CHAR)", "ON", "SET SESSION TRANSACTION READ WRITE"},
					{"SELECT @@session.tx_isolation", "SERIALIZABLE", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"},
					{"SELECT DATABASE()", "fancy`one", "USE information_schema"},
					{"SELECT @@session.time_zone", "+09:00", "SET time_zone = '+01:00'"},
				}
			}
			db := open(t, d, cfg).DB()
			for range 3 {
				for _, l := range looks {
					if got := one[string](t, db, l.query); got != l.want {
						t.Errorf("%s: %q, want %q", l.query, got, l.want)
					}
				}
				for _, l := range looks {
					mustExec(t, db, l.spoil)
				}
			}
			if _, err := db.Exec("CREATE TABLE not_here (id INT)"); err == nil {
				t.Error("a read-only pool has written")
			}
			tx, err := db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			if _, err := tx.Exec("CREATE TABLE not_here (id INT)"); err == nil {
				t.Error("a transaction of a read-only pool has written")
			}
		})
	}
}
