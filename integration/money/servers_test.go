// Package money moves amounts between accounts by all that package txn has, while
// connections are killed, cut and cancelled, and compares what callers were told with
// what the database has.
//
// What is done comes from a seed, which the test prints: AKARI_MONEY_SEED sets it.
// AKARI_MONEY_FOR is for how long each driver is put under load, as "10m".
package money

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
)

// The servers give up waiting for a lock soon, and find deadlocks at once.
var (
	postgres = &shared{start: localdb.StartPostgres, settings: map[string]string{"deadlock_timeout": "30ms", "lock_timeout": "1s"}}
	mariadb  = &shared{start: localdb.StartMariaDB, settings: map[string]string{"innodb_lock_wait_timeout": "1"}}
)

// shared is a server that tests share, started when one first asks for it.
type shared struct {
	start    func(context.Context, localdb.Options) (*localdb.Server, error)
	settings map[string]string
	once     sync.Once
	srv      *localdb.Server
	err      error
}

func (s *shared) get(t testing.TB) *localdb.Server {
	t.Helper()
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.srv, s.err = s.start(ctx, localdb.Options{MaxConnections: 200, Settings: s.settings})
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.srv
}

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	err := localdb.Install(ctx, os.Stderr)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = mysql.SetLogger(quiet{})
	code := m.Run()
	for _, s := range []*shared{postgres, mariadb} {
		if s.srv != nil {
			if err := s.srv.Close(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}
	os.Exit(code)
}

type quiet struct{}

func (quiet) Print(...any) {}
