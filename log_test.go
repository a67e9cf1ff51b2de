package akari_test

import (
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// having returns the lines of the log that contain text.
func (l *logBook) having(text string) (lines []string) {
	for line := range strings.Lines(l.String()) {
		if contains(line, text) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestOutageIsSpokenOfEverMoreRarely(t *testing.T) {
	within(t, func(t *testing.T) {
		const warning = "WARN test - "
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 4, KeepaliveTime: akari.Disabled})
		b.want(4, 0, 4, 0)
		before := b.server.Calls(akaritest.OpConnect)
		b.server.Shutdown()
		b.Evict()
		settle(0)
		first := b.log.having(warning)
		if len(first) != 1 || !contains(first[0], "Cannot acquire connection from data source error=") || !contains(first[0], "refused") {
			t.Fatalf("the first failure is told with %q", first)
		}
		var told []int // at which second
		for second := range 600 {
			settle(time.Second)
			if n := len(b.log.having(warning)); n > len(first)+len(told) {
				told = append(told, second+1)
			}
		}
		attempts := b.server.Calls(akaritest.OpConnect) - before
		if len(told) < 8 || len(told) > 15 || attempts < 100 {
			t.Errorf("%d lines for %d attempts in ten minutes: at seconds %v", len(told), attempts, told)
		}
		for i := 2; i < len(told); i++ {
			if last, gap := told[i-1]-told[i-2], told[i]-told[i-1]; gap < last-10 || gap > 70 {
				t.Errorf("lines at seconds %v: the pauses should grow to a minute", told)
				break
			}
		}
		since := regexp.MustCompile(`Pool is empty, failed to create/setup connection, for ([0-9.smh]+) and (\d+) attempts error=`)
		for i, line := range b.log.having(warning)[1:] {
			m := since.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("line %q", line)
			}
			if lasts, err := time.ParseDuration(m[1]); err != nil || lasts > time.Duration(told[i])*time.Second || lasts < time.Duration(told[i]-2)*time.Second {
				t.Errorf("at second %d: %q", told[i], line)
			}
			if n, err := strconv.Atoi(m[2]); err != nil || n < 2 || n > attempts {
				t.Errorf("%d attempts: %q", attempts, line)
			}
		}

		b.server.Restart()
		settle(10 * time.Second)
		b.want(4, 0, 4, 0)
		if over := b.log.having("INFO test - Connections can be opened again, after 10m"); len(over) != 1 || !contains(over[0], strconv.Itoa(attempts)+" failed attempts") {
			t.Errorf("after %d attempts the end of the outage is told with %q", attempts, over)
		}
		settle(10 * time.Minute)
		if n := len(b.log.having("can be opened again")); n != 1 {
			t.Errorf("the end is told %d times", n)
		}
	})
}

func TestShutdownIsCompletedOnceNothingIsInUse(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2})
		c := b.acquire()
		done := make(chan error)
		go func() { done <- b.Shutdown(t.Context()) }()
		settle(time.Hour)
		if b.log.count("INFO test - Shutdown waits for connections in use active=1") != 1 || b.log.count("Shutdown completed.") != 0 {
			t.Errorf("while a connection is in use the log says\n%v", b.log)
		}
		c.Release()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if n := b.log.count("INFO test - Shutdown completed."); n != 1 {
			t.Errorf("the end is told %d times", n)
		}
	})
}

func TestShutdownTellsWhatItCutsOff(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 3})
		b.want(3, 0, 3, 0)
		one, two := b.acquire(), b.acquire()
		defer one.Release()
		defer two.Release()
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		err := b.Shutdown(ctx)
		lines := b.log.having("WARN test - Shutdown did not wait for connections in use")
		if len(lines) != 1 {
			t.Fatalf("it is told %d times", len(lines))
		}
		for _, c := range []*akari.Conn{one, two} {
			if held := c.Info().Name + " held for 1.5s"; !contains(lines[0], held) || err == nil || !contains(err.Error(), held) {
				t.Errorf("%q is missing in %q or %v", held, lines[0], err)
			}
		}
		for _, c := range []*akari.Conn{one, two} {
			if b.log.count("Shutdown completed.") != 0 {
				t.Error("completed, with connections in use")
			}
			c.Release()
		}
		settle(0)
		if n := b.log.count("Shutdown completed."); n != 1 {
			t.Errorf("the end is told %d times", n)
		}
	})
}

func TestFailureToStartIsAnErrorInTheLog(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		akaritest.Verify(t, server)
		server.Shutdown()
		log := &logBook{}
		if _, err := akari.New(t.Context(), server.Connector(), akari.Config{PoolName: "test", Logger: slog.New(log)}); err == nil {
			t.Fatal("started")
		}
		if n := log.count("ERROR test - Exception during pool initialization. error="); n != 1 {
			t.Errorf("it is told %d times:\n%v", n, log)
		}
	})
}

func TestLogTellsWhichSettingsWereChanged(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{})
		change := func(want string, f func(*akari.Settings)) {
			t.Helper()
			s := b.Settings()
			f(&s)
			if err := b.Apply(s); err != nil {
				t.Fatal(err)
			}
			if b.log.count("INFO test - Settings changed: "+want+" pool=test") != 1 {
				t.Errorf("not in the log: %s", want)
			}
		}
		b.most = 20
		change("MaximumPoolSize from 10 to 20", func(s *akari.Settings) { s.MaximumPoolSize = 20 })
		change("MaximumPoolSize from 20 to 5, ConnectionTimeout from 30s to 10s", func(s *akari.Settings) {
			s.MaximumPoolSize, s.ConnectionTimeout = 5, 10*time.Second
		})
		change("nothing", func(*akari.Settings) {})
	})
}

func TestSetMaxOpenConnsOfTheFacadeIsWarnedOfOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		const warning = "WARN test - SetMaxOpenConns(7) was called on the pool's DB"
		b := newBench(t, akaritest.Full, akari.Config{})
		settle(time.Hour)
		if b.log.count("SetMaxOpenConns") != 0 {
			t.Error("warned of what nobody has done")
		}
		b.DB().SetMaxOpenConns(7)
		settle(time.Hour)
		if n := b.log.count(warning); n != 1 {
			t.Errorf("warned %d times", n)
		}
	})
}

func TestUnknownDriverIsWarnedOfOnce(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  akari.Config
		want int
	}{
		"by default":              {akari.Config{}, 1},
		"it is said how to reset": {akari.Config{SessionReset: akari.ResetAlways}, 0},
		"nothing is to be reset":  {akari.Config{SessionReset: akari.ResetOff}, 0},
		"the dialect is said":     {akari.Config{Dialect: akari.DialectMySQL}, 0},
		"it is said to be other":  {akari.Config{Dialect: akari.DialectOther}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				server := akaritest.NewServer(akaritest.Full)
				akaritest.Verify(t, server)
				log := &logBook{}
				c.cfg.PoolName, c.cfg.MaximumPoolSize, c.cfg.Logger = "test", 3, slog.New(log)
				p, err := akari.New(t.Context(), server.Connector(), c.cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				settle(time.Second)
				p.Evict()
				settle(time.Second)
				if n := log.count("is not known, nor the server behind it"); n != c.want {
					t.Errorf("warned %d times, want %d:\n%v", n, c.want, log)
				}
			})
		})
	}
}
