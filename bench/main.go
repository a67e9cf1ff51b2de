// Command bench compares the pool with database/sql's own: equal work, on a
// database that answers at once, so that what is measured is the pool.
//
//	go run ./bench
//
// Both run in turns, round after round, since the speed of a machine changes; what
// is printed is the median of the ratios of the rounds, and their spread. A ratio
// above 1 says that akari does more in the same time.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// connections is the size of either pool.
const connections = 10

func main() {
	rounds := flag.Int("rounds", 9, "how often each pool has its turn")
	turn := flag.Duration("turn", 300*time.Millisecond, "how long a turn takes")
	flag.Parse()
	if *rounds < 1 || *turn <= 0 {
		fmt.Fprintln(os.Stderr, "bench: -rounds and -turn must be positive")
		os.Exit(2)
	}
	if err := run(*rounds, *turn); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(rounds int, turn time.Duration) error {
	own := sql.OpenDB(server().Connector())
	defer own.Close()
	own.SetMaxOpenConns(connections)
	own.SetMaxIdleConns(connections)
	pool, err := akari.New(context.Background(), server().Connector(), akari.Config{
		MaximumPoolSize: connections,
		SessionReset:    akari.ResetOff, // database/sql resets no session either
		Logger:          slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer pool.Close()

	fmt.Printf("%d connections, %d rounds of %v each\n\n", connections, rounds, turn)
	fmt.Printf("%-28s %14s %14s %8s %15s\n", "", "database/sql", "akari", "ratio", "spread")
	for _, w := range []struct {
		name    string
		callers int
		do      func(*sql.DB) error
	}{
		{"1 caller, a statement", 1, statement},
		{"2 callers, a statement", 2, statement},
		{"10 callers, a statement", 10, statement},
		{"100 callers, a statement", 100, statement},
		{"1 caller, a transaction", 1, transaction},
		{"100 callers, a transaction", 100, transaction},
	} {
		if err := compare(w.name, w.callers, w.do, own, pool.DB(), rounds, turn); err != nil {
			return err
		}
	}
	return nil
}

// text is a statement that does nothing.
const text = "SELECT 1"

// server is the database of one of the pools.
func server() *akaritest.Server {
	s := akaritest.NewServer(akaritest.PgxLike)
	s.Quiet()
	s.Define(text, "")
	return s
}

func compare(name string, callers int, do func(*sql.DB) error, own, pooled *sql.DB, rounds int, turn time.Duration) error {
	var ratios, plain, akari []float64
	for range rounds {
		a, err := throughput(own, callers, turn, do)
		if err != nil {
			return err
		}
		b, err := throughput(pooled, callers, turn, do)
		if err != nil {
			return err
		}
		plain, akari, ratios = append(plain, a), append(akari, b), append(ratios, b/a)
	}
	for _, list := range [][]float64{plain, akari, ratios} {
		slices.Sort(list)
	}
	fmt.Printf("%-28s %12.0f/s %12.0f/s %8.2f %6.2f to %5.2f\n", name, median(plain), median(akari), median(ratios), ratios[0], ratios[len(ratios)-1])
	return nil
}

// throughput is how many operations a second the callers get done.
func throughput(db *sql.DB, callers int, turn time.Duration, do func(*sql.DB) error) (float64, error) {
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var callersDone sync.WaitGroup
	start := time.Now()
	end := start.Add(turn)
	for range callers {
		callersDone.Go(func() {
			n := int64(0)
			for time.Now().Before(end) {
				if err := do(db); err != nil {
					failed.Store(&err)
					break
				}
				n++
			}
			done.Add(n)
		})
	}
	callersDone.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(start).Seconds(), nil
}

func median(sorted []float64) float64 { return sorted[len(sorted)/2] }

func statement(db *sql.DB) error {
	_, err := db.ExecContext(context.Background(), text)
	return err
}

func transaction(db *sql.DB) error {
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(context.Background(), text); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}
