package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"sync"
	"time"
)

// lifetime is the shortest that the pool allows.
const lifetime = 30 * time.Second

// expiry shows what happens when connections that were opened at the same time
// have lived long enough: whether they go all at once, what that costs, and
// whether callers notice. puddle ends no lives.
func (p plan) expiry(size int) error {
	fmt.Fprintf(p.out, "Expiry of %d connections, opened at the same time, lifetime %v; once\n", size, lifetime)
	fmt.Fprintf(p.out, "%-14s %8s %8s %12s %12s %12s %10s %20s %20s\n", "", "closed", "opened", "most closed", "most opened", "fewest open", "processor", "waits before, µs", "waits meanwhile, µs")
	fmt.Fprintf(p.out, "%-14s %8s %8s %12s %12s %12s %10s %20s %20s\n", "", "", "", "in 100 ms", "in 100 ms", "", "µs each", "p99.9 / max", "p99.9 / max")
	for _, candidate := range mortal {
		x, err := expire(candidate.open, size, 100*time.Microsecond)
		if err != nil {
			return fmt.Errorf("%s: %w", candidate.name, err)
		}
		fmt.Fprintf(p.out, "%-14s %8d %8d %12d %12d %12d %10.1f %10.0f / %7.0f %10.0f / %7.0f\n", candidate.name,
			len(x.closed), len(x.opened), most(x.closed, 100*time.Millisecond), most(x.opened, 100*time.Millisecond), fewest(size, x),
			float64(x.cpu.Nanoseconds())/1000/float64(max(len(x.closed), 1)),
			1000*ms(x.before, 0.999), 1000*ms(x.before, 1), 1000*ms(x.during, 0.999), 1000*ms(x.during, 1))
	}
	return nil
}

// mortal are the pools that end the lives of connections.
var mortal = []struct {
	name string
	open func(size int, c driver.Connector) (peer, error)
}{
	{"akari", func(size int, c driver.Connector) (peer, error) {
		cfg := quiet(size)
		cfg.MaxLifetime = lifetime
		pool, err := ready(cfg, c)
		return akariPeer{pool}, err
	}},
	{"database/sql", func(size int, c driver.Connector) (peer, error) {
		db := sql.OpenDB(c)
		db.SetMaxOpenConns(size)
		db.SetMaxIdleConns(size)
		db.SetConnMaxLifetime(lifetime)
		p := sqlPeer{db}
		return p, fill(p, size)
	}},
}

// expired is what was seen of an expiry.
type expired struct {
	opened, closed []time.Time   // in order
	cpu            time.Duration // on top of what callers need anyway
	before, during []time.Duration
}

// expire fills a pool and watches it until the lives of its connections are
// over, while a few callers use it who pause each time.
func expire(open func(size int, c driver.Connector) (peer, error), size int, pause time.Duration) (expired, error) {
	r := &register{stub: &stub{}}
	began := time.Now()
	pool, err := open(size, r)
	if err != nil {
		return expired{}, err
	}
	defer pool.close()
	full := time.Now()
	time.Sleep(time.Until(began.Add(lifetime / 3)))
	r.forget()

	var x expired
	watch := func(until time.Time) (waits []time.Duration, cpu, took time.Duration, err error) {
		start, used := time.Now(), processorTime()
		waits, err = paced(pool, pause, time.Until(until))
		return waits, processorTime() - used, time.Since(start), err
	}
	before, usual, while, err := watch(began.Add(lifetime * 2 / 3))
	if err != nil {
		return expired{}, err
	}
	// database/sql looks every second, and as late as a second after.
	during, used, took, err := watch(full.Add(lifetime + 3*time.Second))
	if err != nil {
		return expired{}, err
	}
	x.before, x.during = before, during
	x.cpu = max(used-time.Duration(float64(usual)*float64(took)/float64(while)), 0)
	x.opened, x.closed = r.seen()
	return x, nil
}

// most is the largest number of times within any span of that length.
func most(times []time.Time, span time.Duration) int {
	n, first := 0, 0
	for last := range times {
		for times[last].Sub(times[first]) >= span {
			first++
		}
		n = max(n, last-first+1)
	}
	return n
}

// fewest is how many connections were open when the fewest were.
func fewest(size int, x expired) int {
	open, least, opened := size, size, x.opened
	for _, closed := range x.closed {
		for len(opened) > 0 && opened[0].Before(closed) {
			open, opened = open+1, opened[1:]
		}
		open--
		least = min(least, open)
	}
	return least
}

// register is a stub that notes when connections are opened and closed.
type register struct {
	*stub
	mu             sync.Mutex // guards what follows
	opened, closed []time.Time
}

func (r *register) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.stub.Connect(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened = append(r.opened, time.Now())
	return &registeredConn{c.(*stubConn), r}, nil
}

func (r *register) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened, r.closed = nil, nil
}

func (r *register) seen() (opened, closed []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.opened), slices.Clone(r.closed)
}

type registeredConn struct {
	*stubConn
	r *register
}

func (c *registeredConn) Close() error {
	c.r.mu.Lock()
	c.r.closed = append(c.r.closed, time.Now())
	c.r.mu.Unlock()
	return c.stubConn.Close()
}
