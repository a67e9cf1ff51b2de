package main

import (
	"testing"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, localdb.Postgres, localdb.MariaDB) }

func TestEnt(t *testing.T) {
	exampletest.SameEverywhere(t, `
ada ordered book 3000
ada ordered pen 250
grace ordered lamp 4200
second ada refused: true
slow query stopped at its deadline: true
ada: 20 visits, 22 orders, 3250 cents
`, run)
}
