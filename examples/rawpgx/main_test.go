package main

import (
	"context"
	"io"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/akaripool/akari/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, localdb.Postgres) }

func TestRawPgx(t *testing.T) {
	exampletest.OnPool(t, demo.Pgx, `
copied: 10000
left after the batch: 5000
heard on example_news: sensor 7 is hot
`, akari.Config{}, func(ctx context.Context, pool *akari.Pool, _ string, out io.Writer) error {
		if err := run(ctx, pool, out); err != nil {
			return err
		}
		nobodyListens(t, ctx, pool)
		return nil
	})
}

// nobodyListens takes all connections of the pool and asks each of them.
func nobodyListens(t *testing.T, ctx context.Context, pool *akari.Pool) {
	t.Helper()
	for range exampletest.PoolSize {
		conn, err := pool.DB().Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var channels int
		if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM pg_listening_channels()").Scan(&channels); err != nil || channels != 0 {
			t.Errorf("a connection of the pool listens to %d channels, %v", channels, err)
		}
	}
}
