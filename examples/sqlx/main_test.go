package main

import (
	"testing"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, localdb.Postgres, localdb.MariaDB) }

func TestSqlx(t *testing.T) {
	exampletest.SameEverywhere(t, `
ada ordered book 3000
grace ordered lamp 4200
ada ordered pen 250
second ada refused: true
slow query stopped at its deadline: true
ada: 20 visits, 22 orders, 3250 cents
`, run)
}
