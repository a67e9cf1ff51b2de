package akari_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// The comparison with other pools is the module bench. These are for a quick
// look while working on the pool.

func benchPool(b *testing.B) *akari.Pool {
	server := akaritest.NewServer(akaritest.Full)
	server.Quiet()
	p, err := akari.New(b.Context(), server.Connector(), akari.Config{SessionReset: akari.ResetOff, Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	b.ReportAllocs()
	return p
}

func BenchmarkAcquireRelease(b *testing.B) {
	p := benchPool(b)
	ctx := context.Background()
	for b.Loop() {
		c, err := p.Acquire(ctx)
		if err != nil {
			b.Fatal(err)
		}
		c.Release()
	}
}

func BenchmarkAcquireReleaseParallel(b *testing.B) {
	p := benchPool(b)
	ctx := context.Background()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c, err := p.Acquire(ctx)
			if err != nil {
				b.Fatal(err)
			}
			c.Release()
		}
	})
}

func BenchmarkExec(b *testing.B) {
	server := akaritest.NewServer(akaritest.Full)
	server.Quiet()
	server.Define("SELECT 1", "GET x")
	b.Run("akari", func(b *testing.B) {
		p, err := akari.New(b.Context(), server.Connector(), akari.Config{SessionReset: akari.ResetOff, Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		execLoop(b, p.DB())
	})
	b.Run("database sql", func(b *testing.B) {
		db := sql.OpenDB(server.Connector())
		defer db.Close()
		execLoop(b, db)
	})
}

func execLoop(b *testing.B, db *sql.DB) {
	b.ReportAllocs()
	ctx := context.Background()
	for b.Loop() {
		if _, err := db.ExecContext(ctx, "SELECT 1"); err != nil {
			b.Fatal(err)
		}
	}
}
