package command

import (
	"database/sql"
	"net"
	"strings"
	"testing"

	"github.com/akaripool/akari/akaritest/localdb"
)

// server starts a private server and returns it with its DSN.
func server(t *testing.T, kind localdb.Kind) (s *localdb.Server, dsn string) {
	t.Helper()
	start := localdb.StartPostgres
	if kind == localdb.MariaDB {
		start = localdb.StartMariaDB
	}
	s, err := start(t.Context(), localdb.Options{MaxConnections: 40})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if kind == localdb.MariaDB {
		return s, s.MySQLDSN()
	}
	return s, s.URL()
}

func TestPrivateServers(t *testing.T) {
	for _, c := range []struct {
		args    []string
		version string
	}{
		{[]string{"-db", "postgres"}, "PostgreSQL "},
		{[]string{"-db", "postgres", "-driver", "postgres", "-rate", "50"}, "PostgreSQL "},
		{[]string{"-db", "postgres", "-compare", "-workload", "read"}, "PostgreSQL "},
		{[]string{"-db", "mariadb"}, "MariaDB "},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			leavesNothing(t)
			r := run(t, brief(append(c.args, "-max-errors", "0")...)...)
			if r.code != exitOK || !strings.HasPrefix(r.out, c.version) || !strings.Contains(r.out, "on a private server") {
				t.Fatalf("exit code %d\n%s%s", r.code, r.out, r.err)
			}
		})
	}
}

// own is a database of the user's with something in it.
type own struct {
	driver, dsn, secret string
	db                  *sql.DB
	tables              string // the query for the names of all tables
}

func (o *own) contents(t *testing.T) string {
	t.Helper()
	var all []string
	for _, query := range []string{o.tables, "SELECT v FROM precious ORDER BY v"} {
		rows, err := o.db.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(all, " ")
}

func TestOwnPostgres(t *testing.T) {
	leavesNothing(t)
	s, dsn := server(t, localdb.Postgres)
	tables := "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			testOwn(t, own{driver: driver, dsn: dsn, secret: s.Password, tables: tables})
		})
	}
	t.Run("in a schema", func(t *testing.T) {
		o := own{driver: "pgx", dsn: dsn, secret: s.Password, tables: tables}
		o.open(t)
		o.exec(t, "CREATE SCHEMA side")
		r := run(t, brief("-driver", "pgx", "-dsn", dsn, "-schema", "side", "-keep", "-max-errors", "0")...)
		if r.code != exitOK {
			t.Fatalf("%+v", r)
		}
		if got := o.contents(t); !strings.Contains(got, "side.akari_load_account side.akari_load_entry") {
			t.Errorf("the tables are not in the schema: %s", got)
		}
	})
}

func TestOwnMariaDB(t *testing.T) {
	leavesNothing(t)
	s, dsn := server(t, localdb.MariaDB)
	testOwn(t, own{driver: "mysql", dsn: dsn, secret: s.Password,
		tables: "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"})
}

func (o *own) open(t *testing.T) {
	t.Helper()
	db, err := sql.Open(o.driver, o.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	o.db = db
	o.exec(t, "DROP TABLE IF EXISTS precious", "CREATE TABLE precious (v VARCHAR(10))", "INSERT INTO precious VALUES ('a'), ('b')")
}

func (o *own) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := o.db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func testOwn(t *testing.T, o own) {
	o.open(t)
	before := o.contents(t)
	unchanged := func(t *testing.T, r result) {
		t.Helper()
		if after := o.contents(t); after != before {
			t.Errorf("the database held %q and holds %q", before, after)
		}
		for _, text := range []string{r.out, r.err} {
			if strings.Contains(text, o.secret) {
				t.Errorf("the password is shown:\n%s", text)
			}
		}
	}
	connect := func(dsn string, more ...string) []string {
		return brief(append([]string{"-driver", o.driver, "-dsn", dsn, "-max-errors", "0"}, more...)...)
	}

	t.Run("a load leaves it as it was", func(t *testing.T) {
		r := run(t, connect(o.dsn)...)
		if r.code != exitOK || !strings.Contains(r.out, `in your database "akari" at 127.0.0.1:`) {
			t.Errorf("%+v", r)
		}
		unchanged(t, r)
	})
	t.Run("the DSN may come from the environment", func(t *testing.T) {
		r := runIn(t, t.Context(), &Env{Args: brief("-driver", o.driver, "-max-errors", "0"), Getenv: func(name string) string {
			return map[string]string{"AKARI_DSN": o.dsn}[name]
		}})
		if r.code != exitOK {
			t.Errorf("%+v", r)
		}
		unchanged(t, r)
	})
	t.Run("wrong password", func(t *testing.T) {
		r := run(t, connect(strings.Replace(o.dsn, o.secret, o.secret+"wrong", 1))...)
		expectOneLine(t, r, "akari load: cannot open the database: ", "check the user name and the password in the -dsn")
		unchanged(t, r)
	})
	t.Run("no such database", func(t *testing.T) {
		at := strings.LastIndex(o.dsn, "/akari")
		r := run(t, connect(o.dsn[:at]+"/nothing"+o.dsn[at+len("/akari"):])...)
		expectOneLine(t, r, "nothing", "check the name of the database in the -dsn")
		unchanged(t, r)
	})
	t.Run("unreachable", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		_, rest, _ := strings.Cut(o.dsn, "127.0.0.1:")
		port := rest[:strings.IndexAny(rest, ")/")]
		r := run(t, connect(strings.Replace(o.dsn, "127.0.0.1:"+port, ln.Addr().String(), 1))...)
		expectOneLine(t, r, "refused", "check that the server runs at the address in the -dsn")
		unchanged(t, r)
	})
	t.Run("wrong SQL for new connections", func(t *testing.T) {
		r := run(t, connect(o.dsn, "-connection-init-sql", "NONSENSE")...)
		expectOneLine(t, r, "NONSENSE", "correct the -connection-init-sql")
		unchanged(t, r)
	})
	t.Run("a foreign table of our name", func(t *testing.T) {
		o.exec(t, "CREATE TABLE akari_load_account (id INT, v INT)")
		defer o.exec(t, "DROP TABLE akari_load_account")
		with := o.contents(t)
		r := run(t, connect(o.dsn)...)
		expectOneLine(t, r, "the table akari_load_account is there already, with 0 rows in place of 200: drop it")
		if after := o.contents(t); after != with {
			t.Errorf("the database held %q and holds %q", with, after)
		}
	})
}
