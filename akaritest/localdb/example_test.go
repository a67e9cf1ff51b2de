//go:build linux

package localdb_test

import (
	"context"
	"fmt"
	"log"

	"github.com/akaripool/akari/akaritest/localdb"
)

func ExampleStartPostgres() {
	ctx := context.Background()
	pg, err := localdb.StartPostgres(ctx, localdb.Options{
		MaxConnections: 20,
		Settings:       map[string]string{"statement_timeout": "5s"},
	})
	if err != nil {
		log.Fatal(err) // says what to install, if that is the reason
	}
	defer pg.Close()
	fmt.Println(pg.Kind, pg.Host, pg.User, pg.Database)
	// db, err := sql.Open("pgx", pg.URL())

	// The server crashes, and comes back with its data at the same address.
	if err := pg.Kill(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(pg.Pids()), "processes")
	if err := pg.Start(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(pg.Pids()) > 0)

	// Output:
	// PostgreSQL 127.0.0.1 akari akari
	// 0 processes
	// true
}

func ExampleStartPgBouncer() {
	ctx := context.Background()
	pg, err := localdb.StartPostgres(ctx, localdb.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer pg.Close()
	pooler, err := localdb.StartPgBouncer(ctx, pg, localdb.Options{
		Settings: map[string]string{"pool_mode": "session", "default_pool_size": "5"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer pooler.Close()
	// db, err := sql.Open("pgx", pooler.URL())
}
