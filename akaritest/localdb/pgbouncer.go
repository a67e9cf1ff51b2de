package localdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// StartPgBouncer starts a PgBouncer in front of a PostgreSQL server, whose
// user, password and databases it takes over. It pools by transaction; the
// settings "pool_mode" and "default_pool_size" change that. The user akari may
// use its console, the database "pgbouncer".
//
// Close it before the server behind it. ctx bounds the start; PgBouncer lives
// on after it ends, until Close.
func StartPgBouncer(ctx context.Context, upstream *Server, o Options) (*Server, error) {
	if upstream == nil || upstream.Kind != Postgres {
		return nil, errors.New("localdb: PgBouncer needs a PostgreSQL server behind it, from StartPostgres")
	}
	e := pgbouncer
	e.configure = func(s *Server) error { return configurePgBouncer(s, upstream) }
	return start(ctx, e, o)
}

var pgbouncer = engine{
	kind:  PgBouncer,
	args:  func(s *Server) []string { return []string{filepath.Join(s.folder, "pgbouncer.ini")} },
	ready: func(s *Server, r *run) bool { return strings.Contains(s.log.since(r.mark), "process up") },
	stop:  sigTerminate,
	quit:  sigKill,
}

func configurePgBouncer(s *Server, upstream *Server) error {
	s.User, s.Password, s.Database = upstream.User, upstream.Password, upstream.Database
	users := filepath.Join(s.folder, "users.txt")
	lines, err := s.options.settings(map[string]string{
		"pool_mode":                 "transaction",
		"max_client_conn":           strconv.Itoa(cmp.Or(s.options.MaxConnections, 1000)),
		"default_pool_size":         "20",
		"ignore_startup_parameters": "extra_float_digits",
		"admin_users":               s.User,
	}, []setting{
		{"listen_addr", s.Host},
		{"listen_port", strconv.Itoa(s.Port)},
		{"unix_socket_dir", ""},
		{"auth_type", "scram-sha-256"},
		{"auth_file", users},
		{"logfile", ""},
		{"pidfile", ""},
		{"syslog", "0"},
	})
	if err != nil {
		return err
	}
	upHost, upPort, err := net.SplitHostPort(cmp.Or(s.options.Upstream, upstream.Addr()))
	if err != nil {
		return fmt.Errorf("localdb: %w", err)
	}
	var ini strings.Builder
	fmt.Fprintf(&ini, "[databases]\n* = host=%s port=%s\n\n[pgbouncer]\n", upHost, upPort)
	for _, l := range lines {
		fmt.Fprintf(&ini, "%s = %s\n", l.name, l.value)
	}
	if err := s.writeFile("users.txt", fmt.Sprintf("%q %q\n", s.User, s.Password)); err != nil {
		return err
	}
	return s.writeFile("pgbouncer.ini", ini.String())
}
