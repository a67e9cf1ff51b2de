// Package exampletest runs the examples in tests: on SQLite and on private
// PostgreSQL and MariaDB servers, with the bare driver and with the pool, and
// looks at what they print and at what they leave behind.
package exampletest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/go-sql-driver/mysql"
)

// The servers of this test process.
var servers = map[localdb.Kind]*server{
	localdb.Postgres: {start: localdb.StartPostgres},
	localdb.MariaDB:  {start: localdb.StartMariaDB},
}

type server struct {
	start func(context.Context, localdb.Options) (*localdb.Server, error)
	once  sync.Once
	srv   *localdb.Server
	err   error
}

// ready starts the server, or waits until it is started.
func (s *server) ready() {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.srv, s.err = s.start(ctx, localdb.Options{MaxConnections: 60})
	})
}

func (s *server) get(t testing.TB) *localdb.Server {
	t.Helper()
	s.ready()
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.srv
}

// Main is for TestMain. It installs the servers that are missing (as root, on
// Debian and its kin), has those of the given kinds started while the first tests
// run on SQLite, runs the tests, and fails if they leave a goroutine.
func Main(m *testing.M, kinds ...localdb.Kind) {
	os.Exit(runTests(m, kinds))
}

func runTests(m *testing.M, kinds []localdb.Kind) (code int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	err := localdb.Install(ctx, os.Stderr, localdb.Postgres, localdb.MariaDB)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = mysql.SetLogger(quiet{})                   // it prints a line for each connection that its server has left
	slog.SetDefault(slog.New(slog.DiscardHandler)) // for pools that examples open themselves
	before := len(goroutines())
	var starting sync.WaitGroup
	for _, kind := range kinds {
		starting.Go(servers[kind].ready)
	}
	code = m.Run()
	starting.Wait()
	for _, s := range servers {
		if s.srv == nil {
			continue
		}
		if err := s.srv.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if !within(5*time.Second, func() bool { return len(goroutines()) <= before }) {
		fmt.Fprintf(os.Stderr, "the tests have left goroutines:\n%s\n", strings.Join(goroutines(), "\n\n"))
		code = 1
	}
	return code
}

// goroutines returns the stacks of those that live now, except for one that gorm
// starts for each cache of prepared statements and has no way to end.
func goroutines() []string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return slices.DeleteFunc(strings.Split(string(stacks), "\n\n"), func(stack string) bool {
		return strings.Contains(stack, "gorm.io/gorm/internal/lru.")
	})
}

type quiet struct{}

func (quiet) Print(...any) {}

// Eventually fails the test unless the condition, which other processes or
// goroutines have to bring about, holds before long.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !within(10*time.Second, ok) {
		t.Errorf("not after 10 s: %s", what)
	}
}

func within(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
