package akari_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// Drivers that do what no driver should.

func TestStmtCloseThatGoesWrongBetweenLoansCostsNothingButTheConnection(t *testing.T) {
	for name, fault := range map[string]akaritest.Fault{
		"panics":             {Panic: "boo"},
		"ends the goroutine": {Goexit: true},
		"says ErrBadConn":    {Err: driver.ErrBadConn, Break: true},
		"hangs":              {Hang: true, IgnoreContext: true},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize, cfg.MinimumIdle, cfg.StatementCacheSize = 1, 1, 1
				cfg.ValidationTimeout = time.Second
				b := newBench(t, akaritest.MySQLLike, cfg)
				for i := range 2 { // the second time it is kept
					b.exec("INSERT ?", i)
				}
				b.server.Define("INSERT INTO numbers VALUES (?)", "INSERT ?")
				b.exec("INSERT INTO numbers VALUES (?)", 2)
				fault.Times = 1
				in := b.server.Inject(akaritest.OpStmtClose, fault)
				b.exec("INSERT INTO numbers VALUES (?)", 3) // kept in place of the other
				settle(5 * time.Second)
				if in.Hits() != 1 {
					t.Fatal("no statement was closed between loans")
				}
				if fault.Hang {
					b.most = 2 // no place is kept for what hangs
				}
				in.Release()
				b.want(1, 0, 1, 0)
				if n := b.Stats().TotalClosed(); n != 1 {
					t.Errorf("%d connections were closed, want 1", n)
				}
				b.exec("INSERT ?", 4)
			})
		})
	}
}

func TestPanicOfStmtCloseKeepsNoConnectionOpen(t *testing.T) {
	within(t, func(t *testing.T) {
		cfg := quietKeeping
		cfg.MaximumPoolSize, cfg.MinimumIdle, cfg.StatementCacheSize = 1, 1, 10
		b := newBench(t, akaritest.MySQLLike, cfg)
		for i := range 3 {
			b.exec("INSERT ?", i)
		}
		in := b.server.Inject(akaritest.OpStmtClose, akaritest.Fault{Panic: "boo"})
		b.Evict()
		settle(time.Second)
		if in.Hits() != 1 {
			t.Fatalf("%d statements were closed with their connection, want 1", in.Hits())
		}
		b.want(1, 0, 1, 0)
		b.checkBooks()
	})
}

func TestCloseThatFailsKeepsNoPlace(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 3})
		b.want(3, 0, 3, 0)
		in := b.server.Inject(akaritest.OpClose, akaritest.Fault{Err: errors.New("cannot say goodbye")})
		b.Evict()
		b.want(3, 0, 3, 0)
		c := b.acquire()
		c.Evict()
		b.want(3, 0, 3, 0)
		if s := b.Stats(); s.Closing != 0 || s.Closed[akari.CloseEvicted] != 4 {
			t.Errorf("%d keep their place, %d were closed", s.Closing, s.Closed[akari.CloseEvicted])
		}
		if n := b.log.count(" failed error=cannot say goodbye pool=test"); n != in.Hits() || n != 4 {
			t.Errorf("%d of %d failures are in the log", n, in.Hits())
		}
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// treacherous is a driver whose results panic, or end the goroutine, where it is
// told to.
type treacherous struct {
	akaritest.FullConn
	end func(call string)
}

func (c treacherous) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	res, err := c.FullConn.ExecContext(ctx, text, args)
	return treacherousResult{res, c.end}, err
}

func (c treacherous) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.FullConn.QueryContext(ctx, text, args)
	return treacherousRows{rows, c.end}, err
}

type treacherousResult struct {
	driver.Result
	end func(string)
}

func (r treacherousResult) LastInsertId() (int64, error) {
	r.end("LastInsertId")
	return r.Result.LastInsertId()
}

func (r treacherousResult) RowsAffected() (int64, error) {
	r.end("RowsAffected")
	return r.Result.RowsAffected()
}

type treacherousRows struct {
	driver.Rows
	end func(string)
}

func (r treacherousRows) Columns() []string { r.end("Columns"); return r.Rows.Columns() }
func (r treacherousRows) Close() error      { r.end("Close"); return r.Rows.Close() }
func (r treacherousRows) ColumnTypeDatabaseTypeName(int) string {
	r.end("ColumnTypeDatabaseTypeName")
	return ""
}
func (r treacherousRows) ColumnTypeLength(int) (int64, bool) {
	r.end("ColumnTypeLength")
	return 0, false
}
func (r treacherousRows) ColumnTypeNullable(int) (nullable, ok bool) {
	r.end("ColumnTypeNullable")
	return
}
func (r treacherousRows) ColumnTypePrecisionScale(int) (p, s int64, ok bool) {
	r.end("ColumnTypePrecisionScale")
	return
}
func (r treacherousRows) ColumnTypeScanType(int) reflect.Type {
	r.end("ColumnTypeScanType")
	return reflect.TypeFor[int64]()
}

// resultCalls are the methods of results, and code that comes to call each.
var resultCalls = map[string]func(context.Context, *sql.DB){
	"LastInsertId": func(ctx context.Context, db *sql.DB) {
		res, _ := db.ExecContext(ctx, "INSERT 1")
		res.LastInsertId()
	},
	"RowsAffected": func(ctx context.Context, db *sql.DB) {
		res, _ := db.ExecContext(ctx, "INSERT 1")
		res.RowsAffected()
	},
	"Columns":                    askColumns,
	"ColumnTypeDatabaseTypeName": askColumns,
	"ColumnTypeLength":           askColumns,
	"ColumnTypeNullable":         askColumns,
	"ColumnTypePrecisionScale":   askColumns,
	"ColumnTypeScanType":         askColumns,
}

func askColumns(ctx context.Context, db *sql.DB) {
	rows, _ := db.QueryContext(ctx, "ROWS 3")
	defer rows.Close()
	rows.Next()
	rows.Columns()
	rows.ColumnTypes()
}

// treachery makes a profile whose call panics or ends the goroutine, once.
func treachery(call string, goexit bool) (akaritest.Profile, *atomic.Bool) {
	done := &atomic.Bool{}
	p := akaritest.Full
	p.WrapConn = func(c akaritest.FullConn) driver.Conn {
		return treacherous{c, func(called string) {
			if called != call || done.Swap(true) {
				return
			}
			if goexit {
				runtime.Goexit()
			}
			panic("boo")
		}}
	}
	return p, done
}

// aside runs f in a goroutine that may panic or end.
func aside(f func()) {
	done := make(chan bool)
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		f()
	}()
	<-done
}

func TestResultThatPanicsLosesNoPlace(t *testing.T) {
	for call, do := range resultCalls {
		for _, goexit := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/goexit %v", call, goexit), func(t *testing.T) {
				within(t, func(t *testing.T) {
					profile, done := treachery(call, goexit)
					b := newBench(t, profile, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: time.Second})
					aside(func() { do(t.Context(), b.DB()) })
					if !done.Load() {
						t.Fatal("it was not called")
					}
					b.want(1, 0, 1, 0)
					b.exec("GET x")
				})
			})
		}
	}
}

func TestRollbackThatPanicsLosesNoPlace(t *testing.T) {
	for name, fault := range map[string]akaritest.Fault{"panics": {Panic: "boo"}, "ends the goroutine": {Goexit: true}} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: time.Second})
				fault.Times = 1
				b.server.Inject(akaritest.OpRollback, fault)
				aside(func() {
					tx, _ := b.DB().BeginTx(t.Context(), nil)
					tx.Exec("INSERT 1")
					tx.Rollback()
				})
				b.want(1, 0, 1, 0)
				b.exec("GET x")
				if b.server.Has(1) || b.Stats().Closed[akari.CloseBroken] != 1 {
					t.Errorf("committed %v, closed %v", b.server.Has(1), b.Stats().Closed)
				}
			})
		})
	}
}

// What docs/reliability.md admits: database/sql does not give a connection back
// whose rows panic when they are closed. The others go on, it is reported as a
// leak, and closing the pool does not wait for it.
func TestRowsThatPanicWhenClosedLoseTheirOwnPlaceOnly(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(func() akaritest.Profile { p, _ := treachery("Close", false); return p }())
		log := &logBook{}
		p, err := akari.New(t.Context(), server.Connector(), akari.Config{
			MaximumPoolSize: 2, ConnectionTimeout: time.Second, ValidationTimeout: time.Second, LeakDetectionThreshold: 10 * time.Second, Logger: slog.New(log),
		})
		if err != nil {
			t.Fatal(err)
		}
		aside(func() {
			rows, _ := p.DB().QueryContext(t.Context(), "ROWS 3")
			rows.Close()
		})
		settle(time.Minute)
		for range 10 {
			if _, err := p.DB().ExecContext(t.Context(), "GET x"); err != nil {
				t.Error(err)
			}
		}
		if s := p.Stats(); s.Total != 2 || s.Active != 1 || s.Leaks != 1 || log.count("TestRowsThatPanicWhenClosed") == 0 {
			t.Errorf("total=%d, active=%d, leaks=%d\n%v", s.Total, s.Active, s.Leaks, log)
		}
		start := time.Now()
		if p.Close(); time.Since(start) != 0 {
			t.Errorf("Close took %v", time.Since(start))
		}
		if n := server.Stats().Open; n != 1 {
			t.Errorf("%d connections are open, want the lost one", n)
		}
	})
}

// wrapped is like otelsql's connection.
type wrapped struct{ driver.Conn }

func (w *wrapped) Raw() driver.Conn { return w.Conn }

// emptyHanded is a connector that returns a typed nil and no error while it is
// told to.
type emptyHanded struct {
	driver.Connector
	empty atomic.Bool
}

func (c *emptyHanded) Connect(ctx context.Context) (driver.Conn, error) {
	if c.empty.Load() {
		var w *wrapped
		return w, nil
	}
	in, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &wrapped{in}, nil
}

func TestTypedNilIsNoConnection(t *testing.T) {
	within(t, func(t *testing.T) {
		server := akaritest.NewServer(akaritest.Full)
		akaritest.Verify(t, server)
		c := &emptyHanded{Connector: server.Connector()}
		c.empty.Store(true)
		_, err := akari.New(t.Context(), c, akari.Config{Logger: quiet})
		var ie *akari.InitError
		if !errors.As(err, &ie) {
			t.Fatalf("New: %v", err)
		}

		c.empty.Store(false)
		p, err := akari.New(t.Context(), c, akari.Config{MaximumPoolSize: 2, Logger: quiet, ConnectionTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		c.empty.Store(true)
		p.Evict()
		if _, err := p.Acquire(t.Context()); acquireError(t, err).Cause == nil {
			t.Errorf("the caller is not told why: %v", err)
		}
		c.empty.Store(false)
		settle(10 * time.Second)
		if s := p.Stats(); s.Total != 2 || server.Stats().Open != 2 {
			t.Errorf("%d connections of 2, the server has %d", s.Total, server.Stats().Open)
		}
	})
}

func TestDriverThatEndsTheGoroutineInTheSetUpLosesNoConnection(t *testing.T) {
	for name, c := range map[string]struct {
		op  akaritest.Op
		cfg akari.Config
	}{
		"the first connection's Ping": {akaritest.OpPing, akari.Config{}},
		"ConnectionInitSQL":           {akaritest.OpExec, akari.Config{ConnectionInitSQL: "SET lang ko"}},
		"ConnectionTestQuery":         {akaritest.OpQuery, akari.Config{ConnectionTestQuery: "GET x"}},
		"Connect":                     {akaritest.OpConnect, akari.Config{}},
	} {
		for how, fault := range map[string]akaritest.Fault{"ends the goroutine": {Goexit: true}, "panics": {Panic: "boo"}} {
			t.Run(name+" "+how, func(t *testing.T) {
				within(t, func(t *testing.T) {
					server := akaritest.NewServer(akaritest.Full)
					akaritest.Verify(t, server)
					in := server.Inject(c.op, fault)
					p, took, err := start(t, server, c.cfg)
					var ie *akari.InitError
					if !errors.As(err, &ie) || p != nil || took > time.Millisecond {
						t.Errorf("New: %v after %v", err, took)
					}
					if in.Hits() == 0 {
						t.Fatal("nothing was injected")
					}
					in.Release()
					settle(time.Second)
					if n := server.Stats().Open; n != 0 {
						t.Errorf("%d connections are left open", n)
					}
				})
			})
		}
	}
}

func TestDriverThatEndsTheGoroutineInALaterSetUpLosesNoPlace(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2, ConnectionInitSQL: "SET lang ko"})
		b.want(2, 0, 2, 0)
		in := b.server.Inject(akaritest.OpExec, akaritest.Fault{Goexit: true, Times: 3})
		b.Evict()
		settle(10 * time.Second)
		if in.Hits() != 3 {
			t.Errorf("%d attempts failed, want 3", in.Hits())
		}
		b.want(2, 0, 2, 0)
		if n := b.Stats().OpenFailed; n != 3 {
			t.Errorf("%d failures were counted", n)
		}
	})
}

func TestStartOutlastsNoContextForADriverThatIgnoresIt(t *testing.T) {
	for name, open := range map[string]func(context.Context, *akaritest.Server, akari.Config) (*akari.Pool, error){
		"New": func(ctx context.Context, s *akaritest.Server, cfg akari.Config) (*akari.Pool, error) {
			return akari.New(ctx, s.Connector(), cfg)
		},
		"Open": func(ctx context.Context, s *akaritest.Server, cfg akari.Config) (*akari.Pool, error) {
			return akari.Open(ctx, registered(s), "a database", cfg)
		},
	} {
		for limit, c := range map[string]struct {
			ctx  time.Duration
			cfg  akari.Config
			most time.Duration
		}{
			"its context":            {500 * time.Millisecond, akari.Config{InitializationFailTimeout: time.Hour}, 500 * time.Millisecond},
			"the time for a connect": {time.Hour, akari.Config{ConnectionTimeout: time.Second}, 1500 * time.Millisecond},
		} {
			// Without a Pinger nothing in the set-up minds the context either.
			for _, profile := range []akaritest.Profile{akaritest.Full, akaritest.Minimal} {
				t.Run(name+"/"+limit+"/"+profile.Name, func(t *testing.T) {
					within(t, func(t *testing.T) {
						server := akaritest.NewServer(profile)
						akaritest.Verify(t, server)
						hung := server.Inject(akaritest.OpConnect, akaritest.Fault{Hang: true, IgnoreContext: true})
						ctx, cancel := context.WithTimeout(t.Context(), c.ctx)
						defer cancel()
						began := time.Now()
						c.cfg.Logger = quiet
						_, err := open(ctx, server, c.cfg)
						if took := time.Since(began); err == nil || took > c.most+time.Second {
							t.Errorf("got %v after %v", err, took)
						}
						if ctx.Err() != nil && !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("%v does not say that the context has ended", err)
						}
						settle(time.Minute)
						hung.Release() // the driver comes back with a connection that nobody waits for
						settle(0)
						if s := server.Stats(); s.Opened != 1 || s.Open != 0 {
							t.Errorf("%d connections were opened late, %d are left open; want 1 and 0", s.Opened, s.Open)
						}
					})
				})
			}
		}
	}
}

var registrations atomic.Int64

// registered registers the driver of a server, and returns its name.
func registered(s *akaritest.Server) string {
	name := fmt.Sprintf("akaritest lying %d", registrations.Add(1))
	sql.Register(name, s.Driver())
	return name
}

// database/sql takes ErrBadConn for a reason to try again: a caller would wait
// for its connection three times as long as it should.
func TestConnectThatSaysBadConnIsNotTriedAgainByDatabaseSQL(t *testing.T) {
	for name, err := range map[string]error{
		"itself":  driver.ErrBadConn,
		"wrapped": fmt.Errorf("dial: %w", driver.ErrBadConn),
	} {
		for op, do := range map[string]func(context.Context, *sql.DB) error{
			"Exec": func(ctx context.Context, db *sql.DB) error { _, err := db.ExecContext(ctx, "GET x"); return err },
			"Ping": func(ctx context.Context, db *sql.DB) error { return db.PingContext(ctx) },
			"Conn": func(ctx context.Context, db *sql.DB) error {
				c, err := db.Conn(ctx)
				if err != nil {
					return err
				}
				defer c.Close()
				_, err = c.ExecContext(ctx, "GET x")
				return err
			},
		} {
			t.Run(op+"/"+name, func(t *testing.T) {
				within(t, func(t *testing.T) {
					cfg := quietKeeping
					cfg.MaximumPoolSize, cfg.ConnectionTimeout = 2, time.Second
					b := newBench(t, akaritest.Full, cfg)
					b.server.Inject(akaritest.OpConnect, akaritest.Fault{Err: err})
					start := time.Now()
					got := do(t.Context(), b.DB())
					ae := acquireError(t, got)
					if errors.Is(got, driver.ErrBadConn) || ae.Cause == nil || !contains(got.Error(), err.Error()) {
						t.Errorf("got %v", got)
					}
					if took := time.Since(start); took != time.Second {
						t.Errorf("after %v", took)
					}
				})
			})
		}
	}
}
