package akari

import (
	"context"
	"database/sql/driver"
)

// inspectSQLite notes whether the database is a file. One in memory lives as
// long as its connection, so the connection must not be closed for tidiness.
func inspectSQLite(ctx context.Context, e *entry) error {
	e.inMemory = true
	return queryText(ctx, e.conn, "PRAGMA database_list", func(row []driver.Value) error {
		if len(row) >= 3 && textOf(row[1]) == "main" && textOf(row[2]) != "" {
			e.inMemory = false
		}
		return nil
	})
}
