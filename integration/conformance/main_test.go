package conformance

import (
	"os"
	"testing"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/integration/servers"
)

var (
	postgres = servers.Postgres(localdb.Options{MaxConnections: 300})
	mariadb  = servers.MariaDB(localdb.Options{MaxConnections: 300})
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m, postgres, mariadb)) }
