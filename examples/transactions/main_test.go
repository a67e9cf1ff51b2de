package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/akaripool/akari/examples/internal/exampletest"
	"github.com/akaripool/akari/txn"
)

func TestMain(m *testing.M) { exampletest.Main(m, localdb.Postgres, localdb.MariaDB) }

// printed is what it prints. Servers refuse one delivery, SQLite has it wait.
const printed = `
ada orders 3 lamps
  published: ada orders 3 lamps
  sold out: false
  1 orders, 17 lamps left, 1 vouchers, 1 entries in the audit
ada orders 2 lamps
  published: ada orders 2 lamps
  sold out: false
  2 orders, 15 lamps left, 1 vouchers, 2 entries in the audit
grace orders 100 lamps
  sold out: true
  2 orders, 15 lamps left, 1 vouchers, 3 entries in the audit
an order that fails, and nobody says so
  unexpected rollback: true, because it was sold out: true
  2 orders, 15 lamps left, 1 vouchers, 4 entries in the audit
two deliveries of 10 lamps at a time
  tried again: %d
  2 orders, 35 lamps left, 1 vouchers, 4 entries in the audit
request: customer=linus&pieces=1&card=good
  published: linus orders 1 lamps
  answer: 200 thank you
  3 orders, 34 lamps left, 2 vouchers, 5 entries in the audit
request: customer=linus&pieces=2&card=expired
  answer: 409 not now
  3 orders, 34 lamps left, 2 vouchers, 6 entries in the audit
a goroutine that outlives the transaction
  published: alan orders 1 lamps
  its context is of no use any more: true
  detached it sees 33 lamps
  4 orders, 33 lamps left, 3 vouchers, 7 entries in the audit
`

func TestTransactions(t *testing.T) {
	for _, driver := range exampletest.Drivers {
		t.Run(driver, func(t *testing.T) {
			retries := int64(1)
			if driver == demo.SQLite {
				retries = 0
			}
			d := exampletest.NewDatabase(t, driver)
			pool := d.Open(t, akari.Config{})
			exampletest.Expect(t, fmt.Sprintf(printed, retries), func(ctx context.Context, out io.Writer) error {
				return run(ctx, pool, driver, out)
			})

			s := pool.Stats()
			// Committed: 7 entries, 4 orders (one by the request), 2 deliveries.
			if want := (akari.TransactionStats{Begun: 16 + retries, Committed: 13, RolledBack: 2 + retries, UnexpectedRolledBack: 1}); s.Transactions != want {
				t.Errorf("transactions: %+v, want %+v", s.Transactions, want)
			}
			if s.TransactionRetries != retries {
				t.Errorf("%d retries", s.TransactionRetries)
			}
			// A task each; every attempt is one by itself.
			if s.TaskConnections != [len(s.TaskConnections)]int64{1: 9 + retries} {
				t.Errorf("tasks by their connections: %v", s.TaskConnections)
			}
			if got, want := inTables(t, d), "orders: ada 3, ada 2, linus 1, alan 1; vouchers: ada, alan, linus; lamps: 33; audit: 7"; got != want {
				t.Errorf("seen from outside there are\n%s\nand not\n%s", got, want)
			}
		})
	}
}

// inTables says what a connection outside of the pool sees.
func inTables(t *testing.T, d *exampletest.Database) string {
	t.Helper()
	db := d.Bare(t, 1)
	list := func(query string) string {
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var all []string
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return strings.Join(all, ", ")
	}
	concat := "customer || ' ' || pieces"
	if d.Driver == demo.MySQL {
		concat = "concat(customer, ' ', pieces)"
	}
	return fmt.Sprintf("orders: %s; vouchers: %s; lamps: %s; audit: %s",
		list("SELECT "+concat+" FROM example_orders"), list("SELECT customer FROM example_vouchers ORDER BY customer"),
		list("SELECT pieces FROM example_stock"), list("SELECT count(*) FROM example_audit"))
}

// Also where the caller has written something, and so has a connection already.
func TestAuditBesideATransactionThatHasBegun(t *testing.T) {
	for _, driver := range []string{demo.Pgx, demo.Pq, demo.MySQL} {
		t.Run(driver, func(t *testing.T) {
			d := exampletest.NewDatabase(t, driver)
			pool := d.Open(t, akari.Config{})
			if err := run(t.Context(), pool, driver, io.Discard); err != nil {
				t.Fatal(err)
			}
			before := pool.Stats().TaskConnections[2]
			err := txn.Do(t.Context(), pool, func(ctx context.Context) error {
				if err := (orders{pool.DB(), driver}).insert(ctx, order{"grace", "lamps", 1}); err != nil {
					return err
				}
				if err := (audit{pool, driver}).write(ctx, "grace was here"); err != nil {
					return err
				}
				return errCard
			})
			if !errors.Is(err, errCard) {
				t.Fatal(err)
			}
			if n := pool.Stats().TaskConnections[2] - before; n != 1 {
				t.Errorf("%d tasks had two connections at once", n)
			}
			if got := inTables(t, d); strings.Contains(got, "grace") || !strings.HasSuffix(got, "audit: 8") {
				t.Errorf("there are %s", got)
			}
		})
	}
}
