package akari_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// TestRefusedConstantsAreNamed: nobody has written -1ns.
func TestRefusedConstantsAreNamed(t *testing.T) {
	for _, c := range []struct {
		cfg  akari.Config
		want []string
	}{
		{akari.Config{ValidationTimeout: akari.Disabled}, []string{"ValidationTimeout is Disabled: ", "akari.Disabled does not apply here"}},
		{akari.Config{HousekeepingPeriod: akari.DontTry}, []string{"HousekeepingPeriod is DontTry: "}},
		{akari.Config{ConnectionTimeout: akari.TryOnce}, []string{"ConnectionTimeout is TryOnce: ", "akari.Disabled switches it off"}},
		{akari.Config{ConnectionTimeout: -time.Second}, []string{"ConnectionTimeout is -1s: "}},
		{akari.Config{InitializationFailTimeout: akari.Disabled}, []string{"InitializationFailTimeout is Disabled: ", "akari.Disabled does not apply here", "30*time.Second"}},
		{akari.Config{MaxWaiters: akari.None}, []string{"MaxWaiters is -1: ", "akari.None does not apply here"}},
		{akari.Config{MaxConnecting: akari.None}, []string{"MaxConnecting is -1: ", "akari.None does not apply here"}},
		{akari.Config{TransactionIsolation: sql.LevelSnapshot}, []string{"TransactionIsolation is Snapshot: "}},
		{akari.Config{SessionReset: 7}, []string{"SessionReset is SessionReset(7): "}},
		{akari.Config{Schema: "orders,"}, []string{"Schema is `orders,`: "}},
	} {
		err := c.cfg.Validate()
		for _, part := range append(c.want, "akari: Config.") {
			if !contains(fmt.Sprint(err), part) {
				t.Errorf("it does not say %q: %v", part, err)
			}
		}
	}
	// Programs get the value itself.
	var bad *akari.ConfigError
	if err := (akari.Config{ValidationTimeout: akari.Disabled}).Validate(); !errors.As(err, &bad) || bad.Value != akari.Disabled {
		t.Errorf("the value is %v", bad.Value)
	}
}

func TestConfigNamesItsConstants(t *testing.T) {
	cfg := akari.Config{
		MinimumIdle: akari.None, ConnectionTimeout: akari.Disabled, MaxLifetime: time.Minute, InitializationFailTimeout: akari.TryOnce,
		SessionReset: akari.ResetAlways, StatementCacheSize: akari.None,
	}
	for _, part := range []string{
		"MinimumIdle=None", "ConnectionTimeout=Disabled", "MaxLifetime=1m0s", "InitializationFailTimeout=TryOnce", "SessionReset=ResetAlways", "StatementCacheSize=None",
	} {
		if !contains(cfg.String(), part) {
			t.Errorf("it does not say %s: %v", part, cfg)
		}
	}
	if cfg = (akari.Config{InitializationFailTimeout: akari.DontTry}); !contains(cfg.String(), "FailTimeout=DontTry") || !contains(cfg.String(), "SessionReset=ResetDirty") {
		t.Errorf("it says %v", cfg)
	}
	// In a log, durations that are numbers stay so.
	for _, a := range (akari.Config{MaxLifetime: time.Minute}).LogValue().Group() {
		if a.Key == "MaxLifetime" && a.Value.Kind() != slog.KindDuration {
			t.Errorf("MaxLifetime is a %v", a.Value.Kind())
		}
	}
}

func TestConstantsPrintTheirNames(t *testing.T) {
	for value, want := range map[any]string{
		akari.ResetDirty: "ResetDirty", akari.ResetAlways: "ResetAlways", akari.ResetOff: "ResetOff", akari.SessionReset(-1): "SessionReset(-1)",
		akari.Continue: "Continue", akari.MustEvict: "MustEvict", akari.DoNotEvict: "DoNotEvict", akari.Verdict(9): "Verdict(9)",
	} {
		if fmt.Sprint(value) != want {
			t.Errorf("got %v, want %s", value, want)
		}
	}
}

func TestStatsAreReadableAsJSON(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 2})
		b.want(2, 0, 2, 0)
		b.Evict()
		b.want(2, 0, 2, 0)
		text, err := json.Marshal(b.Stats())
		if err != nil || !contains(string(text), `"Closed":{"evicted":2}`) {
			t.Fatalf("got %s, %v", text, err)
		}
		var back akari.Stats
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, b.Stats()) {
			t.Errorf("read back: %+v, %v", back, err)
		}
		var reasons []akari.CloseReason
		if text, err = json.Marshal(akari.CloseReasons()); err != nil || json.Unmarshal(text, &reasons) != nil || !reflect.DeepEqual(reasons, akari.CloseReasons()) {
			t.Errorf("%s is read back as %v (%v)", text, reasons, err)
		}
		if err := json.Unmarshal([]byte(`["dead", "of a later version"]`), &reasons); err != nil || reasons[0] != akari.CloseDead || reasons[1] != 0 {
			t.Errorf("got %v, %v", reasons, err)
		}
	})
}

func TestSchemaIsAListOfNames(t *testing.T) {
	for _, c := range []struct {
		schema          string
		postgres, mysql string // what the server is told; "" if it is refused
	}{
		{"orders", `"orders"`, "`orders`"},
		{" Orders ", `"Orders"`, "`Orders`"},
		{"$user, public", `"$user", "public"`, "`$user, public`"}, // which MySQL refuses
		{`"$user", public`, `"$user", "public"`, "`\"$user\", public`"},
		{`"My Schema",other`, `"My Schema", "other"`, "`\"My Schema\",other`"},
		{`My Schema`, `"My Schema"`, "`My Schema`"},
		{`"a, ""b"" " , c`, `"a, ""b"" ", "c"`, "`\"a, \"\"b\"\" \" , c`"},
		{`"orders"`, `"orders"`, "`orders`"},
		{`fancy "one`, `"fancy ""one"`, "`fancy \"one`"},
		{"fancy`one", "\"fancy`one\"", "`fancy``one`"},
		{",", "", ""},
		{"orders,", "", ""},
		{",orders", "", ""},
		{"a,,b", "", ""},
		{" ", "", ""},
		{`""`, "", ""},
		{`"orders`, "", ""},
		{`"orders" x`, "", ""},
		{`"a""`, "", ""},
		{"a\x00b", "", ""},
	} {
		err := akari.Config{Schema: c.schema}.Validate()
		if c.postgres == "" {
			if !contains(fmt.Sprint(err), "Config.Schema is ") {
				t.Errorf("%q: got %v", c.schema, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.schema, err)
			continue
		}
		within(t, func(t *testing.T) {
			for dialect, want := range map[akari.Dialect]string{
				akari.DialectPostgreSQL: "SET search_path = " + c.postgres,
				akari.DialectMySQL:      "USE " + c.mysql,
			} {
				server := akaritest.NewServer(akaritest.Full)
				server.Define(want, "SET x 1")
				newBenchOn(t, server, akari.Config{MaximumPoolSize: 1, Dialect: dialect, Schema: c.schema, SessionReset: akari.ResetOff})
				if server.Executions(want) == 0 {
					t.Errorf("%q: the server was not told %s", c.schema, want)
				}
			}
		})
	}
}

func TestApplyNamesItsSettings(t *testing.T) {
	within(t, func(t *testing.T) {
		b := newBench(t, akaritest.Full, akari.Config{MaximumPoolSize: 1})
		s := b.Settings()
		s.MaximumPoolSize, s.ValidationTimeout = -3, akari.Disabled
		err := b.Apply(s)
		for _, want := range []string{"akari: Settings.MaximumPoolSize is -3: ", "akari: Settings.ValidationTimeout is Disabled: "} {
			if !contains(fmt.Sprint(err), want) {
				t.Errorf("it does not say %q: %v", want, err)
			}
		}
		var bad *akari.ConfigError
		if !errors.As(err, &bad) || bad.Field != "MaximumPoolSize" || bad.Value != -3 {
			t.Errorf("got %+v", bad)
		}
		s = b.Settings()
		s.Schema = "orders" // of a server that is not known
		if err := b.Apply(s); !contains(fmt.Sprint(err), "akari: Settings.Schema is orders: ") || !errors.As(err, &bad) || bad.Field != "Schema" {
			t.Errorf("got %v", err)
		}
		s = b.Settings()
		s.ConnectionTimeout = akari.Disabled
		if err := b.Apply(s); err != nil || b.log.count("Settings changed: ConnectionTimeout from 30s to Disabled") != 1 {
			t.Errorf("got %v, and the log does not name what has changed", err)
		}
	})
}
