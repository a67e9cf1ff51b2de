package conformance

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/go-sql-driver/mysql"
)

// The servers that the tests share. Each is started when a test first asks for
// it.
var (
	postgres = &shared{start: localdb.StartPostgres}
	mariadb  = &shared{start: localdb.StartMariaDB}
)

type shared struct {
	start func(context.Context, localdb.Options) (*localdb.Server, error)
	once  sync.Once
	srv   *localdb.Server
	err   error
}

func (s *shared) get(t testing.TB) *localdb.Server {
	t.Helper()
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.srv, s.err = s.start(ctx, localdb.Options{MaxConnections: 300})
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.srv
}

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	err := localdb.Install(ctx, os.Stderr, localdb.Postgres, localdb.MariaDB)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = mysql.SetLogger(quietLogger{}) // it prints a line for each connection it finds dead
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

type quietLogger struct{}

func (quietLogger) Print(...any) {}
