package integration

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/faultproxy"
)

// TestCallOnAConnWaitsNoLongerThanItsOwnContext: a sql.Conn borrows with its first
// call, whose arguments the driver is to look at before.
func TestCallOnAConnWaitsNoLongerThanItsOwnContext(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			p := open(t, d, akari.Config{MaximumPoolSize: 1})
			held, err := p.Acquire(t.Context()) // as good as in use by somebody else
			if err != nil {
				t.Fatal(err)
			}
			defer held.Release()
			c := conn(t, p.DB())
			query := "SELECT ?"
			if d.postgres() {
				query = "SELECT $1::int"
			}
			soon(t, "a call with 100 ms of time", func() {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				if _, err := c.ExecContext(ctx, query, 1); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the caller is told %v", err)
				}
			})
		})
	}
}

// TestReaderOfRowsIsFreedByTheEndOfItsContext, also when the network has gone
// silent under the rows.
func TestReaderOfRowsIsFreedByTheEndOfItsContext(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			far, net := overNetwork(t, d)
			p := open(t, far, akari.Config{MaximumPoolSize: 2})
			defer func() { // or closing would wait for the silent connections
				if err := net.Heal(); err != nil {
					t.Error(err)
				}
				net.ResetAll()
			}()
			query := "SELECT REPEAT('x', 1000) FROM seq_1_to_100000"
			if d.postgres() {
				query = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
			}
			soon(t, "reading", func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				rows, err := p.DB().QueryContext(ctx, query)
				if err != nil {
					t.Error(err)
					return
				}
				defer rows.Close()
				for n := 1; rows.Next(); n++ {
					if n == 10 {
						net.Stall()
						if err := net.SetArrivals(faultproxy.Silent); err != nil {
							t.Error(err)
						}
						time.AfterFunc(100*time.Millisecond, cancel) // what has arrived is read by then
					}
				}
				if rows.Err() == nil {
					t.Error("all rows were read over a silent network")
				}
			})
		})
	}
}

// A driver that is told to close rows reads on to their end, if nobody hangs up.
func TestEndOfAContextEndsAResultWithoutEnd(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			p := open(t, d, akari.Config{MaximumPoolSize: 1})
			query := "SELECT seq FROM seq_1_to_1000000000000"
			if d.postgres() {
				query = "SELECT generate_series(1, 1000000000000)"
			}
			for range 5 {
				ctx, cancel := context.WithCancel(t.Context())
				rows, err := p.DB().QueryContext(ctx, query)
				if err != nil {
					cancel()
					t.Fatal(err)
				}
				rows.Next()
				cancel()
				soon(t, "closing the rows, and a statement after them", func() {
					_ = rows.Close()
					if _, err := p.DB().ExecContext(t.Context(), "SELECT 1"); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

// TestOpenReturnsInTimeFromASilentServer: the connection is accepted, and nothing
// else ever happens.
func TestOpenReturnsInTimeFromASilentServer(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			far, net := overNetwork(t, d)
			if err := net.SetArrivals(faultproxy.Silent); err != nil {
				t.Fatal(err)
			}
			soon(t, "Open with 200 ms of time", func() {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				p, err := akari.Open(ctx, far.driver, far.dsn, akari.Config{ConnectionTimeout: time.Second, Logger: slog.New(slog.DiscardHandler)})
				if err == nil {
					p.Close()
					t.Error("a pool was made without a connection")
				}
			})
		})
	}
}

// Without an end of their own the attempts would stay as long as the server does.
func TestNothingIsLeftOfAttemptsThatASilentServerNeverAnswers(t *testing.T) {
	for _, d := range allServers(t) {
		for name, closePool := range map[string]func(p *akari.Pool) error{
			"Close":    (*akari.Pool).Close,
			"DB.Close": func(p *akari.Pool) error { return p.DB().Close() },
			"Shutdown": func(p *akari.Pool) error { return p.Shutdown(context.Background()) },
		} {
			t.Run(d.name+"/"+name, func(t *testing.T) {
				far, net := overNetwork(t, d)
				if err := net.SetArrivals(faultproxy.Silent); err != nil {
					t.Fatal(err)
				}
				p, err := akari.Open(t.Context(), far.driver, far.dsn, akari.Config{
					MaximumPoolSize: 3, ConnectionTimeout: 300 * time.Millisecond, InitializationFailTimeout: akari.DontTry, Logger: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					t.Fatal(err)
				}
				err = p.DB().PingContext(t.Context())
				if !errors.Is(err, akari.ErrAcquireTimeout) {
					t.Errorf("Ping: %v", err)
				}
				start := time.Now()
				if err := closePool(p); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > time.Second && d.name != "pq" || took > 2*time.Second {
					t.Errorf("closing the pool took %v", took) // lib/pq connects without a context, its time-outs are whole seconds
				}
				if n := p.Stats().Opening; n != 0 {
					t.Errorf("%d attempts are left", n)
				}
			})
		}
	}
}

// TestTasksThatWaitForTheirOwnGoroutines, each for one that wants a connection
// while the task's transaction holds one: known by the contexts.
func TestTasksThatWaitForTheirOwnGoroutinesAreAPoolLock(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			const size = 4
			p := open(t, d, akari.Config{MaximumPoolSize: size})
			var begun, all sync.WaitGroup
			begun.Add(size)
			errs := make(chan error, size)
			for range size {
				all.Go(func() {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					tx, err := p.DB().BeginTx(ctx, nil)
					if err == nil {
						defer tx.Rollback()
						_, err = tx.ExecContext(ctx, "SELECT 1")
					}
					begun.Done()
					if err != nil {
						errs <- err
						return
					}
					begun.Wait()
					done := make(chan error)
					go func() {
						_, err := p.DB().ExecContext(ctx, "SELECT 1")
						done <- err
					}()
					errs <- <-done
				})
			}
			soon(t, "the tasks", all.Wait)
			failed := 0
			for range size {
				if err := <-errs; errors.Is(err, akari.ErrPoolLock) {
					failed++
				} else if err != nil {
					t.Error(err)
				}
			}
			if failed != 1 {
				t.Errorf("%d of %d tasks failed, one lets the others go on", failed, size)
			}
		})
	}
}

func TestLowerMaximumReachesConnectionsBeingOpened(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			p := open(t, d, akari.Config{MaximumPoolSize: 4})
			s := p.Settings()
			s.MaximumPoolSize = 1
			if err := p.Apply(s); err != nil { // the others are on their way
				t.Fatal(err)
			}
			eventually(t, "one connection, and nothing under way", func() bool {
				s := p.Stats()
				return s.Total == 1 && s.Opening == 0 && s.Closing == 0
			})
		})
	}
}

// TestTransactionsHandedToWorkersAreNoPoolLock: one goroutine begins them and
// waits for the next, others end them. Whoever waits holds nothing.
func TestTransactionsHandedToWorkersAreNoPoolLock(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			const size = 2
			p := open(t, d, akari.Config{MaximumPoolSize: size})
			done := make(chan error, 2*size)
			for range 2 * size {
				tx, err := p.DB().BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				go func() { done <- work(tx, 700*time.Millisecond) }()
			}
			for range 2 * size {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			if n := p.Stats().PoolLocks; n != 0 {
				t.Errorf("%d callers were sent away", n)
			}
		})
	}
}

// work uses a transaction after it has calculated for some time: longer than
// the pool looks before it takes callers that hold everything for stuck.
func work(tx *sql.Tx, calculation time.Duration) error {
	<-time.After(calculation)
	if _, err := tx.Exec("SELECT 1"); err != nil {
		return err
	}
	return tx.Commit()
}
