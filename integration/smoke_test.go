package integration

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	pg, err := localdb.StartPostgres(ctx, localdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, drv := range []string{"pgx", "postgres"} {
		p, err := akari.Open(ctx, drv, pg.URL(), akari.Config{PoolName: drv, Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		db := p.DB()
		if _, err := db.Exec("CREATE TABLE IF NOT EXISTS t (id int)"); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		start := time.Now()
		for range 20 {
			wg.Go(func() {
				for i := range 200 {
					var n int
					if err := db.QueryRow("SELECT $1::int + 1", i).Scan(&n); err != nil || n != i+1 {
						t.Error(err, n)
						return
					}
				}
			})
		}
		wg.Wait()
		fmt.Println(time.Since(start), "per op", time.Since(start)/4000)
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		tx.Exec("INSERT INTO t VALUES ($1)", 1)
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("BEGIN"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("SET search_path = pg_catalog"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		for range 20 {
			var sp string
			db.QueryRow("SHOW search_path").Scan(&sp)
			if sp == "pg_catalog" {
				t.Error("leak")
			}
		}
		fmt.Printf("%+v\n", p.Stats())
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%+v\n", p.Stats())
	}
}
