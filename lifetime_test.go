package akari_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// connID says which physical connection the pool lends.
func (b *bench) connID() uint64 {
	b.t.Helper()
	c := b.acquire()
	defer c.Release()
	return c.Info().ID
}

func TestConnectionPastMaxLifetimeIsReplaced(t *testing.T) {
	for _, minimum := range []int{0, akari.None} {
		for _, pause := range []time.Duration{2 * time.Second, 800 * time.Millisecond} {
			t.Run(fmt.Sprintf("minimum %d after %v", minimum, pause), func(t *testing.T) {
				within(t, func(t *testing.T) {
					b := newBench(t, akaritest.Full, akari.Config{
						MaximumPoolSize: 1, MinimumIdle: minimum, MaxLifetime: 700 * time.Millisecond,
						HousekeepingPeriod: 100 * time.Millisecond, KeepaliveTime: akari.Disabled,
					})
					first := b.connID()
					if again := b.connID(); again != first {
						t.Fatalf("borrowed %d and %d in a row", first, again)
					}
					settle(pause)
					if later := b.connID(); later == first {
						t.Fatal("the connection is as old as the pool")
					}
					b.want(1, 0, 1, 0)
					if b.log.count("(connection has passed maxLifetime)") == 0 {
						t.Error("the reason is not in the log")
					}
					if b.Stats().Closed[akari.CloseMaxLifetime] == 0 {
						t.Error("the reason is not in the stats")
					}
				})
			})
		}
	}
}

func TestConnectionInUseIsNotTakenAtTheEndOfItsLife(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1, MaxLifetime: 800 * time.Millisecond, KeepaliveTime: akari.Disabled})
		tx, err := b.DB().Begin()
		if err != nil {
			t.Fatal(err)
		}
		settle(time.Minute)
		if _, err := tx.Exec("GET x"); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := b.Stats().Closed[akari.CloseMaxLifetime]; n != 1 {
			t.Fatalf("%d connections were closed at the end of their lives, want the one returned", n)
		}
	})
}

func TestPoolFilledAtOnceDoesNotExpireAtOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		const size, life = 100, 30 * time.Minute
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: size, MaxLifetime: life, MaxConnecting: size})
		settle(time.Second)
		b.want(size, 0, size, 0)
		settle(life*3/4 - 2*time.Second)
		if n := b.Stats().Closed[akari.CloseMaxLifetime]; n != 0 {
			t.Fatalf("%d connections lost more than a quarter of their lives", n)
		}
		most, before := int64(0), int64(0)
		for range 90 {
			settle(life / 4 / 90)
			n := b.Stats().Closed[akari.CloseMaxLifetime]
			most, before = max(most, n-before), n
		}
		settle(2 * time.Second)
		if n := b.Stats().Closed[akari.CloseMaxLifetime]; n < size {
			t.Errorf("%d of %d connections have been replaced at the end of the longest life", n, size)
		}
		if most > 8 {
			t.Errorf("%d of %d expired within five seconds", most, size)
		}
	})
}

func TestIdleConnectionsAboveTheMinimumAreClosedOldestFirst(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{
			MaximumPoolSize: 10, MinimumIdle: 3, IdleTimeout: 10 * time.Second, HousekeepingPeriod: time.Second,
			MaxLifetime: akari.Disabled, KeepaliveTime: akari.Disabled,
		})
		var held []*akari.Conn
		for range 10 {
			held = append(held, b.acquire())
		}
		for i, c := range held {
			if i < 7 {
				c.Release()
			}
		}
		settle(9 * time.Second)
		used := b.connID() // this one starts anew
		settle(3 * time.Second)
		b.want(10-4, 3, 3, 0)
		found := false
		for range 3 {
			c := b.acquire()
			defer c.Release()
			found = found || c.Info().ID == used
		}
		if !found {
			t.Error("the connection used last was closed, not those idle for longest")
		}
		if b.log.count("(connection has passed idleTimeout)") != 4 {
			t.Error("the reason is not in the log")
		}
		for _, c := range held[7:] {
			c.Release()
		}
	})
}

// A connection more is opened to keep five idle while one is held, and closed
// when it has not been needed for three seconds.
func TestMinimumIsKeptBesideTheConnectionInUse(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MinimumIdle: 5, MaximumPoolSize: 10, IdleTimeout: 3 * time.Second, HousekeepingPeriod: time.Second})
		settle(time.Second)
		b.want(5, 0, 5, 0)
		c := b.acquire()
		settle(1500 * time.Millisecond)
		b.want(6, 1, 5, 0)
		c.Release()
		b.want(6, 0, 6, 0)
		settle(3 * time.Second)
		b.want(5, 0, 5, 0)
	})
}

func TestFixedPoolIsNotTrimmed(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 50, IdleTimeout: 3 * time.Second, HousekeepingPeriod: time.Second, MaxLifetime: akari.Disabled})
		settle(3 * time.Second)
		c := b.acquire()
		settle(1500 * time.Millisecond)
		b.want(50, 1, 49, 0)
		c.Release()
		settle(time.Hour)
		b.want(50, 0, 50, 0)
		if n := b.Stats().TotalClosed(); n != 0 {
			t.Fatalf("%d were closed", n)
		}
	})
}

func TestKeepalivePingsIdleConnections(t *testing.T) {
	within(t, func(t *testing.T) {
		const size = 10
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.MinimumIdle, cfg.KeepaliveTime = size, size, 2*time.Minute
		var events collected[akari.ValidatedEvent]
		cfg.Trace = &akari.Trace{KeptAlive: events.add}
		b := newBench(t, akaritest.Full, cfg)
		b.want(size, 0, size, 0)
		pings := b.server.Calls(akaritest.OpPing)
		settle(96 * time.Second) // a fifth less than two minutes
		if n := b.server.Calls(akaritest.OpPing) - pings; n != 0 {
			t.Fatalf("%d pings early", n)
		}
		settle(24 * time.Second)
		if n := b.server.Calls(akaritest.OpPing) - pings; n != size {
			t.Fatalf("%d pings in two minutes, want %d", n, size)
		}
		kept := len(events.all())
		if kept != size || b.Stats().Keepalives != size || b.log.count("keepalive: connection") != size {
			t.Errorf("%d events, %d counted, %d lines", kept, b.Stats().Keepalives, b.log.count("keepalive: connection"))
		}
	})
}

func TestKeepaliveReplacesADeadConnection(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1, KeepaliveTime: 700 * time.Millisecond, MaxLifetime: akari.Disabled})
		first := b.connID()
		settle(100 * time.Millisecond)
		b.server.DropAll()
		settle(700 * time.Millisecond)
		b.want(1, 0, 1, 0)
		if b.Stats().Closed[akari.CloseDead] != 1 {
			t.Fatal("it was not found dead")
		}
		start := time.Now()
		if b.connID() == first || time.Since(start) != 0 {
			t.Fatal("the caller had to do with the dead one")
		}
		if b.log.count("Failed to validate connection") != 1 || b.log.count("Possibly consider using a shorter maxLifetime value.") != 1 {
			t.Error("it is not in the log")
		}
	})
}

// idleKill makes the server end connections that it has not heard of for d, as
// MySQL's wait_timeout does.
func (b *bench) idleKill(d time.Duration) {
	var mu sync.Mutex
	ends := map[int]*time.Timer{}
	heard := func(c akaritest.Call) bool {
		mu.Lock()
		defer mu.Unlock()
		if end := ends[c.ConnID]; end != nil {
			end.Stop()
		}
		ends[c.ConnID] = time.AfterFunc(d, func() { b.server.Drop(c.ConnID) })
		return false
	}
	b.server.Inject(akaritest.OpPing|akaritest.OpExec|akaritest.OpQuery, akaritest.Fault{Match: heard, Err: errors.New("never")})
}

func TestServerThatEndsIdleConnections(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name            string
		kill, keepalive time.Duration
		lives           bool
	}{
		{"keepalive is in time", 700 * ms, 500 * ms, true},
		{"keepalive is too late", 500 * ms, 700 * ms, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize, cfg.KeepaliveTime = 1, c.keepalive
				b := newBench(t, akaritest.Full, cfg)
				b.idleKill(c.kill)
				first := value[int](t, b.DB(), "CONN")
				settle(1200 * ms)
				if open := b.server.Stats(); open.Sessions != open.Open || (open.Open == 1) != c.lives {
					t.Errorf("%d connections are open, %d of them alive", open.Open, open.Sessions)
				}
				if then := value[int](t, b.DB(), "CONN"); (then == first) != c.lives {
					t.Errorf("connection %d is lent, %d was before", then, first)
				}
			})
		})
	}
}

func TestKeepaliveSkipsAConnectionInUse(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1, KeepaliveTime: 30 * time.Second})
		c := b.acquire()
		pings := b.server.Calls(akaritest.OpPing)
		settle(10 * time.Minute)
		if n := b.server.Calls(akaritest.OpPing) - pings; n != 0 {
			t.Fatalf("%d pings on a connection in use", n)
		}
		c.Release()
	})
}

func TestPingThatHangsHoldsUpNothing(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		t.Run(fmt.Sprintf("ignoring its context %v", ignore), func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 3, KeepaliveTime: 30 * time.Second, MaxLifetime: 10 * time.Minute, HousekeepingPeriod: time.Second})
				b.want(3, 0, 3, 0)
				hung := b.server.Inject(akaritest.OpPing, akaritest.Fault{Hang: true, IgnoreContext: ignore, Times: 1})
				settle(31 * time.Second) // one of three keepalives hangs
				if hung.Hits() != 1 {
					t.Fatal("nothing hangs")
				}
				before := b.Stats().Keepalives
				settle(31 * time.Second)
				if n := b.Stats().Keepalives - before; n < 2 {
					t.Errorf("%d keepalives of the others in half a minute", n)
				}
				// Callers get the others at once, and when they want all three places a new one.
				start := time.Now()
				var held []*akari.Conn
				for range 3 {
					held = append(held, b.acquire())
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("three callers took %v", took)
				}
				for _, c := range held {
					c.Release()
				}
				if ignore {
					b.most = 4 // a connection whose driver does not return cannot be closed
				}
				hung.Release()
				b.want(3, 0, 3, 0)
			})
		})
	}
}

func TestConnectionsAreAskedOnlyWhenThereIsReason(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.MinimumIdle = 1, 1
		b := newBench(t, akaritest.Full, cfg)
		pings := func() int { return b.server.Calls(akaritest.OpPing) }
		before := pings()
		for range 100 {
			b.exec("GET x")
			settle(500 * time.Millisecond)
		}
		if n := pings() - before; n != 0 {
			t.Fatalf("%d pings within the bypass window", n)
		}
		settle(time.Millisecond)
		b.exec("GET x")
		if n := pings() - before; n != 1 {
			t.Fatalf("%d pings after 501ms, want one", n)
		}
	})
}

func TestBypassWindowDisabledAsksAlways(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.MinimumIdle, cfg.AliveBypassWindow = 1, 1, akari.Disabled
		b := newBench(t, akaritest.Full, cfg)
		before := b.server.Calls(akaritest.OpPing)
		for range 10 {
			b.exec("GET x")
		}
		if n := b.server.Calls(akaritest.OpPing) - before; n != 10 {
			t.Fatalf("%d pings for 10 loans", n)
		}
	})
}

func TestDeadConnectionsCostCallersNothing(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 50})
		settle(time.Second)
		b.want(50, 0, 50, 0)
		b.server.DropAll()
		done := make(chan error, 100)
		for range 100 {
			go func() {
				_, err := b.DB().ExecContext(t.Context(), "GET x")
				done <- err
			}()
		}
		for range 100 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The only connection is dead, and closing it takes longer than the caller may
// wait for another one.
func TestSlowCloseOfADeadConnectionKeepsNobodyWaiting(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.ConnectionTimeout = 1, 1500*time.Millisecond
		b := newBench(t, akaritest.Full, cfg)
		first := b.connID()
		settle(1100 * time.Millisecond)
		b.server.Inject(akaritest.OpPing, akaritest.Fault{Times: 1, Err: errors.New("dead")})
		b.server.Inject(akaritest.OpClose, akaritest.Fault{Times: 1, Delay: 2 * time.Second})
		b.most = 2 // a server that is slow to close has both for a second
		if second := b.connID(); second == first {
			t.Error("the dead connection is lent")
		}
		settle(2 * time.Second)
	})
}

func TestOneDeadConnectionMakesAllOlderOnesSuspect(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.MinimumIdle = 20, 20
		b := newBench(t, akaritest.PqLike, cfg)
		settle(time.Second)
		// All have just been used, so nobody would ask before lending them.
		var held []*akari.Conn
		for range 20 {
			held = append(held, b.acquire())
		}
		for _, c := range held {
			c.Release()
		}
		time.Sleep(time.Millisecond)
		b.server.DropAll()
		failed := 0
		for range 40 {
			if _, err := b.DB().ExecContext(t.Context(), "GET x"); err != nil {
				failed++
			}
			synctest.Wait()
		}
		if failed != 1 {
			t.Fatalf("%d callers were lent a dead connection, only the first can be", failed)
		}
		b.want(20, 0, 20, 0)
	})
}

func TestDriverThatCannotPingIsAskedByQuery(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.NcrucesLike, akari.Config{MaximumPoolSize: 1, ConnectionTestQuery: "GET alive"})
		settle(time.Second)
		b.exec("GET x")
		if n := b.server.Executions("GET alive"); n != 2 { // at the start, and now
			t.Errorf("the test query ran %d times", n)
		}
	})
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.NcrucesLike, akari.Config{MaximumPoolSize: 1})
		settle(time.Second)
		b.exec("GET x")
		if b.log.count("cannot ping") != 1 {
			t.Error("the log does not say that the driver cannot ping")
		}
	})
}

func TestKeepaliveThatHangsEndsWithTheValidationsTime(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1, KeepaliveTime: 30 * time.Second, ValidationTimeout: time.Second})
		b.want(1, 0, 1, 0)
		in := b.server.Inject(akaritest.OpPing, akaritest.Fault{Times: 1, Hang: true, IgnoreContext: true})
		defer in.Release()
		b.most = 2 // no place is kept for what hangs
		settle(40 * time.Second)
		if s := b.Stats(); s.Idle != 1 || s.Closed[akari.CloseDead] != 1 {
			t.Errorf("%d idle, %d found dead", s.Idle, s.Closed[akari.CloseDead])
		}
		in.Release()
		settle(time.Second)
	})
}
