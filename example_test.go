package akari_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

func init() {
	// The examples use a fake database under the name that pgx has.
	sql.Register("pgx", akaritest.NewServer(akaritest.PgxLike).Driver())
}

func Example() {
	err := func(ctx context.Context) error {
		pool, err := akari.Open(ctx, "pgx", "postgres://app:secret@db/orders", akari.Config{
			PoolName:        "orders",
			MaximumPoolSize: 10,
			Logger:          quiet,
		})
		if err != nil {
			return err
		}
		defer pool.Close() // or Shutdown(ctx), which waits for connections in use

		db := pool.DB() // a *sql.DB
		_, err = db.ExecContext(ctx, "INSERT 1")
		return err
	}(context.Background())
	fmt.Println(err)
	// Output: <nil>
}

func ExampleNew() {
	server := akaritest.NewServer(akaritest.Full) // stands for your driver
	pool, err := akari.New(context.Background(), server.Connector(), akari.Config{
		PoolName:        "orders",
		MaximumPoolSize: 4,
		MinimumIdle:     akari.None,
		Logger:          quiet,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	fmt.Println(pool.Name(), pool.Settings().MaximumPoolSize)
	// Output: orders 4
}

func ExampleConfig_Validate() {
	err := akari.Config{MaximumPoolSize: -1, MaxLifetime: time.Second}.Validate()
	fmt.Println(err)
	// Output:
	// akari: Config.MaximumPoolSize is -1: must be at least 1
	// akari: Config.MaxLifetime is 1s: must be at least 30s; akari.Disabled switches it off
}

func ExampleAcquireError() {
	ctx := context.Background()
	server := akaritest.NewServer(akaritest.Full)
	pool, _ := akari.New(ctx, server.Connector(), akari.Config{PoolName: "orders", MaximumPoolSize: 1, Logger: quiet})
	defer pool.Close()

	conn, _ := pool.Acquire(ctx)
	defer conn.Release()

	impatient, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err := pool.DB().ExecContext(impatient, "INSERT 1")

	var ae *akari.AcquireError
	if errors.As(err, &ae) {
		fmt.Println(ae.PoolName, ae.Total, ae.Active, ae.Idle, ae.Waiting)
	}
	fmt.Println(errors.Is(err, akari.ErrAcquireTimeout), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// orders 1 1 0 0
	// true true
}

func ExampleRaw() {
	ctx := context.Background()
	server := akaritest.NewServer(akaritest.Full)
	pool, _ := akari.New(ctx, server.Connector(), akari.Config{MaximumPoolSize: 1, Logger: quiet})
	defer pool.Close()

	conn, _ := pool.DB().Conn(ctx)
	defer conn.Close()
	err := akari.Raw(conn, func(driverConn any) error {
		// With pgx: driverConn.(*stdlib.Conn).Conn().CopyFrom(…)
		_, ok := akaritest.ConnID(driverConn)
		fmt.Println("the driver's own:", ok)
		return nil
	})
	fmt.Println(err)
	// Output:
	// the driver's own: true
	// <nil>
}

func ExamplePool_Apply() {
	ctx := context.Background()
	server := akaritest.NewServer(akaritest.Full)
	pool, _ := akari.New(ctx, server.Connector(), akari.Config{MaximumPoolSize: 10, Logger: quiet})
	defer pool.Close()

	s := pool.Settings()
	s.MaximumPoolSize = 20
	s.ConnectionTimeout = 5 * time.Second
	fmt.Println(pool.Apply(s))

	s.MaximumPoolSize = -1
	fmt.Println(pool.Apply(s))
	fmt.Println(pool.Settings().MaximumPoolSize)
	// Output:
	// <nil>
	// akari: Settings.MaximumPoolSize is -1: must be at least 1
	// 20
}

func ExampleTrace() {
	ctx := context.Background()
	server := akaritest.NewServer(akaritest.Full)
	pool, _ := akari.New(ctx, server.Connector(), akari.Config{
		MaximumPoolSize: 1,
		Logger:          quiet,
		Trace: &akari.Trace{
			Opened: func(e akari.OpenedEvent) { fmt.Println("opened", e.Conn.ID) },
			Closed: func(e akari.ClosedEvent) { fmt.Println("closed", e.Conn.ID, e.Reason) },
		},
	})
	pool.Close()
	// Output:
	// opened 1
	// closed 1 shutdown
}

func ExamplePool_Shutdown() {
	ctx := context.Background()
	server := akaritest.NewServer(akaritest.Full)
	pool, _ := akari.New(ctx, server.Connector(), akari.Config{MaximumPoolSize: 2, Logger: quiet})

	tx, _ := pool.DB().BeginTx(ctx, nil)
	go func() {
		tx.ExecContext(ctx, "INSERT 1")
		tx.Commit()
	}()
	// At SIGTERM: let what is under way finish, for ten seconds at most.
	drain, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	fmt.Println(pool.Shutdown(drain), server.Has(1))
	// Output: <nil> true
}

// Logs are HikariCP's lines, with attributes for those who query them.
func Example_log() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	server := akaritest.NewServer(akaritest.Full)
	pool, _ := akari.New(context.Background(), server.Connector(), akari.Config{PoolName: "orders", MaximumPoolSize: 1, SessionReset: akari.ResetOff, Logger: log})
	pool.Close()
	// Output:
	// level=INFO msg="orders - Starting..." pool=orders
	// level=INFO msg="orders - Added connection conn@1" conn=1 pool=orders
	// level=INFO msg="orders - Start completed." pool=orders
	// level=INFO msg="orders - Shutdown initiated..." pool=orders
	// level=INFO msg="orders - Shutdown completed." pool=orders
}
