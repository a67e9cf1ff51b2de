package integration

import (
	"context"
	"database/sql"
	"testing"
)

// mysqlDatabases are the drivers on the shared MariaDB.
func mysqlDatabases(t testing.TB) []database { return allServers(t)[2:] }

// recreate makes an empty table.
func recreate(t testing.TB, db *sql.DB, table, columns string) {
	t.Helper()
	mustExec(t, db, "DROP TABLE IF EXISTS "+table)
	mustExec(t, db, "CREATE TABLE "+table+" ("+columns+")")
}

// conn is one connection, until the test ends or closes it.
func conn(t testing.TB, db *sql.DB) *sql.Conn {
	t.Helper()
	c, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
