package akaritest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari/akaritest"
)

func TestConnectFaults(t *testing.T) {
	dial := func(s *akaritest.Server) (any, error) {
		c, err := s.Connector().Connect(context.Background())
		if c == nil { // an untyped nil, as callers compare with
			return nil, err
		}
		return c, err
	}
	for _, test := range []struct {
		name  string
		fault akaritest.Fault
		conn  bool
		err   error
		open  int
	}{
		{"error", akaritest.Fault{Err: errBoom}, false, errBoom, 0},
		{"connection and error", akaritest.Fault{After: true, Err: errBoom}, true, errBoom, 1},
		{"nothing", akaritest.Fault{Nothing: true}, false, nil, 0},
		{"nothing after", akaritest.Fault{After: true, Nothing: true}, false, nil, 0},
		{"broken", akaritest.Fault{After: true, Break: true}, true, nil, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := akaritest.NewServer(akaritest.Full)
			server.Inject(akaritest.OpConnect, test.fault)
			c, err := dial(server)
			if (c != nil) != test.conn || !errors.Is(err, test.err) {
				t.Errorf("got %v, %v", c, err)
			}
			if s := server.Stats(); s.Open != test.open || s.Connecting != 0 {
				t.Errorf("%d open, %d connecting", s.Open, s.Connecting)
			}
		})
	}
}

// A connection that its caller never saw is not the caller's leak.
func TestConnectThatDoesNotReturnLeavesNothingOpen(t *testing.T) {
	for name, fault := range map[string]akaritest.Fault{
		"panic before":  {Panic: "boo"},
		"panic after":   {Panic: "boo", After: true},
		"Goexit before": {Goexit: true},
		"Goexit after":  {Goexit: true, After: true},
	} {
		server := akaritest.NewServer(akaritest.Full)
		server.Inject(akaritest.OpConnect, fault)
		var wg sync.WaitGroup
		wg.Go(func() {
			panicOf(func() { server.Connector().Connect(context.Background()) })
		})
		wg.Wait()
		if s := server.Stats(); s.Open != 0 || s.Sessions != 0 || s.Connecting != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestConnectDelayHonoursTheContext(t *testing.T) {
	for _, after := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server, db := open(t, akaritest.Full)
			server.Inject(akaritest.OpConnect, akaritest.Fault{Delay: time.Minute, After: after})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			wantIs(t, db.PingContext(ctx), context.DeadlineExceeded)
			if s := server.Stats(); s.Open != 0 || s.Connecting != 0 {
				t.Errorf("%+v", s)
			}
			start := time.Now()
			if err := db.PingContext(t.Context()); err != nil || time.Since(start) != time.Minute {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}

func TestConnectHangIgnoringTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.Full)
		fault := server.Inject(akaritest.OpConnect, akaritest.Fault{Hang: true, IgnoreContext: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		time.AfterFunc(time.Hour, fault.Release)
		_ = db.PingContext(ctx)
		if d := time.Since(start); d != time.Hour {
			t.Errorf("the caller was held %v", d)
		}
	})
}

func TestConnectWithAContextThatIsOver(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := server.Connector().Connect(ctx)
	wantIs(t, err, context.Canceled)
	if n := server.Stats().Opened; n != 0 {
		t.Errorf("%d opened", n)
	}
}

func TestMaxConns(t *testing.T) {
	for _, test := range []struct {
		profile akaritest.Profile
		number  uint16
	}{{akaritest.PgxLike, 0}, {akaritest.MySQLLike, 1040}} {
		server := akaritest.NewServer(test.profile)
		server.SetMaxConns(2)
		first := connect(t, server)
		connect(t, server)
		_, err := server.Connector().Connect(t.Context())
		wantState(t, err, "53300")
		if my, ok := errors.AsType[*akaritest.MySQLError](err); ok != (test.number != 0) || ok && my.Number != test.number {
			t.Errorf("%s: %v", test.profile.Name, err)
		}
		first.Close()
		connect(t, server)
		if s := server.Stats(); s.MaxOpen != 2 || s.Opened != 3 || server.Calls(akaritest.OpConnect) != 4 {
			t.Errorf("%+v", s)
		}
		server.SetMaxConns(0)
		connect(t, server)
	}
}

// A session that the server has ended makes room before its client knows.
func TestMaxConnsCountsSessions(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	server.SetMaxConns(1)
	connect(t, server)
	server.Drop(1)
	connect(t, server)
	if s := server.Stats(); s.Open != 2 || s.Sessions != 1 {
		t.Errorf("%+v", s)
	}
}

func TestConnectingIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, db := open(t, akaritest.Full)
		fault := server.Inject(akaritest.OpConnect, akaritest.Fault{Hang: true})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _ = db.PingContext(t.Context()) })
		}
		synctest.Wait()
		if s := server.Stats(); s.Connecting != 3 || s.Open != 0 {
			t.Errorf("%+v", s)
		}
		fault.Release()
		wg.Wait()
		if s := server.Stats(); s.Connecting != 0 || s.MaxConnecting != 3 || s.Opened != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestDriverOpens(t *testing.T) {
	server := akaritest.NewServer(akaritest.PqLike)
	name := fmt.Sprintf("%s-%p", t.Name(), server) // a driver cannot be registered twice, and -count runs this twice
	sql.Register(name, server.Driver())
	db, err := sql.Open(name, "a name that is not looked at")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.PingContext(t.Context()); err != nil || server.Stats().Open != 1 {
		t.Errorf("%v, %d open", err, server.Stats().Open)
	}
}

func TestConnectorCloseIsCounted(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	db := sql.OpenDB(server.Connector())
	db.Close()
	if n := server.Stats().ConnectorCloses; n != 1 {
		t.Errorf("%d", n)
	}
}

func TestRefusedWhileDown(t *testing.T) {
	server, db := open(t, akaritest.Full)
	server.Shutdown()
	wantIs(t, db.PingContext(t.Context()), syscall.ECONNREFUSED)
	server.Restart()
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}
