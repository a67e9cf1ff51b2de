package localdb

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// StartMariaDB starts a MariaDB server: an empty database akari and the only
// account akari, who has all rights and logs in with a password
// (mysql_native_password). Clients' names are not looked up. It does not wait
// for the disk: a killed server loses nothing that was committed, a machine
// that loses power does. The sys schema and the help tables are not installed.
//
// ctx bounds the start; the server lives on after it ends, until Close.
func StartMariaDB(ctx context.Context, o Options) (*Server, error) {
	return start(ctx, mariadb, o)
}

var mariadb = engine{
	kind:       MariaDB,
	initialise: initMariaDB,
	configure:  configureMariaDB,
	args:       func(s *Server) []string { return []string{"--defaults-file=" + mariadbConf(s)} },
	ready:      mariadbReady,
	stop:       sigTerminate,
	quit:       sigKill,
}

func mariadbConf(s *Server) string { return filepath.Join(s.folder, "mariadb.cnf") }

// initMariaDB does what the script mariadb-install-db does, which needs
// programs of the client's package and takes far longer: it feeds the server
// the statements that create its own tables.
func initMariaDB(ctx context.Context, s *Server) error {
	share, err := mariadbShare(s.program)
	if err != nil {
		return err
	}
	statements := []io.Reader{strings.NewReader("CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n")}
	for _, name := range mariadbTables {
		text, err := os.ReadFile(filepath.Join(share.folder, share.prefix+name))
		if err != nil {
			return fmt.Errorf("localdb: prepare MariaDB: %w", err)
		}
		statements = append(statements, strings.NewReader(string(text)))
	}
	statements = append(statements, strings.NewReader(fmt.Sprintf(`
DELETE FROM global_priv WHERE User <> 'mariadb.sys';
DELETE FROM proxies_priv;
FLUSH PRIVILEGES;
CREATE DATABASE %[3]s CHARACTER SET utf8mb4;
CREATE USER %[1]s@'%%' IDENTIFIED BY '%[2]s';
GRANT ALL ON *.* TO %[1]s@'%%' WITH GRANT OPTION;
`, s.User, s.Password, s.Database)))
	return s.do(ctx, io.MultiReader(statements...), s.program, "--defaults-file="+mariadbConf(s), "--bootstrap")
}

// mariadbTables are the ends of the names of the files with the statements, in order.
var mariadbTables = []string{"system_tables.sql", "performance_tables.sql", "system_tables_data.sql"}

type shareFolder struct{ folder, prefix string }

// mariadbShare finds the files that belong to the program. Older versions call
// them mysql_…, newer ones mariadb_….
func mariadbShare(program string) (shareFolder, error) {
	base := mariadbBase(program)
	for _, sub := range []string{"share/mysql", "share/mariadb", "share"} {
		for _, prefix := range []string{"mariadb_", "mysql_"} {
			share := shareFolder{filepath.Join(base, sub), prefix}
			if _, err := os.Stat(filepath.Join(share.folder, prefix+mariadbTables[0])); err == nil {
				return share, nil
			}
		}
	}
	return shareFolder{}, fmt.Errorf("localdb: there are no statements to create MariaDB's tables (share/mysql/mysql_%s) under %s: %s is no MariaDB, or not all of it is installed",
		mariadbTables[0], base, program)
}

// mariadbBase returns the folder that holds sbin or bin, and share.
func mariadbBase(program string) string {
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	return filepath.Dir(filepath.Dir(program))
}

func configureMariaDB(s *Server) error {
	share, err := mariadbShare(s.program)
	if err != nil {
		return err
	}
	lines, err := s.options.settings(map[string]string{
		"max_connections":                     strconv.Itoa(cmp.Or(s.options.MaxConnections, 100)),
		"character_set_server":                "utf8mb4",
		"innodb_buffer_pool_size":             "32M",
		"innodb_log_file_size":                "16M",
		"innodb_flush_log_at_trx_commit":      "2", // written at commit, not synced
		"innodb_buffer_pool_dump_at_shutdown": "OFF",
		"innodb_buffer_pool_load_at_startup":  "OFF",
		// The number of asynchronous I/O contexts is limited for the whole machine.
		"innodb_use_native_aio": "OFF",
		"sync_binlog":           "0",
		"performance_schema":    "OFF",
	}, []setting{
		{"bind_address", s.Host},
		{"port", strconv.Itoa(s.Port)},
		{"skip_name_resolve", "ON"},
		{"skip_networking", "OFF"},
		{"basedir", mariadbBase(s.program)},
		{"lc_messages_dir", share.folder},
		{"datadir", s.dataFolder()},
		{"tmpdir", s.dataFolder()},
		// Relative to the data folder: a socket's path must not be long.
		{"socket", "mariadb.sock"},
		{"pid_file", "mariadb.pid"},
	})
	if err != nil {
		return err
	}
	var conf strings.Builder
	conf.WriteString("[mysqld]\n")
	for _, l := range lines {
		fmt.Fprintf(&conf, "%s = %s\n", l.name, quoteMariaDB(l.value))
	}
	return s.writeFile("mariadb.cnf", conf.String())
}

// quoteMariaDB quotes a value for an option file, where # begins a comment.
func quoteMariaDB(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// mariadbReady waits for the log to say so, which only this server can have
// written, and then for the greeting with which a server receives a client.
func mariadbReady(s *Server, r *run) bool {
	if !strings.Contains(s.log.since(r.mark), "ready for connections") {
		return false
	}
	c, err := net.DialTimeout("tcp", s.Addr(), time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	// Three bytes of length, one of sequence, then 10 for a greeting or 255 for
	// an error.
	var head [5]byte
	_, err = io.ReadFull(c, head[:])
	return err == nil && head[4] == 10
}
