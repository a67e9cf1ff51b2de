package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/akaripool/akari/examples/internal/exampletest"
	"github.com/akaripool/akari/txn"
)

func TestMain(m *testing.M) { exampletest.Main(m, localdb.Postgres, localdb.MariaDB) }

// printed is what it prints on PostgreSQL.
const printed = `
gorm sees bun1 ent1 gorm1 plain1 sqlc1 sqlx1
bun sees bun1 ent1 gorm1 plain1 sqlc1 sqlx1
ent sees bun1 ent1 gorm1 plain1 sqlc1 sqlx1
sqlx sees bun1 ent1 gorm1 plain1 sqlc1 sqlx1
sqlc sees bun1 ent1 gorm1 plain1 sqlc1 sqlx1
plain sees bun1 ent1 gorm1 plain1 sqlc1 sqlx1
gorm brings a friend, in a transaction of its own, which fails: true
bun brings a friend, in a transaction of its own, which fails: true
ent brings a friend, in a transaction of its own, which fails: true
there are bun1 ent1 gorm1 plain1 sqlc1 sqlx1, 0 jobs
gorm brings a child, in it bun a grandchild, in it ent a cat, which fails
there are bun1 child1 ent1 gorm1 grandchild1 plain1 sqlc1 sqlx1, 0 jobs
river adds two jobs
there are bun1 child1 ent1 gorm1 grandchild1 plain1 sqlc1 sqlx1, 2 jobs
Committed. A connection was lent 1 time.
there are bun1 child1 ent1 gorm1 grandchild1 plain1 sqlc1 sqlx1, 2 jobs
gorm sees bun1 bun2 child1 ent1 ent2 gorm1 gorm2 grandchild1 plain1 plain2 sqlc1 sqlc2 sqlx1 sqlx2
bun sees bun1 bun2 child1 ent1 ent2 gorm1 gorm2 grandchild1 plain1 plain2 sqlc1 sqlc2 sqlx1 sqlx2
ent sees bun1 bun2 child1 ent1 ent2 gorm1 gorm2 grandchild1 plain1 plain2 sqlc1 sqlc2 sqlx1 sqlx2
sqlx sees bun1 bun2 child1 ent1 ent2 gorm1 gorm2 grandchild1 plain1 plain2 sqlc1 sqlc2 sqlx1 sqlx2
sqlc sees bun1 bun2 child1 ent1 ent2 gorm1 gorm2 grandchild1 plain1 plain2 sqlc1 sqlc2 sqlx1 sqlx2
plain sees bun1 bun2 child1 ent1 ent2 gorm1 gorm2 grandchild1 plain1 plain2 sqlc1 sqlc2 sqlx1 sqlx2
gorm brings a friend, in a transaction of its own, which fails: true
bun brings a friend, in a transaction of its own, which fails: true
ent brings a friend, in a transaction of its own, which fails: true
there are bun1 bun2 child1 ent1 ent2 gorm1 gorm2 grandchild1 plain1 plain2 sqlc1 sqlc2 sqlx1 sqlx2, 2 jobs
gorm brings a child, in it bun a grandchild, in it ent a cat, which fails
there are bun1 bun2 child1 child2 ent1 ent2 gorm1 gorm2 grandchild1 grandchild2 plain1 plain2 sqlc1 sqlc2 sqlx1 sqlx2, 2 jobs
river adds two jobs
there are bun1 bun2 child1 child2 ent1 ent2 gorm1 gorm2 grandchild1 grandchild2 plain1 plain2 sqlc1 sqlc2 sqlx1 sqlx2, 4 jobs
Rolled back. A connection was lent 1 time.
there are bun1 child1 ent1 gorm1 grandchild1 plain1 sqlc1 sqlx1, 2 jobs
Transactions: 1 committed, 1 rolled back. Connections: 1 opened, 1 at most for one task.
`

// jobsLines is what it does not print where there is no river.
var jobsLines = regexp.MustCompile(`(?m)^river .*\n.*\n|, \d+ jobs$`)

func expected(driver string) string {
	if demo.Postgres(driver) {
		return printed
	}
	return jobsLines.ReplaceAllString(printed, "")
}

func TestOneTransaction(t *testing.T) {
	for _, driver := range exampletest.Drivers {
		t.Run(driver, func(t *testing.T) {
			d := exampletest.NewDatabase(t, driver)
			pool := d.Open(t, oneConnection)
			exampletest.Expect(t, expected(driver), func(ctx context.Context, out io.Writer) error { return run(ctx, pool, driver, out) })

			s := pool.Stats()
			if s.Opened != 1 || s.Total != 1 || s.AcquireTimeouts != 0 || s.AcquireRejected != 0 {
				t.Errorf("one connection should have done: %+v", s)
			}
			if tx := s.Transactions; tx != (akari.TransactionStats{Begun: 2, Committed: 1, RolledBack: 1}) {
				t.Errorf("transactions: %+v", tx)
			}
			if s.TaskConnections != [len(s.TaskConnections)]int64{1: 2} {
				t.Errorf("tasks by their connections: %v", s.TaskConnections)
			}
			outside := d.Bare(t, 1)
			want := strings.Fields("bun1 child1 ent1 gorm1 grandchild1 plain1 sqlc1 sqlx1")
			got, err := plain{outside, driver}.customers(t.Context())
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("seen from outside there are %v, %v", got, err)
			}
			if !demo.Postgres(driver) {
				return
			}
			if n, err := (&jobs{db: outside}).count(t.Context()); err != nil || n != 2 {
				t.Errorf("seen from outside there are %d jobs, %v", n, err)
			}
		})
	}
}

// Where tables can be made in transactions, migrations are a part of the scope.
func TestGooseInAScope(t *testing.T) {
	for _, driver := range []string{demo.SQLite, demo.Pgx, demo.Pq} {
		t.Run(driver, func(t *testing.T) {
			pool := exampletest.NewDatabase(t, driver).Open(t, oneConnection)
			ctx := t.Context()
			c := plain{pool.DB(), driver}
			err := txn.Do(ctx, pool, func(ctx context.Context) error {
				if err := migrate(ctx, pool.DB(), driver); err != nil {
					return err
				}
				if err := c.add(ctx, "ada"); err != nil {
					return err
				}
				return errRain
			})
			if !errors.Is(err, errRain) {
				t.Fatal(err)
			}
			if names, err := c.customers(ctx); err == nil {
				t.Errorf("the table is there after the rollback, with %v", names)
			}
			if err := txn.Do(ctx, pool, func(ctx context.Context) error {
				if err := migrate(ctx, pool.DB(), driver); err != nil {
					return err
				}
				return c.add(ctx, "ada")
			}); err != nil {
				t.Fatal(err)
			}
			if names, err := c.customers(ctx); err != nil || fmt.Sprint(names) != "[ada]" {
				t.Errorf("committed: %v, %v", names, err)
			}
		})
	}
}
