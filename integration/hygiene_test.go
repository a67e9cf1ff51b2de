package integration

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"github.com/akaripool/akari"
)

// A kind of session state: what one borrower does, and what the next one may
// ask to see whether it reached him.
type kind struct {
	name  string
	do    []string // run one after the other on one connection
	look  string   // a query for one text value; an error is a sight as well
	clean string   // what it says in a fresh session: "" to ask one, "-" for nothing
	ddl   string   // preparation, run once
	inTx  bool     // look from within a transaction of database/sql's
	tidy  []string // drivers that clean this up themselves, without a pool's help
}

// The 15 kinds of reliability's F7 on PostgreSQL, and some more.
var pgKinds = []kind{
	{name: "search_path", do: []string{"SET search_path = pg_catalog"}, look: "SHOW search_path"},
	{name: "tenant for row security", do: []string{"SET app.tenant = '42'"}, look: "SELECT coalesce(current_setting('app.tenant', true), '')", clean: "-"},
	{name: "tenant by set_config", do: []string{"SELECT set_config('app.tenant', '42', false)"}, look: "SELECT coalesce(current_setting('app.tenant', true), '')", clean: "-"},
	{name: "role", do: []string{"SET ROLE pg_monitor"}, look: "SELECT current_user"},
	{name: "session authorization", do: []string{"SET SESSION AUTHORIZATION pg_monitor"}, look: "SELECT session_user"},
	{name: "default isolation", do: []string{"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"}, look: "SHOW default_transaction_isolation"},
	{name: "read-only", do: []string{"SET default_transaction_read_only = on"}, look: "SHOW default_transaction_read_only"},
	{name: "statement_timeout", do: []string{"SET statement_timeout = '77s'"}, look: "SHOW statement_timeout"},
	{name: "time zone", do: []string{"SET TIME ZONE 'Asia/Seoul'"}, look: "SHOW TimeZone"},
	{name: "temporary table", do: []string{"CREATE TEMP TABLE leftover (id int)"}, look: "SELECT count(*)::text FROM pg_class WHERE relname = 'leftover'"},
	{name: "advisory lock", do: []string{"SELECT pg_advisory_lock(4711)"}, look: "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"},
	{name: "LISTEN", do: []string{"LISTEN news"}, look: "SELECT count(*)::text FROM pg_listening_channels()"},
	{name: "PREPARE", do: []string{"PREPARE leftover AS SELECT 1"}, look: "SELECT count(*)::text FROM pg_prepared_statements WHERE name = 'leftover'"},
	{name: "cursor WITH HOLD", do: []string{"BEGIN", "DECLARE leftover CURSOR WITH HOLD FOR SELECT 1", "COMMIT"}, look: "SELECT count(*)::text FROM pg_cursors WHERE name = 'leftover'"},
	{name: "application_name", do: []string{"SET application_name = 'leftover'"}, look: "SHOW application_name"},
	{name: "open transaction", do: []string{"BEGIN", "SET LOCAL app.opened = 'yes'"}, look: "SELECT coalesce(nullif(current_setting('app.opened', true), ''), 'no')", tidy: []string{"pgx"}},
	{name: "failed transaction", do: []string{"BEGIN", "SELECT 1/0"}, look: "SELECT 'fine'", tidy: []string{"pgx"}},
	{name: "sequence cache", do: []string{"CREATE TEMP SEQUENCE s", "SELECT nextval('s')"}, look: "SELECT count(*)::text FROM pg_class WHERE relname = 's' AND relpersistence = 't'"},
	{name: "DO block", do: []string{"DO $$BEGIN PERFORM set_config('app.tenant', '42', false); END$$"}, look: "SELECT coalesce(current_setting('app.tenant', true), '')", clean: "-"},
	{name: "procedure", ddl: "CREATE OR REPLACE PROCEDURE change_it() LANGUAGE plpgsql AS $$BEGIN SET work_mem = '77MB'; END$$", do: []string{"CALL change_it()"}, look: "SHOW work_mem"},
	{name: "several statements", do: []string{"SELECT 1; SET search_path = pg_catalog; SELECT 2"}, look: "SHOW search_path"},
	{name: "behind a comment", do: []string{"/* tenant */ -- x\n SET search_path = pg_catalog"}, look: "SHOW search_path"},
}

var mysqlKinds = []kind{
	{name: "time_zone", do: []string{"SET time_zone = '+09:00'"}, look: "SELECT @@session.time_zone"},
	{name: "max_statement_time", do: []string{"SET max_statement_time = 77"}, look: "SELECT CAST(@@session.max_statement_time AS CHAR)"},
	{name: "foreign_key_checks", do: []string{"SET foreign_key_checks = 0"}, look: "SELECT CAST(@@session.foreign_key_checks AS CHAR)"},
	{name: "sql_mode", do: []string{"SET SESSION sql_mode = ''"}, look: "SELECT @@session.sql_mode"},
	{name: "autocommit", do: []string{"SET autocommit = 0"}, look: "SELECT CAST(@@session.autocommit AS CHAR)"},
	{name: "isolation", do: []string{"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"}, look: "SELECT @@session.tx_isolation"},
	{name: "read-only", do: []string{"SET SESSION TRANSACTION READ ONLY"}, look: "SELECT CAST(@@session.tx_read_only AS CHAR)"},
	{name: "SET NAMES", do: []string{"SET NAMES latin1"}, look: "SELECT CONCAT(@@character_set_client, @@character_set_connection, @@collation_connection, @@character_set_results)"},
	{name: "PREPARE", do: []string{"PREPARE leftover FROM 'SELECT 1'"}, look: "EXECUTE leftover"},
	{name: "user variable", do: []string{"SET @leftover = 42"}, look: "SELECT COALESCE(@leftover, '')", clean: "-"},
	{name: "user variable in a query", do: []string{"SELECT @leftover := 42"}, look: "SELECT COALESCE(@leftover, '')", clean: "-"},
	{name: "temporary table", do: []string{"CREATE TEMPORARY TABLE leftover (id INT)"}, look: "SELECT COUNT(*) FROM leftover"},
	{name: "GET_LOCK", do: []string{"SELECT GET_LOCK('leftover', 0)"}, look: "SELECT CAST(COALESCE(IS_USED_LOCK('leftover'), 0) AS CHAR)", clean: "0"},
	{name: "LOCK TABLES", ddl: "CREATE TABLE IF NOT EXISTS lockme (id INT)", do: []string{"LOCK TABLES lockme READ"}, look: "SELECT COUNT(*) FROM another"}, // only the locked table may be read
	{name: "USE", do: []string{"USE information_schema"}, look: "SELECT DATABASE()"},
	{name: "open transaction", do: []string{"START TRANSACTION"}, look: "SELECT CAST(@@in_transaction AS CHAR)"},
	{name: "one-shot isolation", do: []string{"SET TRANSACTION READ ONLY"}, look: "INSERT INTO another VALUES (1) RETURNING id", inTx: true},
	{name: "last_insert_id set", do: []string{"SET last_insert_id = 77"}, look: "SELECT CAST(LAST_INSERT_ID() AS CHAR)"},
	{name: "several variables", do: []string{"SET wait_timeout = 77, @@session.lock_wait_timeout = 7"}, look: "SELECT CONCAT(@@wait_timeout, ' ', @@lock_wait_timeout)"},
	{name: "executable comment", do: []string{"/*!40101 SET SQL_BIG_SELECTS = 0 */"}, look: "SELECT CAST(@@session.sql_big_selects AS CHAR)"},
}

// kindsOn prepares a server for the kinds of session state that can be left on it.
func kindsOn(t *testing.T, d database, bare *sql.DB) []kind {
	t.Helper()
	kinds := pgKinds
	if !d.postgres() {
		kinds = mysqlKinds
		recreate(t, bare, "another", "id INT")
	}
	for _, k := range kinds {
		if k.ddl != "" {
			mustExec(t, bare, k.ddl)
		}
	}
	return kinds
}

// sight is what a borrower sees of a kind.
func (k kind) sight(t *testing.T, db *sql.DB) string {
	t.Helper()
	look := db.QueryRowContext
	if k.inTx {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		look = tx.QueryRowContext
	}
	var v string
	if err := look(t.Context(), k.look).Scan(&v); err != nil {
		return "an error"
	}
	return v
}

// fresh is what a borrower sees of a kind in a session of his own.
func (k kind) fresh(t *testing.T, bare *sql.DB) string {
	t.Helper()
	switch k.clean {
	case "":
		return k.sight(t, bare)
	case "-":
		return ""
	}
	return k.clean
}

// TestNoSessionStateReachesTheNextBorrower goes through the kinds in the default
// settings: a borrower does it through db.Exec, another through a sql.Conn, and
// the next one, on a pool of one connection, must see a session like new.
func TestNoSessionStateReachesTheNextBorrower(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			p := open(t, d, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: 10 * time.Second})
			db := p.DB()
			bare := plain(t, d)
			kinds := kindsOn(t, d, bare)
			leaks := 0
			for range 2 { // the second round finds what the first may have prepared (a snapshot, a cache)
				for _, k := range kinds {
					want := k.fresh(t, bare)
					for _, by := range []string{"Exec", "Conn"} {
						dirty(t, db, by, k)
						if got := k.sight(t, db); got != want {
							leaks++
							t.Errorf("%s by %s reached the next borrower: %q, a fresh session has %q", k.name, by, got, want)
						}
						if n := openTransactions(t, d, bare); n != 0 {
							t.Errorf("after %s %d connections are idle in a transaction", k.name, n)
						}
					}
				}
			}
			t.Logf("%d kinds, %d leaks; %d resets, closed %v", len(kinds), leaks, p.Stats().SessionResets, p.Stats().Closed)
		})
	}
}

// TestWithoutAPoolsHelpSessionStateReachesTheNextBorrower shows that the test
// above can tell.
func TestWithoutAPoolsHelpSessionStateReachesTheNextBorrower(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			bare := plain(t, d)
			for _, k := range kindsOn(t, d, bare) {
				want := k.fresh(t, bare)
				db := plain(t, d)
				db.SetMaxOpenConns(1)
				dirty(t, db, "Conn", k)
				if got := k.sight(t, db); (got == want) != slices.Contains(k.tidy, d.name) {
					t.Errorf("%s: the next borrower sees %q, a fresh session has %q", k.name, got, want)
				}
				if err := db.Close(); err != nil { // or its locks hold up the next kind
					t.Error(err)
				}
			}
		})
	}
}

// openTransactions counts what other sessions have left open, where that can be
// seen.
func openTransactions(t *testing.T, d database, bare *sql.DB) int {
	t.Helper()
	if !d.postgres() {
		return 0
	}
	return one[int](t, bare, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")
}

func dirty(t *testing.T, db *sql.DB, by string, k kind) {
	t.Helper()
	ctx := context.Background()
	if by == "Exec" && len(k.do) == 1 {
		if _, err := db.ExecContext(ctx, k.do[0]); err != nil {
			t.Fatalf("%s: %v", k.do[0], err)
		}
		return
	}
	c, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, q := range k.do {
		if _, err := c.ExecContext(ctx, q); err != nil && q != "SELECT 1/0" {
			t.Fatalf("%s: %v", q, err)
		}
	}
}
