package localdb

import (
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
)

// Options say how a server is to be. The zero value is good for most tests.
type Options struct {
	// MaxConnections is the number of connections the server allows: for
	// PostgreSQL and MariaDB max_connections, for PgBouncer max_client_conn.
	// 0 means 100, for PgBouncer 1000. The user akari may use the connections
	// that PostgreSQL reserves for superusers, and the one that MariaDB adds for
	// them to its limit.
	MaxConnections int

	// Settings are written into the server's configuration file, for PgBouncer
	// into its section [pgbouncer]; there "pool_mode" and "default_pool_size"
	// are the ones most often wanted. They replace this package's choices,
	// except for those that say where the server is.
	Settings map[string]string

	// Dir is the folder in which the server gets a folder of its own. Empty
	// means os.TempDir(). If this process is root, the user the server runs as
	// must be able to enter it.
	Dir string

	// Log gets what the server logs. It must be safe for concurrent use and
	// should not block: the server waits for it. Nil keeps only the last lines,
	// for error texts.
	Log io.Writer

	// Upstream is the address, "host:port", at which PgBouncer is to reach its
	// server, for example that of a proxy in front of it. Empty means the
	// server's own. The other kinds do not use it.
	Upstream string
}

// setting is a line of a configuration file.
type setting struct{ name, value string }

// settings returns the lines of a configuration file in order: the choices,
// with those of the user in place of ours, then what is fixed.
func (o Options) settings(choices map[string]string, fixed []setting) ([]setting, error) {
	all := maps.Clone(choices)
	for name, value := range o.Settings {
		if err := checkSetting(name, value, fixed); err != nil {
			return nil, err
		}
		// MariaDB takes a-b for a_b; one of them must not hide the other.
		delete(all, strings.ReplaceAll(name, "-", "_"))
		all[name] = value
	}
	var lines []setting
	for _, name := range slices.Sorted(maps.Keys(all)) {
		lines = append(lines, setting{name, all[name]})
	}
	return append(lines, fixed...), nil
}

func checkSetting(name, value string, fixed []setting) error {
	if name == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
		return fmt.Errorf("localdb: Options.Settings: %q is not the name of a setting", name)
	}
	if strings.ContainsAny(value, "\n\r\x00") {
		return fmt.Errorf("localdb: Options.Settings: the value of %s must be one line", name)
	}
	for _, f := range fixed {
		if strings.EqualFold(f.name, strings.ReplaceAll(name, "-", "_")) {
			return fmt.Errorf("localdb: Options.Settings: %s is set by localdb and cannot be changed", name)
		}
	}
	return nil
}

func (o Options) check(kind Kind) error {
	if o.MaxConnections < 0 {
		return fmt.Errorf("localdb: Options.MaxConnections is %d; it must not be negative", o.MaxConnections)
	}
	if o.Upstream == "" {
		return nil
	}
	if kind != PgBouncer {
		return fmt.Errorf("localdb: Options.Upstream is for PgBouncer, not for %v", kind)
	}
	if host, port, err := net.SplitHostPort(o.Upstream); err != nil || host == "" || port == "" {
		return fmt.Errorf(`localdb: Options.Upstream %q is not an address of the form "host:port"`, o.Upstream)
	}
	return nil
}
