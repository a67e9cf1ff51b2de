package load

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTargetsThatMakeNoSense(t *testing.T) {
	for _, c := range []struct {
		target Target
		want   string // "" if it does make sense
	}{
		{Target{}, ""},
		{Target{Private: "postgres"}, ""},
		{Target{Private: "postgres", Driver: "postgres"}, ""},
		{Target{Private: "mariadb", Driver: "mysql"}, ""},
		{Target{Driver: "pgx", DSN: "postgres://x"}, ""},
		{Target{Driver: "mysql", DSN: "me:pw@/orders.db"}, ""},
		{Target{Driver: "sqlite", DSN: "/data/host=1.db"}, ""},
		{Target{Driver: "mysql", DSN: "postgres://me:hush@db/x"}, "the -dsn is one for -driver pgx or postgres, not for -driver mysql"},
		{Target{Driver: "sqlite", DSN: "postgresql://me:hush@db/x"}, "the -dsn is one for -driver pgx or postgres, not for -driver sqlite"},
		{Target{Driver: "mysql", DSN: "user=me password=hush dbname=x"}, "the -dsn is one for -driver pgx or postgres, not for -driver mysql"},
		{Target{Driver: "pgx", DSN: "me:hush@tcp(db:3306)/x"}, "the -dsn is one for -driver mysql, not for -driver pgx"},
		{Target{Driver: "sqlite", DSN: "me:hush@unix(/run/m.sock)/x"}, "the -dsn is one for -driver mysql, not for -driver sqlite"},
		{Target{Driver: "postgres", DSN: "file:x.db"}, "the -dsn is one for -driver sqlite, not for -driver postgres"},
		{Target{Driver: "mysql", DSN: "mysql://me:hush@db/x"}, "-driver mysql takes no URL: write the -dsn as user:password@tcp(host:3306)/name"},
		{Target{Private: "oracle"}, `-db is "oracle": must be sqlite, postgres or mariadb`},
		{Target{Driver: "odbc", DSN: "x"}, `-driver is "odbc": must be pgx, postgres (lib/pq), mysql or sqlite`},
		{Target{DSN: "x"}, "-dsn needs a -driver: pgx, postgres (lib/pq), mysql or sqlite"},
		{Target{Driver: "pgx"}, "-driver pgx needs a -dsn for your own database, or a -db for a private one"},
		{Target{Private: "mariadb", Driver: "pgx"}, "-driver pgx does not fit -db mariadb: use mysql"},
		{Target{Private: "postgres", Driver: "mysql"}, "-driver mysql does not fit -db postgres: use pgx or postgres"},
		{Target{Private: "sqlite", Driver: "sqlite", DSN: "x"}, "-db starts a private database and -dsn names your own: give one of them"},
	} {
		got := ""
		if err := c.target.validate(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.target, got, c.want)
		}
	}
}

func TestOwnDatabaseIsDescribedWithoutSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a b%c.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ driver, dsn, want string }{
		{"pgx", "postgres://me:hush%21hush@db.example.com:5433/orders?sslmode=disable", `in your database "orders" at db.example.com:5433`},
		{"postgres", "host=/run/pg user=me password=hush!hush dbname=orders", `in your database "orders" at /run/pg`},
		{"postgres", "host=db port=1 password='hush!hush' dbname=orders binary_parameters=yes", `in your database "orders" at db:1`},
		{"mysql", "me:hush!hush@tcp(db:3307)/orders?parseTime=true", `in your database "orders" at db:3307`},
		{"sqlite", file, "in your file " + file},
		{"sqlite", "file:" + escapePath(file) + "?_pragma=busy_timeout(1)", "in your file " + file},
		{"sqlite", "file://" + escapePath(file), "in your file " + file},
	} {
		db, err := Target{Driver: c.driver, DSN: c.dsn}.ownDatabase()
		if err != nil {
			t.Errorf("%s: %v", c.dsn, err)
			continue
		}
		if db.where != c.want || db.dsn != c.dsn {
			t.Errorf("%s: %q, want %q", c.dsn, db.where, c.want)
		}
		if c.driver == "sqlite" {
			continue
		}
		for _, secret := range []string{"hush!hush", c.dsn} {
			if got := db.mask("it says " + secret + " here"); got != "it says <masked> here" {
				t.Errorf("%s: %q is shown", c.dsn, got)
			}
		}
	}
}

func TestAddressesThatFailedAreToldApart(t *testing.T) {
	const addresses = "host=127.0.0.1,127.0.0.1 port=1,2 user=me dbname=x sslmode=prefer"
	for _, driver := range []string{"pgx", "postgres"} {
		db, err := sql.Open(driver, addresses)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		text := errorText(db.PingContext(t.Context()))
		for _, address := range []string{"127.0.0.1:1", "127.0.0.1:2"} {
			if n := strings.Count(text, "dial tcp "+address+": connect: connection refused"); n != 1 {
				t.Errorf("%s: %s is told of %d times: %s", driver, address, n, text)
			}
		}
		if strings.Count(text, "refused; ") != 1 || strings.Contains(text, ":;") {
			t.Errorf("%s: %s", driver, text)
		}
	}
	if got, want := errorText(errors.New("near 'a\n\tb'")), "near 'a b'"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTablesLeftBehindAreCounted(t *testing.T) {
	for want, made := range map[string][]string{
		"":                               nil,
		"drop it yourself: DROP TABLE a": {"a"},
		"drop them yourself: DROP TABLE a; DROP TABLE b": {"a", "b"},
	} {
		if got := (&tables{made: made}).leftBehind(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestOwnDatabaseThatCannotBe(t *testing.T) {
	folder := t.TempDir()
	missing := filepath.Join(folder, "missing.db")
	for _, c := range []struct{ driver, dsn, want string }{
		{"sqlite", missing, "there is no file " + missing},
		{"sqlite", "file:" + missing + "?mode=rwc", "there is no file " + missing},
		{"sqlite", folder, folder + " is a folder"},
		{"sqlite", ":memory:", "belongs to one connection"},
		{"sqlite", "file::memory:?cache=shared", "belongs to one connection"},
		{"sqlite", "file:x?mode=memory", "belongs to one connection"},
		{"sqlite", "file:a%zz", "the -dsn cannot be read"},
		{"mysql", "me:hush@tcp(db)/", "names no database"},
		{"mysql", "me:hush@tcp(db", "the -dsn cannot be read"},
		{"pgx", "postgres://me:hush@db:port/x", "the -dsn cannot be read"},
	} {
		_, err := Target{Driver: c.driver, DSN: c.dsn}.ownDatabase()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.dsn, err, c.want)
		} else if strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.dsn, err)
		}
	}
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
