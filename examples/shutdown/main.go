// Shutdown: an HTTP server that ends without losing a request. On SIGTERM it takes
// no new requests, finishes those it has, and then closes the pool.
//
//	go run ./examples/shutdown
//	printf 'book\npen\n' | curl --data-binary @- http://127.0.0.1:8080/orders
//
// It replaces the table example_orders. See quickstart for other databases.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/examples/internal/demo"
	_ "modernc.org/sqlite"
)

func main() {
	addr := flag.String("listen", "127.0.0.1:8080", "`address` to listen on")
	demo.Main(func(ctx context.Context, driver, dsn string) error {
		pool, err := akari.Open(ctx, driver, dsn, akari.Config{PoolName: "shutdown", MaximumPoolSize: 4})
		if err != nil {
			return err
		}
		defer pool.Close()
		listener, err := net.Listen("tcp", *addr)
		if err != nil {
			return err
		}
		defer listener.Close()
		// SIGTERM is how process managers ask a program to end; they kill it when
		// it takes too long, so the grace is to be shorter than theirs.
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		return run(ctx, pool, driver, listener, 10*time.Second, os.Stdout)
	})
}

// run serves until ctx ends, and then for as long as requests are under way, at
// most for the time of grace.
func run(ctx context.Context, pool *akari.Pool, driver string, listener net.Listener, grace time.Duration, out io.Writer) error {
	for _, ddl := range []string{"DROP TABLE IF EXISTS example_orders", "CREATE TABLE example_orders (item VARCHAR(20) NOT NULL)"} {
		if _, err := pool.DB().ExecContext(ctx, ddl); err != nil {
			return err
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		n, err := store(r.Context(), pool.DB(), driver, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, n, "orders stored")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintln(out, "listening on", listener.Addr())
	select {
	case err := <-served:
		return err // it could not serve at all
	case <-ctx.Done():
	}

	// The order matters: first the server, whose handlers use the pool, then the
	// pool. Both wait for what is under way. (ctx has ended, so it is of no use
	// here.)
	fmt.Fprintln(out, "stopping")
	last, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := server.Shutdown(last)
	if err != nil {
		server.Close() // cuts off the requests that are left
	}
	if err := errors.Join(err, pool.Shutdown(last)); err != nil {
		return fmt.Errorf("not everything was finished: %w", err)
	}
	fmt.Fprintln(out, "stopped,", pool.Stats().Total, "connections left")
	return nil
}

// store stores a list of orders, one on each line, as they come in: all or none.
func store(ctx context.Context, db *sql.DB, driver string, list io.Reader) (n int, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // after Commit it does nothing
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		if _, err := tx.ExecContext(ctx, demo.Bind(driver, "INSERT INTO example_orders (item) VALUES (?)"), lines.Text()); err != nil {
			return 0, err
		}
		n++
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return n, tx.Commit()
}
