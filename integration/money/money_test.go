package money

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/txn"
)

const (
	workers = 50
	size    = 6 // of the pool
	perTask = 3
)

// settings are the seed, and for how long each driver is under load.
func settings(t *testing.T) (seed uint64, length time.Duration) {
	t.Helper()
	seed, length = rand.Uint64(), 10*time.Second
	var err error
	if text := os.Getenv("AKARI_MONEY_SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("AKARI_MONEY_SEED: %v", err)
		}
	}
	if text := os.Getenv("AKARI_MONEY_FOR"); text != "" {
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("AKARI_MONEY_FOR: %v", err)
		}
	}
	t.Logf("AKARI_MONEY_SEED=%d AKARI_MONEY_FOR=%v", seed, length)
	return seed, length
}

func TestMoneyIsNeitherLostNorMade(t *testing.T) {
	seed, length := settings(t)
	for _, d := range []struct{ name, driver string }{{"pgx", "pgx"}, {"pq", "postgres"}, {"mysql", "mysql"}} {
		t.Run(d.name, func(t *testing.T) {
			(&bank{driver: d.driver}).server().Get(t) // its goroutines stay
			before := runtime.NumGoroutine()
			t.Run("load", func(t *testing.T) { under(t, d.driver, seed, length) })
			noGoroutines(t, before)
		})
	}
}

// under puts a driver under load, and looks at what is left.
func under(t *testing.T, driver string, seed uint64, length time.Duration) {
	b, k := newBank(t, driver), newBook()
	pool, err := akari.Open(t.Context(), driver, b.dsn, akari.Config{
		PoolName: "money", MaximumPoolSize: size, MaxConnectionsPerTask: perTask,
		ConnectionTimeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	load(t, b, k, pool, seed, length)
	if !t.Failed() {
		pass(t, b, k, pool)
	}
	for i, what := range k.faults() {
		if i == 8 {
			t.Errorf("and %d more", len(k.faults())-i)
			break
		}
		t.Error(what)
	}
	k.log(t)
	if !t.Failed() {
		k.has(t, b.postgres())
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	if s := pool.Stats(); s.Total != 0 || s.Acquired != s.Released || s.Opened != s.TotalClosed() {
		t.Errorf("after Close: %+v", s)
	}
}

// load lets the workers work for a time, or until something is found to be wrong.
func load(t *testing.T, b *bank, k *book, pool *akari.Pool, seed uint64, length time.Duration) {
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	var all, others sync.WaitGroup
	others.Go(func() { newStorm(b, k, seed).blow(ctx) })
	others.Go(func() { watch(ctx, stop, b, k) })
	db := pool.DB()
	for w := range uint64(workers) {
		all.Go(func() {
			for task := uint64(0); ctx.Err() == nil; task++ {
				(&errand{bank: b, book: k, pool: pool, db: db, plan: plan(seed, w, task)}).run()
				k.count("tasks")
			}
		})
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	<-ctx.Done()
	others.Wait()
	if err := b.net.Heal(); err != nil {
		t.Error(err)
	}
	select {
	case <-over:
	case <-time.After(30 * time.Second):
		buf := make([]byte, 4<<20)
		t.Fatalf("tasks do not end: %+v\n%s", pool.Stats(), buf[:runtime.Stack(buf, true)])
	}
}

// watch looks at consistent snapshots while the workers work.
func watch(ctx context.Context, stop func(), b *bank, k *book) {
	for ctx.Err() == nil && len(k.faults()) == 0 {
		began := time.Now()
		err := b.snapshot(ctx)
		if v := violation(""); errors.As(err, &v) {
			k.fault("during the run: %v", err)
		} else if err != nil && ctx.Err() == nil {
			k.fault("%v", err)
		}
		k.count("snapshots")
		wait(ctx, max(100*time.Millisecond, 10*time.Since(began)))
	}
	stop()
}

// pass looks at what the load has left.
func pass(t *testing.T, b *bank, k *book, pool *akari.Pool) {
	if s := pool.Stats(); s.Active != 0 || s.Waiting != 0 {
		t.Errorf("%d connections in use, %d callers waiting", s.Active, s.Waiting)
	}
	b.settled(t)
	if err := b.snapshot(t.Context()); err != nil {
		t.Errorf("in the end %v", err)
	}
	there, err := b.rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k.audit(there)
	ended := k.transactions()
	s := pool.Stats().Transactions
	if s.Committed+s.Empty != ended[kept] || s.Unknown != ended[unknown] {
		t.Errorf("callers were told of %v, the pool's statistics say %+v", ended, s)
	}
	if sum := s.Committed + s.Empty + s.RolledBack + s.UnexpectedRolledBack + s.TimedOut + s.Unknown; sum != s.Begun {
		t.Errorf("%d transactions have begun, %d have ended", s.Begun, sum)
	}
	allPlaces(t, pool)
}

// allPlaces makes sure that tasks can have as many connections as ever: as many tasks
// as may hold one at once, and one that holds all that it may.
func allPlaces(t *testing.T, pool *akari.Pool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	const most = size - perTask + 1
	var all sync.WaitGroup
	var here atomic.Int32
	full := make(chan struct{})
	for range most {
		all.Go(func() {
			err := txn.Do(ctx, pool, func(ctx context.Context) error {
				if here.Add(1) == most {
					close(full)
				}
				select {
				case <-full:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}, txn.Eager)
			if err != nil {
				t.Errorf("a task that needs one connection: %v", err)
			}
		})
	}
	all.Wait()
	var deeper func(ctx context.Context, n int) error
	deeper = func(ctx context.Context, n int) error {
		if n == 0 {
			return nil
		}
		return txn.Do(ctx, pool, func(ctx context.Context) error { return deeper(ctx, n-1) }, txn.RequiresNew, txn.Eager)
	}
	if err := deeper(ctx, perTask); err != nil {
		t.Errorf("a task that needs %d connections: %v", perTask, err)
	}
}

// has makes sure that the load was one: of all that it is to consist of, something has
// happened.
func (b *book) has(t *testing.T, postgres bool) {
	t.Helper()
	count := func(part string) (n int) {
		for what, times := range b.tally {
			if strings.Contains(what, part) {
				n += times
			}
		}
		return n
	}
	for _, part := range []string{
		"Required committed: nil", "RequiresNew committed: nil", "Nested committed: nil", "Mandatory undecided: nil", "Supports undecided: nil",
		"NotSupported undecided: nil", "Never undecided: nil", "Never not entered", "Mandatory not entered", "Nested rolled back", "unknown: outcome unknown",
		"rolled back: unwound", "rolled back: Timeout", "rolled back: cancelled", "boom, but commit", "deadlock", "connection lost", "gone on after",
		"AfterCommit fails", "AfterCommit works", "statement committed", "the transaction is busy",
	} {
		if count(part) == 0 {
			t.Errorf("the load had nothing of %q: it is too short", part)
		}
	}
	if postgres && count("serialization") == 0 {
		t.Error("the load had no serialization failure: it is too short")
	}
}

// log tells what has happened how often.
func (b *book) log(t *testing.T) {
	t.Helper()
	text := ""
	for _, what := range slices.Sorted(maps.Keys(b.tally)) {
		text += fmt.Sprintf("\n%8d %s", b.tally[what], what)
	}
	t.Log(text)
}

func noGoroutines(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(time.Millisecond) // goroutines end on their own time
	}
}
