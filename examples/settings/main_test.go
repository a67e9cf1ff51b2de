package main

import (
	"context"
	"io"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, localdb.Postgres, localdb.MariaDB) }

func TestSettings(t *testing.T) {
	for _, driver := range exampletest.Drivers {
		t.Run(driver, func(t *testing.T) {
			exampletest.Expect(t, `
level=WARN msg="no connection" timeout=true active=2 idle=0
level=INFO msg="settings changed" from=2 to=3
level=INFO msg="third caller served"
level=WARN msg=refused field=MaximumPoolSize value=-3 still=3
level=INFO msg="settings changed" from=3 to=1
level=INFO msg="connection closed" reason=surplus
level=INFO msg="connection closed" reason=surplus
level=INFO msg="connection closed" reason=shutdown
`, func(ctx context.Context, out io.Writer) error {
				d := exampletest.NewDatabase(t, driver)
				d.Most = 3
				return run(ctx, func(cfg akari.Config) (*akari.Pool, error) { return d.Open(t, cfg), nil }, out)
			})
		})
	}
}
