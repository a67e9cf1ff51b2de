package main

import (
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, localdb.Postgres, localdb.MariaDB) }

func TestQuickstart(t *testing.T) {
	exampletest.PoolEverywhere(t, `
ada has 7500 cents
grace has 12500 cents
lent 6 times, given back 6 times, 0 of 4 in use
`, akari.Config{}, run)
}
