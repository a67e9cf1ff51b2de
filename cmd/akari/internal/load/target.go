package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"
)

// Target says which database the load is put on: a temporary one, by Private,
// or the user's own, by Driver and DSN.
type Target struct {
	Private string // "sqlite" (if all is empty), "postgres" or "mariadb"
	Driver  string // pgx, postgres (lib/pq), mysql or sqlite; with Private "postgres", pgx or postgres
	DSN     string
}

// privateDrivers are the drivers for each private database, the default first.
var privateDrivers = map[string][]string{"sqlite": {"sqlite"}, "postgres": {"pgx", "postgres"}, "mariadb": {"mysql"}}

func (t Target) validate() error {
	_, known := dialects[t.Driver]
	drivers, private := privateDrivers[cmp.Or(t.Private, "sqlite")]
	switch {
	case t.Driver != "" && !known:
		return fmt.Errorf("-driver is %q: must be pgx, postgres (lib/pq), mysql or sqlite", t.Driver)
	case t.DSN != "" && t.Private != "":
		return errors.New("-db starts a private database and -dsn names your own: give one of them")
	case t.DSN != "" && t.Driver == "":
		return errors.New("-dsn needs a -driver: pgx, postgres (lib/pq), mysql or sqlite")
	case t.DSN != "":
		return t.fits()
	case !private:
		return fmt.Errorf("-db is %q: must be sqlite, postgres or mariadb", t.Private)
	case t.Driver != "" && t.Private == "":
		return fmt.Errorf("-driver %s needs a -dsn for your own database, or a -db for a private one", t.Driver)
	case t.Driver != "" && !slices.Contains(drivers, t.Driver):
		return fmt.Errorf("-driver %s does not fit -db %s: use %s", t.Driver, t.Private, strings.Join(drivers, " or "))
	}
	return nil
}

// dialect is the target's, as soon as the target is valid.
func (t Target) dialect() dialect {
	if t.Driver != "" {
		return dialects[t.Driver]
	}
	return dialects[privateDrivers[cmp.Or(t.Private, "sqlite")][0]]
}

// database is an opened target.
type database struct {
	driver, dsn string
	dialect     dialect
	where       string // as it is shown
	version     string
	own         bool // the user's own
	secrets     []string
	close       func() error // removes what was made for it; nil if nothing was
}

// settleTime bounds what is done to a database before and after the load.
const settleTime = time.Minute

// open opens the target, and makes sure that it can be reached.
func (t Target) open(ctx context.Context, plan *Plan, con *Console) (*database, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	db, err := t.begin(ctx, plan, con)
	if err != nil {
		return nil, err
	}
	if err := db.greet(ctx, plan); err != nil {
		return nil, errors.Join(err, db.shut())
	}
	return db, nil
}

// quiet keeps go-sql-driver/mysql from writing to stderr: its errors are in the
// report.
var quiet = sync.OnceFunc(func() { _ = mysqldriver.SetLogger(&mysqldriver.NopLogger{}) })

func (t Target) begin(ctx context.Context, plan *Plan, con *Console) (*database, error) {
	quiet()
	if t.DSN != "" {
		return t.ownDatabase()
	}
	switch t.Private {
	case "postgres":
		return t.privateServer(ctx, plan, con, localdb.Postgres)
	case "mariadb":
		return t.privateServer(ctx, plan, con, localdb.MariaDB)
	}
	return temporaryFile(con)
}

// temporaryFile makes a SQLite database in a folder of its own.
func temporaryFile(con *Console) (*database, error) {
	sweepTemporary(os.TempDir())
	folder, unlock, err := newTemporary(os.TempDir(), lockFolder)
	if err != nil {
		return nil, fmt.Errorf("there is no place for a temporary database: %w", err)
	}
	forget := con.AtOnce.add(func() { os.RemoveAll(folder) })
	dsn := "file:" + escapePath(filepath.Join(folder, temporaryFileName)) +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(60000)&_txlock=immediate"
	return &database{driver: "sqlite", dsn: dsn, dialect: sqlite, where: "in a temporary file", close: func() error {
		defer forget()
		defer unlock()
		return os.RemoveAll(folder)
	}}, nil
}

// escapePath writes a path for a file: URI.
func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
}

// privateServer starts a server from the installed programs.
func (t Target) privateServer(ctx context.Context, plan *Plan, con *Console, kind localdb.Kind) (*database, error) {
	if _, err := localdb.Find(kind); err != nil {
		return nil, err
	}
	con.Note("starting a private %v", kind)
	options := localdb.Options{MaxConnections: max(100, 2*poolSize(plan.Pool)+20)}
	start := localdb.StartPostgres
	if kind == localdb.MariaDB {
		start = localdb.StartMariaDB
	}
	server, err := start(ctx, options)
	if err != nil {
		return nil, err
	}
	db := &database{where: "on a private server", close: server.Close, secrets: []string{server.Password}}
	db.driver = cmp.Or(t.Driver, privateDrivers[t.Private][0])
	db.dialect = dialects[db.driver]
	if kind == localdb.MariaDB {
		db.dsn = server.MySQLDSN()
	} else {
		db.dsn = server.URL()
	}
	return db, nil
}

// greet connects once, through a pool of one connection, so that what is wrong
// is told in the pool's words, which show no password.
func (db *database) greet(ctx context.Context, plan *Plan) error {
	p, err := db.setupPool(ctx, plan)
	if err != nil {
		return db.unreachable(err)
	}
	defer p.Close()
	if err := p.DB().QueryRowContext(ctx, db.dialect.versionQuery()).Scan(&db.version); err != nil {
		return db.unreachable(err)
	}
	return nil
}

// setupPool opens a pool for what is done before and after the load. Its
// sessions find tables where those of the load do.
func (db *database) setupPool(ctx context.Context, plan *Plan) (*akari.Pool, error) {
	return akari.Open(ctx, db.driver, db.dsn, akari.Config{
		PoolName:          "akari-load-setup",
		MaximumPoolSize:   1,
		ConnectionTimeout: 10 * time.Second,
		ConnectionInitSQL: plan.Pool.ConnectionInitSQL,
		Schema:            plan.Pool.Schema,
		Dialect:           plan.Pool.Dialect,
		Logger:            slog.New(slog.DiscardHandler),
	})
}

// unreachable says in one line why the database cannot be used, and what to do.
func (db *database) unreachable(err error) error {
	var init *akari.InitError
	if errors.As(err, &init) {
		err = init.Cause
	}
	var bad *akari.ConfigError
	if errors.As(err, &bad) {
		return bad
	}
	return fmt.Errorf("cannot open the database: %s; %s", db.mask(errorText(err)), db.advice(err))
}

func (db *database) shut() error {
	if db.close == nil {
		return nil
	}
	if err := db.close(); err != nil {
		return fmt.Errorf("could not remove the temporary database: %w", err)
	}
	return nil
}

// mask hides passwords in a text. The pool does so in its errors; this is for
// those of plain database/sql.
func (db *database) mask(text string) string {
	for _, s := range db.secrets {
		if len(s) > 2 {
			text = strings.ReplaceAll(text, s, "<masked>")
		}
	}
	return text
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// errorText puts an error on one line. Drivers that have tried several addresses
// tell of each on a line, often twice, with TLS and without.
func errorText(err error) string {
	var connect *pgconn.ConnectError
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &connect) && !errors.As(err, &joined) {
		return oneLine(err.Error())
	}
	var b strings.Builder
	seen := map[string]bool{}
	for line := range strings.Lines(err.Error()) {
		line = oneLine(line)
		if line == "" || seen[line] {
			continue
		}
		seen[line] = true
		switch soFar := b.String(); {
		case soFar == "":
		case strings.HasSuffix(soFar, ":"):
			b.WriteString(" ")
		default:
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	return b.String()
}
