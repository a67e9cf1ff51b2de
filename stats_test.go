package akari_test

import (
	"context"
	"database/sql"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// holdAll borrows n connections, each in a goroutine of its own: the detector of
// pool-lock is to see nothing.
func (b *bench) holdAll(n int) []*akari.Conn {
	b.t.Helper()
	held := make(chan *akari.Conn)
	var all []*akari.Conn
	for range n {
		go func() {
			c, err := b.Acquire(b.t.Context())
			if err != nil {
				b.t.Error(err)
			}
			held <- c
		}()
		c := <-held
		b.t.Cleanup(func() {
			c.Release()
			synctest.Wait()
		})
		all = append(all, c)
	}
	return all
}

// wait starts callers that give back at once what they get.
func (b *bench) wait(callers int) {
	for range callers {
		go func() {
			if c, err := b.Acquire(b.t.Context()); err == nil {
				c.Release()
			}
		}()
	}
	synctest.Wait()
}

// TestEveryFieldOfStatsTellsTheTruth has scenarios on a pool of two, and for each
// the fields that it gives a known value. No field may be left out, nor have no
// other value than zero.
func TestEveryFieldOfStatsTellsTheTruth(t *testing.T) {
	type fields map[string]any
	full := func(c *akari.Config) { c.MinimumIdle = 2 } // nobody waits for a connection to be opened
	refused := errors.New("connection refused")
	wanted := map[string]bool{}
	for _, c := range []struct {
		name    string
		profile akaritest.Profile
		change  func(*akari.Config)
		do      func(t *testing.T, b *bench)
		want    fields
	}{
		{name: "limits", do: func(t *testing.T, b *bench) {
			s := b.Settings()
			s.MaximumPoolSize, s.MinimumIdle, s.MaxWaiters = 4, 3, 7
			if err := b.Apply(s); err != nil {
				t.Fatal(err)
			}
		}, want: fields{"PoolName": "test", "MaximumPoolSize": 4, "MinimumIdle": 3, "MaxWaiters": 7}},
		{name: "one lent, one idle", do: func(t *testing.T, b *bench) {
			b.holdAll(2)[0].Release()
		}, want: fields{"Total": 2, "Active": 1, "Idle": 1, "Waiting": 0, "Acquired": int64(2), "Released": int64(1), "Opened": int64(2)}},
		{name: "three wait", do: func(t *testing.T, b *bench) {
			b.holdAll(2)
			b.wait(3)
		}, want: fields{"Total": 2, "Active": 2, "Idle": 0, "Waiting": 3, "Acquired": int64(2), "Released": int64(0)}},
		{name: "suspended", do: func(t *testing.T, b *bench) {
			b.Suspend()
			b.wait(1)
		}, want: fields{"Suspended": true, "ShutDown": false, "Waiting": 1, "Idle": 1}},
		{name: "closed", do: func(t *testing.T, b *bench) {
			b.Suspend()
			b.Close()
		}, want: fields{"Suspended": false, "ShutDown": true, "Total": 0, "Closed": map[akari.CloseReason]int64{akari.CloseShutdown: 1}}},
		{name: "closed for several reasons", do: func(t *testing.T, b *bench) {
			held := b.holdAll(2)
			held[0].Evict()
			_ = held[1].Raw(func(any) error { return &akaritest.Error{Code: "08006"} })
			held[1].Release()
		}, want: fields{"Closed": map[akari.CloseReason]int64{akari.CloseEvicted: 1, akari.CloseBroken: 1}, "Released": int64(2), "Acquired": int64(2)}},
		{name: "one on its way in", do: func(t *testing.T, b *bench) {
			b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: time.Minute})
			b.holdAll(1)
			b.wait(1)
		}, want: fields{"Opening": 1, "Total": 1, "Opened": int64(1)}},
		{name: "one on its way out", do: func(t *testing.T, b *bench) {
			b.server.Inject(akaritest.OpClose, akaritest.Fault{Hang: true, Times: 1})
			b.holdAll(1)[0].Evict()
		}, want: fields{"Closing": 1, "Total": 0}},
		{name: "one waits with success", change: full, do: func(t *testing.T, b *bench) {
			held := b.holdAll(2)
			time.AfterFunc(800*time.Millisecond, held[0].Release)
			b.acquire().Release()
		}, want: fields{"AcquireWaited": int64(1), "WaitTime": 800 * time.Millisecond, "AcquireTimeouts": int64(0)}},
		{name: "two wait in vain", change: full, do: func(t *testing.T, b *bench) {
			b.holdAll(2)
			b.wait(1) // for the pool's second
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			b.Acquire(ctx)
			settle(time.Second)
		}, want: fields{"AcquireTimeouts": int64(2), "WaitTime": 1500 * time.Millisecond, "AcquireWaited": int64(2), "AcquireCanceled": int64(0)}},
		{name: "one gives up", change: full, do: func(t *testing.T, b *bench) {
			b.holdAll(2)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(400*time.Millisecond, cancel)
			b.Acquire(ctx)
		}, want: fields{"AcquireCanceled": int64(1), "WaitTime": 400 * time.Millisecond, "AcquireWaited": int64(1), "AcquireTimeouts": int64(0), "AcquireRejected": int64(0)}},
		{name: "too many wait", change: func(c *akari.Config) { c.MinimumIdle, c.MaxWaiters = 2, 1 }, do: func(t *testing.T, b *bench) {
			b.holdAll(2)
			b.wait(1)
			b.Acquire(t.Context()) // is refused, and does not wait
		}, want: fields{"AcquireRejected": int64(1), "AcquireWaited": int64(0), "Waiting": 1}},
		{name: "refused for each reason", change: func(c *akari.Config) { c.MinimumIdle, c.MaxWaiters, c.FailIfSuspended = 2, 1, true }, do: func(t *testing.T, b *bench) {
			b.holdAll(2)
			b.wait(1) // will be told that the pool is closed
			b.Acquire(t.Context())
			b.Suspend()
			b.Acquire(t.Context())
			b.Close()
			b.Acquire(t.Context())
		}, want: fields{"AcquireRejected": int64(4), "AcquireTimeouts": int64(0), "AcquireCanceled": int64(0)}},
		{name: "pool-lock", do: func(t *testing.T, b *bench) {
			nested(t, b, 2, func(ctx context.Context) (func(), error) {
				tx, err := b.DB().BeginTx(ctx, nil)
				return func() { tx.Rollback() }, err
			})
		}, want: fields{"PoolLocks": int64(1), "AcquireTimeouts": int64(0), "AcquireRejected": int64(0)}},
		{name: "loans that have ended, and one that has not", do: func(t *testing.T, b *bench) {
			c := b.acquire()
			settle(300 * time.Millisecond)
			c.Evict() // what it has counted is not forgotten
			settle(0)
			held := b.holdAll(2)
			settle(700 * time.Millisecond)
			held[0].Release()
			settle(time.Hour)
		}, want: fields{"Released": int64(2), "HoldTime": time.Second, "Acquired": int64(3)}},
		{name: "a connect takes its time", do: func(t *testing.T, b *bench) {
			b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 150 * time.Millisecond})
			b.holdAll(2)
		}, want: fields{"Opened": int64(2), "OpenTime": 150 * time.Millisecond, "OpenFailed": int64(0), "LastOpenError": nil}},
		{name: "two connects fail", do: func(t *testing.T, b *bench) {
			b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: 50 * time.Millisecond, Err: refused, Times: 2})
			b.holdAll(2)
		}, want: fields{"Opened": int64(2), "OpenTime": time.Duration(0), "OpenFailed": int64(2), "LastOpenError": nil}},
		{name: "no connect succeeds", do: func(t *testing.T, b *bench) {
			b.server.Inject(akaritest.OpConnect, akaritest.Fault{Err: refused})
			b.holdAll(1)
			b.Acquire(t.Context())
		}, want: fields{"LastOpenError": refused, "Opened": int64(1)}},
		{name: "two are asked, one is dead", do: func(t *testing.T, b *bench) {
			settle(time.Second)
			b.acquire().Release()
			settle(time.Second)
			b.server.DropAll()
			b.server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: time.Millisecond}) // younger than the suspicion
			b.acquire().Release()
		}, want: fields{"Validations": int64(2), "ValidationFailures": int64(1), "Keepalives": int64(0)}},
		{name: "one is kept alive", change: func(c *akari.Config) { c.KeepaliveTime = time.Minute }, do: func(t *testing.T, b *bench) {
			settle(time.Minute)
		}, want: fields{"Keepalives": int64(1), "Validations": int64(0)}},
		{name: "one is held for long", change: func(c *akari.Config) { c.LeakDetectionThreshold = 2 * time.Second }, do: func(t *testing.T, b *bench) {
			b.holdAll(1)
			settle(time.Hour)
		}, want: fields{"Leaks": int64(1)}},
		{name: "a transaction is left open", change: func(c *akari.Config) { c.Dialect = akari.DialectMySQL }, do: func(t *testing.T, b *bench) {
			b.exec("BEGIN")
		}, want: fields{"SessionResets": int64(1)}},
		{name: "a statement is used again", profile: akaritest.MySQLLike, change: func(c *akari.Config) { c.StatementCacheSize = 10 }, do: func(t *testing.T, b *bench) {
			for i := range 5 {
				b.exec("INSERT ?", i)
			}
		}, want: fields{"StatementMisses": int64(2), "StatementHits": int64(3)}},
		{name: "transactions", change: full, do: func(t *testing.T, b *bench) {
			failed := errors.New("failed")
			tried := 0
			for range 2 {
				_ = txn.Do(t.Context(), b.Pool, func(ctx context.Context) error {
					b.DB().ExecContext(ctx, "NOP")
					if tried++; tried == 1 {
						return failed
					}
					return txn.Do(ctx, b.Pool, func(ctx context.Context) error {
						_, err := b.DB().ExecContext(ctx, "NOP")
						return err
					}, txn.NotSupported)
				}, txn.Retry{If: func(error) bool { return true }})
			}
		}, want: fields{
			"Transactions":       akari.TransactionStats{Begun: 3, Committed: 2, RolledBack: 1},
			"TransactionRetries": int64(1), "SuspendedScopes": int64(2),
			"TaskConnections": [5]int64{1: 1, 2: 2},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize, cfg.MinimumIdle = 2, 1
				cfg.ConnectionTimeout, cfg.ValidationTimeout = time.Second, time.Second
				if c.change != nil {
					c.change(&cfg)
				}
				profile := akaritest.Full
				if c.profile.Name != "" {
					profile = c.profile
				}
				b := newBench(t, profile, cfg)
				b.most = 4
				synctest.Wait()
				c.do(t, b)
				synctest.Wait()
				got := reflect.ValueOf(b.Stats())
				for field, want := range c.want {
					v := got.FieldByName(field).Interface()
					if !reflect.DeepEqual(v, want) {
						t.Errorf("%s is %v, want %v", field, v, want)
					}
					wanted[field] = wanted[field] || want != nil && !reflect.ValueOf(want).IsZero()
				}
			})
		})
	}
	everyFieldIsIn[akari.Stats](t, wanted)
}

// everyFieldIsIn fails the test if a field of a struct was never seen with a value
// other than zero.
func everyFieldIsIn[S any](t *testing.T, seen map[string]bool) {
	t.Helper()
	for _, f := range reflect.VisibleFields(reflect.TypeFor[S]()) {
		if !seen[f.Name] {
			t.Errorf("no scenario gives %s a value", f.Name)
		}
	}
}

// TestDBStatsMeansWhatItMeansInDatabaseSQL does the same with a DB of the pool's
// and with one of database/sql's own, and compares the numbers.
func TestDBStatsMeansWhatItMeansInDatabaseSQL(t *testing.T) {
	// use takes n connections.
	use := func(t *testing.T, db *sql.DB, n int) (held []*sql.Conn) {
		t.Helper()
		for i := range n {
			done := make(chan error)
			go func() { // as holdAll
				c, err := db.Conn(t.Context())
				if err == nil {
					err = c.PingContext(t.Context())
				}
				held = append(held, c)
				done <- err
			}()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { held[i].Close() })
		}
		return held
	}
	wanted := map[string]bool{}
	for _, c := range []struct {
		name string
		bare func(*sql.DB)       // what makes database/sql do
		cfg  func(*akari.Config) // the same as this does
		do   func(t *testing.T, db *sql.DB, p *akari.Pool)
	}{
		{name: "in use and idle", do: func(t *testing.T, db *sql.DB, _ *akari.Pool) {
			use(t, db, 3)[0].Close()
		}},
		{name: "waits that end in every way", do: func(t *testing.T, db *sql.DB, _ *akari.Pool) {
			held := use(t, db, 3)
			for _, d := range []time.Duration{200 * time.Millisecond, 500 * time.Millisecond} {
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), d)
					defer cancel()
					if err := db.PingContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got %v", err)
					}
				}()
			}
			time.AfterFunc(700*time.Millisecond, func() { held[0].Close() })
			if err := db.PingContext(t.Context()); err != nil {
				t.Error(err)
			}
			canceled, cancel := context.WithCancel(t.Context())
			cancel()
			db.PingContext(canceled) // does not even begin to wait
		}},
		{name: "too many idle", do: func(t *testing.T, db *sql.DB, p *akari.Pool) {
			for _, c := range use(t, db, 3) {
				c.Close()
			}
			synctest.Wait()
			if p == nil {
				db.SetMaxOpenConns(1)
				return
			}
			s := p.Settings()
			s.MaximumPoolSize = 1
			if err := p.Apply(s); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "idle for too long",
			bare: func(db *sql.DB) { db.SetConnMaxIdleTime(20 * time.Second) },
			cfg:  func(c *akari.Config) { c.IdleTimeout, c.HousekeepingPeriod = 20*time.Second, time.Second },
			do: func(t *testing.T, db *sql.DB, _ *akari.Pool) {
				use(t, db, 3)[0].Close()
				settle(time.Minute)
			}},
		{name: "too old",
			bare: func(db *sql.DB) { db.SetConnMaxLifetime(time.Minute) },
			cfg:  func(c *akari.Config) { c.MaxLifetime = time.Minute },
			do: func(t *testing.T, db *sql.DB, _ *akari.Pool) {
				for _, c := range use(t, db, 3)[:2] {
					c.Close()
				}
				settle(10 * time.Minute)
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				// Connections are there before the numbers are taken: callers of
				// a pool wait while one is opened, those of database/sql open it.
				fill := func(db *sql.DB) {
					for _, c := range use(t, db, 3) {
						c.Close()
					}
					synctest.Wait()
				}
				bare := sql.OpenDB(akaritest.NewServer(akaritest.Full).Connector())
				defer bare.Close()
				bare.SetMaxOpenConns(3)
				bare.SetMaxIdleConns(3)
				if c.bare != nil {
					c.bare(bare)
				}
				fill(bare)
				c.do(t, bare, nil)
				synctest.Wait()
				want := reflect.ValueOf(bare.Stats())

				cfg := quietKeeping
				cfg.MaximumPoolSize, cfg.InitializationFailTimeout = 3, akari.DontTry
				if c.cfg != nil {
					c.cfg(&cfg)
				}
				b := newBench(t, akaritest.Full, cfg)
				b.most = 3
				fill(b.DB())
				opening := b.DBStats().WaitCount
				c.do(t, b.DB(), b.Pool)
				synctest.Wait()
				stats := b.DBStats()
				stats.WaitCount -= opening
				got := reflect.ValueOf(stats)
				for i := range want.NumField() {
					field := want.Type().Field(i).Name
					if w, g := want.Field(i).Interface(), got.Field(i).Interface(); w != g {
						t.Errorf("%s is %v, database/sql says %v", field, g, w)
					}
					wanted[field] = wanted[field] || !want.Field(i).IsZero()
				}
			})
		})
	}
	everyFieldIsIn[sql.DBStats](t, wanted)
}

func TestCallerOfAClosedPoolHasNotWaited(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1})
		b.want(1, 0, 1, 0)
		b.Close()
		if _, err := b.Acquire(t.Context()); !errors.Is(err, akari.ErrPoolClosed) {
			t.Error(err)
		}
		if s := b.Stats(); s.AcquireWaited != 0 || s.AcquireRejected != 1 {
			t.Errorf("%d have waited, %d were refused", s.AcquireWaited, s.AcquireRejected)
		}
	})
}
