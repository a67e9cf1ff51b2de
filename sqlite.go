package akari

import (
	"context"
	"database/sql/driver"
	"log/slog"
)

// inspectSQLite notes whether the database is a file. One in memory lives as
// long as its connection, so the connection must not be closed for tidiness.
func inspectSQLite(ctx context.Context, p *Pool, e *entry) error {
	e.inMemory = true
	err := queryText(ctx, e.conn, "PRAGMA database_list", func(row []driver.Value) error {
		if len(row) >= 3 && textOf(row[1]) == "main" && textOf(row[2]) != "" {
			e.inMemory = false
		}
		return nil
	})
	if err == nil && e.inMemory && p.live.Load().MaximumPoolSize > 1 {
		p.said.inMemory.Do(func() {
			p.log(slog.LevelWarn, "The SQLite database is in memory: unless its name says cache=shared every connection has one of its own. "+
				"Set MaximumPoolSize to 1 and MaxLifetime to Disabled")
		})
	}
	return err
}
