package akari_test

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

func TestConnReleasedWhileRawRunsIsGivenBackAfterwards(t *testing.T) {
	for name, c := range map[string]struct {
		giveUp func(*akari.Conn)
		kept   bool
	}{
		"Release":         {(*akari.Conn).Release, true},
		"Release, twice":  {func(c *akari.Conn) { c.Release(); c.Release() }, true},
		"Evict":           {(*akari.Conn).Evict, false},
		"Release, Evict":  {func(c *akari.Conn) { c.Release(); c.Evict() }, true}, // what is given back is somebody else's
		"from another":    {func(c *akari.Conn) { done := make(chan bool); go func() { c.Release(); close(done) }(); <-done }, true},
		"Evict, Release":  {func(c *akari.Conn) { c.Evict(); c.Release() }, false},
		"in a nested Raw": {func(c *akari.Conn) { _ = c.Raw(func(any) error { c.Release(); return nil }) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize = 1
				b := newBench(t, akaritest.Full, cfg)
				conn := b.acquire()
				if err := conn.Raw(func(dc any) error {
					c.giveUp(conn)
					b.want(1, 1, 0, 0) // nobody else may have it yet
					if b.server.Stats().Open != 1 {
						t.Error("it was closed under the function")
					}
					if err := dc.(driver.Pinger).Ping(t.Context()); err != nil {
						t.Errorf("it cannot be used to the end: %v", err)
					}
					if err := conn.Raw(func(any) error { t.Error("called"); return nil }); !errors.Is(err, akari.ErrReleased) {
						t.Errorf("Raw after Release: %v", err)
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if c.kept {
					b.want(1, 0, 1, 0)
				} else {
					b.want(0, 0, 0, 0)
				}
				if err := conn.Raw(func(any) error { t.Error("called"); return nil }); !errors.Is(err, akari.ErrReleased) {
					t.Errorf("Raw after Release: %v", err)
				}
				if info := conn.Info(); info != (akari.ConnInfo{}) {
					t.Errorf("a released Conn says it is %v", info)
				}
			})
		})
	}
}

func TestConnReleasedWhileRawPanicsIsClosed(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize = 1
		b := newBench(t, akaritest.Full, cfg)
		conn := b.acquire()
		func() {
			defer func() { _ = recover() }()
			_ = conn.Raw(func(any) error {
				conn.Release()
				panic("boo")
			})
		}()
		b.want(0, 0, 0, 0)
		if n := b.Stats().Closed[akari.CloseBroken]; n != 1 {
			t.Errorf("%d connections were closed as broken, want 1", n)
		}
	})
}

// secretive is a connector with something to hide.
type secretive struct {
	driver.Connector
	Password string
	config   *struct{ Token string }
}

func TestPoolAndConnShowNothingOfTheirDriver(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		akaritest.Verify(t, server)
		c := &secretive{server.Connector(), "s3cr3t", &struct{ Token string }{"s3cr3t"}}
		p, err := akari.New(t.Context(), c, akari.Config{
			PoolName: "orders", MaximumPoolSize: 1, Logger: quiet, ConnectionInitSQL: "SET key s3cr3t",
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		conn, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		var b strings.Builder
		for _, v := range []any{p, conn, []any{p, conn}, struct {
			Pool *akari.Pool
			Conn *akari.Conn
		}{p, conn}} {
			fmt.Fprintf(&b, "%v %+v %#v %s %q\n", v, v, v, v, v)
		}
		slog.New(slog.NewTextHandler(&b, nil)).Info("both", "pool", p, "conn", conn)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("both", "pool", p, "conn", conn)
		if strings.Contains(b.String(), "s3cr3t") {
			t.Errorf("printed: %s", b.String())
		}
		if got := fmt.Sprint(p, conn); got != "akari.Pool(orders) akari.Conn("+conn.Info().Name+")" {
			t.Errorf("they are called %s", got)
		}
		if got := fmt.Sprintf("%#v %#v", p, conn); got != fmt.Sprint(p, conn) {
			t.Errorf("%%#v calls them %s", got)
		}
		conn.Release()
		if got := fmt.Sprintf("%v %#v", conn, conn); strings.Contains(got, "s3cr3t") {
			t.Errorf("printed: %s", got)
		}
	})
}
