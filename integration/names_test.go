package integration

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
)

// A statement that the pool keeps prepared must mean what its text means to the
// session now, not what it meant when it was prepared. A text is kept from its
// second use on.
const often = 3

func pqDatabase(t testing.TB) database { return pgDatabases(t)[1] }

func TestStatementsFollowTheCurrentDatabase(t *testing.T) {
	for _, d := range mysqlDatabases(t) {
		bare := plain(t, d)
		tenants := []string{"tenant_a", "tenant_b"}
		for _, tenant := range tenants {
			mustExec(t, bare, "CREATE DATABASE IF NOT EXISTS "+tenant)
			recreate(t, bare, tenant+".orders", "id INT")
		}
		c := conn(t, open(t, d, akari.Config{MaximumPoolSize: 1}).DB())
		for i := range often {
			for _, tenant := range tenants {
				mustExec(t, c, "USE "+tenant)
				mustExec(t, c, "INSERT INTO orders VALUES (?)", i)
			}
		}
		for _, tenant := range tenants {
			if n := one[int](t, bare, "SELECT COUNT(*) FROM "+tenant+".orders"); n != often {
				t.Errorf("%s has %d rows, was given %d", tenant, n, often)
			}
		}
	}
}

func TestStatementsFollowTheSQLMode(t *testing.T) {
	for _, d := range mysqlDatabases(t) {
		bare := plain(t, d)
		recreate(t, bare, "quoted", "id INT, name VARCHAR(10)")
		mustExec(t, bare, "INSERT INTO quoted VALUES (1, 'value')")
		c := conn(t, open(t, d, akari.Config{MaximumPoolSize: 1}).DB())
		const text = `SELECT "name" FROM quoted WHERE id = ?`
		for range often {
			one[string](t, c, text, 1)
		}
		mustExec(t, c, "SET SESSION sql_mode = 'ANSI_QUOTES'")
		if got := one[string](t, c, text, 1); got != "value" {
			t.Errorf("under ANSI_QUOTES %q, not the value of the column", got)
		}
	}
}

// moment is the same in both of PostgreSQL's types only if the parameter is sent
// as what the column is.
var moment = time.Date(2026, 1, 1, 12, 0, 0, 0, time.FixedZone("Seoul", 9*60*60))

func TestSearchPathOfOneBorrowerIsNotThatOfTheNextOnesStatements(t *testing.T) {
	for _, d := range pgDatabases(t) {
		t.Run(d.name, func(t *testing.T) {
			bare := plain(t, d)
			mustExec(t, bare, "CREATE SCHEMA IF NOT EXISTS tenant")
			recreate(t, bare, "public.visits", "at timestamptz")
			recreate(t, bare, "tenant.visits", "at timestamp")
			db := open(t, d, akari.Config{MaximumPoolSize: 1}).DB()
			c := conn(t, db)
			mustExec(t, c, "SET search_path = tenant")
			for range often {
				mustExec(t, c, "INSERT INTO visits VALUES ($1)", moment)
			}
			c.Close()
			mustExec(t, db, "INSERT INTO visits VALUES ($1)", moment)
			if got := one[time.Time](t, bare, "SELECT at FROM public.visits"); !got.Equal(moment) {
				t.Errorf("stored %v, was given %v", got.UTC(), moment.UTC())
			}
		})
	}
}

func TestStatementsFollowATemporaryTable(t *testing.T) {
	d := pqDatabase(t)
	bare := plain(t, d)
	recreate(t, bare, "shadowed", "id int")
	c := conn(t, open(t, d, akari.Config{MaximumPoolSize: 1}).DB())
	mustExec(t, c, "CREATE TEMP TABLE other (id int)") // from now on temporary tables are looked for
	for range often {
		mustExec(t, c, "INSERT INTO shadowed VALUES ($1)", 1)
	}
	mustExec(t, c, "CREATE TEMP TABLE shadowed (id int)")
	mustExec(t, c, "INSERT INTO shadowed VALUES ($1)", 1)
	if n := one[int](t, bare, "SELECT count(*) FROM shadowed"); n != often {
		t.Error("the row for the temporary table is in the permanent one")
	}
}

// TestStatementsFollowTables: DDL of somebody else, who knows nothing of the pool,
// and of the pool's own borrowers. lib/pq alone would prepare each time; pgx keeps
// statements of its own.
func TestStatementsFollowTables(t *testing.T) {
	d := pqDatabase(t)
	const text, wider = "SELECT * FROM growing WHERE id = $1", "ALTER TABLE growing ADD COLUMN more int"
	for _, c := range []struct {
		name string
		ddl  func(t *testing.T, db *sql.DB)
	}{
		{"a borrower's DDL", func(t *testing.T, db *sql.DB) { mustExec(t, db, wider) }},
		{"a borrower's DDL in a transaction", func(t *testing.T, db *sql.DB) {
			tx := begin(t, db)
			mustExec(t, tx, wider)
			if n := columns(t, tx, text, 1); n != 2 {
				t.Errorf("%d columns within the transaction", n)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}},
		{"a borrower's DDL, begun by text", func(t *testing.T, db *sql.DB) {
			c := conn(t, db)
			mustExec(t, c, "BEGIN")
			mustExec(t, c, wider)
			mustExec(t, c, "COMMIT")
			c.Close()
		}},
		{"a borrower's DDL, rolled back to a savepoint", func(t *testing.T, db *sql.DB) {
			mustExec(t, db, wider)
			tx := begin(t, db)
			mustExec(t, tx, "SAVEPOINT here")
			mustExec(t, tx, "ALTER TABLE growing ADD COLUMN never int")
			if n := columns(t, tx, text, 1); n != 3 {
				t.Errorf("%d columns within the transaction", n)
			}
			mustExec(t, tx, "ROLLBACK TO here")
			if n := columns(t, tx, text, 1); n != 2 {
				t.Errorf("%d columns after the savepoint was gone back to", n)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}},
		{"a borrower's DDL, rolled back", func(t *testing.T, db *sql.DB) {
			mustExec(t, db, wider)
			tx := begin(t, db)
			mustExec(t, tx, "ALTER TABLE growing ADD COLUMN never int")
			if n := columns(t, tx, text, 1); n != 3 {
				t.Errorf("%d columns within the transaction", n)
			}
			tx.Rollback()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bare := plain(t, d)
			recreate(t, bare, "growing", "id int")
			db := open(t, d, akari.Config{MaximumPoolSize: 2}).DB()
			warm(t, db, 2, text, 1)
			c.ddl(t, db)
			// In a transaction an error could not be made good by another attempt.
			both := []*sql.Tx{begin(t, db), begin(t, db)}
			for _, tx := range both {
				if n := columns(t, tx, text, 1); n != 2 {
					t.Errorf("%d columns afterwards", n)
				}
				tx.Rollback()
			}
		})
	}
	t.Run("somebody else's DDL", func(t *testing.T) {
		bare := plain(t, d)
		recreate(t, bare, "growing", "id int, n int")
		db := open(t, d, akari.Config{MaximumPoolSize: 1}).DB()
		const text = "UPDATE growing SET n = 1 WHERE id = $1"
		warm(t, db, 1, text, 1)
		mustExec(t, bare, "ALTER TABLE growing ALTER COLUMN id TYPE text")
		for range often {
			mustExec(t, db, text, "1")
		}
	})
}

// warm has each of a pool's n connections keep a statement.
func warm(t *testing.T, db *sql.DB, n int, text string, arg any) {
	t.Helper()
	for range n {
		c := conn(t, db)
		defer c.Close()
		for range often {
			mustExec(t, c, text, arg)
		}
	}
}

func begin(t testing.TB, db *sql.DB) *sql.Tx {
	t.Helper()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	return tx
}

// columns is how many a query's result has; 0 if it fails.
func columns(t testing.TB, tx *sql.Tx, query string, args ...any) int {
	t.Helper()
	rows, err := tx.Query(query, args...)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return 0
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestStatementsThatTheServerHasForgottenArePreparedAgain(t *testing.T) {
	d := pqDatabase(t)
	for _, forget := range []string{"DISCARD ALL", "DEALLOCATE ALL"} {
		t.Run(forget+" within a loan", func(t *testing.T) {
			c := conn(t, open(t, d, akari.Config{MaximumPoolSize: 1}).DB())
			for range 2 {
				for i := range often {
					if got := one[int](t, c, "SELECT $1::int", i); got != i {
						t.Errorf("%d for %d", got, i)
					}
				}
				mustExec(t, c, forget)
			}
		})
		t.Run(forget+" by a program that cleans sessions itself", func(t *testing.T) {
			db := open(t, d, akari.Config{MaximumPoolSize: 1, SessionReset: akari.ResetOff}).DB()
			for range 2 {
				for i := range often {
					if got := one[int](t, db, "SELECT $1::int", i); got != i {
						t.Errorf("%d for %d", got, i)
					}
				}
				mustExec(t, db, forget)
			}
		})
	}
}

// TestNothingIsPreparedWhereTheDriverWasToldNotTo: poolers, and servers with a
// limit, are why a program says so.
func TestNothingIsPreparedWhereTheDriverWasToldNotTo(t *testing.T) {
	t.Run("binary_parameters of pq", func(t *testing.T) {
		d := pqDatabase(t)
		d.dsn = withOption(d.dsn, "binary_parameters=yes")
		c := conn(t, open(t, d, akari.Config{MaximumPoolSize: 1}).DB())
		for range often {
			one[int](t, c, "SELECT $1::int", 1)
		}
		if n := one[int](t, c, "SELECT count(*) FROM pg_prepared_statements"); n != 0 {
			t.Errorf("%d statements are prepared", n)
		}
	})
	t.Run("interpolateParams of mysql", func(t *testing.T) {
		for _, d := range mysqlDatabases(t) {
			d.dsn = withOption(d.dsn, "interpolateParams=true&multiStatements=true")
			recreate(t, plain(t, d), "twice", "id INT")
			c := conn(t, open(t, d, akari.Config{MaximumPoolSize: 1}).DB())
			for i := range often {
				mustExec(t, c, "INSERT INTO twice VALUES (?); INSERT INTO twice VALUES (?)", i, i) // cannot be prepared
				one[int](t, c, "SELECT ? + 1", i)
			}
			if n := one[int](t, c, "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'COM_STMT_PREPARE'"); n != 0 {
				t.Errorf("%d statements were prepared", n)
			}
		}
	})
}

func withOption(dsn, option string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&" + option
	}
	return dsn + "?" + option
}

// TestServersLimitOfPreparedStatementsStopsNobody: max_prepared_stmt_count is for
// all connections together. A pool that meets it gives up what it keeps, so that
// neither it nor other programs fail.
func TestServersLimitOfPreparedStatementsStopsNobody(t *testing.T) {
	for _, d := range mysqlDatabases(t) {
		bare := plain(t, d)
		limit := one[int](t, bare, "SELECT @@GLOBAL.max_prepared_stmt_count")
		mustExec(t, bare, "SET GLOBAL max_prepared_stmt_count = 20")
		t.Cleanup(func() { mustExec(t, bare, fmt.Sprintf("SET GLOBAL max_prepared_stmt_count = %d", limit)) })
		for range 2 {
			db := open(t, d, akari.Config{MaximumPoolSize: 1}).DB()
			for i := range 15 {
				for range often {
					mustExec(t, db, fmt.Sprintf("DO %d + ?", i), 1)
				}
			}
		}
		mustExec(t, bare, "DO 1 + ?", 1)
	}
}
