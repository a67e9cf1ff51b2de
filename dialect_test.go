package akari_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

func TestWhatAnUnknownServerCannotBeToldIsRefused(t *testing.T) {
	for field, cfg := range map[string]akari.Config{
		"ReadOnly":             {ReadOnly: true},
		"TransactionIsolation": {TransactionIsolation: sql.LevelSerializable},
		"Schema":               {Schema: "orders"},
	} {
		for _, dialect := range []akari.Dialect{akari.DialectAuto, akari.DialectOther} {
			t.Run(fmt.Sprintf("%s/%v", field, dialect), func(t *testing.T) {
				within(t, func(t *testing.T) {
					server := akaritest.NewServer(akaritest.Full)
					akaritest.Verify(t, server)
					cfg := cfg
					cfg.Dialect = dialect
					_, took, err := start(t, server, cfg)
					var ie *akari.InitError
					var ce *akari.ConfigError
					if !errors.As(err, &ie) || !errors.As(err, &ce) || took != 0 {
						t.Fatalf("got %v after %v", err, took)
					}
					if ce.Field != field || !contains(ce.Problem, "Config.Dialect") || !contains(ce.Problem, "ConnectionInitSQL") {
						t.Errorf("it does not say what to do: %v", err)
					}
					if n := server.Stats().Statements; n != 0 {
						t.Errorf("%d statements were sent", n)
					}
				})
			})
		}
	}
}

func TestSchemaOfAnUnknownServerIsRefusedWhileRunning(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1})
		s := b.Settings()
		s.Schema = "orders"
		err := b.Apply(s)
		if err == nil { // then no connection is opened with it
			b.Evict()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = b.Acquire(ctx)
		}
		var ce *akari.ConfigError
		if !errors.As(err, &ce) || ce.Field != "Schema" {
			t.Errorf("got %v", err)
		}
		if n := b.server.Stats().Statements; n != 0 {
			t.Errorf("%d statements were sent", n)
		}
	})
}

func TestChangedSessionOfAnUnknownServerIsClosed(t *testing.T) {
	for _, profile := range []akaritest.Profile{akaritest.Full, akaritest.MSSQLLike, akaritest.PgxLike, akaritest.Minimal} {
		for _, dialect := range []akari.Dialect{akari.DialectAuto, akari.DialectOther} {
			t.Run(fmt.Sprintf("%s/%v", profile.Name, dialect), func(t *testing.T) {
				within(t, func(t *testing.T) {
					server := akaritest.NewServer(profile)
					akaritest.Verify(t, server)
					p, _, err := start(t, server, akari.Config{MaximumPoolSize: 1, Dialect: dialect})
					if err != nil {
						t.Fatal(err)
					}
					first := value[int](t, p.DB(), "CONN")
					if _, err := p.DB().ExecContext(t.Context(), "SET tenant 42"); err != nil {
						t.Fatal(err)
					}
					settle(time.Second)
					if next := value[int](t, p.DB(), "CONN"); next == first {
						t.Error("the session is lent again")
					}
					if got := value[sql.NullString](t, p.DB(), "GET tenant"); got.Valid {
						t.Errorf("the next borrower is tenant %q", got.String)
					}
					if n := p.Stats().Closed[akari.CloseReset]; n == 0 {
						t.Error("nothing was closed for it")
					}
				})
			})
		}
	}
}
