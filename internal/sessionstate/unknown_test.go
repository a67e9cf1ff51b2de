package sessionstate

// unknownEffects: what any of the dialects would say.
var unknownEffects = []group{
	{"statements of PostgreSQL", Listen, []string{"LISTEN x", "UNLISTEN *"}},
	{"functions of PostgreSQL", Locks, []string{"SELECT pg_advisory_lock(1)", "SELECT 1 FROM t WHERE \"pg_try_advisory_lock\"(1)"}},
	{"statements of MySQL", Locks, []string{"LOCK TABLES t READ", "FLUSH TABLES WITH READ LOCK", "SELECT GET_LOCK('a', 1)"}},
	{"variables of MySQL", Variables, []string{"SELECT @a := 1", "SELECT 1 INTO @a"}},
	{"settings of any", Settings, []string{"SET a = 1", "SET LOCAL a = 1", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "USE x", "PRAGMA a = 1", "RESET x", "SELECT set_config('a', 'b', false)"}},
	{"temporary of any", Temporary, []string{"CREATE TEMP TABLE a (b int)", "CREATE TEMPORARY TABLE a (b int)", "ATTACH 'x' AS y", "CREATE TABLE temp.x (a int)", "SELECT * INTO TEMP a FROM b"}},
	{"begin of any", TxBegin, []string{"BEGIN", "START TRANSACTION", "SAVEPOINT a"}},
	{"end of all", TxEnd, []string{"COMMIT", "ROLLBACK"}},
	{"the end of one is none of the others", 0, []string{"END", "ABORT"}},
	{"prepared, unless the server is PostgreSQL", Prepared, []string{"PREPARE TRANSACTION 'a'"}},
	{"opaque to one that knows it, or to all", Opaque, []string{"CALL f()", "DO 'BEGIN END'", "DECLARE x INT; SELECT 1", "DO $$ BEGIN END $$", "EXECUTE a", "XYZ", "DISCARD ALL", "EXEC sp_who", "SELECT load_extension('x')", "/*! SELECT 1 */", "SELECT $a('')"}},
	{"literals of PostgreSQL", Settings, []string{`SELECT E'\''; SET a.b = 1 --'`, "SELECT a # ' \n; SET a.b = 1 -- '"}},
	{"literals of MySQL", Settings | Variables, []string{`SELECT 'it\'s'; SET a = 1, @b = 1`}},
	{"ordinary", 0, []string{
		"SELECT 1", "SELECT * FROM t WHERE id = $1", "SELECT * FROM t WHERE id = ?", "INSERT INTO t (a) VALUES ('it''s')", "UPDATE t SET a = 1", "DELETE FROM t", "SELECT a::text, b::varchar(255), c[1], ARRAY[1, 2], d @> '{}', e #>> '{a}' FROM t", "VACUUM", "OPTIMIZE TABLE t",
		"SELECT set_config('app.tenant', $1, true)", "-- name: GetAuthor :one\nSELECT 1", "SELECT pg_advisory_xact_lock(1)", "SHOW x", "SELECT `a` FROM `b`", `SELECT "a" FROM "b"`, "EXPLAIN SELECT 1", "SELECT * FROM t WHERE a = 'bob@example.com'", "CREATE TABLE t (a int)",
	}},
}
