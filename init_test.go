package akari_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// start makes a pool on a server that is not well.
func start(t *testing.T, server *akaritest.Server, cfg akari.Config) (*akari.Pool, time.Duration, error) {
	t.Helper()
	cfg.PoolName, cfg.Logger = "test", quiet
	began := time.Now()
	p, err := akari.New(t.Context(), server.Connector(), akari.Unbounded(cfg))
	took := time.Since(began)
	if p != nil {
		t.Cleanup(func() { p.Close() })
	}
	return p, took, err
}

func TestStartWithoutADatabase(t *testing.T) {
	down := errors.New("connection refused")
	for _, c := range []struct {
		name    string
		timeout time.Duration
		fails   bool
		took    time.Duration
		tries   int
	}{
		{"default: fails after one attempt", 0, true, time.Millisecond, 2},
		{"tries as long as it is told", 10 * time.Second, true, 10 * time.Second, 11},
		{"TryOnce: starts all the same", akari.TryOnce, false, 0, 1},
		{"DontTry: does not even try", akari.DontTry, false, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				server := akaritest.NewServer(akaritest.Full)
				akaritest.Verify(t, server)
				in := server.Inject(akaritest.OpConnect, akaritest.Fault{Err: down})
				_, took, err := start(t, server, akari.Config{InitializationFailTimeout: c.timeout, MinimumIdle: akari.None})
				if (err != nil) != c.fails {
					t.Fatalf("got %v", err)
				}
				if took != c.took || in.Hits() != c.tries {
					t.Errorf("it took %v and %d attempts, want %v and %d", took, in.Hits(), c.took, c.tries)
				}
				if c.fails {
					var ie *akari.InitError
					if !errors.As(err, &ie) || !errors.Is(err, down) || !strings.HasPrefix(err.Error(), "test - Failed to initialize pool: connection refused") {
						t.Errorf("text: %v", err)
					}
				}
			})
		})
	}
}

func TestDriverThatPanicsFailsTheStart(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		akaritest.Verify(t, server)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Panic: "boo"})
		if _, _, err := start(t, server, akari.Config{MinimumIdle: 1}); err == nil || !strings.Contains(err.Error(), "the driver panicked in Connect: boo") {
			t.Errorf("got %v", err)
		}
	})
}

func TestDatabaseThatComesUpWhileStarting(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		akaritest.Verify(t, server)
		in := server.Inject(akaritest.OpConnect, akaritest.Fault{Err: errors.New("starting up")})
		time.AfterFunc(2500*time.Millisecond, in.Release)
		p, took, err := start(t, server, akari.Config{InitializationFailTimeout: 10 * time.Second})
		if err != nil || took != 3*time.Second {
			t.Fatalf("got %v after %v", err, took)
		}
		if p.Stats().Total == 0 {
			t.Error("no connection")
		}
	})
}

func TestDatabaseThatRefusesTheSetUpFailsTheStart(t *testing.T) {
	for _, timeout := range []time.Duration{0, 2 * time.Second, akari.TryOnce} {
		within(t, func(t *testing.T) {
			server := akaritest.NewServer(akaritest.Full)
			akaritest.Verify(t, server)
			_, took, err := start(t, server, akari.Config{InitializationFailTimeout: timeout, ConnectionInitSQL: "FAIL 42601 syntax error"})
			var coded *akaritest.Error
			if !errors.As(err, &coded) || coded.Code != "42601" || took != 0 {
				t.Errorf("got %v after %v", err, took)
			}
			if err != nil && (!strings.Contains(err.Error(), "ConnectionInitSQL") || strings.Contains(err.Error(), "FAIL 42601")) {
				t.Errorf("it does not say which step failed, or shows the statement: %v", err)
			}
		})
		within(t, func(t *testing.T) {
			server := akaritest.NewServer(akaritest.Full)
			akaritest.Verify(t, server)
			_, took, err := start(t, server, akari.Config{InitializationFailTimeout: timeout, ConnectionTestQuery: "FAIL 42601 syntax error"})
			var coded *akaritest.Error
			if !errors.As(err, &coded) || coded.Code != "42601" || took != 0 {
				t.Errorf("a test query that fails: got %v after %v", err, took)
			}
		})
		within(t, func(t *testing.T) {
			server := akaritest.NewServer(akaritest.Full)
			akaritest.Verify(t, server)
			server.Inject(akaritest.OpPing, akaritest.Fault{Panic: "boo"})
			if _, _, err := start(t, server, akari.Config{InitializationFailTimeout: timeout}); err == nil || !strings.Contains(err.Error(), "the driver panicked in Ping: boo") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		akaritest.Verify(t, server)
		server.Inject(akaritest.OpConnect, akaritest.Fault{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := akari.New(ctx, server.Connector(), akari.Config{InitializationFailTimeout: time.Hour, Logger: quiet})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Fatalf("got %v after %v", err, time.Since(began))
		}
	})
}

func TestPoolThatStartedWithoutADatabaseFindsItLater(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		akaritest.Verify(t, server)
		server.Shutdown()
		p, _, err := start(t, server, akari.Config{InitializationFailTimeout: akari.TryOnce, MaximumPoolSize: 3})
		if err != nil {
			t.Fatal(err)
		}
		settle(time.Minute)
		server.Restart()
		if _, err := p.DB().ExecContext(t.Context(), "GET x"); err != nil {
			t.Fatal(err)
		}
		settle(10 * time.Second)
		if n := p.Stats().Total; n != 3 {
			t.Errorf("%d connections, want the minimum of 3", n)
		}
	})
}

func TestPoolWithNoMinimumHoldsNothingWhileIdle(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 5, MinimumIdle: akari.None, ConnectionTimeout: time.Second})
		b.want(0, 0, 0, 0)
		if b.server.Stats().Opened != 1 {
			t.Error("whether there is a database was not checked")
		}
		b.exec("GET x")
		b.want(1, 0, 1, 0)
	})
}

func TestPoolsWithoutNamesAreNumbered(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		akaritest.Verify(t, server)
		names := map[string]bool{}
		for range 3 {
			p, err := akari.New(t.Context(), server.Connector(), akari.Config{MaximumPoolSize: 1, Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if !strings.HasPrefix(p.Name(), "AkariPool-") || names[p.Name()] {
				t.Errorf("name %q", p.Name())
			}
			names[p.Name()] = true
		}
	})
}
