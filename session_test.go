package akari_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// pairing is a driver connection that notes what database/sql calls.
type pairing struct{ calls *[]string }

func (p pairing) note(call string) { *p.calls = append(*p.calls, call) }

func (p pairing) Prepare(string) (driver.Stmt, error)         { p.note("Prepare"); return stub{p}, nil }
func (p pairing) Close() error                                { p.note("Close"); return nil }
func (p pairing) Begin() (driver.Tx, error)                   { p.note("Begin"); return stub{p}, nil }
func (p pairing) ResetSession(ctx context.Context) error      { p.note("ResetSession"); return ctx.Err() }
func (p pairing) IsValid() bool                               { p.note("IsValid"); return true }
func (p pairing) Ping(context.Context) error                  { p.note("Ping"); return nil }
func (p pairing) CheckNamedValue(nv *driver.NamedValue) error { p.note("CheckNamedValue"); return nil }
func (p pairing) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	p.note("Exec")
	return driver.ResultNoRows, nil
}
func (p pairing) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	p.note("Query")
	return stub{p}, nil
}

type pairingConnector struct{ p pairing }

func (c pairingConnector) Connect(context.Context) (driver.Conn, error) {
	c.p.note("Connect")
	return c.p, nil
}
func (c pairingConnector) Driver() driver.Driver { return nil }

type stub struct{ p pairing }

func (s stub) Close() error                               { s.p.note("close it"); return nil }
func (s stub) NumInput() int                              { return -1 }
func (s stub) Exec([]driver.Value) (driver.Result, error) { return driver.ResultNoRows, nil }
func (s stub) Query([]driver.Value) (driver.Rows, error)  { return s, nil }
func (s stub) Commit() error                              { s.p.note("Commit"); return nil }
func (s stub) Rollback() error                            { s.p.note("Rollback"); return nil }
func (s stub) Columns() []string                          { return []string{"a"} }
func (s stub) Next([]driver.Value) error                  { s.p.note("Next"); return nil }

// TestDatabaseSQLKeepsThePairing pins what the facade stands on and what
// database/sql does not promise: a use of a driver connection begins with
// Connect or ResetSession, with the caller's context, and ends with IsValid or
// Close, after everything that belongs to the use.
func TestDatabaseSQLKeepsThePairing(t *testing.T) {
	for _, c := range []struct {
		name string
		use  func(context.Context, *sql.DB)
		want string
	}{
		{"Exec", func(ctx context.Context, db *sql.DB) { db.ExecContext(ctx, "x", 1) }, "CheckNamedValue Exec"},
		{"Ping", func(ctx context.Context, db *sql.DB) { db.PingContext(ctx) }, "Ping"},
		{"Query, read and closed", func(ctx context.Context, db *sql.DB) {
			rows, _ := db.QueryContext(ctx, "x")
			rows.Next()
			rows.Close()
		}, "Query Next close it"},
		{"QueryRow", func(ctx context.Context, db *sql.DB) {
			var v any
			db.QueryRowContext(ctx, "x").Scan(&v)
		}, "Query Next close it"},
		{"a transaction", func(ctx context.Context, db *sql.DB) {
			tx, _ := db.BeginTx(ctx, nil)
			tx.ExecContext(ctx, "x")
			tx.Commit()
		}, "Begin Exec Commit"},
		{"a cancelled transaction", func(ctx context.Context, db *sql.DB) {
			ctx, cancel := context.WithCancel(ctx)
			tx, _ := db.BeginTx(ctx, nil)
			cancel()
			for tx.Commit() != sql.ErrTxDone {
				time.Sleep(time.Millisecond)
			}
		}, "Begin Rollback"},
		{"a statement", func(ctx context.Context, db *sql.DB) {
			st, _ := db.PrepareContext(ctx, "x")
			st.Close()
		}, "Prepare"},
		{"a single connection", func(ctx context.Context, db *sql.DB) {
			c, _ := db.Conn(ctx)
			c.ExecContext(ctx, "x")
			c.ExecContext(ctx, "x")
			c.Close()
		}, "Exec Exec"},
		{"a single connection that is not used", func(ctx context.Context, db *sql.DB) {
			c, _ := db.Conn(ctx)
			c.Close()
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				var calls []string
				db := sql.OpenDB(pairingConnector{pairing{&calls}})
				db.SetMaxIdleConns(10)
				c.use(t.Context(), db)
				time.Sleep(time.Second)
				c.use(t.Context(), db)
				time.Sleep(time.Second)
				db.Close()
				got := strings.Join(calls, " ")
				want := strings.Join(strings.Fields("Connect "+c.want+" IsValid ResetSession "+c.want+" IsValid Close"), " ")
				// The statement of database/sql is closed when nobody uses the connection.
				got = strings.ReplaceAll(got, "IsValid close it", "IsValid")
				if got != want {
					t.Fatalf("database/sql of this Go release calls\n%s\nthe pool's facade expects\n%s", got, want)
				}
			})
		})
	}
}

func TestConnectionIsHeldOnlyWhileItIsUsed(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1})
		ctx := t.Context()
		b.want(1, 0, 1, 0)

		c, err := b.DB().Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		b.want(1, 0, 1, 0) // a sql.Conn takes none before it is used
		if _, err := c.ExecContext(ctx, "GET x"); err != nil {
			t.Fatal(err)
		}
		b.want(1, 1, 0, 0)
		c.Close()
		b.want(1, 0, 1, 0)

		rows, err := b.DB().QueryContext(ctx, "ROWS 2")
		if err != nil {
			t.Fatal(err)
		}
		b.want(1, 1, 0, 0)
		for rows.Next() {
		}
		b.want(1, 0, 1, 0)

		tx, err := b.DB().BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.want(1, 1, 0, 0)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		b.want(1, 0, 1, 0)
	})
}

func TestFacadeShowsTheDriver(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{})
		if got := b.DB().Driver(); got != b.server.Driver() {
			t.Fatalf("got %T", got)
		}
		if first, second := b.DB(), b.DB(); first != second {
			t.Fatal("two facades")
		}
	})
}

func TestClosingTheFacadeClosesThePool(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 3})
		tx, err := b.DB().Begin()
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := b.DB().Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("Close waited %v for a connection in use", took)
		}
		b.want(1, 1, 0, 0)
		if _, err := tx.Exec("GET x"); err != nil {
			t.Errorf("the transaction cannot go on: %v", err)
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		b.want(0, 0, 0, 0)
		if _, err := b.Acquire(t.Context()); !errors.Is(err, akari.ErrPoolClosed) || !strings.Contains(err.Error(), "has been closed") {
			t.Errorf("got %v", err)
		}
	})
}

func TestStatementIsNeverRepeatedOnTheDriversWordAlone(t *testing.T) {
	for name, fault := range map[string]akaritest.Fault{
		"before it ran":      {Err: driver.ErrBadConn, Break: true},
		"after it ran":       {Err: driver.ErrBadConn, Break: true, After: true},
		"wrapped":            {Err: errors.Join(errors.New("oops"), driver.ErrBadConn), Break: true, After: true},
		"still open":         {Err: driver.ErrBadConn, After: true},
		"a network error":    {Err: &timeoutError{}, Break: true, After: true},
		"an unexpected EOF":  {Err: errors.New("unexpected EOF"), Break: true, After: true},
		"with a panic value": {Err: driver.ErrBadConn, After: true, Break: true},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, akaritest.PqLike, akari.Config{MaximumPoolSize: 3})
				fault.Times = 1
				b.server.Inject(akaritest.OpExec, fault)
				_, err := b.DB().ExecContext(t.Context(), "INSERT 7")
				if err == nil || errors.Is(err, driver.ErrBadConn) {
					t.Fatalf("got %v", err)
				}
				if n := b.server.Inserts(7); n > 1 {
					t.Fatalf("executed %d times", n)
				}
				if fault.Err == driver.ErrBadConn && !errors.Is(err, akari.ErrOutcomeUnknown) {
					t.Errorf("%v does not say that the outcome is unknown", err)
				}
				b.want(3, 0, 3, 0) // the lost one is replaced
			})
		})
	}
}

type timeoutError struct{}

func (*timeoutError) Error() string   { return "i/o timeout" }
func (*timeoutError) Timeout() bool   { return true }
func (*timeoutError) Temporary() bool { return false }

func TestBeginPingAndPrepareGoOnAnotherConnection(t *testing.T) {
	for name, do := range map[string]func(context.Context, *sql.DB) error{
		"Begin": func(ctx context.Context, db *sql.DB) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return tx.Commit()
		},
		"Ping": func(ctx context.Context, db *sql.DB) error { return db.PingContext(ctx) },
		"Prepare": func(ctx context.Context, db *sql.DB) error {
			st, err := db.PrepareContext(ctx, "GET x")
			if err != nil {
				return err
			}
			return st.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, akaritest.PqLike, akari.Config{MaximumPoolSize: 10})
				b.want(10, 0, 10, 0)
				b.server.DropAll() // just used: nobody asks before lending them
				if err := do(t.Context(), b.DB()); err != nil {
					t.Fatal(err)
				}
				b.want(10, 0, 10, 0)
			})
		})
	}
}

func TestDriverWithoutResetterIsNotKeptAfterACancelledTransaction(t *testing.T) {
	for _, c := range []struct {
		profile akaritest.Profile
		kept    bool
	}{{akaritest.Full, true}, {akaritest.MattnLike, false}} {
		t.Run(c.profile.Name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize = 1
				b := newBench(t, c.profile, cfg)
				ctx, cancel := context.WithCancel(t.Context())
				tx, err := b.DB().BeginTx(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				cancel()
				settle(time.Second)
				if err := tx.Commit(); err != context.Canceled && err != sql.ErrTxDone {
					t.Fatalf("got %v", err)
				}
				if c.kept {
					b.want(1, 0, 1, 0)
				} else {
					b.want(0, 0, 0, 0)
				}
			})
		})
	}
}

func TestPanicOfTheDriverLosesNoConnectionsPlace(t *testing.T) {
	ops := map[akaritest.Op]func(context.Context, *sql.DB){
		akaritest.OpExec:  func(ctx context.Context, db *sql.DB) { db.ExecContext(ctx, "GET x") },
		akaritest.OpQuery: func(ctx context.Context, db *sql.DB) { db.QueryContext(ctx, "GET x") },
		akaritest.OpPrepare: func(ctx context.Context, db *sql.DB) {
			db.PrepareContext(ctx, "GET x")
		},
		akaritest.OpBegin: func(ctx context.Context, db *sql.DB) { db.BeginTx(ctx, nil) },
		akaritest.OpPing:  func(ctx context.Context, db *sql.DB) { db.PingContext(ctx) },
		akaritest.OpCommit: func(ctx context.Context, db *sql.DB) {
			tx, _ := db.BeginTx(ctx, nil)
			tx.Commit()
		},
		akaritest.OpReset:   func(ctx context.Context, db *sql.DB) { db.ExecContext(ctx, "GET x") },
		akaritest.OpIsValid: func(ctx context.Context, db *sql.DB) { db.ExecContext(ctx, "GET x") },
		akaritest.OpCheck:   func(ctx context.Context, db *sql.DB) { db.ExecContext(ctx, "ECHO", 1) },
		akaritest.OpNext: func(ctx context.Context, db *sql.DB) {
			rows, _ := db.QueryContext(ctx, "ROWS 1")
			defer rows.Close()
			rows.Next()
		},
	}
	for op, do := range ops {
		for _, end := range []akaritest.Fault{{Panic: "boo"}, {Goexit: true}} {
			name := op.String() + " panics"
			if end.Goexit {
				name = op.String() + " ends the goroutine"
			}
			t.Run(name, func(t *testing.T) {
				within(t, func(t *testing.T) {
					cfg := quietKeeping
					cfg.MaximumPoolSize, cfg.MinimumIdle, cfg.ConnectionTimeout = 1, 1, time.Second
					b := newBench(t, akaritest.Full, cfg)
					b.exec("GET x")
					end.Times = 1
					b.server.Inject(op, end)
					done := make(chan bool)
					go func() {
						defer close(done)
						defer func() { recover() }()
						do(t.Context(), b.DB())
					}()
					<-done
					settle(time.Second)
					b.want(1, 0, 1, 0)
					b.exec("GET x")
				})
			})
		}
	}
}

func TestAcquireErrorReachesTheCallerOfAnyOperation(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: time.Second})
		c := b.acquire()
		defer c.Release()
		ctx := t.Context()
		st := func() error { _, err := b.DB().PrepareContext(ctx, "GET x"); return err }
		for name, do := range map[string]func() error{
			"Exec":           func() error { _, err := b.DB().ExecContext(ctx, "GET x"); return err },
			"Exec with args": func() error { _, err := b.DB().ExecContext(ctx, "ECHO", 1); return err },
			"Query":          func() error { _, err := b.DB().QueryContext(ctx, "GET x"); return err },
			"QueryRow":       func() error { var s any; return b.DB().QueryRowContext(ctx, "GET x").Scan(&s) },
			"Begin":          func() error { _, err := b.DB().BeginTx(ctx, nil); return err },
			"Ping":           func() error { return b.DB().PingContext(ctx) },
			"Prepare":        st,
			"akari.Raw": func() error {
				sc, _ := b.DB().Conn(ctx)
				defer sc.Close()
				return akari.Raw(sc, func(any) error { return nil })
			},
			"Exec on a sql.Conn": func() error {
				sc, _ := b.DB().Conn(ctx)
				defer sc.Close()
				_, err := sc.ExecContext(ctx, "GET x")
				return err
			},
		} {
			err := do()
			acquireError(t, err)
			if !strings.HasPrefix(err.Error(), "test - Connection is not available, request timed out after 1000ms") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestConnOutlivesTheContextItWasMadeWith(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.MySQLLike, quietKeeping)
		ctx, cancel := context.WithCancel(t.Context())
		conn, err := b.DB().Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		cancel()
		if _, err := conn.ExecContext(t.Context(), "INSERT ?", 1); err != nil { // the arguments are checked before there is a connection
			t.Error(err)
		}
	})
}

func TestRawThatSaysBadConnEndsTheConnection(t *testing.T) {
	for name, f := range map[string]func(any) error{
		"says so": func(any) error { return driver.ErrBadConn },
		"panics":  func(any) error { panic("in Raw") },
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				b := newBench(t, akaritest.PgxLike, quietKeeping)
				conn, err := b.DB().Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if err := conn.PingContext(t.Context()); err != nil {
					t.Fatal(err)
				}
				func() {
					defer func() { _ = recover() }()
					_ = conn.Raw(f)
				}()
				conn.Close()
				settle(time.Millisecond)
				if s := b.Stats(); s.Active != 0 || s.Closed[akari.CloseBroken] != 1 {
					t.Errorf("%d in use, closed %v", s.Active, s.Closed)
				}
			})
		})
	}
}
