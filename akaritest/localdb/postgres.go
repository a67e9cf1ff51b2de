package localdb

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// StartPostgres starts a PostgreSQL server: an empty database akari and a
// superuser akari, who logs in with a password (SCRAM-SHA-256). It listens on
// TCP only, without TLS, and does not wait for the disk: a killed server loses
// nothing that was committed, a machine that loses power does.
//
// ctx bounds the start; the server lives on after it ends, until Close.
func StartPostgres(ctx context.Context, o Options) (*Server, error) {
	return start(ctx, postgres, o)
}

var postgres = engine{
	kind:       Postgres,
	initialise: initPostgres,
	configure:  configurePostgres,
	prepare:    forgetReusedPid,
	args: func(s *Server) []string {
		return []string{"-D", s.dataFolder(), "-c", "config_file=" + postgresConf(s)}
	},
	ready: postgresReady,
	stop:  sigInterrupt, // "fast": ends sessions and shuts down in order
	quit:  sigQuit,      // "immediate": ends sessions and leaves the rest to recovery
}

func postgresConf(s *Server) string  { return filepath.Join(s.folder, "postgresql.conf") }
func postmasterPid(s *Server) string { return filepath.Join(s.dataFolder(), "postmaster.pid") }

func initPostgres(ctx context.Context, s *Server) error {
	if err := s.writeFile("password", s.Password); err != nil {
		return err
	}
	password := filepath.Join(s.folder, "password")
	defer os.Remove(password)
	initdb := filepath.Join(filepath.Dir(s.program), "initdb")
	err := s.do(ctx, nil, initdb, "--pgdata="+s.dataFolder(), "--username="+s.User, "--pwfile="+password,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	if err != nil {
		return err
	}
	return s.do(ctx, strings.NewReader("CREATE DATABASE "+s.Database+";\n"), s.program,
		"--single", "-j", "-D", s.dataFolder(), "-c", "fsync=off", "-c", "dynamic_shared_memory_type=mmap", "template1")
}

func configurePostgres(s *Server) error {
	lines, err := s.options.settings(map[string]string{
		"max_connections":            strconv.Itoa(cmp.Or(s.options.MaxConnections, 100)),
		"fsync":                      "off",
		"shared_buffers":             "32MB",
		"max_wal_size":               "256MB",
		"log_timezone":               "UTC",
		"timezone":                   "UTC",
		"ssl":                        "off",
		"cluster_name":               "akari-localdb",
		"lc_messages":                "C",
		"default_text_search_config": "pg_catalog.english",
	}, []setting{
		{"listen_addresses", s.Host},
		{"port", strconv.Itoa(s.Port)},
		{"unix_socket_directories", ""},
		{"data_directory", s.dataFolder()},
		{"hba_file", filepath.Join(s.dataFolder(), "pg_hba.conf")},
		{"ident_file", filepath.Join(s.dataFolder(), "pg_ident.conf")},
		// In files, which go with the folder; the other ways leave something in
		// /dev/shm when the server is killed.
		{"dynamic_shared_memory_type", "mmap"},
		{"logging_collector", "off"},
		{"log_destination", "stderr"},
	})
	if err != nil {
		return err
	}
	var conf strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&conf, "%s = '%s'\n", l.name, strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(l.value))
	}
	return s.writeFile("postgresql.conf", conf.String())
}

// forgetReusedPid removes the file with the pid of a killed server if the pid is
// by now that of another process: the server would refuse to start if that is
// one of the same user. Otherwise the file stays, since it tells where the
// killed server's shared memory is.
func forgetReusedPid(s *Server) {
	text, err := os.ReadFile(postmasterPid(s))
	if err != nil {
		return
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if pid, err := strconv.Atoi(first); err != nil || startTime(pid) != 0 {
		os.Remove(postmasterPid(s))
	}
}

// postgresReady reads the file in which the server states its pid and, on the
// eighth line, whether it accepts connections. Asking over TCP could not tell
// this server from another one that has been given the same port.
func postgresReady(s *Server, r *run) bool {
	text, err := os.ReadFile(postmasterPid(s))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 &&
		lines[0] == strconv.Itoa(r.cmd.Process.Pid) &&
		(strings.TrimSpace(lines[7]) == "ready" || strings.TrimSpace(lines[7]) == "standby")
}
