package load

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
)

// The forms of data source names, as far as they cannot be another driver's.
var dsnForms = []struct {
	text *regexp.Regexp
	of   []string // the drivers
}{
	{regexp.MustCompile(`(?i)^(postgres|postgresql)://|^\s*(host|hostaddr|port|user|password|dbname|service|sslmode)\s*=`), []string{"pgx", "postgres"}},
	{regexp.MustCompile(`(?i)@(tcp6?|unix)\(|^(mysql|mariadb)://`), []string{"mysql"}},
	{regexp.MustCompile(`(?i)^(file|sqlite3?):`), []string{"sqlite"}},
}

var scheme = regexp.MustCompile(`^[a-z]+://`)

// fits refuses a data source name that is another driver's; the driver's own
// words would not say so.
func (t Target) fits() error {
	for _, form := range dsnForms {
		if !form.text.MatchString(t.DSN) {
			continue
		}
		if !slices.Contains(form.of, t.Driver) {
			return fmt.Errorf("the -dsn is one for -driver %s, not for -driver %s", strings.Join(form.of, " or "), t.Driver)
		}
		break
	}
	if t.Driver == "mysql" && scheme.MatchString(t.DSN) {
		return errors.New("-driver mysql takes no URL: write the -dsn as user:password@tcp(host:3306)/name")
	}
	return nil
}

// ownDatabase is the user's: it is described without secrets, and nothing is
// made for it.
func (t Target) ownDatabase() (*database, error) {
	db := &database{driver: t.Driver, dsn: t.DSN, dialect: dialects[t.Driver], own: true, secrets: []string{t.DSN}}
	var err error
	switch db.dialect {
	case postgres:
		err = db.describePostgres()
	case mysql:
		err = db.describeMySQL()
	default:
		err = db.describeSQLite()
	}
	return db, err
}

func (db *database) describePostgres() error {
	cfg, err := pgx.ParseConfig(db.dsn)
	if err != nil {
		if db.driver == "pgx" {
			return fmt.Errorf("the -dsn cannot be read: %s", db.mask(oneLine(err.Error())))
		}
		db.where = "in your database"
		return nil // lib/pq reads it in its own way, and says itself what is wrong
	}
	db.secrets = append(db.secrets, cfg.Password, url.QueryEscape(cfg.Password), url.PathEscape(cfg.Password))
	addr := cfg.Host
	if !strings.HasPrefix(addr, "/") {
		addr = net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))
	}
	db.where = fmt.Sprintf("in your database %q at %s", cfg.Database, addr)
	return nil
}

func (db *database) describeMySQL() error {
	cfg, err := mysqldriver.ParseDSN(db.dsn)
	if err != nil {
		return fmt.Errorf("the -dsn cannot be read: %s", db.mask(oneLine(err.Error())))
	}
	db.secrets = append(db.secrets, cfg.Passwd)
	if cfg.DBName == "" {
		return errors.New("the -dsn names no database: end it with /name")
	}
	db.where = fmt.Sprintf("in your database %q at %s", cfg.DBName, cfg.Addr)
	return nil
}

// describeSQLite refuses files that are not there: SQLite would create them.
func (db *database) describeSQLite() error {
	path, query, _ := strings.Cut(db.dsn, "?")
	if rest, isURI := strings.CutPrefix(path, "file:"); isURI {
		path = rest
		if after, ok := strings.CutPrefix(path, "//"); ok {
			path = strings.TrimPrefix(after, "localhost")
		}
		plain, err := url.PathUnescape(path)
		if err != nil {
			return errors.New("the -dsn cannot be read: a % in a file: URI begins an escape of two hexadecimal digits")
		}
		path = plain
	}
	if path == "" || path == ":memory:" || strings.Contains(query, "mode=memory") {
		return errors.New("a SQLite database in memory belongs to one connection, a pool cannot share it: name a file in the -dsn, or leave -driver and -dsn out for a temporary one")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no file %s: create the database first, or leave -driver and -dsn out for a temporary one", path)
	case err != nil:
		return fmt.Errorf("cannot use the database: %w", err)
	case info.IsDir():
		return fmt.Errorf("%s is a folder: name the file of the database in the -dsn", path)
	}
	db.where = "in your file " + path
	return nil
}
