// Rotate: passwords that change while the pool works.
//
//	go run ./examples/rotate                      # starts a PostgreSQL of its own, if one is installed
//	go run ./examples/rotate -dsn postgres://admin:password@localhost/db
//
// It makes a role example_app, for which the user of -dsn needs the right, and
// drops it again.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/examples/internal/demo"
)

// vault stands for the service that keeps your secrets.
type vault struct {
	mu      sync.Mutex
	current akari.Credentials // guarded by mu
}

// Get is the pool's Config.Credentials: it is called before each connection is
// opened, never for one that is open.
func (v *vault) Get(context.Context) (akari.Credentials, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.current, nil
}

// Rotate gives the database and the vault a new password. If the pool comes with
// the old one at that very moment, it tries again.
func (v *vault) Rotate(ctx context.Context, admin *sql.DB, password string) error {
	v.mu.Lock()
	defer v.mu.Unlock() // nobody asks in between
	if _, err := admin.ExecContext(ctx, "ALTER ROLE example_app PASSWORD '"+password+"'"); err != nil {
		return err
	}
	v.current = akari.Credentials{Username: "example_app", Password: password}
	return nil
}

func main() {
	demo.MainPostgres(func(ctx context.Context, dsn string) error {
		admin, err := sql.Open("pgx", dsn)
		if err != nil {
			return err
		}
		defer admin.Close()
		return run(ctx, admin, "pgx", dsn, os.Stdout)
	})
}

func run(ctx context.Context, admin *sql.DB, driver, dsn string, out io.Writer) error {
	if _, err := admin.ExecContext(ctx, "CREATE ROLE example_app LOGIN"); err != nil {
		return err
	}
	defer func() { _, _ = admin.ExecContext(context.WithoutCancel(ctx), "DROP ROLE example_app") }()

	var secrets vault
	if err := secrets.Rotate(ctx, admin, "first-password"); err != nil {
		return err
	}
	pool, err := akari.Open(ctx, driver, dsn, akari.Config{
		PoolName:        "rotate",
		MaximumPoolSize: 2,
		Credentials:     secrets.Get, // in place of those in the DSN
	})
	if err != nil {
		return err
	}
	defer pool.Close() // before the role is dropped
	before, err := session(ctx, pool, out)
	if err != nil {
		return err
	}

	// A new password does not disturb connections that are open.
	if err := secrets.Rotate(ctx, admin, "second-password"); err != nil {
		return err
	}
	if _, err := session(ctx, pool, out); err != nil {
		return err
	}

	// But after a leak they had better not live on. Evict replaces idle ones at
	// once and those in use when they are returned.
	pool.Evict()
	after, err := session(ctx, pool, out)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "on a new connection:", after != before)

	// Who comes with the old password is refused.
	_, err = akari.Open(ctx, driver, dsn, akari.Config{Credentials: func(context.Context) (akari.Credentials, error) {
		return akari.Credentials{Username: "example_app", Password: "first-password"}, nil
	}})
	var refused *akari.InitError
	fmt.Fprintln(out, "first password refused:", errors.As(err, &refused))
	return nil
}

// session says who is logged in, and returns the number of the server's process
// for the connection.
func session(ctx context.Context, pool *akari.Pool, out io.Writer) (pid int, err error) {
	var user string
	err = pool.DB().QueryRowContext(ctx, "SELECT current_user, pg_backend_pid()").Scan(&user, &pid)
	fmt.Fprintln(out, "connected as", user)
	return pid, err
}
