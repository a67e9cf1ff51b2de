package sessionstate

var sqliteEffects = []group{
	{"begin", TxBegin, []string{"BEGIN", "begin deferred", "BEGIN IMMEDIATE TRANSACTION", "BEGIN EXCLUSIVE", "SAVEPOINT a", "SELECT 1; BEGIN", "BEGIN; ROLLBACK TO a", "SAVEPOINT a; RELEASE a"}},
	{"end", TxEnd, []string{"COMMIT", "END", "END TRANSACTION", "ROLLBACK", "ROLLBACK TRANSACTION"}},
	{"begin and end", TxBegin | TxEnd, []string{"BEGIN; COMMIT", "COMMIT; BEGIN"}},
	{"nothing ended", 0, []string{"ROLLBACK TO a", "ROLLBACK TRANSACTION TO SAVEPOINT a", "RELEASE a", "RELEASE SAVEPOINT a", "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = 1; DELETE FROM u; END"}},
	{"settings", Settings, []string{
		"PRAGMA foreign_keys = ON", "PRAGMA foreign_keys=1", "pragma foreign_keys(1)", "PRAGMA main.cache_size = 10", `PRAGMA "cache_size" = 10`, "PRAGMA 'cache_size' = 10", "PRAGMA [cache_size](10)", "PRAGMA `cache_size`=10", "PRAGMA/**/cache_size/**/=/**/10",
		"PRAGMA busy_timeout = 5000", "PRAGMA journal_mode = WAL", "PRAGMA case_sensitive_like = 1", "PRAGMA query_only = OFF", "PRAGMA query_only(0)", "EXPLAIN PRAGMA cache_size = 10", "EXPLAIN QUERY PLAN PRAGMA cache_size = 10", "SELECT icu_load_collation('de_DE', 'german')",
	}},
	{"read-only session", Settings | ReadOnlyTx, []string{"PRAGMA query_only = ON", "PRAGMA query_only(1)", "PRAGMA main.query_only = true"}},
	{"pragmas that ask", 0, []string{"PRAGMA foreign_keys", "PRAGMA main.journal_mode", "PRAGMA table_info(users)", "PRAGMA main.table_info('users')", "PRAGMA index_list(`users`)", "PRAGMA foreign_key_check(t)", "PRAGMA integrity_check(1)", "PRAGMA optimize", "PRAGMA wal_checkpoint(TRUNCATE)", "SELECT * FROM pragma_table_info('users')"}},
	{"temporary objects and attached files", Temporary, []string{
		"CREATE TEMP TABLE a (b)", "CREATE TEMPORARY VIEW a AS SELECT 1", "CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END", "CREATE TEMP TABLE IF NOT EXISTS a (b)", "CREATE TABLE temp.a (b)", "CREATE TABLE TEMP . a (b)", `CREATE TABLE "temp".a (b)`, "CREATE TABLE 'temp'.a (b)",
		"CREATE TABLE [temp].a (b)", "CREATE TABLE `temp`/**/./**/a (b)", "CREATE VIEW temp.a AS SELECT 1", "CREATE VIRTUAL TABLE temp.a USING fts5(b)", "ATTACH 'x.db' AS x", "ATTACH DATABASE ? AS x", "DETACH x", "EXPLAIN ATTACH 'x.db' AS x",
	}},
	{"things named temp", 0, []string{"CREATE TABLE temp (a)", "SELECT temp.a FROM temp", "INSERT INTO temp VALUES (1)", "CREATE TABLE t (temp real)", "DROP TABLE temp"}},
	{"opaque", Opaque, []string{
		"SELECT load_extension('x')", `SELECT "load_extension"('x')`, "SELECT [load_extension]('x')", "SELECT \ufeffload_extension('x')", "SELECT fts3_tokenizer('a', ?)", "SET a = 1", "CALL f()", "SHOW x", "SELECT $a('), 1; ATTACH 'x' AS y; --'", "SELECT @a::b('), 1", "SELECT :a('), 1", "SELECT #a('), 1", "SELECT 1\x00",
	}},
	{"found behind everything that may stand before", Settings, []string{"\ufeffPRAGMA a = 1", "SELECT 1;\ufeffPRAGMA a = 1", "-- c\nPRAGMA a = 1", "/* /* */PRAGMA a = 1", " \t\r\n\f;PRAGMA a = 1", "/*/ ' */PRAGMA a = 1"}},
	{"found after literals", Settings, []string{
		"SELECT 'a''b'; PRAGMA a = 1", `SELECT 'a\'; PRAGMA a = 1 -- '`, `SELECT "'"; PRAGMA a = 1 -- '`, "SELECT `'`; PRAGMA a = 1 -- '", "SELECT [']; PRAGMA a = 1 -- '", "SELECT ['']; PRAGMA a = 1", "SELECT x'41'; PRAGMA a = 1", "SELECT 1 -- '\n; PRAGMA a = 1 -- '", "SELECT $a, @b, :c, #d, ?1, $a::b; PRAGMA a = 1", "SELECT 1--'\n; PRAGMA a = 1",
	}},
	{"not executed", 0, []string{"", "-- PRAGMA a = 1", "SELECT 1 -- ' \r; PRAGMA a = 1", "/* PRAGMA a = 1", "SELECT 1 /* ; PRAGMA a = 1", "SELECT '; PRAGMA a = 1'", `SELECT "; PRAGMA a = 1"`, "SELECT [; PRAGMA a = 1]", "SELECT : ; PRAGMA a = 1", "SELECT 'x; PRAGMA a = 1"}},
}

var sqliteOrdinary = []group{
	{"ordinary", 0, []string{
		"SELECT 1", "SELECT * FROM users WHERE id = ?1 AND name = $name AND age > :age AND x = @x", "SELECT json_extract(a, '$.b'), a ->> '$.c' FROM t", "WITH x AS (VALUES (1)) SELECT * FROM x", "INSERT OR IGNORE INTO temp VALUES (1)", "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING id",
		"REPLACE INTO t VALUES (1)", "UPDATE t SET a = 1", "DELETE FROM t", "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT DEFAULT 'x')", "CREATE INDEX i ON t (a)", "ALTER TABLE t RENAME TO u", "DROP TABLE t", "VACUUM", "VACUUM INTO 'f'", "REINDEX", "ANALYZE", "EXPLAIN QUERY PLAN SELECT 1", "EXPLAIN SELECT 1",
		"SELECT count(*) FROM sqlite_master WHERE type='table' AND name=\"users\"", "SELECT sql FROM sqlite_master WHERE type IN (\"table\",\"index\") AND tbl_name = \"users\" AND sql IS NOT NULL order by type = \"table\" desc", "SELECT * FROM `users` WHERE `users`.`id` = 1 LIMIT 1", "INSERT INTO `users` (`name`) VALUES (\"a\") RETURNING `id`",
	}},
}
