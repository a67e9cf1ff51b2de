package localdb

import (
	"fmt"
	"net/url"
)

// URL returns the URL by which drivers for PostgreSQL (pgx, lib/pq) connect to
// the server, without TLS. It holds the password. It panics for MariaDB.
func (s *Server) URL() string { return s.URLAt(s.Addr()) }

// URLAt is URL with another address, "host:port", such as that of a proxy in
// front of the server.
func (s *Server) URLAt(addr string) string {
	if s.Kind == MariaDB {
		panic("localdb: URL is for PostgreSQL and PgBouncer; MariaDB has MySQLDSN")
	}
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(s.User, s.Password),
		Host:     addr,
		Path:     "/" + s.Database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// MySQLDSN returns the name by which go-sql-driver/mysql connects to the
// server; parameters may be added to it after a "?". It holds the password. It
// panics for other kinds than MariaDB.
func (s *Server) MySQLDSN() string { return s.MySQLDSNAt(s.Addr()) }

// MySQLDSNAt is MySQLDSN with another address, "host:port", such as that of a
// proxy in front of the server.
func (s *Server) MySQLDSNAt(addr string) string {
	if s.Kind != MariaDB {
		panic(fmt.Sprintf("localdb: MySQLDSN is for MariaDB; %v has URL", s.Kind))
	}
	return fmt.Sprintf("%s:%s@tcp(%s)/%s", s.User, s.Password, addr, s.Database)
}
