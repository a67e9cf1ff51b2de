package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"
)

// overConnector makes a pool of one connection on a program's own connector.
func overConnector(t testing.TB, c driver.Connector, cfg akari.Config) (*akari.Pool, error) {
	t.Helper()
	cfg.MaximumPoolSize = 1
	cfg.Logger = slog.New(slog.DiscardHandler)
	p, err := akari.New(t.Context(), c, cfg)
	if err == nil {
		t.Cleanup(func() { p.Close() })
	}
	return p, err
}

// pgxConnector has hooks of pgx.
func pgxConnector(t testing.TB, hooks ...stdlib.OptionOpenDB) driver.Connector {
	t.Helper()
	cfg, err := pgx.ParseConfig(postgres.Get(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	return stdlib.GetConnector(*cfg, hooks...)
}

type tenantKey struct{}

// TestHookOfTheDriverSeesTheCallersContext: by such a hook programs tell row
// security who is asking. That the pool asks the server whether the connection is
// alive comes before, and is in nobody's name.
func TestHookOfTheDriverSeesTheCallersContext(t *testing.T) {
	setTenant := func(ctx context.Context, c *pgx.Conn) error {
		tenant, ok := ctx.Value(tenantKey{}).(string)
		if !ok {
			return nil // opened in advance
		}
		_, err := c.Exec(ctx, "SELECT set_config('app.tenant', $1, false)", tenant)
		return err
	}
	for name, window := range map[string]time.Duration{"lent unasked": time.Hour, "asked before": akari.Disabled} {
		t.Run(name, func(t *testing.T) {
			c := pgxConnector(t, stdlib.OptionAfterConnect(setTenant), stdlib.OptionResetSession(setTenant))
			p, err := overConnector(t, c, akari.Config{AliveBypassWindow: window})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 4 {
				tenant := strconv.Itoa(i)
				ctx := context.WithValue(t.Context(), tenantKey{}, tenant)
				var got string
				if err := p.DB().QueryRowContext(ctx, "SELECT current_setting('app.tenant', true)").Scan(&got); err != nil {
					t.Fatal(err)
				}
				if got != tenant {
					t.Errorf("the caller is tenant %q, the session of tenant %q", tenant, got)
				}
			}
		})
	}
}

func TestStateOfADriversHookOutlastsAReset(t *testing.T) {
	mustExec(t, plain(t, pgDatabases(t)[0]), "CREATE SCHEMA IF NOT EXISTS app")
	c := pgxConnector(t, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "SET search_path = app, public")
		return err
	}))
	p, err := overConnector(t, c, akari.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := one[string](t, p.DB(), "SHOW search_path"); got != "app, public" {
			t.Errorf("search_path is %s", got)
		}
		mustExec(t, p.DB(), "SET statement_timeout = '5s'")
	}
	if n := p.Stats().SessionResets; n == 0 {
		t.Error("no session was reset")
	}
}

// A hook that misses its tenant refuses the caller, and says nothing about the
// connection.
func TestCallerWhomAHookRefusesCostsNoConnection(t *testing.T) {
	refused := errors.New("no tenant in the context")
	c := pgxConnector(t, stdlib.OptionResetSession(func(ctx context.Context, _ *pgx.Conn) error {
		if _, ok := ctx.Value(tenantKey{}).(string); !ok {
			return refused
		}
		return nil
	}))
	p, err := overConnector(t, c, akari.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		soon(t, "a caller without a tenant", func() {
			if _, err := p.DB().ExecContext(t.Context(), "SELECT 1"); !errors.Is(err, refused) {
				t.Errorf("%v", err)
			}
		})
		if _, err := p.DB().ExecContext(context.WithValue(t.Context(), tenantKey{}, "7"), "SELECT 1"); err != nil {
			t.Error(err)
		}
	}
	if n := p.Stats().Opened; n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

// TestTransactionBegunInRawEndsWithItsLoan, though the pool has seen no text.
func TestTransactionBegunInRawEndsWithItsLoan(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			bare := plain(t, d)
			recreate(t, bare, "kept", "id INT")
			db := open(t, d, akari.Config{MaximumPoolSize: 1}).DB()
			c := conn(t, db)
			if err := akari.Raw(c, func(dc any) error {
				_, err := dc.(driver.ExecerContext).ExecContext(t.Context(), "BEGIN", nil)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			c.Close()
			mustExec(t, db, "INSERT INTO kept VALUES (1)")
			if n := one[int](t, bare, "SELECT COUNT(*) FROM kept"); n != 1 {
				t.Error("the next borrower's row is in a transaction that is open still")
			}
		})
	}
}

// TestAutocommitOffLeavesNoTransactionToTheNext: with autocommit = 0 any statement
// begins one.
func TestAutocommitOffLeavesNoTransactionToTheNext(t *testing.T) {
	for _, d := range mysqlDatabases(t) {
		bare := plain(t, d)
		recreate(t, bare, "kept", "id INT")
		db := open(t, d, akari.Config{MaximumPoolSize: 1, ConnectionInitSQL: "SET autocommit = 0"}).DB()
		mustExec(t, db, "INSERT INTO kept VALUES (1)") // and does not commit
		mustExec(t, db, "COMMIT")                      // somebody else
		if n := one[int](t, bare, "SELECT COUNT(*) FROM kept"); n != 0 {
			t.Error("a borrower has committed what another one has left open")
		}
	}
}

// TestNotificationsStayWithTheirListener: pgx keeps those that it has received on
// the way, until somebody asks.
func TestNotificationsStayWithTheirListener(t *testing.T) {
	db := open(t, pgDatabases(t)[0], akari.Config{MaximumPoolSize: 1}).DB()
	for _, tenant := range []string{"tenant_a", "tenant_b"} {
		c := conn(t, db)
		mustExec(t, c, "LISTEN "+tenant)
		for range 2 { // of which one is not asked for
			mustExec(t, c, "SELECT pg_notify('"+tenant+"', 'secret')") // arrives with the reply
		}
		if err := akari.Raw(c, func(dc any) error {
			n, err := dc.(*stdlib.Conn).Conn().WaitForNotification(t.Context())
			if err == nil && n.Channel != tenant {
				t.Errorf("the listener to %s is told of %s: %q", tenant, n.Channel, n.Payload)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

// mariadbKinds of session state are what a reset by MariaDB's protocol leaves, or
// might leave, as it is.
var mariadbKinds = []kind{
	{name: "role", ddl: "CREATE ROLE IF NOT EXISTS boss", do: []string{"SET ROLE boss"}, look: "SELECT COALESCE(CURRENT_ROLE(), '')", clean: "-"},
	{name: "global read lock", do: []string{"FLUSH TABLES WITH READ LOCK"}, look: "SELECT 'see below'"},
	{name: "backup stage", do: []string{"BACKUP STAGE START"}, look: "SELECT 'see below'"},
	{name: "backup lock", do: []string{"BACKUP LOCK free"}, look: "SELECT 'see below'"},
	{name: "insert_id", do: []string{"SET @@insert_id = 77"}, look: "SELECT CAST(@@insert_id AS CHAR)"},
	{name: "timestamp", do: []string{"SET @@timestamp = 77"}, look: "SELECT CAST(UNIX_TIMESTAMP() > 1000 AS CHAR)"},
	{name: "gtid_seq_no", do: []string{"SET @@gtid_seq_no = 1000000"}, look: "SELECT CAST(@@gtid_seq_no AS CHAR)"},
	{name: "SET CHARACTER SET", do: []string{"SET CHARACTER SET latin1"}, look: "SELECT CONCAT(@@character_set_client, @@character_set_connection, @@collation_connection, @@character_set_results)"},
	{name: "collation", do: []string{"SET @@collation_connection = latin1_bin"}, look: "SELECT CONCAT(@@character_set_connection, @@collation_connection)"},
	{name: "binary log off", do: []string{"SET @@sql_log_bin = 0"}, look: "SELECT CAST(@@sql_log_bin AS CHAR)"},
	{name: "pseudo_thread_id", do: []string{"SET @@pseudo_thread_id = 99"}, look: "SELECT CAST(@@pseudo_thread_id = CONNECTION_ID() AS CHAR)"},
}

func TestNeitherRoleNorLockReachesTheNextBorrower(t *testing.T) {
	for _, d := range mysqlDatabases(t) {
		bare := plain(t, d)
		recreate(t, bare, "free", "id INT")
		for _, k := range mariadbKinds {
			t.Run(k.name, func(t *testing.T) {
				if k.ddl != "" {
					mustExec(t, bare, k.ddl)
				}
				want := ""
				if k.clean != "-" {
					want = one[string](t, bare, k.look)
				}
				db := open(t, d, akari.Config{MaximumPoolSize: 1}).DB()
				for range 3 { // closed, looked at, reset
					dirty(t, db, "Exec", k)
					if got := one[string](t, db, k.look); got != want {
						t.Errorf("the next borrower has %q, a fresh session %q", got, want)
					}
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					for _, text := range []string{"INSERT INTO free VALUES (1)", "ALTER TABLE free COMMENT = 'x'"} {
						if _, err := bare.ExecContext(ctx, text); err != nil {
							t.Errorf("others wait: %v", err)
						}
					}
					cancel()
				}
			})
		}
	}
}

// TestWhatTheDataSourceNameSaysOutlastsTheServersDefault: a variable that was the
// server's default as well, when the pool looked, is restored all the same when
// it no longer is.
func TestWhatTheDataSourceNameSaysOutlastsTheServersDefault(t *testing.T) {
	for _, d := range mysqlDatabases(t) {
		bare := plain(t, d)
		was := one[string](t, bare, "SELECT @@GLOBAL.time_zone")
		t.Cleanup(func() { mustExec(t, bare, "SET GLOBAL time_zone = '"+was+"'") })
		mustExec(t, bare, "SET GLOBAL time_zone = '+00:00'")
		d.dsn = withOption(d.dsn, "time_zone="+url.QueryEscape("'+00:00'"))
		db := open(t, d, akari.Config{MaximumPoolSize: 1}).DB()
		for range 3 {
			mustExec(t, db, "SET @mine = 1")
		}
		mustExec(t, bare, "SET GLOBAL time_zone = '+09:00'")
		for range 2 {
			mustExec(t, db, "SET @mine = 1")
			if got := one[string](t, db, "SELECT @@session.time_zone"); got != "+00:00" {
				t.Errorf("time_zone is %s", got)
			}
		}
	}
}

// hooked is a driver that sets up its sessions itself, as a program's own wrapper
// for row-level security does.
type hooked struct{ driver.Driver }

func (h hooked) Open(dsn string) (driver.Conn, error) { return setUp(h.Driver.Open(dsn)) }

type hookedConnector struct{ driver.Connector }

func (h hookedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	return setUp(h.Connector.Connect(ctx))
}

func setUp(c driver.Conn, err error) (driver.Conn, error) {
	for _, text := range []string{"SET ROLE pg_monitor", "SET work_mem = '77MB'"} {
		if err == nil {
			_, err = c.(driver.ExecerContext).ExecContext(context.Background(), text, nil)
		}
	}
	return c, err
}

func TestWhatAHookHasSetOutlastsAResetWhereverItIs(t *testing.T) {
	d := pqDatabase(t)
	wrapped, err := pq.NewConnector(d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	sql.Register(t.Name(), hooked{pq.Driver{}})
	for name, d := range map[string]database{"opened by name": {name: d.name, driver: t.Name(), dsn: d.dsn}, "a connector": {}} {
		t.Run(name, func(t *testing.T) {
			var p *akari.Pool
			if d.driver != "" {
				p = open(t, d, akari.Config{MaximumPoolSize: 1})
			} else {
				var err error
				p, err = overConnector(t, hookedConnector{wrapped}, akari.Config{})
				if err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // two connections: what the first has shown holds for all
				p.Evict()
				db := p.DB()
				mustExec(t, db, "SET statement_timeout = '5s'")
				if role, mem := one[string](t, db, "SELECT current_role"), one[string](t, db, "SHOW work_mem"); role != "pg_monitor" || mem != "77MB" {
					t.Errorf("the role is %s, work_mem %s", role, mem)
				}
			}
			if n := p.Stats().SessionResets; n == 0 {
				t.Error("no session was reset")
			}
		})
	}
}

// TestWhatOnlyTheEndOfASessionUndoes reaches nobody else: DISCARD ALL does not.
func TestWhatOnlyTheEndOfASessionUndoesReachesNobodyElse(t *testing.T) {
	for _, d := range pgDatabases(t) {
		t.Run(d.name, func(t *testing.T) {
			bare := plain(t, d)
			mustExec(t, bare, "DROP TABLE IF EXISTS everybodys")
			p := open(t, d, akari.Config{MaximumPoolSize: 1})
			db := p.DB()
			pid := func() int { return one[int](t, db, "SELECT pg_backend_pid()") }
			for _, text := range []string{
				"SELECT setseed(0.5)", "SELECT pg_backup_start('mine', true)", "LOAD 'plpgsql'",
				"SELECT pg_create_physical_replication_slot('mine', false, true)",
			} {
				before := pid()
				mustExec(t, db, text)
				if pid() == before {
					t.Errorf("%s: the next borrower has the same session", text)
				}
			}
			before := p.Stats().SessionResets
			for _, path := range []string{"SET LOCAL search_path = 'pg_temp'", "SELECT set_config('search_path', 'pg_temp, public', true)"} {
				tx := begin(t, db)
				mustExec(t, tx, path)
				mustExec(t, tx, "CREATE TABLE everybodys (id INT)")
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
				if n := one[int](t, db, "SELECT count(*) FROM pg_class WHERE relname = 'everybodys'"); n != 0 {
					t.Errorf("%s: the next borrower sees the temporary table", path)
				}
			}
			if n := p.Stats().SessionResets - before; n != 2 {
				t.Errorf("%d sessions were reset", n)
			}
		})
	}
}
