package main

import (
	"context"
	"io"
	"testing"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/akaripool/akari/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, localdb.Postgres) }

func TestRotate(t *testing.T) {
	for _, driver := range []string{demo.Pgx, demo.Pq} {
		t.Run(driver, func(t *testing.T) {
			d := exampletest.NewDatabase(t, driver)
			admin := d.Bare(t, 1)
			exampletest.Expect(t, `
connected as example_app
connected as example_app
connected as example_app
on a new connection: true
first password refused: true
`, func(ctx context.Context, out io.Writer) error { return run(ctx, admin, driver, d.DSN, out) })

			// The administrator's connection is the only one left.
			exampletest.Eventually(t, "no connection of the pool left", func() bool { return d.Connections(t) == 1 })
			var roles int
			if err := admin.QueryRow("SELECT count(*) FROM pg_roles WHERE rolname = 'example_app'").Scan(&roles); err != nil || roles != 0 {
				t.Errorf("%d roles left, %v", roles, err)
			}
		})
	}
}
