// Package money moves amounts between accounts by all that package txn has, while
// connections are killed, cut and cancelled, and compares what callers were told with
// what the database has.
//
// What is done comes from a seed, which the test prints: AKARI_MONEY_SEED sets it.
// AKARI_MONEY_FOR is for how long each driver is put under load, as "10m".
package money

import (
	"os"
	"testing"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/integration/servers"
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
)

// The servers give up waiting for a lock soon, and find deadlocks at once.
var (
	postgres = servers.Postgres(localdb.Options{MaxConnections: 200, Settings: map[string]string{"deadlock_timeout": "10ms", "lock_timeout": "300ms"}})
	mariadb  = servers.MariaDB(localdb.Options{MaxConnections: 200, Settings: map[string]string{"innodb_lock_wait_timeout": "1"}})
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m, postgres, mariadb)) }
