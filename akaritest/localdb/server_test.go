//go:build linux

package localdb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/faultproxy"
	"github.com/akaripool/akari/akaritest/localdb"
)

func started(t *testing.T, s *localdb.Server, err error) *localdb.Server {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		expectGone(t, s)
	})
	return s
}

func startPostgres(t *testing.T, o localdb.Options) *localdb.Server {
	t.Helper()
	// A server outlives the context of its start.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := localdb.StartPostgres(ctx, o)
	return started(t, s, err)
}

func startMariaDB(t *testing.T, o localdb.Options) *localdb.Server {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := localdb.StartMariaDB(ctx, o)
	return started(t, s, err)
}

func startPgBouncer(t *testing.T, upstream *localdb.Server, o localdb.Options) *localdb.Server {
	t.Helper()
	s, err := localdb.StartPgBouncer(t.Context(), upstream, o)
	return started(t, s, err)
}

// startPoolerOfNothing starts a PgBouncer without a server behind it: the
// quickest server there is, for tests in which nobody logs in.
func startPoolerOfNothing(t *testing.T, o localdb.Options) *localdb.Server {
	t.Helper()
	return startPgBouncer(t, nothing(), o)
}

func nothing() *localdb.Server {
	return &localdb.Server{Kind: localdb.Postgres, Host: "127.0.0.1", Port: 1, User: "akari", Password: "x", Database: "akari"}
}

func TestPostgresIsAsPromised(t *testing.T) {
	leavesNothing(t)
	var log syncBuffer
	s := startPostgres(t, localdb.Options{
		MaxConnections: 17,
		Settings:       map[string]string{"work_mem": "5MB", "log_statement": "all", "event_source": `it's a \ "name"`},
		Log:            &log,
	})
	for statement, want := range map[string]string{
		"SELECT current_user || ' ' || current_database()":           "akari akari",
		"SELECT rolsuper FROM pg_roles WHERE rolname = current_user": "t",
		"SELECT count(*) FROM pg_roles WHERE rolcanlogin":            "1",
		"SHOW max_connections":                                       "17",
		"SHOW work_mem":                                              "5MB",
		"SHOW listen_addresses":                                      "127.0.0.1",
		"SHOW unix_socket_directories":                               "",
		"SHOW fsync":                                                 "off",
		"SHOW server_encoding":                                       "UTF8",
		"SHOW event_source":                                          `it's a \ "name"`,
		"SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = current_user":    "SCRAM-SHA-256",
		"SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'": "0",
	} {
		if got := ask(t, s, statement); got != want {
			t.Errorf("%s: %q; want %q", statement, got, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	wrong := strings.Replace(s.URL(), s.Password, "wrong", 1)
	if _, err := psql(ctx, t, wrong, "SELECT 1"); err == nil || !strings.Contains(err.Error(), "password authentication failed") {
		t.Errorf("login with a wrong password: %v", err)
	}
	expectUnprivileged(t, s)

	// The server's own means of changing settings must not be overruled.
	ask(t, s, "ALTER SYSTEM SET work_mem = '7MB'")
	ask(t, s, "SELECT pg_reload_conf()")
	eventually(t, "the setting is in force", func() bool { return ask(t, s, "SHOW work_mem") == "7MB" })

	eventually(t, "statements are in the log", func() bool { return strings.Contains(log.String(), "SHOW work_mem") })
	if strings.Contains(log.String(), s.Password) {
		t.Error("the log holds the password")
	}
}

func TestMariaDBIsAsPromised(t *testing.T) {
	leavesNothing(t)
	s := startMariaDB(t, localdb.Options{
		MaxConnections: 17,
		Settings:       map[string]string{"wait-timeout": "77", "init_connect": `SET @a = "x # \\ y"`},
	})
	for statement, want := range map[string]string{
		"SELECT CONCAT(CURRENT_USER(), ' ', DATABASE())":                              "akari@% akari",
		"SELECT COUNT(*) FROM mysql.user WHERE User NOT IN ('akari', 'mariadb.sys')":  "0",
		"SELECT @@max_connections":                                                    "17",
		"SELECT @@global.wait_timeout":                                                "77",
		"SELECT @@global.init_connect":                                                `SET @a = "x # \\ y"`,
		"SELECT @@bind_address":                                                       "127.0.0.1",
		"SELECT @@skip_name_resolve":                                                  "1",
		"SELECT @@character_set_server":                                               "utf8mb4",
		"SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'test'": "0",
	} {
		if got := ask(t, s, statement); got != want {
			t.Errorf("%s: %q; want %q", statement, got, want)
		}
	}
	ask(t, s, "CREATE USER other@'%' IDENTIFIED BY 'x'") // the grant tables are in force
	for user, password := range map[string]string{"akari": "wrong", "root": "", "": ""} {
		if _, err := queryMariaDB(t.Context(), user, password, "", s.Addr(), "SELECT 1"); err == nil || !strings.Contains(err.Error(), "Access denied") {
			t.Errorf("login as %q with password %q: %v; want a denial", user, password, err)
		}
	}
	expectUnprivileged(t, s)
}

func TestPgBouncerIsAsPromised(t *testing.T) {
	leavesNothing(t)
	pg := startPostgres(t, localdb.Options{})
	p, err := faultproxy.New(pg.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := startPgBouncer(t, pg, localdb.Options{
		MaxConnections: 40,
		Settings:       map[string]string{"default_pool_size": "2"},
		Upstream:       p.Addr(),
	})
	if got := ask(t, s, "SELECT current_user || ' ' || current_database()"); got != "akari akari" {
		t.Errorf("logged in as %q; want akari in akari", got)
	}
	if p.Stats().Accepted == 0 {
		t.Error("PgBouncer did not take the way it was told to take to its server")
	}
	config, err := consoleConfig(t, s)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"pool_mode": "transaction", "default_pool_size": "2", "max_client_conn": "40", "listen_addr": "127.0.0.1", "auth_type": "scram-sha-256",
	} {
		if config[name] != want {
			t.Errorf("%s is %q; want %q", name, config[name], want)
		}
	}
	// Its sessions are not the server's: a client's setting meets another client.
	backends := make(map[string]bool)
	for range 5 {
		backends[ask(t, s, "SELECT pg_backend_pid()")] = true
	}
	if len(backends) > 2 {
		t.Errorf("five clients used %d server connections; want at most the pool's 2", len(backends))
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	wrong := strings.Replace(s.URL(), s.Password, "wrong", 1)
	if _, err := psql(ctx, t, wrong, "SELECT 1"); err == nil {
		t.Error("logged in with a wrong password")
	}
	expectUnprivileged(t, s)
}

// consoleConfig returns what SHOW CONFIG tells of the settings asked for.
func consoleConfig(t *testing.T, s *localdb.Server) (map[string]string, error) {
	t.Helper()
	text, err := os.ReadFile(s.Folder() + "/pgbouncer.ini")
	if err != nil {
		return nil, err
	}
	// The console must be open to the user, and the file must be what it runs by.
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	console := *mustParse(t, s.URL())
	console.Path = "/pgbouncer"
	if _, err := psql(ctx, t, console.String(), "SHOW CONFIG"); err != nil {
		return nil, err
	}
	config := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " = "); ok {
			config[name] = value
		}
	}
	return config, nil
}

// expectUnprivileged fails if a process of the server runs as root.
func expectUnprivileged(t *testing.T, s *localdb.Server) {
	t.Helper()
	pids := s.Pids()
	if len(pids) == 0 {
		t.Errorf("%v has no process", s)
	}
	for _, pid := range pids {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // ended meanwhile
		}
		for line := range strings.Lines(string(status)) {
			fields := strings.Fields(line)
			switch {
			case len(fields) == 5 && (fields[0] == "Uid:" || fields[0] == "Gid:"):
				for _, id := range fields[1:] {
					if id == "0" {
						t.Errorf("process %d of %v: %s", pid, s, line)
					}
				}
			case len(fields) > 1 && fields[0] == "Groups:" && os.Geteuid() == 0:
				t.Errorf("process %d of %v has kept %s", pid, s, line)
			}
		}
	}
}

// TestVerbs does to one server of each kind, one after the other, what can be
// done to a server.
func TestVerbs(t *testing.T) {
	for kind, startOne := range map[string]func(t *testing.T) *localdb.Server{
		"PostgreSQL": func(t *testing.T) *localdb.Server { return startPostgres(t, localdb.Options{}) },
		"MariaDB":    func(t *testing.T) *localdb.Server { return startMariaDB(t, localdb.Options{}) },
		"PgBouncer": func(t *testing.T) *localdb.Server {
			return startPgBouncer(t, startPostgres(t, localdb.Options{}), localdb.Options{})
		},
	} {
		t.Run(kind, func(t *testing.T) {
			leavesNothing(t)
			s := startOne(t)
			ask(t, s, "CREATE TABLE kept (v VARCHAR(20))")
			ask(t, s, "INSERT INTO kept VALUES ('precious')")
			t.Run("killed server starts again", func(t *testing.T) { killAndStart(t, s) })
			t.Run("and again", func(t *testing.T) { killAndStart(t, s) })
			t.Run("stopped server starts again", func(t *testing.T) { stopAndStart(t, s) })
			t.Run("paused server answers when resumed", func(t *testing.T) { pauseAndResume(t, s) })
			t.Run("paused server can be stopped", func(t *testing.T) { pauseAndStop(t, s) })
		})
	}
}

func expectKept(t *testing.T, s *localdb.Server) {
	t.Helper()
	if got := ask(t, s, "SELECT v FROM kept"); got != "precious" {
		t.Errorf("read %q; want what was written", got)
	}
}

func killAndStart(t *testing.T, s *localdb.Server) {
	busy := keepBusy(t, s)
	addr := s.Addr()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-busy; err == nil {
		t.Error("the statement that ran when the server was killed succeeded")
	}
	if pids := s.Pids(); len(pids) > 0 {
		t.Errorf("processes %v are left after Kill", pids)
	}
	if c, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		if err == nil {
			c.Close()
		}
		t.Errorf("connect to a killed server: %v; want ECONNREFUSED", err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Addr() != addr {
		t.Errorf("started again at %s, not at %s", s.Addr(), addr)
	}
	expectKept(t, s)
}

// keepBusy runs a long statement and returns when the server executes it. The
// channel tells how it ended.
func keepBusy(t *testing.T, s *localdb.Server) <-chan error {
	t.Helper()
	sleep := "SELECT pg_sleep(3600)"
	count := "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3600)' AND state = 'active'"
	if s.Kind == localdb.MariaDB {
		sleep = "SELECT SLEEP(3600)"
		count = "SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(3600)'"
	}
	ended := make(chan error, 1)
	before := ask(t, s, count)
	go func() {
		_, err := query(t, s, s.Addr(), sleep)
		ended <- err
	}()
	eventually(t, "the long statement runs", func() bool { return ask(t, s, count) > before })
	return ended
}

func stopAndStart(t *testing.T, s *localdb.Server) {
	busy := keepBusy(t, s) // must not keep it from stopping
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for range 2 { // the second finds it stopped
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		expectPortFree(t, s)
	}
	<-busy
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	expectKept(t, s)
}

func pauseAndResume(t *testing.T, s *localdb.Server) {
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range s.Pids() {
		expectStopped(t, pid)
	}
	answer := make(chan error, 1)
	go func() {
		_, err := query(t, s, s.Addr(), "SELECT v FROM kept")
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Errorf("a paused server answered: %v", err)
	case <-time.After(150 * time.Millisecond):
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
	expectKept(t, s)
}

func pauseAndStop(t *testing.T, s *localdb.Server) {
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	expectPortFree(t, s)
}

func expectStopped(t *testing.T, pid int) {
	t.Helper()
	eventually(t, fmt.Sprintf("process %d is stopped", pid), func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		return err == nil && strings.Contains(string(status), "State:\tT")
	})
}

func TestCloseLeavesNothing(t *testing.T) {
	type verb = func(t *testing.T, s *localdb.Server) error
	var (
		busy verb = func(t *testing.T, s *localdb.Server) error {
			busy := keepBusy(t, s)
			t.Cleanup(func() { <-busy })
			return nil
		}
		paused              verb = func(_ *testing.T, s *localdb.Server) error { return s.Pause() }
		killed              verb = func(_ *testing.T, s *localdb.Server) error { return s.Kill() }
		stopped             verb = func(t *testing.T, s *localdb.Server) error { return s.Stop(t.Context()) }
		pausedWithoutKeeper verb = func(_ *testing.T, s *localdb.Server) error {
			return errors.Join(s.Pause(), syscall.Kill(s.KeeperPid(), syscall.SIGKILL))
		}
	)
	bouncer := func(t *testing.T) *localdb.Server { return startPoolerOfNothing(t, localdb.Options{}) }
	pg := func(t *testing.T) *localdb.Server { return startPostgres(t, localdb.Options{}) }
	maria := func(t *testing.T) *localdb.Server { return startMariaDB(t, localdb.Options{}) }
	for _, c := range []struct {
		state string
		start func(*testing.T) *localdb.Server
		verb  verb
	}{
		{"busy PostgreSQL", pg, busy},
		{"killed PostgreSQL", pg, killed},
		{"paused PostgreSQL without its keeper", pg, pausedWithoutKeeper},
		{"paused MariaDB", maria, paused},
		{"paused PgBouncer", bouncer, paused},
		{"killed PgBouncer", bouncer, killed},
		{"stopped PgBouncer", bouncer, stopped},
	} {
		t.Run(c.state, func(t *testing.T) {
			leavesNothing(t)
			s := c.start(t)
			if err := c.verb(t, s); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			expectGone(t, s)
		})
	}
}

// TestVerbsSayWhyTheyCannot leads one server through the moments in which a
// verb cannot do what it is told.
func TestVerbsSayWhyTheyCannot(t *testing.T) {
	leavesNothing(t)
	s := startPostgres(t, localdb.Options{})
	expect := func(err error, words string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("error %v; want one that tells %q", err, words)
		}
	}
	expect(s.Start(t.Context()), "running already")

	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(s.Pause(), "not running")
	expect(s.Resume(), "not running")

	// The port is taken, the time too short.
	ln, err := net.Listen("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	expect(s.Start(t.Context()), "Address already in use")
	ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.Start(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Start: %v; want DeadlineExceeded", err)
	}
	if pids := s.Pids(); len(pids) > 0 {
		t.Errorf("processes %v are left of a start that failed", pids)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}

	// A restart that fails before the server could take over the shared memory
	// of the one that was killed: Close must remove that.
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.Folder(), "postgresql.conf")); err != nil {
		t.Fatal(err)
	}
	expect(s.Start(t.Context()), "postgresql.conf")

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"Start": s.Start(t.Context()), "Stop": s.Stop(t.Context()), "Pause": s.Pause(), "Resume": s.Resume(),
	} {
		if !errors.Is(err, localdb.ErrClosed) {
			t.Errorf("%s of a closed server: %v; want ErrClosed", name, err)
		}
	}
	if err := s.Kill(); err != nil {
		t.Errorf("Kill: %v; a closed server is as good as killed", err)
	}
}

func TestVerbsMayBeCalledAtOnce(t *testing.T) {
	leavesNothing(t)
	s := startPostgres(t, localdb.Options{})
	var all sync.WaitGroup
	stop := time.Now().Add(2 * time.Second)
	for _, verb := range []func(){
		func() { s.Kill() },
		func() { s.Start(t.Context()) },
		func() { s.Pause() },
		func() { s.Resume() },
		func() { s.Pids() },
		func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			s.Stop(ctx)
		},
	} {
		all.Go(func() {
			for time.Now().Before(stop) {
				verb()
			}
		})
	}
	all.Wait()
	s.Kill()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "SELECT 1"); got != "1" {
		t.Errorf("SELECT 1 = %q", got)
	}
}

func TestServersDoNotMeet(t *testing.T) {
	leavesNothing(t)
	servers := make([]*localdb.Server, 2)
	var all sync.WaitGroup
	for i := range servers {
		all.Go(func() {
			s, err := localdb.StartPostgres(t.Context(), localdb.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			servers[i] = s
		})
	}
	all.Wait()
	for _, s := range servers {
		if s == nil {
			return
		}
		defer s.Close()
	}
	for i, s := range servers {
		ask(t, s, fmt.Sprintf("CREATE TABLE mine%d (v INT)", i))
	}
	if err := servers[0].Kill(); err != nil {
		t.Fatal(err)
	}
	for i, s := range servers[1:] {
		if got := ask(t, s, "SELECT count(*) FROM information_schema.tables WHERE table_name LIKE 'mine%'"); got != "1" {
			t.Errorf("server %d has the tables of %s servers", i+1, got)
		}
	}
}
