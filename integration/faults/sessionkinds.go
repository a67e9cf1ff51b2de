package faults

// sessionKind is a kind of state that a borrower can leave in a session.
type sessionKind struct {
	name string
	do   []string // what the borrower does
	look string   // a query for one value that shows whether it is there
}

// The kinds of state of which leaks are counted. Each look has the same answer
// in every fresh session.
var (
	postgresKinds = []sessionKind{
		{"search_path", []string{"SET search_path = pg_catalog"}, "SELECT current_setting('search_path')"},
		{"tenant (row security)", []string{"SET app.tenant = '42'"}, "SELECT coalesce(current_setting('app.tenant', true), '')"},
		{"role", []string{"SET ROLE pg_monitor"}, "SELECT current_user::text"},
		{"session authorization", []string{"SET SESSION AUTHORIZATION pg_monitor"}, "SELECT session_user::text"},
		{"isolation level", []string{"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"}, "SELECT current_setting('default_transaction_isolation')"},
		{"read-only", []string{"SET default_transaction_read_only = on"}, "SELECT current_setting('default_transaction_read_only')"},
		{"statement_timeout", []string{"SET statement_timeout = '77s'"}, "SELECT current_setting('statement_timeout')"},
		{"time zone", []string{"SET TIME ZONE 'Asia/Seoul'"}, "SELECT current_setting('TimeZone')"},
		{"temporary table", []string{"CREATE TEMP TABLE leftover (id int)"}, "SELECT (to_regclass('pg_temp.leftover') IS NOT NULL)::text"},
		{"advisory lock", []string{"SELECT pg_advisory_lock(4711)"}, "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"},
		{"LISTEN", []string{"LISTEN news"}, "SELECT count(*)::text FROM pg_listening_channels()"},
		{"PREPARE", []string{"PREPARE leftover AS SELECT 1"}, "SELECT count(*)::text FROM pg_prepared_statements WHERE name = 'leftover'"},
		{"cursor WITH HOLD", []string{"BEGIN", "DECLARE leftover CURSOR WITH HOLD FOR SELECT 1", "COMMIT"}, "SELECT count(*)::text FROM pg_cursors WHERE name = 'leftover'"},
		{"application_name", []string{"SET application_name = 'leftover'"}, "SELECT current_setting('application_name')"},
		{"open transaction", []string{"BEGIN", "SET LOCAL app.opened = 'yes'"}, "SELECT coalesce(nullif(current_setting('app.opened', true), ''), 'no')"},
	}
	mysqlKinds = []sessionKind{
		{"time_zone", []string{"SET time_zone = '+09:00'"}, "SELECT @@session.time_zone"},
		{"max_statement_time", []string{"SET max_statement_time = 77"}, "SELECT CAST(@@session.max_statement_time AS CHAR)"},
		{"foreign_key_checks", []string{"SET foreign_key_checks = 0"}, "SELECT CAST(@@session.foreign_key_checks AS CHAR)"},
		{"sql_mode", []string{"SET SESSION sql_mode = ''"}, "SELECT @@session.sql_mode"},
		{"autocommit", []string{"SET autocommit = 0"}, "SELECT CAST(@@session.autocommit AS CHAR)"},
		{"isolation level", []string{"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"}, "SELECT @@session.tx_isolation"},
		{"read-only", []string{"SET SESSION TRANSACTION READ ONLY"}, "SELECT CAST(@@session.tx_read_only AS CHAR)"},
		{"SET NAMES", []string{"SET NAMES latin1"}, "SELECT CONCAT(@@character_set_client, @@collation_connection, @@character_set_results)"},
		{"user variable", []string{"SET @leftover = 42"}, "SELECT COALESCE(@leftover, 'none')"},
		{"temporary table", []string{"CREATE TEMPORARY TABLE leftover (id INT)"}, "SELECT COUNT(*) FROM leftover"},
		{"GET_LOCK", []string{"SELECT GET_LOCK('leftover', 0)"}, "SELECT COALESCE(IS_USED_LOCK('leftover') = CONNECTION_ID(), 'free')"},
		{"LOCK TABLES", []string{"LOCK TABLES ledger READ"}, "SELECT COUNT(*) FROM other"},
		{"PREPARE", []string{"PREPARE leftover FROM 'SELECT 1'"}, "EXECUTE leftover"},
		{"current database", []string{"USE information_schema"}, "SELECT DATABASE()"},
		{"open transaction", []string{"START TRANSACTION"}, "SELECT CAST(@@in_transaction AS CHAR)"},
	}
	sqliteKinds = []sessionKind{
		{"foreign_keys", []string{"PRAGMA foreign_keys = ON"}, "PRAGMA foreign_keys"},
		{"query_only", []string{"PRAGMA query_only = ON"}, "PRAGMA query_only"},
		{"recursive_triggers", []string{"PRAGMA recursive_triggers = ON"}, "PRAGMA recursive_triggers"},
		{"read_uncommitted", []string{"PRAGMA read_uncommitted = ON"}, "PRAGMA read_uncommitted"},
		{"temporary table", []string{"CREATE TEMP TABLE leftover (id INT)"}, "SELECT COUNT(*) FROM sqlite_temp_master"},
		{"attached database", []string{"ATTACH ':memory:' AS leftover"}, "SELECT COUNT(*) FROM pragma_database_list WHERE name = 'leftover'"},
		{"open transaction", []string{"BEGIN"}, "SAVEPOINT probe"},
	}
)

// kindsOf are the kinds for a peer.
func kindsOf(p Peer) []sessionKind {
	switch {
	case p.postgres():
		return postgresKinds
	case p.onFile():
		return sqliteKinds
	}
	return mysqlKinds
}
