package sessionstate

// call returns what a call of a function does to the session. name is in lower
// case and may be cut at maxFolded bytes.
func call(d Dialect, name []byte) Effect {
	var e Effect
	switch d {
	case PostgreSQL:
		e = callPostgreSQL(name)
	case MySQL:
		e = callMySQL(name)
	case SQLite:
		return callSQLite(name)
	}
	// A guess: the helper that sets the tenant for row-level security, made by
	// the user and so unknown here, is often named so.
	if e == 0 && hasPrefix(name, "set_") && !known(name) {
		e = Settings
	}
	return e
}

// setConfig is a function of PostgreSQL whose last argument decides: see calls.
const setConfig = "set_config"

// known reports whether the name, which begins with set_, is that of a function
// of PostgreSQL. All but setConfig only return a changed value.
func known(name []byte) bool {
	switch string(name) {
	case "set_bit", "set_byte", "set_masklen", setConfig:
		return true
	}
	return false
}

func callPostgreSQL(name []byte) Effect {
	switch string(name) {
	case setConfig, "reset_user":
		return Settings
	case "setseed", "pg_replication_origin_session_setup", "pg_replication_origin_session_reset":
		return Settings | Permanent
	case "pg_create_logical_replication_slot", "pg_create_physical_replication_slot",
		"pg_copy_logical_replication_slot", "pg_copy_physical_replication_slot":
		return Temporary | Permanent // if it is a temporary one
	case "pg_advisory_lock", "pg_advisory_lock_shared",
		"pg_try_advisory_lock", "pg_try_advisory_lock_shared",
		"pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_unlock_all":
		return Locks
	case "query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema", "ts_stat", "ts_rewrite",
		"crosstab", "crosstab2", "crosstab3", "crosstab4", "crosstabn", "connectby":
		return Opaque // run a text of SQL
	case "pg_backup_start", "pg_backup_stop", "pg_start_backup", "pg_stop_backup":
		return Opaque | Permanent // a backup ends with the session that began it
	case "dblink_connect", "dblink_connect_u", "dblink_disconnect":
		return Opaque | Permanent // a connection of the session, out of reach of DISCARD ALL
	}
	switch {
	case hasPrefix(name, "pgv_"): // pg_variables
		return Settings | Permanent
	case hasPrefix(name, "hypopg_"): // hypothetical indexes
		return Temporary | Permanent
	}
	return 0
}

func callMySQL(name []byte) Effect {
	switch string(name) {
	case "get_lock", "release_lock", "release_all_locks",
		"service_get_read_locks", "service_get_write_locks", "service_release_locks",
		"version_tokens_lock_shared", "version_tokens_lock_exclusive", "version_tokens_unlock":
		return Locks
	}
	return 0
}

func callSQLite(name []byte) Effect {
	switch string(name) {
	case "load_extension", "fts3_tokenizer":
		return Opaque
	case "icu_load_collation":
		return Settings
	}
	return 0
}

// asks reports whether the pragma of SQLite only asks, or does something to the
// file, even if it is given a value. All others set something of the session
// then.
func asks(pragma []byte) bool {
	switch string(pragma) {
	case "table_info", "table_xinfo", "table_list",
		"index_list", "index_info", "index_xinfo",
		"foreign_key_list", "foreign_key_check",
		"integrity_check", "quick_check",
		"incremental_vacuum", "optimize", "wal_checkpoint":
		return true
	}
	return false
}

func hasPrefix(name []byte, prefix string) bool {
	return len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix
}

// calls follows the calls of set_config that are open at a point of a
// statement, to find those that end with the transaction: set_config(a, b,
// true).
type calls struct {
	open  [4]configCall
	depth int // how many of open are in use
}

type configCall struct {
	parens int // open parentheses, including that of the call
	commas int // between its arguments
	third  argument
}

// argument is what has been read of the current argument of set_config.
type argument uint8

const (
	nothing argument = iota
	isTrue           // the word true
	anything
)

// begin notes the parenthesis of a call. It reports false if there are too many
// calls within each other to follow.
func (c *calls) begin(parens int) bool {
	if c.depth == len(c.open) {
		return false
	}
	c.open[c.depth] = configCall{parens: parens}
	c.depth++
	return true
}

// token notes a token within a call and reports whether it ended one that
// changes the setting for the session.
func (c *calls) token(t token, key word, parens int) bool {
	call := &c.open[c.depth-1]
	if parens != call.parens {
		return false // within an argument
	}
	switch {
	case t.symbol == ')':
		c.depth--
		return call.commas != 2 || call.third != isTrue
	case t.symbol == ',':
		call.commas++
		call.third = nothing
	case call.third == nothing && key == wTrue:
		call.third = isTrue
	default:
		call.third = anything
	}
	return false
}
