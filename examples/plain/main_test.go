package main

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/akaripool/akari/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, localdb.Postgres, localdb.MariaDB) }

func TestPlain(t *testing.T) {
	exampletest.SameEverywhere(t, `
person 17: nick "", known false
person 18: nick "n18", known true
person 19: nick "", known false
number 99: sql: no rows in result set
one connection too many, timed out: true
slow query: failed true, by its deadline true
10 of 20 have no nick
`, run)
}

func TestRawShowsTheDriversConnection(t *testing.T) {
	for name, typ := range map[string]string{
		demo.SQLite: "*sqlite.conn",
		demo.Pgx:    "*stdlib.Conn",
		demo.Pq:     "*pq.conn",
		demo.MySQL:  "*mysql.mysqlConn",
	} {
		t.Run(name, func(t *testing.T) {
			exampletest.OnPool(t, name, fmt.Sprintf("the driver's own connection: %s\n", typ), akari.Config{},
				func(ctx context.Context, pool *akari.Pool, _ string, out io.Writer) error {
					return native(ctx, pool.DB(), out)
				})
		})
	}
}
