package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/akaripool/akari"
)

// resting are pools whose connections lie idle. Each opens one of so many
// connections, all of them open, and returns how to close it.
var resting = []struct {
	name string
	open func(size int, s *stub) (closePool func(), err error)
}{
	{"akari", func(size int, s *stub) (func(), error) { return rest(akari.Config{}, size, s) }},
	{"akari, looked after by no clock", func(size int, s *stub) (func(), error) { return rest(quiet(0), size, s) }},
	{"akari, 10 passes a second", func(size int, s *stub) (func(), error) {
		return rest(akari.Config{HousekeepingPeriod: 100 * time.Millisecond}, size, s)
	}},
	{"database/sql", func(size int, s *stub) (func(), error) { return restSQL(size, 0, s) }},
	{"database/sql, SetConnMaxLifetime", func(size int, s *stub) (func(), error) { return restSQL(size, 30*time.Minute, s) }},
	{"puddle", func(size int, s *stub) (func(), error) {
		p, err := openPuddle(size, size, s)
		if err != nil {
			return nil, err
		}
		return p.close, fill(p, size)
	}},
}

// rest gives the pool one place more than the connections it keeps ready: one of
// fixed size is not searched for what has been idle for too long.
func rest(cfg akari.Config, size int, s *stub) (func(), error) {
	cfg.MaximumPoolSize, cfg.MinimumIdle = size+1, size
	cfg.SessionReset, cfg.Logger = akari.ResetOff, quiet(0).Logger
	pool, err := ready(cfg, s)
	if err != nil {
		return nil, err
	}
	return func() { _ = pool.Close() }, nil
}

func restSQL(size int, lifetime time.Duration, s *stub) (func(), error) {
	p, err := openSQL(size, size, s)
	if err != nil {
		return nil, err
	}
	p.(sqlPeer).db.SetConnMaxLifetime(lifetime)
	return p.close, fill(p, size)
}

// burden is what something costs that does nothing.
type burden struct {
	goroutines int
	bytes      float64
	cpu        float64 // seconds per second
}

func (p plan) idle(size, pools int) error {
	const perPool = 10
	window := 2 * p.turn
	if p.full {
		window = 3 * time.Second
	}
	if _, err := together(max(size, 2*pools), func(int) error { return nil }); err != nil { // the runtime keeps what goroutines need
		return err
	}
	nothing := 1.0
	for range 3 { // the least is what nothing costs, the rest is chance
		b, err := idleBurden(window, func() (func(), error) { return func() {}, nil })
		if err != nil {
			return err
		}
		nothing = min(nothing, b.cpu)
	}
	for _, shape := range []struct {
		pools, size int
		unit        string
		units       int
	}{{1, size, "connection", size}, {pools, perPool, "pool", pools}} {
		fmt.Fprintf(p.out, "Idle: pools %d, connections of each %d; once, for %v in which no pass of the default's falls\n", shape.pools, shape.size, window)
		fmt.Fprintf(p.out, "%-34s %16s %26s %20s\n", "", "goroutines added", "heap bytes per "+shape.unit, "processor, µs per s")
		for _, candidate := range resting {
			b, err := idleBurden(window, func() (func(), error) {
				return several(shape.pools, func() (func(), error) { return candidate.open(shape.size, &stub{}) })
			})
			if err != nil {
				return fmt.Errorf("%s: %w", candidate.name, err)
			}
			stubs := float64(shape.pools*shape.size) * stubBytes
			fmt.Fprintf(p.out, "%-34s %16d %26.0f %20.0f\n", candidate.name, b.goroutines,
				(b.bytes-stubs)/float64(shape.units), 1e6*max(b.cpu-nothing, 0))
		}
	}
	return nil
}

// stubBytes is the memory of one of the stub's own connections.
const stubBytes = 8

// several opens so many pools, and closes all of them.
func several(n int, open func() (func(), error)) (closeAll func(), err error) {
	var opened []func()
	closeAll = func() {
		for _, c := range opened {
			c()
		}
	}
	for range n {
		c, err := open()
		if c != nil {
			opened = append(opened, c)
		}
		if err != nil {
			closeAll()
			return nil, err
		}
	}
	return closeAll, nil
}

// idleBurden is what is added by what is opened, and left alone for a while.
func idleBurden(window time.Duration, open func() (func(), error)) (burden, error) {
	bytes, goroutines := inMemory(), lasting()
	closeAll, err := open()
	if err != nil {
		return burden{}, err
	}
	defer closeAll()
	time.Sleep(settled)
	b := burden{bytes: inMemory() - bytes, goroutines: lasting() - goroutines}
	began, used := time.Now(), processorTime()
	time.Sleep(window)
	b.cpu = (processorTime() - used).Seconds() / time.Since(began).Seconds()
	return b, nil
}

// settled is when what pools do at their start is over: akari looks after a pool
// for the first time after 100 ms, and at what it has opened after 250 ms.
const settled = 260 * time.Millisecond

// lasting is how many goroutines there are, but for those that are gone at once,
// such as the ones that timers run.
func lasting() int {
	n := runtime.NumGoroutine()
	for range 5 {
		time.Sleep(3 * time.Millisecond)
		n = min(n, runtime.NumGoroutine())
	}
	return n
}

// inMemory is what is reachable on the heap. Stacks come on top, at least 2 KiB for
// each goroutine: they cannot be told from those that the runtime keeps.
func inMemory() float64 {
	var m runtime.MemStats
	debug.FreeOSMemory() // so that the runtime has no work of that kind later
	runtime.GC()         // and what was made meanwhile, or was left by the first collection
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
