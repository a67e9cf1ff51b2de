package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"testing"
	"time"

	"github.com/akaripool/akari"
)

// preparedAtServer is how many statements the session has at the server, or all
// sessions have, in MariaDB.
func preparedAtServer(t testing.TB, d database, c *sql.Conn) int {
	t.Helper()
	if d.postgres() {
		return one[int](t, c, "SELECT count(*) FROM pg_prepared_statements")
	}
	var name string
	var n int
	if err := c.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'").Scan(&name, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestStatementCacheIsBoundedWithinALongLoanToo(t *testing.T) {
	const size = 20
	for _, d := range allServers(t)[1:] { // pgx has a cache of its own
		for name, first := range map[string]string{
			"many texts": "SELECT 1", "after the search path was set": "SET search_path = public", "after a temporary table": "CREATE TEMPORARY TABLE mine (id INT)",
		} {
			if !d.postgres() && first[:3] == "SET" {
				continue
			}
			t.Run(d.name+"/"+name, func(t *testing.T) {
				c := conn(t, open(t, d, akari.Config{MaximumPoolSize: 1, StatementCacheSize: size}).DB())
				before := preparedAtServer(t, d, c)
				mustExec(t, c, first)
				for i := range 30 * size {
					text := fmt.Sprintf("SELECT %d + ?", i%(10*size))
					if d.postgres() {
						text = fmt.Sprintf("SELECT %d + $1::int", i%(10*size))
					}
					if got := one[int](t, c, text, 1); got != i%(10*size)+1 {
						t.Fatalf("%s is %d", text, got)
					}
				}
				if n := preparedAtServer(t, d, c) - before; n > 2*size {
					t.Errorf("the session has %d statements prepared, the cache is of %d", n, size)
				}
			})
		}
	}
}

func TestStatementsStayPreparedAfterTheSearchPathWasSet(t *testing.T) {
	d := pqDatabase(t)
	p := open(t, d, akari.Config{MaximumPoolSize: 1})
	c := conn(t, p.DB())
	mustExec(t, c, "SET search_path = public")
	before := p.Stats()
	for i := range 50 {
		one[int](t, c, "SELECT $1::int", i)
	}
	if s := p.Stats(); s.StatementHits-before.StatementHits < 45 {
		t.Errorf("%d hits, %d misses", s.StatementHits-before.StatementHits, s.StatementMisses-before.StatementMisses)
	}
}

// TestTablesChangedOutOfSight by the pool's own borrowers, for which PostgreSQL
// tells nobody.
func TestStatementsFollowTablesChangedOutOfSight(t *testing.T) {
	d := pqDatabase(t)
	const change = "ALTER TABLE unseen ALTER at TYPE timestamptz"
	for name, by := range map[string]func(t *testing.T, p *akari.Pool){
		"Raw of a sql.Conn": func(t *testing.T, p *akari.Pool) {
			err := akari.Raw(conn(t, p.DB()), func(dc any) error {
				_, err := dc.(driver.ExecerContext).ExecContext(t.Context(), change, nil)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		},
		"Raw of a Conn": func(t *testing.T, p *akari.Pool) {
			c, err := p.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Release()
			if err := c.Raw(func(dc any) error {
				_, err := dc.(driver.ExecerContext).ExecContext(t.Context(), change, nil)
				return err
			}); err != nil {
				t.Error(err)
			}
		},
		"DO": func(t *testing.T, p *akari.Pool) {
			mustExec(t, p.DB(), "DO $$ BEGIN EXECUTE 'AL' || 'TER TABLE unseen AL' || 'TER at TYPE timestamptz'; END $$")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bare := plain(t, d)
			recreate(t, bare, "unseen", "at timestamp")
			p := open(t, d, akari.Config{MaximumPoolSize: 2})
			c := conn(t, p.DB())
			for range often {
				mustExec(t, c, "INSERT INTO unseen VALUES ($1)", moment)
			}
			mustExec(t, bare, "TRUNCATE unseen")
			by(t, p)
			mustExec(t, c, "INSERT INTO unseen VALUES ($1)", moment)
			if got := one[time.Time](t, bare, "SELECT at FROM unseen"); !got.Equal(moment) {
				t.Errorf("stored %v, was given %v", got.UTC(), moment.UTC())
			}
		})
	}
}

// lib/pq closes the connection of a statement that its context has ended, and
// nobody else's.
func TestContextThatEndsAfterItsStatementCostsNothing(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			p := open(t, d, akari.Config{MaximumPoolSize: 1})
			for range 5 {
				tx := begin(t, p.DB())
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				if _, err := tx.ExecContext(ctx, "SELECT 1"); err != nil {
					t.Fatal(err)
				}
				var n int
				if err := tx.QueryRowContext(ctx, "SELECT 1").Scan(&n); err != nil {
					t.Fatal(err)
				}
				cancel()
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
			}
			if n := p.Stats().Opened; n != 1 {
				t.Errorf("%d connections were opened", n)
			}
		})
	}
}

// absent is a Valuer that panics, as one with a nil pointer does.
type absent struct{}

func (absent) Value() (driver.Value, error) { panic("nil dereference") }

func TestArgumentThatPanicsLosesNoPlace(t *testing.T) {
	for _, d := range allServers(t) {
		t.Run(d.name, func(t *testing.T) {
			p := open(t, d, akari.Config{MaximumPoolSize: 1, ConnectionTimeout: 5 * time.Second})
			text := "SELECT CAST(? AS CHAR)"
			if d.postgres() {
				text = "SELECT $1::text"
			}
			s, err := p.DB().Prepare(text)
			if err != nil {
				t.Fatal(err)
			}
			for name, use := range map[string]func(){
				"Stmt.QueryRow": func() { _ = s.QueryRow(absent{}) },
				"Stmt.Exec":     func() { _, _ = s.Exec(absent{}) },
				"DB.Query":      func() { _, _ = p.DB().Query(text, absent{}) }, //nolint:rowserrcheck,sqlclosecheck // it panics
				"DB.Exec":       func() { _, _ = p.DB().Exec(text, absent{}) },
			} {
				panicked := func() (yes bool) {
					defer func() { yes = recover() != nil }()
					use()
					return false
				}()
				if !panicked {
					t.Errorf("%s: the panic did not reach its caller", name)
				}
				if got := one[string](t, p.DB(), text, "served"); got != "served" {
					t.Errorf("%s: %q", name, got)
				}
			}
		})
	}
}
