package txn_test

import (
	"context"
	"database/sql"
	"log/slog"
	"testing"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// benchPool is a pool on a server that answers at once.
func benchPool(b *testing.B) *akari.Pool {
	b.Helper()
	server := akaritest.NewServer(akaritest.PgxLike)
	server.Quiet()
	p, err := akari.New(b.Context(), server.Connector(), akari.Config{SessionReset: akari.ResetOff, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	return p
}

// BenchmarkThreeStatements compares a transaction of three statements.
func BenchmarkThreeStatements(b *testing.B) {
	p := benchPool(b)
	three := func(ctx context.Context, db interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
	}) error {
		for range 3 {
			if _, err := db.ExecContext(ctx, "NOP"); err != nil {
				return err
			}
		}
		return nil
	}
	b.Run("scope", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := txn.Do(b.Context(), p, func(ctx context.Context) error { return three(ctx, p.DB()) }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sql.Tx", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tx, err := p.DB().BeginTx(b.Context(), nil)
			if err != nil {
				b.Fatal(err)
			}
			if err := three(b.Context(), tx); err != nil {
				b.Fatal(err)
			}
			if err := tx.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStatement compares a statement in a transaction.
func BenchmarkStatement(b *testing.B) {
	p := benchPool(b)
	b.Run("scope", func(b *testing.B) {
		b.ReportAllocs()
		_ = txn.Do(b.Context(), p, func(ctx context.Context) error {
			for b.Loop() {
				if _, err := p.DB().ExecContext(ctx, "NOP"); err != nil {
					b.Fatal(err)
				}
			}
			return nil
		})
	})
	b.Run("sql.Tx", func(b *testing.B) {
		b.ReportAllocs()
		tx, err := p.DB().BeginTx(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := tx.ExecContext(b.Context(), "NOP"); err != nil {
				b.Fatal(err)
			}
		}
		_ = tx.Rollback()
	})
}
