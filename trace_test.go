package akari_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// recorder is a Trace that notes every event by the name of its function.
func recorder() (*akari.Trace, func() []string) {
	var mu sync.Mutex
	var events []string
	t := &akari.Trace{}
	v := reflect.ValueOf(t).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		v.Field(i).Set(reflect.MakeFunc(v.Field(i).Type(), func([]reflect.Value) []reflect.Value {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, name)
			return nil
		}))
	}
	return t, func() []string {
		mu.Lock()
		defer mu.Unlock()
		got := events
		events = nil
		return got
	}
}

func TestTraceTellsWhatHappens(t *testing.T) {
	within(t, func(t *testing.T) {
		trace, events := recorder()
		b := newBench(t, akaritest.MySQLLike, akari.Config{
			MaximumPoolSize: 1, ConnectionTimeout: time.Second, LeakDetectionThreshold: 10 * time.Second,
			KeepaliveTime: time.Minute, Dialect: akari.DialectMySQL, Trace: trace,
		})
		expect := func(want string) {
			t.Helper()
			settle(0)
			if got := strings.Join(events(), " "); got != want {
				t.Errorf("events %q, want %q", got, want)
			}
		}
		expect("Opened")
		b.server.Define("SELECT 1", "GET x")
		b.exec("SELECT 1")
		expect("Acquired Released")
		c := b.acquire()
		b.Acquire(t.Context())
		expect("Acquired AcquireFailed")
		settle(10 * time.Second)
		c.Release()
		expect("LeakSuspected LeakReturned Released")
		settle(time.Second)
		b.exec("SELECT 1")
		expect("Validated Acquired Released")
		b.exec("BEGIN")
		expect("Acquired Released SessionReset")
		settle(time.Minute)
		expect("KeptAlive")
		b.Suspend()
		b.Resume()
		expect("Suspended Resumed")
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Err: errors.New("no"), Times: 1})
		b.Evict()
		settle(time.Second)
		expect("EvictRequested Closed OpenFailed Opened")
		b.Apply(b.Settings())
		expect("SettingsChanged")
		b.Close()
		expect("Closed Shutdown")
	})
}

func TestPanicInATraceFunctionHarmsNobody(t *testing.T) {
	within(t, func(t *testing.T) {
		trace := &akari.Trace{}
		v := reflect.ValueOf(trace).Elem()
		for i := range v.NumField() {
			v.Field(i).Set(reflect.MakeFunc(v.Field(i).Type(), func([]reflect.Value) []reflect.Value { panic("boo") }))
		}
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2, Trace: trace})
		b.exec("GET x")
		b.Suspend()
		b.Resume()
		b.Evict()
		settle(time.Hour)
		b.want(2, 0, 2, 0)
		if b.log.count("Trace function panicked: boo") == 0 {
			t.Error("it is not in the log")
		}
	})
}

// meddler is something of the user's that the pool calls, and that calls the pool
// for everything it offers.
type meddler struct {
	pool  atomic.Pointer[akari.Pool] // nil while New is still at work
	at    atomic.Bool                // at work: what the pool calls for that does nothing
	times atomic.Int64
}

func (m *meddler) meddle() {
	p := m.pool.Load()
	if p == nil || !m.at.CompareAndSwap(false, true) {
		return
	}
	defer m.at.Store(false)
	m.times.Add(1)
	p.Stats()
	p.DBStats()
	p.DB().Stats()
	_ = p.Apply(p.Settings())
	if m.times.Load() < 20 { // or nothing else would happen
		p.Evict()
	}
	p.EvictConn(1)
	p.Suspend()
	p.Resume()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, _ = p.DB().ExecContext(ctx, fmt.Sprintf("SELECT %d", m.times.Load()))
	if c, err := p.Acquire(ctx); err == nil {
		c.Release()
	}
}

// meddlingLog is a logBook that calls the pool for every line.
type meddlingLog struct {
	*logBook
	m *meddler
}

func (l meddlingLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l meddlingLog) Handle(ctx context.Context, r slog.Record) error {
	l.m.meddle()
	return l.logBook.Handle(ctx, r)
}

// everything has each event of a Trace happen, in a pool of two connections whose
// events may be meddled with.
func everything(t *testing.T, b *bench) {
	b.server.Define("SELECT 1", "GET x")
	b.DB().Exec("SELECT 1")
	held := b.holdAll(2)
	b.Acquire(t.Context())
	held[0].Release() // there is one for those who meddle
	settle(10 * time.Second)
	held[1].Release()
	settle(time.Second)
	for range 2 { // the first may have been evicted
		b.DB().Exec("SELECT 1")
		settle(time.Second)
	}
	b.DB().Exec("BEGIN")
	settle(time.Second)
	b.server.Define("SELECT 2", "FAIL 23505 no")
	b.DB().Exec("SELECT 2")
	txn.Do(t.Context(), b.Pool, func(ctx context.Context) error {
		_, err := b.DB().ExecContext(ctx, "SELECT 1")
		return err
	})
	settle(2 * time.Minute)
	b.Suspend()
	b.Resume()
	b.server.Inject(akaritest.OpConnect, akaritest.Fault{Err: errors.New("no"), Times: 1})
	b.Evict()
	settle(time.Second)
	b.Apply(b.Settings())
	b.Close()
}

func TestNothingOfTheUsersIsCalledUnderALock(t *testing.T) {
	cases := map[string]func(*akari.Config, *meddler){
		"Logger": func(c *akari.Config, m *meddler) { c.Logger = slog.New(meddlingLog{&logBook{}, m}) },
		"Adjudicate": func(c *akari.Config, m *meddler) {
			c.Adjudicate = func(error) akari.Verdict { m.meddle(); return akari.Continue }
		},
		"ChangesSession": func(c *akari.Config, m *meddler) {
			c.ChangesSession = func(string) bool { m.meddle(); return false }
		},
		"OnConnect": func(c *akari.Config, m *meddler) {
			c.OnConnect = func(context.Context, any) error { m.meddle(); return nil }
		},
	}
	for i, f := range reflect.VisibleFields(reflect.TypeFor[akari.Trace]()) {
		cases["Trace."+f.Name] = func(c *akari.Config, m *meddler) {
			c.Trace = &akari.Trace{}
			reflect.ValueOf(c.Trace).Elem().Field(i).Set(reflect.MakeFunc(f.Type, func([]reflect.Value) []reflect.Value {
				m.meddle()
				return nil
			}))
		}
	}
	for name, set := range cases {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				m := &meddler{}
				cfg := akari.Config{
					MaximumPoolSize: 2, ConnectionTimeout: time.Second, LeakDetectionThreshold: 10 * time.Second,
					KeepaliveTime: time.Minute, Dialect: akari.DialectMySQL,
				}
				set(&cfg, m)
				b := newBench(t, akaritest.MySQLLike, cfg)
				m.pool.Store(b.Pool)
				everything(t, b)
				if m.times.Load() == 0 {
					t.Error("it was not called")
				}
			})
		})
	}
}

func TestTeeCallsEveryFunctionOfEachTrace(t *testing.T) {
	one, events1 := recorder()
	two, events2 := recorder()
	both := reflect.ValueOf(akari.Tee(one, nil, &akari.Trace{}, two)).Elem()
	for i := range both.NumField() {
		f := both.Field(i)
		name := both.Type().Field(i).Name
		if f.IsNil() {
			t.Errorf("%s was forgotten", name)
			continue
		}
		f.Call([]reflect.Value{reflect.Zero(f.Type().In(0))})
		if a, b := events1(), events2(); len(a) != 1 || len(b) != 1 || a[0] != name || b[0] != name {
			t.Errorf("%s reached %v and %v", name, a, b)
		}
	}
	if single := reflect.ValueOf(akari.Tee(one)).Elem(); single.Field(0).Pointer() != reflect.ValueOf(one).Elem().Field(0).Pointer() {
		t.Error("a single trace is wrapped")
	}
	if !reflect.ValueOf(akari.Tee(nil, &akari.Trace{})).Elem().IsZero() {
		t.Error("Tee of nothing has functions: each would cost an event")
	}
}

// Whoever looks at the numbers in the hook sees the loan ended.
func TestReleasedConnectionCountsOnceInTheHook(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		var b *bench
		seen := 0
		cfg.Trace = &akari.Trace{Released: func(akari.ReleasedEvent) {
			if s := b.Stats(); s.Acquired != 1 || s.Released != 1 {
				t.Errorf("acquired %d, released %d, want 1 and 1", s.Acquired, s.Released)
			}
			seen++
		}}
		b = newBench(t, akaritest.Full, cfg)
		b.acquire().Release()
		if seen != 1 {
			t.Errorf("the hook was called %d times", seen)
		}
	})
}

// The error tells the whole time, that of a ResetSession that hangs included.
func TestWaitedIncludesTheDriversTime(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize = 1
		b := newBench(t, akaritest.Full, cfg)
		held := b.acquire()
		b.server.Inject(akaritest.OpReset, akaritest.Fault{Hang: true, Times: 1})
		time.AfterFunc(100*time.Millisecond, held.Release)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := b.Acquire(ctx)
		if waited := acquireError(t, err).Waited; waited != 3*time.Second {
			t.Errorf("it says %v, want 3s", waited)
		}
	})
}
