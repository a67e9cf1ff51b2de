package sessionstate

// mysqlKinds are the fifteen kinds of state that leak between the borrowers of
// an ordinary pool.
var mysqlKinds = []group{
	{"kind 1: time zone", Settings, []string{"SET time_zone = '+09:00'"}},
	{"kind 2: timeout", Settings, []string{"SET max_statement_time = 5", "SET SESSION max_execution_time = 5000"}},
	{"kind 3: foreign keys", Settings, []string{"SET FOREIGN_KEY_CHECKS = 0"}},
	{"kind 4: prepared statement", Prepared, []string{"PREPARE find FROM 'SELECT * FROM users WHERE id = ?'"}},
	{"kind 5: open transaction", TxBegin, []string{"BEGIN", "START TRANSACTION"}},
	{"kind 6: character set", Settings, []string{"SET NAMES latin1", "SET CHARACTER SET latin1"}},
	{"kind 7: user variable", Variables, []string{"SET @tenant = 42", "SELECT @tenant := 42", "SELECT 42 INTO @tenant"}},
	{"kind 8: temporary table", Temporary, []string{"CREATE TEMPORARY TABLE basket (id int)"}},
	{"kind 9: named lock", Locks, []string{"SELECT GET_LOCK('nightly', 10)"}},
	{"kind 10: locked tables", Locks, []string{"LOCK TABLES orders WRITE, users READ"}},
	{"kind 11: SQL mode", Settings, []string{"SET sql_mode = ''", "SET SESSION sql_mode = 'ANSI_QUOTES'"}},
	{"kind 12: no autocommit", Settings | TxBegin, []string{"SET autocommit = 0"}},
	{"kind 13: default database", Settings, []string{"USE other"}},
	{"kind 14: isolation", Settings, []string{"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET transaction_isolation = 'SERIALIZABLE'"}},
	{"kind 15: read-only", Settings | ReadOnlyTx, []string{"SET SESSION TRANSACTION READ ONLY", "SET transaction_read_only = 1"}},
}

var mysqlEffects = []group{
	{"begin", TxBegin, []string{
		"begin;", "BEGIN WORK", "START TRANSACTION WITH CONSISTENT SNAPSHOT", "START TRANSACTION READ WRITE", "SELECT 1; BEGIN",
		"BEGIN; SAVEPOINT a; ROLLBACK TO SAVEPOINT a", "SET STATEMENT max_statement_time = 5 FOR BEGIN", "BEGIN; CREATE TABLE t (a int)",
	}},
	{"end", TxEnd, []string{"COMMIT", "commit work", "ROLLBACK", "ROLLBACK WORK", "COMMIT AND NO CHAIN NO RELEASE", "ROLLBACK RELEASE"}},
	{"begin and end", TxBegin | TxEnd, []string{"BEGIN; COMMIT", "COMMIT; BEGIN", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN NO RELEASE"}},
	{"nothing ended", 0, []string{"ROLLBACK TO a", "ROLLBACK TO SAVEPOINT a", "ROLLBACK WORK TO a", "RELEASE SAVEPOINT a", "SAVEPOINT a", "END"}},
	{"no end is promised where it may lie in a stored program", 0, []string{
		"CREATE PROCEDURE p() BEGIN SELECT 1; COMMIT; END", "CREATE PROCEDURE p() l: LOOP SELECT 1; COMMIT; END LOOP", "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM t; COMMIT; END",
		"ALTER EVENT e DO BEGIN DELETE FROM t; ROLLBACK; END",
	}},
	{"read-only transaction begun", TxBegin | ReadOnlyTx, []string{"START TRANSACTION READ ONLY", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"}},
	{"read-only session, or the next transaction", Settings | ReadOnlyTx, []string{
		"SET TRANSACTION READ ONLY", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY", "SET SESSION transaction_read_only = ON", "SET tx_read_only=1",
		"SET @@session.transaction_read_only = 1", "SET @@transaction_read_only := TRUE", "SET sql_safe_updates = 1, transaction_read_only = 1", "SET `transaction_read_only` = 1",
	}},
	{"not read-only", Settings, []string{"SET transaction_read_only = 0", "SET tx_read_only = OFF", "SET SESSION TRANSACTION READ WRITE", "SET transaction_read_only = DEFAULT"}},
	{"settings", Settings, []string{
		"SET SESSION wait_timeout = 60", "SET LOCAL time_zone = 'UTC'", "SET @@time_zone = 'UTC'", "SET @@session.time_zone = 'UTC'", "SET @@local.time_zone = 'UTC'", "SET `time_zone` = 'UTC'",
		"set\tsql_mode=''", "SET/**/sql_mode=''", "SET # c\n sql_mode=''", "SET sql_mode := ''", "SET @@sql_mode = CONCAT(@@sql_mode, ',ANSI')", "SET CHARSET latin1", "SET ROLE NONE", "SET ROLE ALL",
		"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET RESOURCE GROUP batch", "SET last_insert_id = 1", "SET SESSION AUTHORIZATION 'bob'", "USE `other`", "SET a = 1, b = 2",
		"SET GLOBAL a = 1, b = 2", "SET GLOBAL a = 1, SESSION b = 2", "SET GLOBAL a = 1, @@b = 2", "SET @@global.a = 1, @@session.b = 2", "SET PASSWORD = 'x', sql_mode = ''", "DROP DATABASE current", "DROP SCHEMA IF EXISTS current",
	}},
	{"settings and an open transaction", Settings | TxBegin, []string{
		"SET autocommit=0", "SET AUTOCOMMIT = OFF", "SET SESSION autocommit = 0", "SET @@autocommit = 0", "SET @@session.autocommit = 0", "SET `autocommit` = 0", "SET sql_safe_updates = 1, autocommit = 0", "SET autocommit = (1 - 1)",
		"SET autocommit = 1", "SET NAMES utf8mb4, autocommit = 0",
	}},
	{"settings of the server", 0, []string{
		"SET GLOBAL max_connections = 500", "SET PERSIST max_connections = 500", "SET PERSIST_ONLY max_connections = 500", "SET @@global.max_connections = 500", "SET @@GLOBAL . max_connections = 500",
		"SET @@persist.max_connections = 500", "SET @@persist_only.max_connections = 500", "SET GLOBAL a = 1, GLOBAL b = 2", "SET GLOBAL a = CONCAT('x', 'y')", "SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE",
		"SET GLOBAL read_only = ON", "SET GLOBAL super_read_only = 1", "SET GLOBAL autocommit = 0", "SET PASSWORD = 'x'", "SET PASSWORD FOR 'bob'@'%' = 'x'", "SET DEFAULT ROLE admin TO bob",
	}},
	{"settings of one statement", 0, []string{"SET STATEMENT max_statement_time = 5 FOR SELECT 1", "SET STATEMENT a = 1, b = 2 FOR UPDATE t SET a = 1", "SET STATEMENT a = (SELECT 1 FROM t FOR UPDATE) FOR SELECT 1"}},
	{"settings of one statement that makes more", Settings, []string{"SET STATEMENT a = 1 FOR SET b = 2", "SET STATEMENT a = 1 FOR USE other", "SET STATEMENT a = 1 FOR SET STATEMENT b = 1 FOR SET c = 2"}},
	{"settings of a user's helper, guessed from its name", Settings, []string{"SELECT set_tenant(42)", "SELECT app.set_tenant(42)", "DO `set_tenant`(42)"}},
	{"user variables", Variables, []string{
		"SET @a := 1", "SET @'a b' = 1", "SET @`a` = 1", `SET @"a" = 1`, "set@a=1", "SET @a = 1, @b = 2", "SELECT@a:=1", "SELECT @a/**/:=/**/1", "SELECT @'a' := 1", "SELECT @`a` := 1", "SELECT 1 INTO@a", "SELECT 1, 2 INTO @a, @b",
		"SELECT 1 INTO /* c */ @a", "SELECT a INTO @a FROM t LIMIT 1", "SELECT 1e5into @a", "SELECT 1.5into @a", "(SELECT @a := 1)", "INSERT INTO t SELECT @n := @n + 1 FROM u", "UPDATE t SET a = (@a := a + 1)",
		"DELETE FROM t WHERE (@a := 1)", "WITH x AS (SELECT @a := 1) SELECT * FROM x", "VALUES ROW(1) INTO @a", "TABLE t INTO @a", "DO @a := 1", "SHOW TABLES WHERE (@a := 1)", "EXPLAIN FORMAT=JSON INTO @a SELECT 1",
		"GET DIAGNOSTICS @n = NUMBER", "GET CURRENT DIAGNOSTICS CONDITION 1 @a = MESSAGE_TEXT", "LOAD DATA INFILE 'f' INTO TABLE t (a, @b) SET c = @b", "SET GLOBAL a = (SELECT @a := 9)", "SET STATEMENT a = 1 FOR SELECT @a := 1",
		"SET GLOBAL a = 1, @b = 2",
	}},
	{"user variables and settings", Variables | Settings, []string{"SET @a = 1, sql_mode = ''", "SET sql_mode = '', @a = 1", "SET sql_mode = (SELECT @a := '')", "SET sql_mode := (@a := '')"}},
	{"variables only read", 0, []string{"SELECT @a", "SELECT @a, @@version, @@session.sql_mode", "SELECT * FROM t WHERE id = @a", "INSERT INTO t VALUES (@a)", "SELECT * FROM t WHERE a = 'x := 1' AND b = 'bob@example.com'"}},
	{"temporary tables", Temporary, []string{
		"create temporary table if not exists a (b int)", "CREATE OR REPLACE TEMPORARY TABLE a (b int)", "CREATE TEMPORARY TABLE a SELECT 1", "CREATE/**/TEMPORARY/**/TABLE a (b int)", "CREATE TEMPORARY SEQUENCE a",
		"SET STATEMENT a = 1 FOR CREATE TEMPORARY TABLE a (b int)", "DROP TEMPORARY TABLE a",
	}},
	{"locks", Locks, []string{
		"SELECT get_lock ('a', 1)", "SELECT `get_lock`('a', 1)", `SELECT "GET_LOCK" /* c */ ('a', 1)`, "DO GET_LOCK('a', 1)", "SELECT 1 FROM t WHERE GET_LOCK(a, 1)", "SELECT RELEASE_LOCK('a')", "DO RELEASE_ALL_LOCKS()",
		"SELECT service_get_write_locks('ns', 'a', 1)", "LOCK TABLE t READ", "LOCK INSTANCE FOR BACKUP", "UNLOCK TABLES", "FLUSH TABLES WITH READ LOCK", "FLUSH TABLES a, b WITH READ LOCK", "FLUSH LOCAL TABLES a FOR EXPORT",
		"HANDLER t OPEN", "HANDLER t OPEN AS a", "BACKUP STAGE START", "BACKUP LOCK t", "ANALYZE FORMAT=JSON SELECT GET_LOCK('a', 1)", "INSERT INTO t VALUES (GET_LOCK('a', 1))",
	}},
	{"no locks", 0, []string{"SELECT IS_FREE_LOCK('a'), IS_USED_LOCK('a')", "FLUSH TABLES", "FLUSH PRIVILEGES", "HANDLER t READ FIRST", "HANDLER t CLOSE", "SELECT * FROM t LOCK IN SHARE MODE", "SELECT * FROM t FOR UPDATE", "INSERT INTO get_lock (a) VALUES (1)"}},
	{"prepared statements", Prepared, []string{"PREPARE a FROM @b", "DEALLOCATE PREPARE a", "DROP PREPARE a"}},
	{"opaque", Opaque, []string{
		"CALL settle(42)", "{call settle(42)}", "EXECUTE find USING @a", "EXECUTE IMMEDIATE 'SET @a = 1'", "START REPLICA", "STOP SLAVE", "CHANGE MASTER TO MASTER_HOST='x'", "INSTALL PLUGIN a SONAME 'b'", "RESET MASTER", "SHUTDOWN",
		"XA END 'a'", "XA COMMIT 'a'", "XA RECOVER", "BINLOG 'x'", "LOAD x", "IF 1 THEN SELECT 1; END IF", "WHILE 1 DO SELECT 1; END WHILE", "l: LOOP SELECT 1; END LOOP", "DECLARE x INT", "VACUUM", "LISTEN x", "DELIMITER //", "<<l>> SELECT 1",
		"/*!40101 SELECT 1 */", "SELECT /*!40001 SQL_NO_CACHE */ 1", "/*!99999 SELECT */ SET @a = 1", "SELECT 1 /*!99999 ' */; SET @a = 1", "/*M! SELECT 1 */", "SELECT 1 /*!99999 /* */ ' */; SET @a = 1",
		"SELECT /*+ QB_NAME(`a*/`) */ 1; SET @a = 1 -- `", "SELECT $$ ' $$", "SELECT 1\x00", "-- x\x00SET @a = 1", "SELECT '\xe9'", "\u00a0SELECT 1", "\u00a0SET @a = 1",
		"SELECT 1 /*! COMMIT */; COMMIT",
	}},
	{"opaque, and a transaction may be open", Opaque | TxBegin, []string{"XA START 'a'", "XA BEGIN 'a'", "BEGIN NOT ATOMIC SET @a = 1; END", "BEGIN SELECT 1; END"}},
	{"opaque, with something seen", Opaque | Variables, []string{"SELECT $a$; SET @a = 1 $a$", "CREATE PROCEDURE p() BEGIN IF 1 THEN SET @a = 1; END IF; IF 1 THEN SELECT 1; END IF; SET @b = 1; END"}},
	{"executable comments are code", Opaque | Settings, []string{
		"/*!40101 SET NAMES utf8 */", "/*! SET NAMES utf8 */", "/*M!100100 SET NAMES utf8 */", "/*!40101 SET @@session.sql_mode = '*/' */", "SELECT 1; /*!40101 SET NAMES utf8 */; SELECT 2", "/*!40101 SET */ NAMES utf8", "/*!40103SET time_zone='+00:00' */",
	}},
	{"found behind everything that may stand before", Variables, []string{
		" SET @a = 1", "\n\t\r\n\v\fSET @a = 1", "-- c\nSET @a = 1", "--\tc\nSET @a = 1", "--\nSET @a = 1", "# c\nSET @a = 1", "#\nSET @a = 1", "/* c */SET @a = 1", "/* /* c */SET @a = 1", "/**/SET @a = 1", "/*/ ' */SET @a = 1", "(SET @a = 1)",
		";SET @a = 1", "\ufeffSET @a = 1", "sEt @a = 1",
	}},
	{"found after literals", Variables, []string{
		`SELECT 'a'; SET @a = 1`, `SELECT 'a''b'; SET @a = 1`, `SELECT 'a\\'; SET @a = 1`, `SELECT 'it\'s'; SET @a = 1`, `SELECT "a'"; SET @a = 1 -- '`, `SELECT 'a"'; SET @a = 1 -- "`, `SELECT "a""'"; SET @a = 1 -- '`, "SELECT `'`; SET @a = 1 -- '",
		"SELECT `a``'`; SET @a = 1 -- '", "SELECT `\\`; SET @a = 1 -- `", `SELECT _utf8'a'; SET @a = 1`, `SELECT N'a\''; SET @a = 1 -- '`, "SELECT 1--1; SET @a = 1", "SELECT 1--'1'; SET @a = 1", "SELECT 1 -- '\n; SET @a = 1 -- '", "SELECT 1 --\x01'\n; SET @a = 1 -- '",
		"SELECT 1 # '\n; SET @a = 1 # '", "SELECT 1 /* ' */; SET @a = 1 -- '", "SELECT '/*'; SET @a = 1", "SELECT '#', '-- '; SET @a = 1", "SELECT a->>'$.b'; SET @a = 1", `SELECT \N; SET @a = 1`, "SELECT 'a' 'b\\''; SET @a = 1 -- '",
	}},
	{"found by settings that change what a literal is", Variables, []string{
		`SELECT 'a\'; SET @a = 1; -- '`, `SELECT "a\"; SET @a = 1; -- "`, "SELECT [a']; SET @a = 1 -- '", "SELECT [a]]']; SET @a = 1 -- '", `SELECT [a'], '\'; SET @a = 1 -- '`,
	}},
	{"not executed", 0, []string{
		"", ";", "-- SET @a = 1", "# SET @a = 1", "/* SET @a = 1 */", "SELECT 1 -- ; SET @a = 1", "SELECT 1 --", "SELECT 1 # ; SET @a = 1", "SELECT 1 -- \r; SET @a = 1", "SELECT 'SET @a := 1; SET @b = 1'", `SELECT "GET_LOCK('a', 1); SET @a = 1"`,
		"SELECT `; SET @a = 1`", "/*m! SET @a = 1 */", "/* ! SET @a = 1 */", "SELECT 'unfinished; SET @a = 1", "/* unfinished; SET @a = 1", "SELECT /*+ SET_VAR(sort_buffer_size = 16M) */ 1", "CREATE PROCEDURE p() SET @a = 1",
	}},
}

var mysqlOrdinary = []group{
	{"ordinary: queries", 0, []string{
		"SELECT 1", "SELECT * FROM users WHERE id = ?", "(SELECT 1) UNION (SELECT 2)", "TABLE users", "VALUES ROW(1), ROW(2)", "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT * FROM t", "SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1",
		"SELECT FOUND_ROWS(), LAST_INSERT_ID(), ROW_COUNT()", "SELECT SLEEP(1)", "SELECT VERSION(), DATABASE(), USER(), CONNECTION_ID()", "SELECT a INTO OUTFILE '/tmp/x' FROM t", "SELECT data->'$.a', data->>'$.b' FROM docs", `SELECT * FROM t WHERE a LIKE '%\_x' OR b = 'O\'Brien'`,
		"SELECT * FROM t WHERE a = b--1", "SELECT `order`.`group` FROM `order` FORCE INDEX (`i`)", "SELECT /*+ MAX_EXECUTION_TIME(1000) NO_INDEX_MERGE(t) */ * FROM t", "SHOW TABLES", "SHOW VARIABLES LIKE 'autocommit'", "SHOW WARNINGS", "EXPLAIN SELECT 1", "EXPLAIN FORMAT=TREE SELECT 1",
		"EXPLAIN ANALYZE SELECT 1", "DESCRIBE users", "DESC users name", "ANALYZE FORMAT=JSON UPDATE t SET a = 1", "HELP 'SELECT'", "DO SLEEP(1)",
	}},
	{"ordinary: writes", 0, []string{
		"INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON DUPLICATE KEY UPDATE a = VALUES(a), b = b + 1", "INSERT IGNORE INTO t SET a = 1, b = 2", "INSERT INTO t SELECT * FROM u", "INSERT INTO temp VALUES (1)", "REPLACE INTO t VALUES (1)", "REPLACE INTO temp (a) VALUES (1)",
		"UPDATE t SET a = 1, b = ? WHERE id = 2 LIMIT 1", "UPDATE t JOIN u ON t.id = u.id SET t.a = u.a", "UPDATE counters SET id = LAST_INSERT_ID(id + 1)", "DELETE t FROM t JOIN u USING (id)", "TRUNCATE TABLE t", "LOAD DATA LOCAL INFILE 'f' INTO TABLE t FIELDS TERMINATED BY ','",
		"LOAD XML INFILE 'f' INTO TABLE t", "KILL QUERY 42",
	}},
	{"ordinary: definitions and upkeep", 0, []string{
		"CREATE TABLE t (id bigint AUTO_INCREMENT PRIMARY KEY, a varchar(10) DEFAULT 'x' COMMENT 'SET @a = 1') ENGINE=InnoDB DEFAULT CHARSET=utf8mb4", "CREATE DATABASE d", "CREATE DEFINER=`root`@`%` VIEW v AS SELECT 1", "CREATE USER 'bob'@'localhost' IDENTIFIED BY 'x'", "GRANT SELECT ON d.* TO 'bob'@'%'",
		"ALTER TABLE t ADD COLUMN b int, ALGORITHM=INPLACE, LOCK=NONE", "DROP TABLE IF EXISTS t", "RENAME TABLE a TO b", "OPTIMIZE TABLE t", "CHECK TABLE t", "REPAIR TABLE t", "ANALYZE TABLE t", "CHECKSUM TABLE t", "PURGE BINARY LOGS TO 'x'", "CACHE INDEX t IN c", "LOAD INDEX INTO CACHE t",
		"CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
	}},
	{"ordinary: as libraries write it", 0, []string{
		"SELECT * FROM `users` WHERE `users`.`deleted_at` IS NULL AND `users`.`id` = ? ORDER BY `users`.`id` LIMIT ?", "INSERT INTO `users` (`created_at`,`name`) VALUES (?,?) ON DUPLICATE KEY UPDATE `name`=VALUES(`name`)", "UPDATE `users` SET `deleted_at`=? WHERE `users`.`id` = ?",
		"SELECT SCHEMA_NAME from Information_schema.SCHEMATA where SCHEMA_NAME LIKE ? ORDER BY SCHEMA_NAME=? DESC,SCHEMA_NAME limit 1", "SELECT count(*) FROM information_schema.tables WHERE table_schema = ? AND table_name = ? AND table_type = ?",
		"SELECT `u`.`id` FROM `users` AS `u` WHERE (`u`.`name` LIKE '%a%') FOR UPDATE", "-- name: GetAuthor :one\nSELECT * FROM authors WHERE id = ? LIMIT 1", "SAVEPOINT sp0xc0000b2a20", "ROLLBACK TO SAVEPOINT sp0xc0000b2a20", "SELECT 1 /*traceparent='00-5bd66ef5-c532-01',route='%2Fa'*/",
	}},
}
