package akari_test

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
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
		expect("Closed EvictRequested OpenFailed Opened")
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

func TestTraceMayCallThePool(t *testing.T) {
	within(t, func(t *testing.T) {
		var pool atomic.Pointer[akari.Pool] // events come while New is still at work
		trace := &akari.Trace{}
		v := reflect.ValueOf(trace).Elem()
		for i := range v.NumField() {
			v.Field(i).Set(reflect.MakeFunc(v.Field(i).Type(), func([]reflect.Value) []reflect.Value {
				if p := pool.Load(); p != nil {
					p.Stats()
					p.DBStats()
					p.Settings()
				}
				return nil
			}))
		}
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2, Trace: trace})
		pool.Store(b.Pool)
		b.exec("GET x")
		b.Evict()
		b.Suspend()
		b.Resume()
		settle(time.Hour)
		b.want(2, 0, 2, 0)
	})
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
