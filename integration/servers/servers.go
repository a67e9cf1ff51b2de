// Package servers has the database servers that the tests of a package share: each is
// started when a test first asks for it, and stopped when the tests are over.
package servers

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

// Server is a server that tests share. A test that kills or stops one starts its own.
type Server struct {
	start func(context.Context, localdb.Options) (*localdb.Server, error)
	opts  localdb.Options
	once  sync.Once
	srv   *localdb.Server
	err   error
}

// Postgres is a PostgreSQL server with the given options.
func Postgres(opts localdb.Options) *Server { return &Server{start: localdb.StartPostgres, opts: opts} }

// MariaDB is a MariaDB server with the given options.
func MariaDB(opts localdb.Options) *Server { return &Server{start: localdb.StartMariaDB, opts: opts} }

// Get starts the server if it does not run yet.
func (s *Server) Get(t testing.TB) *localdb.Server {
	t.Helper()
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.srv, s.err = s.start(ctx, s.opts)
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.srv
}

// Main is for TestMain: it installs what the servers need, runs the tests and stops the
// servers. It returns the exit code.
func Main(m *testing.M, all ...*Server) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	err := localdb.Install(ctx, os.Stderr)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = mysql.SetLogger(quiet{}) // it prints a line for each connection it finds dead
	code := m.Run()
	for _, s := range all {
		if s.srv == nil {
			continue
		}
		if err := s.srv.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

type quiet struct{}

func (quiet) Print(...any) {}
