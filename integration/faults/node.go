package faults

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// node is a server with what the trials need on it: a user for what watches and
// sets up, so that the connections of the pools can be told from its own, and
// one without special rights.
type node struct {
	*localdb.Server
	admin *sql.DB // as user watcher, past all proxies and pools
}

const (
	watcher  = "watcher" // may do everything
	worker   = "worker"  // may use the tables, and nothing else
	password = "only-4-a-test"
)

func startNode(ctx context.Context, kind localdb.Kind, o localdb.Options) (*node, error) {
	start := localdb.StartPostgres
	if kind == localdb.MariaDB {
		start = localdb.StartMariaDB
	}
	srv, err := start(ctx, o)
	if err != nil {
		return nil, err
	}
	n := &node{Server: srv}
	if err := n.prepare(ctx); err != nil {
		_ = srv.Close()
		return nil, err
	}
	n.admin, err = sql.Open(n.driver(), n.dsn(n.Addr(), watcher, password))
	if err != nil {
		_ = srv.Close()
		return nil, err
	}
	n.admin.SetMaxOpenConns(2) // one to sample with
	n.admin.SetMaxIdleConns(2)
	return n, nil
}

func (n *node) close() error {
	_ = n.admin.Close() // complains about connections that the server has closed
	return n.Server.Close()
}

func (n *node) driver() string {
	if n.Kind == localdb.Postgres {
		return "pgx"
	}
	return "mysql"
}

// dsn is a data source for the server, or what leads to it.
func (n *node) dsn(addr, user, password string) string {
	if n.Kind == localdb.Postgres {
		return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", user, password, addr, n.Database)
	}
	return fmt.Sprintf("%s:%s@tcp(%s)/%s", user, password, addr, n.Database)
}

// prepare makes the users.
func (n *node) prepare(ctx context.Context) error {
	db, err := sql.Open(n.driver(), n.dsn(n.Addr(), n.User, n.Password))
	if err != nil {
		return err
	}
	defer db.Close()
	statements := []string{
		"CREATE ROLE " + watcher + " SUPERUSER LOGIN PASSWORD '" + password + "'",
		"CREATE ROLE " + worker + " LOGIN PASSWORD '" + password + "'",
		"GRANT ALL ON SCHEMA public TO " + worker,
		"ALTER DEFAULT PRIVILEGES FOR ROLE " + watcher + " GRANT ALL ON TABLES TO " + worker,
	}
	if n.Kind == localdb.MariaDB {
		statements = []string{
			"CREATE USER " + watcher + " IDENTIFIED BY '" + password + "'",
			"GRANT ALL ON *.* TO " + watcher + " WITH GRANT OPTION",
			"CREATE USER " + worker + " IDENTIFIED BY '" + password + "'",
			"GRANT ALL ON " + n.Database + ".* TO " + worker,
		}
	}
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// do runs statements as the watcher.
func (n *node) do(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if _, err := n.admin.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// countClients is a query for the connections that are not the watcher's.
func (n *node) countClients() string {
	if n.Kind == localdb.Postgres {
		// A connection that is still logging in has no user yet.
		return "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename IS DISTINCT FROM '" + watcher + "'"
	}
	return "SELECT COUNT(*) FROM information_schema.processlist WHERE user NOT IN ('" + watcher + "', 'system user', 'event_scheduler')"
}

// clients counts them.
func (n *node) clients(ctx context.Context) (count int, err error) {
	err = n.admin.QueryRowContext(ctx, n.countClients()).Scan(&count)
	return count, err
}

// atWork counts those of them that run a statement.
func (n *node) atWork(ctx context.Context) (count int, err error) {
	busy := " AND state = 'active'"
	if n.Kind == localdb.MariaDB {
		busy = " AND command IN ('Query', 'Execute')"
	}
	err = n.admin.QueryRowContext(ctx, n.countClients()+busy).Scan(&count)
	return count, err
}

// How often the connections at the server are counted.
const (
	usually = 20 * time.Millisecond
	closely = 3 * time.Millisecond
)

// leaving is how many connections may be counted that the server has hung up on
// and not struck off its list yet.
const leaving = 2

// watch counts the connections at the server every so often, until stop is
// called, which returns the most there were and how often they were counted. A
// server that is down is no error: then there is nothing to count.
func (n *node) watch(ctx context.Context, every time.Duration) (stop func() (most, samples int)) {
	var most, samples int // the goroutine's until it is done
	going, end := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for going.Err() == nil {
			if count, err := n.clients(ctx); err == nil { // not cut off by the end: that would cost the connection
				most = max(most, count)
				samples++
			}
			pass(going, every)
		}
	}()
	return func() (int, int) {
		end()
		<-done
		return most, samples
	}
}

// hangUp has the server end all connections that are not the watcher's.
func (n *node) hangUp(ctx context.Context) error {
	if n.Kind == localdb.Postgres {
		return n.do(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> '"+watcher+"'")
	}
	rows, err := n.admin.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE user NOT IN ('"+watcher+"', 'system user', 'event_scheduler')")
	if err != nil {
		return err
	}
	var ids []string
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return errors.Join(err, rows.Close())
		}
		ids = append(ids, fmt.Sprintf("KILL CONNECTION %d", id))
	}
	if err := rows.Close(); err != nil {
		return err
	}
	return n.do(ctx, ids...)
}

// gone waits until the server has no connection that is not the watcher's.
func (n *node) gone(ctx context.Context, within time.Duration) (left int, err error) {
	ok := until(ctx, within, func() bool {
		left, err = n.clients(ctx)
		return err == nil && left == 0
	})
	if ok {
		err = nil
	}
	return left, err
}
