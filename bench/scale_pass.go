package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/akaripool/akari"
)

// passes shows how long the housekeeper's pass takes, and whether callers notice.
// The pool's log says when a pass begins to search and when it has ended.
func (p plan) passes(size int) error {
	turn := 2 * p.turn
	if p.full {
		turn = 2 * time.Second
	}
	fmt.Fprintf(p.out, "A pass of akari's housekeeper, and what callers wait who find connections idle; once, for %v each\n", turn)
	fmt.Fprintln(p.out, "(database/sql and puddle make none; pgxpool does, but needs a server: it is left out)")
	fmt.Fprintf(p.out, "%11s %-18s %8s %14s %14s %12s %12s %12s\n", "connections", "", "passes", "pass, ms", "processor, ms", "p50, µs", "p99.9, µs", "max, µs")
	for _, n := range p.sizes(size) {
		for _, each := range []struct {
			name   string
			period time.Duration
		}{{"no passes", time.Hour}, {"10 passes a second", 100 * time.Millisecond}} {
			k, err := keeping(n, each.period, turn)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.out, "%11d %-18s %8d %14s %14s %12.1f %12.1f %12.1f\n", n, each.name, len(k.passes),
				number(k.pass, 3), number(k.cpu, 3), 1000*ms(k.waits, 0.5), 1000*ms(k.waits, 0.999), 1000*ms(k.waits, 1))
		}
	}
	return nil
}

// kept is what was measured of a pool that is looked after.
type kept struct {
	passes    []time.Duration
	pass, cpu float64 // milliseconds of one, the processor's in a pool that is idle otherwise; NaN if there was none
	waits     []time.Duration
}

func keeping(size int, period, turn time.Duration) (kept, error) {
	var log passLog
	cfg := quiet(size + 1) // one more than are kept ready, or nothing is searched
	cfg.MinimumIdle, cfg.IdleTimeout, cfg.HousekeepingPeriod, cfg.Logger = size, 10*time.Minute, period, slog.New(&log)
	pool, err := ready(cfg, &stub{})
	if err != nil {
		return kept{}, err
	}
	defer func() { _ = pool.Close() }()
	if err := shuffle(pool, size); err != nil {
		return kept{}, err
	}
	time.Sleep(settled)
	log.took()
	used := processorTime()
	time.Sleep(turn)
	used = processorTime() - used
	passes := log.took()
	k := kept{pass: math.NaN(), cpu: math.NaN()}
	if len(passes) > 0 {
		k.cpu = 1000 * used.Seconds() / float64(len(passes))
	}
	if k.waits, err = paced(akariPeer{pool}, 100*time.Microsecond, turn); err != nil {
		return kept{}, err
	}
	k.passes = append(passes, log.took()...)
	if period <= turn && len(k.passes) == 0 {
		return kept{}, errors.New("no pass is seen in the pool's log: adapt passLog to what it says now")
	}
	if len(k.passes) > 0 {
		slices.Sort(k.passes)
		k.pass = ms(k.passes, 0.5)
	}
	return k, nil
}

// shuffle has connections become idle in no order.
func shuffle(pool *akari.Pool, n int) error {
	conns := make([]*akari.Conn, 0, n)
	defer func() {
		rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
		for _, c := range conns {
			c.Release()
		}
	}()
	for range n {
		c, err := pool.Acquire(context.Background())
		if err != nil {
			return err
		}
		conns = append(conns, c)
	}
	return nil
}

// paced is what a few callers wait who leave the processors time for others, sorted.
func paced(p peer, pause, turn time.Duration) ([]time.Duration, error) {
	callers := 2 * runtime.GOMAXPROCS(0)
	each := make([][]time.Duration, callers)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, _, err := crowd(callers, turn, func(caller int) error {
		time.Sleep(pause)
		asked := time.Now()
		return p.cycle(ctx, func() { each[caller] = append(each[caller], time.Since(asked)) })
	})
	waits := slices.Concat(each...)
	slices.Sort(waits)
	return waits, err
}

// passLog is a log that notes when passes begin and end.
type passLog struct {
	mu     sync.Mutex // guards what follows
	began  time.Time  // zero between passes
	passes []time.Duration
}

// took returns how long the passes took since it was called last.
func (l *passLog) took() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	passes := l.passes
	l.passes = nil
	return passes
}

func (l *passLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *passLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *passLog) WithGroup(string) slog.Handler            { return l }

func (l *passLog) Handle(_ context.Context, r slog.Record) error {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case strings.Contains(r.Message, "Before cleanup"):
		l.began = now
	case strings.Contains(r.Message, "Fill pool skipped") && !l.began.IsZero():
		l.passes = append(l.passes, now.Sub(l.began))
		l.began = time.Time{}
	}
	return nil
}
