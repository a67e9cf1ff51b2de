package conformance

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/akaripool/akari"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"
)

// database is a driver and where it is to connect to.
type database struct {
	name, driver, dsn string
	dialect           *Dialect
	values            []Value
	kill              func() error
	cases             []Case // of the driver's own
	fragile           bool
	skip              map[string]string

	// brief: a variation of another one, examined with one configuration of the
	// pool only.
	brief bool
}

// TestDrivers runs all cases on the drivers that people use, bare and through
// the pool.
func TestDrivers(t *testing.T) {
	for _, open := range []func(testing.TB) database{pgxDatabase, pqDatabase, mysqlDatabase, sqliteDatabase} {
		d := open(t)
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			d.examine(t)
		})
	}
}

// examine compares the bare driver with all variants of the pool.
func (d database) examine(t *testing.T) {
	admin := d.open(t)
	for _, text := range d.dialect.Setup {
		if _, err := admin.Exec(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	cases := slices.Concat(Cases(), d.cases)
	bare := map[int][]Transcript{}
	for _, v := range variants {
		if d.brief && v.name != "four connections" {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			if bare[v.size] == nil {
				start := time.Now()
				bare[v.size] = d.transcripts(t, admin, v.size, cases)
				t.Logf("the bare driver took %v", time.Since(start))
			}
			renew := func() *Target { return d.pooled(t, v) } // closed when all cases have run
			target := renew()
			clear := "DELETE FROM items"
			if _, err := admin.Exec(clear); err != nil {
				t.Fatal(err)
			}
			for i, c := range cases {
				if !target.Takes(c) || v.restless && matches("arguments", c.Name) { // a connect for each value takes minutes
					continue
				}
				t.Run(c.Name, func(t *testing.T) {
					if bare[v.size][i] == nil {
						t.Skip("not run on the bare driver")
					}
					start := time.Now()
					got, err := target.Do(c, i)
					if n := inUse(target.DB); n > 0 || errors.Is(err, ErrHangs) {
						target = renew() // for the next
						t.Errorf("%d connections are in use afterwards", n)
					}
					if err != nil {
						t.Fatal(err)
					}
					diff := Compare(d.name, c, bare[v.size][i], got, met)
					for range 2 { // what is left to chance differs from run to run, not only from the pool's
						if diff == "" {
							break
						}
						t.Logf("once more: %s", diff)
						diff = d.again(t, admin, target, v, c, i)
					}
					if diff != "" {
						t.Error(diff)
					}
					if took := time.Since(start); took > time.Second {
						t.Logf("took %v", took)
					}
				})
			}
		})
	}
}

// again runs a case once more, bare and through the pool, and compares.
func (d database) again(t *testing.T, admin *sql.DB, pooled *Target, v variant, c Case, number int) (diff string) {
	t.Helper()
	bare := d.bare(t, v.size)
	var got [2]Transcript
	for i, target := range []*Target{bare, pooled} {
		if _, err := admin.Exec("DELETE FROM items"); err != nil {
			t.Fatal(err)
		}
		var err error
		if got[i], err = target.Do(c, number); err != nil {
			t.Fatal(err)
		}
	}
	return Compare(d.name, c, got[0], got[1], met)
}

// transcripts runs the cases on the bare driver. Where it hangs, or keeps a
// connection, there is nothing to compare with: the case is left out, and a new
// target taken.
func (d database) transcripts(t *testing.T, admin *sql.DB, conns int, cases []Case) []Transcript {
	if _, err := admin.Exec("DELETE FROM items"); err != nil {
		t.Fatal(err)
	}
	out := make([]Transcript, len(cases))
	target := d.bare(t, conns)
	for i, c := range cases {
		if !target.Takes(c) {
			continue
		}
		t.Run("bare/"+c.Name, func(tt *testing.T) {
			got, err := target.Do(c, i)
			n := inUse(target.DB)
			switch {
			case n > 0 || errors.Is(err, ErrHangs):
				target = d.bare(t, conns)
				tt.Skipf("the bare driver keeps %d connections (%v)", n, errors.Is(err, ErrHangs))
			case err != nil:
				tt.Fatal(err)
			}
			out[i] = got
		})
	}
	return out
}

// inUse is how many connections are in use still, when those that are on their
// way back have had time.
func inUse(db *sql.DB) int {
	for range 200 {
		if db.Stats().InUse == 0 {
			return 0
		}
		time.Sleep(5 * time.Millisecond)
	}
	return db.Stats().InUse
}

// met is told which of the differences that are meant to be have been met.
func met(name string) {
	if n, ok := metDifferences[name]; ok {
		n.Add(1)
	}
}

var metDifferences = func() map[string]*atomic.Int64 {
	m := map[string]*atomic.Int64{}
	for _, d := range Differences {
		m[d.Name] = new(atomic.Int64)
	}
	return m
}()

// open opens the driver without a pool.
func (d database) open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// bare is the driver under database/sql alone.
func (d database) bare(t testing.TB, conns int) *Target {
	open := func() *sql.DB {
		db := d.open(t)
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db
	}
	target := d.target(open(), conns)
	target.Raw = (*sql.Conn).Raw
	target.Reopen = func() (*sql.DB, error) { return open(), nil }
	return target
}

// pooled is the driver under the pool.
func (d database) pooled(t testing.TB, v variant) *Target {
	open := func() (*akari.Pool, error) {
		var pool atomic.Pointer[akari.Pool]
		p, err := akari.Open(t.Context(), d.driver, d.dsn, v.config(func(id uint64) {
			if p := pool.Load(); p != nil {
				p.EvictConn(id)
			}
		}))
		pool.Store(p)
		return p, err
	}
	p, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if s := p.Stats(); s.Total != 0 || s.Acquired != s.Released || s.Opened != s.TotalClosed() {
			t.Errorf("after Close: %+v", s)
		}
	})
	target := d.target(p.DB(), v.size)
	if target.Restless = v.restless; v.restless {
		target.Patience = restlessPatience
	}
	target.Raw = akari.Raw
	target.Reopen = func() (*sql.DB, error) {
		p, err := open()
		if err != nil {
			return nil, err
		}
		return p.DB(), nil
	}
	return target
}

func (d database) target(db *sql.DB, conns int) *Target {
	return &Target{Driver: d.name, DB: db, Dialect: d.dialect, Conns: conns, Kill: d.kill, Values: d.values, Hide: hide, Fragile: d.fragile, Skip: d.skip}
}

// hide replaces what is different in each run.
func hide(text string) string {
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	return text
}

var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "<address>"},
	{regexp.MustCompile(`0x[0-9a-f]{6,}`), "<pointer>"},
	{regexp.MustCompile(`stmt(cache)?_[0-9a-f]+`), "<statement>"},
	// pgx fails a step earlier if it has not yet prepared the text on the
	// connection at hand.
	{regexp.MustCompile(`\*pgconn\.PrepareError>`), ""},
}

func pgxDatabase(t testing.TB) database {
	d := postgresDatabase(t, "pgx", "pgx", "")
	d.fragile = true
	d.skip = map[string]string{}
	for _, text := range []string{"statements/nothing, prepared", "statements/odd/0, prepared"} {
		d.skip[text] = "pgx leaves an empty statement on the connection when it is closed, and fails to prepare it a second time; the pool keeps it"
	}
	return d
}

func pqDatabase(t testing.TB) database {
	d := postgresDatabase(t, "pq", "postgres", "")
	d.fragile = true
	d.skip = map[string]string{
		"arguments/value/string long":         "lib/pq loses its place in the protocol and waits for ever",
		"prepared/closed while rows are open": "lib/pq sends the request to close into the result, and loses the connection",
	}
	return d
}

func postgresDatabase(t testing.TB, name, driver, options string) database {
	t.Helper()
	srv := postgres.Get(t)
	admin, err := sql.Open("pgx", srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	db := "conformance_" + strings.ReplaceAll(name, " ", "_")
	if _, err := admin.Exec("CREATE DATABASE " + db); err != nil {
		t.Fatal(err)
	}
	return database{
		name: name, driver: driver, dialect: Postgres,
		dsn: strings.Replace(srv.URL(), "/"+srv.Database+"?", "/"+db+"?"+options, 1),
		kill: func() error {
			var pids []int64 // only these: a pool replaces them at once
			rows, err := admin.Query("SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", db)
			if err != nil {
				return err
			}
			for rows.Next() {
				var pid int64
				if err := rows.Scan(&pid, new(bool)); err != nil {
					return err
				}
				pids = append(pids, pid)
			}
			if err := rows.Err(); err != nil {
				return err
			}
			return eventually(func() (bool, error) {
				var n int
				err := admin.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1)", pids).Scan(&n)
				return n == 0, err
			})
		},
	}
}

func mysqlDatabase(t testing.TB) database {
	d := mariaDatabase(t, "mysql", "multiStatements=true&parseTime=true")
	d.fragile = true
	d.skip = map[string]string{
		"prepared/closed while rows are open": "go-sql-driver/mysql sends the request to close into the result, and loses the connection",
	}
	for _, name := range []string{"arguments/number", "arguments/asked once", "statements/insert returning", "statements/fail"} {
		d.skip[name] = "Exec of a prepared query: go-sql-driver/mysql 1.10 waits for columns that MariaDB has sent when it was prepared"
	}
	return d
}

func mariaDatabase(t testing.TB, name, options string) database {
	t.Helper()
	srv := mariadb.Get(t)
	admin, err := sql.Open("mysql", srv.MySQLDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	db := "conformance_" + strings.ReplaceAll(name, " ", "_")
	if _, err := admin.Exec("CREATE DATABASE " + db); err != nil {
		t.Fatal(err)
	}
	return database{
		name: name, driver: "mysql", dialect: MySQL,
		dsn: strings.TrimSuffix(srv.MySQLDSN(), srv.Database) + db + "?" + options,
		kill: func() error {
			processes := func() (ids []int64, err error) {
				rows, err := admin.Query("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = ?", db)
				if err != nil {
					return nil, err
				}
				for rows.Next() {
					var id int64
					if err := rows.Scan(&id); err != nil {
						return nil, err
					}
					ids = append(ids, id)
				}
				return ids, rows.Err()
			}
			ids, err := processes() // only these: a pool replaces them at once
			if err != nil {
				return err
			}
			return eventually(func() (bool, error) {
				now, err := processes()
				if err != nil {
					return false, err
				}
				left := false
				for _, id := range now {
					if slices.Contains(ids, id) {
						left = true
						_, _ = admin.Exec(fmt.Sprintf("KILL %d", id)) // it may be gone by now
					}
				}
				return !left, nil
			})
		},
	}
}

func sqliteDatabase(t testing.TB) database {
	path := filepath.Join(t.TempDir(), "conformance.db")
	skip := map[string]string{
		"prepared/closed while rows are open": "modernc.org/sqlite goes on reading in freed memory",
		"scan/table of kinds":                 "modernc.org/sqlite has no type for a column without rows",
	}
	empty := []string{"statements/nothing"}
	for i := range 6 {
		empty = append(empty, fmt.Sprint("statements/odd/", i))
	}
	for _, name := range empty {
		why := "modernc.org/sqlite returns neither a result nor an error for an empty statement"
		skip[name], skip[name+", prepared"] = why, why
	}
	return database{
		name: "sqlite", driver: "sqlite", dialect: SQLite,
		dsn:  "file:" + path + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)",
		skip: skip,
	}
}

// eventually polls what a server brings about in its own time.
func eventually(ok func() (bool, error)) error {
	end := time.Now().Add(10 * time.Second)
	for {
		done, err := ok()
		if done || err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within ten seconds")
		}
		time.Sleep(time.Millisecond)
	}
}
