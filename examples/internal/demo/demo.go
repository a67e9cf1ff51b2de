// Package demo has what the examples share and what is of no interest in them:
// finding a database to run on, and SQL that each database spells in its own
// way. It also imports the drivers of the servers. Your program needs none of it
// but one driver.
package demo

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
)

// Names of the drivers, as they register themselves with database/sql.
const (
	SQLite = "sqlite"   // modernc.org/sqlite
	Pgx    = "pgx"      // github.com/jackc/pgx/v5/stdlib
	Pq     = "postgres" // github.com/lib/pq
	MySQL  = "mysql"    // github.com/go-sql-driver/mysql
)

// Postgres reports whether a driver is for PostgreSQL.
func Postgres(driver string) bool { return driver == Pgx || driver == Pq }

// Main is the main function of an example. It runs the program on the database
// that the flags -driver and -dsn name, or else on a new SQLite database, which
// is removed afterwards. The context ends with Ctrl-C or SIGTERM.
func Main(program func(ctx context.Context, driver, dsn string) error) {
	driver := flag.String("driver", SQLite, "`name` of the driver: sqlite, pgx, postgres (lib/pq) or mysql (MariaDB too)")
	dsn := flag.String("dsn", "", "data source `name`, as the driver wants it; for sqlite a temporary file if empty")
	parse()
	exit(func(ctx context.Context) error {
		if *dsn != "" {
			return program(ctx, *driver, *dsn)
		}
		if *driver != SQLite {
			return fmt.Errorf("-driver %s needs -dsn, the name of a database to run on", *driver)
		}
		dir, err := os.MkdirTemp("", "akari-example-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		return program(ctx, SQLite, SQLiteDSN(filepath.Join(dir, "example.db")))
	})
}

// MainPostgres is Main for examples of what only PostgreSQL has. Without -dsn it
// starts a PostgreSQL server of its own, if one is installed, and removes it
// afterwards.
func MainPostgres(program func(ctx context.Context, dsn string) error) {
	dsn := flag.String("dsn", "", "`URL` of a PostgreSQL database; if empty a private server is started")
	parse()
	exit(func(ctx context.Context) error {
		if *dsn != "" {
			return program(ctx, *dsn)
		}
		start, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		server, err := localdb.StartPostgres(start, localdb.Options{})
		if err != nil {
			return fmt.Errorf("%w\n(or run it on a database of yours: -dsn postgres://user:password@host/database)", err)
		}
		defer server.Close()
		return program(ctx, server.URL())
	})
}

func parse() {
	log.SetFlags(0)
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unknown argument %q; -h shows the flags", flag.Arg(0))
	}
}

// exit runs the program and ends the process, with code 1 if it failed.
func exit(program func(context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := program(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// SQLiteDSN names a SQLite database for several connections at once: readers do
// not wait for the writer (WAL), and writers wait for each other instead of
// failing with "database is locked" (busy_timeout and _txlock).
func SQLiteDSN(file string) string {
	return "file:" + filepath.ToSlash(file) +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)&_txlock=immediate"
}

// Bind writes the placeholders of a query as the driver wants them: $1, $2 for
// PostgreSQL, ? for the others.
func Bind(driver, query string) string {
	if !Postgres(driver) {
		return query
	}
	var b strings.Builder
	n := 0
	for piece := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(piece)
		n++
	}
	return b.String()
}

// SlowQuery is a query that takes far longer than anybody would wait. It is one
// that the server gives up soon after its client has: PostgreSQL is asked to, and
// the others have more rows to deliver than anybody takes. (A SLEEP in MariaDB
// looks only every five seconds whether its client is still there.)
func SlowQuery(driver string) string {
	switch {
	case Postgres(driver):
		return "SELECT CAST(pg_sleep(60) AS text)"
	case driver == MySQL:
		return "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) SELECT a.i FROM n a, n b, n c, n d"
	}
	return "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
}
