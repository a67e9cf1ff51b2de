package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/akaripool/akari"
)

// ownConnections takes all connections there are, while somebody else asks for
// one more.
func ownConnections(ctx context.Context, db *sql.DB, out io.Writer) error {
	for range poolSize {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close() // gives it back, cleaned for the next one
		// With the pool a *sql.Conn is connected by its first use.
		if _, err := conn.ExecContext(ctx, "CREATE TEMPORARY TABLE example_mine (id BIGINT)"); err != nil {
			return err
		}
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	failed := make(chan error)
	go func() { failed <- db.PingContext(short) }()
	fmt.Fprintln(out, "one connection too many, timed out:", errors.Is(<-failed, context.DeadlineExceeded))
	return nil
}

// native goes past database/sql to the driver's own connection.
func native(ctx context.Context, db *sql.DB, out io.Writer) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// conn.Raw would show the pool's session.
	return akari.Raw(conn, func(driverConn any) error {
		fmt.Fprintf(out, "the driver's own connection: %T\n", driverConn)
		return driverConn.(driver.Pinger).Ping(ctx)
	})
}
