package integration

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/akaripool/akari"
	_ "modernc.org/sqlite"
)

func TestDatabaseInMemoryIsWarnedOf(t *testing.T) {
	for _, c := range []struct {
		dsn  string
		size int
		want int
	}{{":memory:", 2, 1}, {":memory:", 1, 0}, {"file:" + t.TempDir() + "/db", 2, 0}} {
		var log bytes.Buffer
		p := open(t, database{name: "sqlite", driver: "sqlite", dsn: c.dsn}, akari.Config{
			MaximumPoolSize: c.size, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		held := []interface{ Close() error }{conn(t, p.DB())}
		for range c.size - 1 {
			held = append(held, conn(t, p.DB()))
		}
		for _, h := range held {
			h.Close()
		}
		p.Close()
		if n := strings.Count(log.String(), "The SQLite database is in memory"); n != c.want {
			t.Errorf("%s with %d connections: warned %d times, want %d\n%s", c.dsn, c.size, n, c.want, &log)
		}
	}
}
