package faults

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// fakePeers run on the fake driver of package akaritest.
var (
	AkariFake = Peer{Akari, "fake"}
	SQLFake   = Peer{DatabaseSQL, "fake"}
)

// badDriver: drivers that hang, panic, or say what is not true.
var badDriver = Fault{
	ID:         "F13",
	Name:       "Drivers that hang, panic or lie",
	Measured:   "a fake driver; each harm is tried on a pool of its own",
	Wanted:     "none does harm",
	Peers:      []Peer{AkariFake, SQLFake},
	serverless: true,
	try: func(ctx context.Context, s *site, f *Figures) error {
		return tryHarms(ctx, s.peer, f, harms)
	},
	tell: func(f Figures) string {
		if len(f.Leaks) == 0 {
			return fmt.Sprintf("0 of %d", f.Tried)
		}
		return fmt.Sprintf("**%d of %d**: %s", len(f.Leaks), f.Tried, strings.Join(f.Leaks, "; "))
	},
}

// deafDriver: a driver's statement that does not end with its context.
var deafDriver = Fault{
	ID:         "F13b",
	Name:       "Driver whose Exec ignores its context and hangs for 2 s",
	Measured:   "a fake driver without a socket; the caller has 300 ms; afterwards another one wants the pool's only connection",
	Wanted:     "the place is not lost; the caller is back in his time if the pool can reach the driver's socket (C20: lib/pq)",
	Peers:      []Peer{AkariFake, SQLFake},
	serverless: true,
	try: func(ctx context.Context, s *site, f *Figures) error {
		return tryHarms(ctx, s.peer, f, deafness)
	},
	tell: badDriver.tell,
}

// harm is what a driver can do to callers; try reports whether it did.
type harm struct {
	name string
	try  func(context.Context, *fake) (bool, error)
}

func tryHarms(ctx context.Context, p Peer, f *Figures, harms []harm) error {
	for _, h := range harms {
		b := &fake{peer: p, server: akaritest.NewServer(akaritest.PqLike)}
		harmed, err := h.try(ctx, b)
		b.close()
		if b.akari != nil {
			f.Numbers = append(f.Numbers, stillWrong(ctx, b.akari, impossible)...)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
		f.Tried++
		if harmed {
			f.Leaks = append(f.Leaks, h.name)
		}
	}
	return nil
}

// fake is a pool on the fake driver.
type fake struct {
	peer   Peer
	server *akaritest.Server
	db     *sql.DB
	akari  *akari.Pool
}

// open makes the pool. It does not connect before somebody asks it to.
func (b *fake) open(ctx context.Context, size int, cfg akari.Config) error {
	if b.peer.Pool != Akari {
		b.db = sql.OpenDB(b.server.Connector())
		b.db.SetMaxOpenConns(size)
		b.db.SetMaxIdleConns(size)
		return nil
	}
	cfg.MaximumPoolSize, cfg.MinimumIdle = size, akari.None
	cfg.InitializationFailTimeout = akari.DontTry
	cfg.SessionReset = akari.ResetOff // the fake's statements are in no dialect
	cfg.Logger = slog.New(slog.DiscardHandler)
	p, err := akari.New(ctx, b.server.Connector(), cfg)
	if err == nil {
		b.akari, b.db = p, p.DB()
	}
	return err
}

func (b *fake) close() {
	b.server.Heal()
	defer func() { _ = recover() }() // database/sql closes connections that it never had
	if b.db != nil {
		_ = b.db.Close()
	}
}

// exec runs a statement for a caller with some time; a panic becomes an error.
func (b *fake) exec(ctx context.Context, within time.Duration, query string) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	start := time.Now()
	defer func() {
		took = time.Since(start)
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	_, err = b.db.ExecContext(ctx, query)
	return 0, err
}

// conn is the number of the connection that a borrower gets.
func (b *fake) conn(ctx context.Context) (id int, err error) {
	err = b.db.QueryRowContext(ctx, "CONN").Scan(&id)
	return id, err
}

// fillFake opens all connections of the pool.
func (b *fake) fill(ctx context.Context, size int) error {
	return fill(ctx, &sqlPool{db: b.db}, size)
}

var errInjected = errors.New("injected")

// A caller is held if he is back this much after his time.
const fakeTime, fakeSlack = 300 * time.Millisecond, 500 * time.Millisecond

var harms = []harm{
	{"Connect that ignores its context holds the caller", func(ctx context.Context, b *fake) (bool, error) {
		if err := b.open(ctx, 1, akari.Config{}); err != nil {
			return false, err
		}
		hang := b.server.Inject(akaritest.OpConnect, akaritest.Fault{Hang: true, IgnoreContext: true})
		time.AfterFunc(2*time.Second, hang.Release)
		took, _ := b.exec(ctx, fakeTime, "NOP")
		return took > fakeTime+fakeSlack, nil
	}},
	{"Close that takes 2 s holds the caller whose statement succeeded", func(ctx context.Context, b *fake) (bool, error) {
		if err := b.open(ctx, 1, akari.Config{}); err != nil {
			return false, err
		}
		b.server.Inject(akaritest.OpIsValid, akaritest.Fault{Times: 1, Err: errInjected})
		b.server.Inject(akaritest.OpClose, akaritest.Fault{Delay: 2 * time.Second, IgnoreContext: true})
		took, err := b.exec(ctx, 5*time.Second, "NOP")
		return took > time.Second, err
	}},
	{"closing the pool takes as long as all of its 10 connections together", func(ctx context.Context, b *fake) (bool, error) {
		if err := errors.Join(b.open(ctx, 10, akari.Config{}), b.fill(ctx, 10)); err != nil {
			return false, err
		}
		b.server.Inject(akaritest.OpClose, akaritest.Fault{Delay: 300 * time.Millisecond, IgnoreContext: true})
		start := time.Now()
		_ = b.db.Close()
		return time.Since(start) > 1500*time.Millisecond, nil
	}},
	{"Connect that returns a connection and an error leaks it", func(ctx context.Context, b *fake) (bool, error) {
		if err := b.open(ctx, 1, akari.Config{}); err != nil {
			return false, err
		}
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Times: 5, After: true, Err: errInjected})
		for range 6 {
			_, _ = b.exec(ctx, 5*time.Second, "NOP")
		}
		_ = b.db.Close()
		return !until(ctx, 2*time.Second, func() bool { return b.server.Stats().Open == 0 }), nil
	}},
	{"Connect that returns nothing makes the caller panic", func(ctx context.Context, b *fake) (bool, error) {
		if err := b.open(ctx, 1, akari.Config{}); err != nil {
			return false, err
		}
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Times: 1, Nothing: true})
		_, err := b.exec(ctx, 2*time.Second, "NOP")
		return err != nil && strings.HasPrefix(err.Error(), "panic"), nil
	}},
	{"a panic in Connect loses the place", losesPlace(akaritest.OpConnect)},
	{"a panic in ResetSession loses the place", losesPlace(akaritest.OpReset)},
	{"a panic in IsValid loses the place", losesPlace(akaritest.OpIsValid)},
	{"a panic in Close loses the place", losesPlace(akaritest.OpClose)},
	{"a connection whose ResetSession fails is lent", func(ctx context.Context, b *fake) (bool, error) {
		if err := b.open(ctx, 1, akari.Config{}); err != nil {
			return false, err
		}
		before, err := b.conn(ctx)
		if err != nil {
			return false, err
		}
		b.server.Inject(akaritest.OpReset, akaritest.Fault{Times: 1, Err: errInjected})
		after, err := b.conn(ctx)
		if errors.Is(err, errInjected) { // sent away
			return false, nil
		}
		return after == before, err
	}},
	{"20 dead connections are replaced one after the other", func(ctx context.Context, b *fake) (bool, error) {
		if err := errors.Join(b.open(ctx, 20, akari.Config{}), b.fill(ctx, 20)); err != nil {
			return false, err
		}
		pass(ctx, 600*time.Millisecond) // so that they are asked before they are lent
		b.server.DropAll()
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 50 * time.Millisecond})
		t := newTally()
		burst(ctx, t, 20, 5*time.Second, 6*time.Second, func(ctx context.Context, _ int) error {
			_, err := b.db.ExecContext(ctx, "SLEEP 100ms")
			return err
		})
		return t.slowest() > 700*time.Millisecond, t.first
	}},
	{"a server that refuses is asked hundreds of times a second", func(ctx context.Context, b *fake) (bool, error) {
		if err := b.open(ctx, 20, akari.Config{}); err != nil {
			return false, err
		}
		b.server.Shutdown()
		c := newCrowd(ctx, 20, time.Second, 0, func(ctx context.Context, _ int) error {
			_, err := b.db.ExecContext(ctx, "NOP")
			return err
		})
		pass(ctx, time.Second)
		asked := b.server.Calls(akaritest.OpConnect)
		c.stop(3 * time.Second)
		return asked > 100, nil
	}},
	{"callers queue without any bound", func(ctx context.Context, b *fake) (bool, error) {
		const bound, callers = 100, 2000
		if err := b.open(ctx, 1, akari.Config{MaxWaiters: bound}); err != nil {
			return false, err
		}
		h, err := (&sqlPool{db: b.db}).hold(ctx)
		if err != nil {
			return false, err
		}
		var refused atomic.Int64
		var wg sync.WaitGroup
		waiting, giveUp := context.WithCancel(ctx)
		for range callers {
			wg.Go(func() {
				if _, err := b.db.ExecContext(waiting, "NOP"); errors.Is(err, akari.ErrTooManyWaiters) {
					refused.Add(1)
				}
			})
		}
		bounded := until(ctx, 2*time.Second, func() bool { return refused.Load() == callers-bound })
		giveUp()
		wg.Wait()
		return !bounded, h.release()
	}},
	{"raising the maximum does not serve who waits", func(ctx context.Context, b *fake) (bool, error) {
		if err := b.open(ctx, 1, akari.Config{}); err != nil {
			return false, err
		}
		h, err := (&sqlPool{db: b.db, akari: b.akari}).hold(ctx)
		if err != nil {
			return false, err
		}
		served := make(chan error, 1)
		waits, _ := (&sqlPool{db: b.db, akari: b.akari}).queued()
		go func() {
			_, err := b.exec(ctx, time.Second, "NOP")
			served <- err
		}()
		until(ctx, time.Second, func() bool {
			n, _ := (&sqlPool{db: b.db, akari: b.akari}).queued()
			return n > waits
		})
		if b.akari == nil {
			b.db.SetMaxOpenConns(2)
		} else {
			live := b.akari.Settings()
			live.MaximumPoolSize = 2
			if err := b.akari.Apply(live); err != nil {
				return false, err
			}
		}
		err = <-served
		return err != nil, h.release()
	}},
	{"ErrBadConn after the statement ran makes it run twice", func(ctx context.Context, b *fake) (bool, error) {
		if err := b.open(ctx, 1, akari.Config{}); err != nil {
			return false, err
		}
		b.server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, After: true, Err: driver.ErrBadConn,
			Match: func(c akaritest.Call) bool { return strings.HasPrefix(c.Text, "INSERT") }})
		_, _ = b.exec(ctx, 2*time.Second, "INSERT 7")
		return b.server.Inserts(7) != 1, nil
	}},
}

// losesPlace makes one call of the driver panic, and sees whether the pool's
// only place is still of use.
func losesPlace(op akaritest.Op) func(context.Context, *fake) (bool, error) {
	return func(ctx context.Context, b *fake) (bool, error) {
		if err := b.open(ctx, 1, akari.Config{}); err != nil {
			return false, err
		}
		b.server.Inject(op, akaritest.Fault{Times: 1, Panic: "injected"})
		if op == akaritest.OpClose {
			b.server.Inject(akaritest.OpIsValid, akaritest.Fault{Times: 1, Err: errInjected})
		}
		for range 3 { // some calls come only with the second use
			_, _ = b.exec(ctx, fakeTime, "NOP")
		}
		_, err := b.exec(ctx, time.Second, "NOP")
		return err != nil, nil
	}
}

const heldByDriver = "the caller is held until the driver returns"

// deafness is what a statement that does not end with its context can do.
var deafness = []harm{
	{heldByDriver, func(ctx context.Context, b *fake) (bool, error) {
		took, err := b.execDeaf(ctx)
		return took > fakeTime+fakeSlack, err
	}},
	{"the place is lost", func(ctx context.Context, b *fake) (bool, error) {
		if _, err := b.execDeaf(ctx); err != nil {
			return false, err
		}
		_, err := b.exec(ctx, time.Second, "NOP")
		return err != nil, nil
	}},
}

// execDeaf runs a statement that hangs for 2 s, for a caller with less time.
func (b *fake) execDeaf(ctx context.Context) (took time.Duration, err error) {
	if err := b.open(ctx, 1, akari.Config{}); err != nil {
		return 0, err
	}
	hang := b.server.Inject(akaritest.OpExec, akaritest.Fault{Times: 1, Hang: true, IgnoreContext: true})
	time.AfterFunc(2*time.Second, hang.Release)
	took, _ = b.exec(ctx, fakeTime, "NOP")
	return took, nil
}
