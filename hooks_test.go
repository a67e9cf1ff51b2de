package akari_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

func TestAdjudicateThatPanicsSaysContinue(t *testing.T) {
	lost := &akaritest.Error{Code: "08006", Message: "gone"}
	refused := &akaritest.Error{Code: "23505", Message: "there already"}
	for name, c := range map[string]struct {
		op akaritest.Op
		do func(context.Context, *sql.DB) error
	}{
		"Exec":  {akaritest.OpExec, func(ctx context.Context, db *sql.DB) error { _, err := db.ExecContext(ctx, "GET x"); return err }},
		"Query": {akaritest.OpQuery, func(ctx context.Context, db *sql.DB) error { _, err := db.QueryContext(ctx, "GET x"); return err }},
		"BeginTx": {akaritest.OpBegin, func(ctx context.Context, db *sql.DB) error {
			_, err := db.BeginTx(ctx, nil)
			return err
		}},
		"Commit": {akaritest.OpCommit, func(ctx context.Context, db *sql.DB) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return tx.Commit()
		}},
		"Rollback": {akaritest.OpRollback, func(ctx context.Context, db *sql.DB) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return tx.Rollback()
		}},
		"Raw": {akaritest.OpPing, func(ctx context.Context, db *sql.DB) error {
			conn, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			return akari.Raw(conn, func(dc any) error {
				return dc.(interface{ Ping(context.Context) error }).Ping(ctx)
			})
		}},
	} {
		for kind, err := range map[string]error{"a lost connection": lost, "a refusal": refused} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				within(t, func(t *testing.T) {
					cfg := quietKeeping
					cfg.MaximumPoolSize, cfg.MinimumIdle = 1, 1
					cfg.Dialect = akari.DialectMySQL // has a ROLLBACK
					cfg.SessionReset = akari.ResetOff
					cfg.Adjudicate = func(error) akari.Verdict { panic("boo") }
					b := newBench(t, akaritest.Full, cfg)
					b.exec("GET x")
					b.server.Inject(c.op, akaritest.Fault{Times: 10, Err: err})
					if got := c.do(t.Context(), b.DB()); !errors.Is(got, err) {
						t.Errorf("the caller got %v", got)
					}
					settle(time.Second)
					b.server.Heal()
					if b.log.count("ERROR test - Config.Adjudicate panicked: boo") == 0 {
						t.Error("it is not in the log")
					}
					b.want(1, 0, 1, 0)
					broken := b.Stats().Closed[akari.CloseBroken]
					if err == lost && broken == 0 || err == refused && broken != 0 {
						t.Errorf("%d connections were closed as broken", broken)
					}
					b.exec("GET x")
				})
			})
		}
	}
}

func TestChangesSessionThatPanicsSaysYes(t *testing.T) {
	within(t, func(t *testing.T) {
		asked := 0
		b := dirtyPool(t, akaritest.MySQLLike, akari.Config{ChangesSession: func(q string) bool {
			if !contains(q, "become_tenant") {
				return false
			}
			asked++
			panic("boo")
		}})
		b.server.Define("SELECT become_tenant(42)", "SET tenant 42")
		for range 2 {
			b.exec("SELECT become_tenant(42)")
			if got := value[sql.NullString](t, b.DB(), "GET tenant"); got.Valid {
				t.Fatalf("the next borrower is tenant %q", got.String)
			}
		}
		settle(0)
		if n := b.log.count("ERROR test - Config.ChangesSession panicked: boo"); n != 1 || asked != 1 {
			t.Errorf("asked %d times, logged %d times; want once", asked, n)
		}
		b.want(1, 0, 1, 0)
	})
}

func TestChangesSessionIsAskedAboutWhatIsInATransactionToo(t *testing.T) {
	for _, text := range []string{
		"SELECT become_tenant(42)",
		"BEGIN; SELECT become_tenant(42); COMMIT",
		"BEGIN; SELECT become_tenant(42)",
		"SELECT become_tenant(42); COMMIT",
		"BEGIN; SELECT become_tenant(42); ROLLBACK",
	} {
		t.Run(text, func(t *testing.T) {
			within(t, func(t *testing.T) {
				asked := 0
				b := dirtyPool(t, akaritest.MySQLLike, akari.Config{ChangesSession: func(q string) bool {
					if q == text {
						asked++
					}
					return contains(q, "become_tenant")
				}})
				b.server.Define(text, "SET tenant 42")
				for range 3 {
					b.exec(text)
					if got := value[sql.NullString](t, b.DB(), "GET tenant"); got.Valid {
						t.Fatalf("the next borrower is tenant %q", got.String)
					}
				}
				if asked != 1 {
					t.Errorf("asked %d times about one text", asked)
				}
			})
		})
	}
}
