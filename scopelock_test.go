package akari_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// A statement of the scope from within akari.Raw in the same scope.
func TestStatementWithinACallOfItsDriverIsRefused(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, small())
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		err := txn.Do(ctx, b.Pool, func(ctx context.Context) error {
			conn, err := b.DB().Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			return akari.Raw(conn, func(any) error {
				_, err := b.DB().ExecContext(ctx, "NOP")
				return err
			})
		})
		if took := time.Since(start); took > 0 || !errors.Is(err, txn.ErrScopeBusy) {
			t.Errorf("%v after %v", err, took)
		}
		b.rest()
	})
}

// Without a limit a lock of scopes is possible, and to be broken, not waited for.
func TestLockOfGoroutinesOfATaskIsBroken(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := small()
		cfg.MaximumPoolSize = 1
		cfg.MaxConnectionsPerTask = akari.None
		b := newBench(t, akaritest.Full, cfg)
		start := time.Now()
		err := txn.Do(context.Background(), b.Pool, func(ctx context.Context) error {
			if _, err := b.DB().ExecContext(ctx, "NOP"); err != nil {
				return err
			}
			got := make(chan error)
			go func() {
				got <- txn.Do(ctx, b.Pool, func(ctx context.Context) error {
					_, err := b.DB().ExecContext(ctx, "NOP")
					return err
				}, txn.RequiresNew)
			}()
			return <-got
		})
		if took := time.Since(start); took > 5*time.Second || !errors.Is(err, akari.ErrPoolLock) {
			t.Errorf("%v: %v", took, err)
		}
		b.rest()
	})
}
