package exampletest

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"
)

// Drivers are those that the examples run on. SQLite's is the one that the
// example imports.
var Drivers = []string{demo.SQLite, demo.Pgx, demo.Pq, demo.MySQL}

// Database is an empty database of its own, which goes when the test ends.
type Database struct {
	Driver string
	DSN    string
	Server *localdb.Server // nil for SQLite
	Most   int             // how many connections a pool may have; 0: its MaximumPoolSize

	name string // at the server; SQLite's file
	eye  *sql.DB
	wire wire
}

var databases atomic.Int64

// NewDatabase makes a database for a driver.
func NewDatabase(t testing.TB, driverName string) *Database {
	t.Helper()
	d := &Database{Driver: driverName, name: fmt.Sprintf("example_%d", databases.Add(1))}
	switch {
	case driverName == demo.SQLite:
		d.name = filepath.Join(t.TempDir(), "example.db")
		d.DSN = demo.SQLiteDSN(d.name)
	case demo.Postgres(driverName):
		d.Server = servers[localdb.Postgres].get(t)
		d.DSN = named(t, d.Server.URL(), d.Server, d.name)
		d.create(t, d.Server.URL(), " WITH (FORCE)")
	case driverName == demo.MySQL:
		d.Server = servers[localdb.MariaDB].get(t)
		d.DSN = named(t, d.Server.MySQLDSN(), d.Server, d.name)
		d.create(t, d.Server.MySQLDSN(), "")
	default:
		t.Fatalf("no database for driver %q", driverName)
	}
	return d
}

// named is the server's DSN for another of its databases.
func named(t testing.TB, dsn string, s *localdb.Server, name string) string {
	t.Helper()
	host, rest, found := strings.Cut(dsn, "@")
	if !found || !strings.Contains(rest, "/"+s.Database) {
		t.Fatal("the form of the server's DSN is not known here")
	}
	return host + "@" + strings.Replace(rest, "/"+s.Database, "/"+name, 1)
}

// create makes the database by a connection to another one, which is kept to
// watch it.
func (d *Database) create(t testing.TB, dsn, force string) {
	t.Helper()
	eye, err := sql.Open(d.Driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	d.eye = eye
	d.eye.SetMaxOpenConns(1)
	if _, err := d.eye.Exec("CREATE DATABASE " + d.name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := d.eye.Exec("DROP DATABASE " + d.name + force); err != nil {
			t.Error(err)
		}
		d.eye.Close()
	})
}

// Connections counts the connections to the database: at the server, for SQLite
// by this process's open files.
func (d *Database) Connections(t testing.TB) int {
	t.Helper()
	if d.Driver == demo.SQLite {
		return openFiles(t, d.name)
	}
	query := "SELECT count(*) FROM information_schema.processlist WHERE db = ?"
	if demo.Postgres(d.Driver) {
		query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
	}
	var n int
	if err := d.eye.QueryRow(query, d.name).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func openFiles(t testing.TB, file string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if target, _ := os.Readlink("/proc/self/fd/" + fd.Name()); target == file {
			n++
		}
	}
	return n
}

// Connector is what the driver makes of the DSN, but its sockets are counted.
func (d *Database) Connector(t testing.TB) driver.Connector {
	t.Helper()
	c, err := d.connector()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (d *Database) connector() (driver.Connector, error) {
	switch d.Driver {
	case demo.Pgx:
		cfg, err := pgx.ParseConfig(d.DSN)
		if err != nil {
			return nil, err
		}
		cfg.DialFunc = d.wire.dial
		return stdlib.GetConnector(*cfg), nil
	case demo.Pq:
		c, err := pq.NewConnector(d.DSN)
		if err == nil {
			c.Dialer(&d.wire)
		}
		return c, err
	case demo.MySQL:
		cfg, err := mysql.ParseDSN(d.DSN)
		if err != nil {
			return nil, err
		}
		cfg.DialFunc = d.wire.dial
		return mysql.NewConnector(cfg)
	}
	return nil, fmt.Errorf("no connector for driver %q", d.Driver)
}

// Bare opens the database with the driver and without the pool, with as many
// connections as the pool would have.
func (d *Database) Bare(t testing.TB, connections int) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.Driver, d.DSN)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
