// Settings: change a pool while it works, and log what happens in it.
//
//	go run ./examples/settings
//
// See quickstart for other databases.
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/examples/internal/demo"
	_ "modernc.org/sqlite"
)

func main() {
	demo.Main(func(ctx context.Context, driver, dsn string) error {
		open := func(cfg akari.Config) (*akari.Pool, error) { return akari.Open(ctx, driver, dsn, cfg) }
		return run(ctx, open, os.Stdout)
	})
}

func run(ctx context.Context, open func(akari.Config) (*akari.Pool, error), out io.Writer) error {
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	closed := make(chan akari.CloseReason, 10)

	// The pool has a log of its own (Config.Logger). A Trace tells a program what
	// it wants to know. Its functions must not block: callers wait for them.
	trace := &akari.Trace{
		SettingsChanged: func(e akari.SettingsEvent) {
			log.Info("settings changed", "from", e.From.MaximumPoolSize, "to", e.To.MaximumPoolSize)
		},
		AcquireFailed: func(e akari.AcquireFailedEvent) {
			log.Warn("no connection", "timeout", e.Err.Timeout(), "active", e.Err.Active, "idle", e.Err.Idle)
		},
		Closed: func(e akari.ClosedEvent) {
			log.Info("connection closed", "reason", e.Reason)
			closed <- e.Reason
		},
	}
	pool, err := open(akari.Config{
		PoolName:          "settings",
		MaximumPoolSize:   2,
		ConnectionTimeout: 250 * time.Millisecond,
		Trace:             trace,
	})
	if err != nil {
		return err
	}
	defer pool.Close()

	// All two connections are in use, and a third caller is sent away in time.
	first, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer first.Release()
	second, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer second.Release()
	if err := ask(ctx, pool); !errors.Is(err, akari.ErrAcquireTimeout) {
		return err
	}

	// With a third connection, and more patience, the next one gets it.
	s := pool.Settings()
	s.MaximumPoolSize = 3
	s.ConnectionTimeout = 10 * time.Second
	if err := pool.Apply(s); err != nil {
		return err
	}
	if err := ask(ctx, pool); err != nil {
		return err
	}
	log.Info("third caller served")

	// Settings out of bounds are refused, and nothing changes.
	s.MaximumPoolSize = -3
	var bad *akari.ConfigError
	if err := pool.Apply(s); errors.As(err, &bad) {
		log.Warn("refused", "field", bad.Field, "value", bad.Value, "still", pool.Settings().MaximumPoolSize)
	}

	// A smaller pool: idle connections go at once, those in use when they are
	// released.
	s.MaximumPoolSize = 1
	if err := pool.Apply(s); err != nil {
		return err
	}
	<-closed
	second.Release()
	<-closed
	first.Release()
	return pool.Shutdown(ctx)
}

// ask borrows a connection in a goroutine of its own. Asked by one that holds
// all connections, the pool would not wait: nothing could ever come of it. See
// akari.ErrPoolLock.
func ask(ctx context.Context, pool *akari.Pool) error {
	result := make(chan error)
	go func() { result <- pool.DB().PingContext(ctx) }()
	return <-result
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
