package money

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/faultproxy"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/integration/servers"
	"github.com/akaripool/akari/sqlerr"
	"github.com/go-sql-driver/mysql"
)

const (
	accounts = 24   // few, so that transfers meet
	opening  = 1000 // what each of them has at first
	total    = accounts * opening
)

// bank is the tables, and the ways to them.
type bank struct {
	driver string
	dsn    string            // through the network that the test spoils
	net    *faultproxy.Proxy // which is this
	apart  *sql.DB           // straight to the server, for those who look and those who kill
	schema string
}

// newBank makes the tables anew. There is no unique key on the transfers, so that
// one that is executed twice is seen.
func newBank(t *testing.T, driver string) *bank {
	t.Helper()
	b := &bank{driver: driver, schema: "money_" + driver}
	var direct, drop string
	if b.postgres() {
		srv := b.server().Get(t)
		b.net = network(t, srv)
		direct, drop = srv.URL(), "DROP SCHEMA IF EXISTS "+b.schema+" CASCADE"
		b.dsn = srv.URLAt(b.net.Addr()) + "&application_name=" + b.schema
	} else {
		srv := b.server().Get(t)
		b.net = network(t, srv)
		direct, drop = srv.MySQLDSN(), "DROP DATABASE IF EXISTS "+b.schema
		b.dsn = inDatabase(t, srv.MySQLDSNAt(b.net.Addr()), b.schema)
	}
	var err error
	if b.apart, err = sql.Open(driver, direct); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.apart.Close() })
	b.do(t, drop)
	b.do(t, "CREATE SCHEMA "+b.schema)
	b.do(t, "CREATE TABLE "+b.accounts()+" (id int PRIMARY KEY, balance bigint NOT NULL)")
	b.do(t, "CREATE TABLE "+b.transfers()+" (id bigint NOT NULL, src int NOT NULL, dst int NOT NULL, amount bigint NOT NULL)")
	b.do(t, "CREATE INDEX transfers_id ON "+b.transfers()+" (id)")
	for id := range accounts {
		b.do(t, fmt.Sprintf("INSERT INTO %s VALUES (%d, %d)", b.accounts(), id, opening))
	}
	return b
}

// network is a way to a server.
func network(t *testing.T, srv *localdb.Server) *faultproxy.Proxy {
	t.Helper()
	net, err := faultproxy.New(srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { net.Close() })
	return net
}

// inDatabase is a name for go-sql-driver with another database.
func inDatabase(t *testing.T, dsn, name string) string {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DBName = name
	return cfg.FormatDSN()
}

func (b *bank) server() *servers.Server {
	if b.postgres() {
		return postgres
	}
	return mariadb
}

func (b *bank) postgres() bool    { return b.driver != "mysql" }
func (b *bank) accounts() string  { return b.schema + ".accounts" }
func (b *bank) transfers() string { return b.schema + ".transfers" }

func (b *bank) do(t *testing.T, query string) {
	t.Helper()
	if _, err := b.apart.ExecContext(context.Background(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// statement is a text and its arguments.
type statement struct {
	text string
	args []any
}

// say makes a statement with parameters, or with their values in the text: drivers
// send them in different ways.
func (b *bank) say(literal bool, text string, args ...any) statement {
	for i, arg := range args {
		switch {
		case literal:
			text = strings.Replace(text, "?", fmt.Sprint(arg), 1)
		case b.postgres():
			text = strings.Replace(text, "?", fmt.Sprintf("$%d", i+1), 1)
		}
	}
	if literal {
		args = nil
	}
	return statement{text, args}
}

// add changes a balance.
func (b *bank) add(literal bool, account, amount int) statement {
	return b.say(literal, "UPDATE "+b.accounts()+" SET balance = balance + ? WHERE id = ?", amount, account)
}

// set changes a balance to what the program has computed: right only in a transaction
// that is serializable.
func (b *bank) set(literal bool, account int, balance int64) statement {
	return b.say(literal, "UPDATE "+b.accounts()+" SET balance = ? WHERE id = ?", balance, account)
}

func (b *bank) balance(literal bool, account int) statement {
	return b.say(literal, "SELECT balance FROM "+b.accounts()+" WHERE id = ?", account)
}

// write takes a transfer down.
func (b *bank) write(literal bool, id int64, src, dst, amount int) statement {
	return b.say(literal, "INSERT INTO "+b.transfers()+" VALUES (?, ?, ?, ?)", id, src, dst, amount)
}

func (b *bank) sum() string { return "SELECT SUM(balance) FROM " + b.accounts() }

// dooms reports whether a transaction must be lost, at least back to its last
// savepoint, after an error of one of its statements, so that a program may go on as
// if nothing had happened: it cannot do harm.
func (b *bank) dooms(err error) bool {
	return sqlerr.IsConnectionLost(err) || sqlerr.IsDeadlock(err) || b.postgres() && sqlerr.ServerOf(err) == sqlerr.PostgreSQL
}

// snapshot looks at everything at one moment: each balance must be what the transfers
// make of it.
func (b *bank) snapshot(ctx context.Context) error {
	tx, err := b.apart.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	var balances, want [accounts]int64
	for i := range want {
		want[i] = opening
	}
	sum := int64(0)
	err = each(ctx, tx, "SELECT id, 0, balance FROM "+b.accounts(), func(id, _, n int64) {
		balances[id] = n
		sum += n
	})
	if err != nil {
		return err
	}
	err = each(ctx, tx, "SELECT src, dst, SUM(amount) FROM "+b.transfers()+" GROUP BY src, dst", func(src, dst, n int64) {
		want[src] -= n
		want[dst] += n
	})
	if err != nil {
		return err
	}
	switch {
	case sum != total:
		return violation(fmt.Sprintf("the balances add up to %d, not to %d: they are %v, the transfers make them %v", sum, total, balances, want))
	case balances != want:
		return violation(fmt.Sprintf("the balances are %v, the transfers make them %v", balances, want))
	}
	return nil
}

// violation is what must not be.
type violation string

func (v violation) Error() string { return string(v) }

// rows is how often each transfer is in the table.
func (b *bank) rows(ctx context.Context) (map[int64]int, error) {
	there := map[int64]int{}
	err := each(ctx, b.apart, "SELECT id, 0, COUNT(*) FROM "+b.transfers()+" GROUP BY id", func(id, _, n int64) { there[id] = int(n) })
	return there, err
}

// count is how often one transfer is in the table.
func (b *bank) count(ctx context.Context, id int64) (n int, err error) {
	err = b.apart.QueryRowContext(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE id = %d", b.transfers(), id)).Scan(&n)
	return n, err
}

// each calls f for each row of three numbers.
func each(ctx context.Context, db interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string, f func(a, b, c int64)) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var a, b, c int64
		if err := rows.Scan(&a, &b, &c); err != nil {
			return err
		}
		f(a, b, c)
	}
	return rows.Err()
}

// open counts the pool's sessions at the server that are in a transaction, or at work.
func (b *bank) open(ctx context.Context) (n int, err error) {
	query := "SELECT COUNT(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id WHERE p.db = '" + b.schema + "'"
	if b.postgres() {
		query = "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = '" + b.schema + "' AND (xact_start IS NOT NULL OR state <> 'idle')"
	}
	err = b.apart.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

// settled waits until the server knows that those who have been cut off are gone.
func (b *bank) settled(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		n, err := b.open(context.Background())
		switch {
		case err != nil:
			t.Fatal(err)
		case n == 0:
			return
		case time.Now().After(deadline):
			t.Errorf("%d sessions of the pool are in a transaction", n)
			return
		}
		time.Sleep(10 * time.Millisecond) // the server tells nobody when it notices
	}
}
