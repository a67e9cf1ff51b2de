package command

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
)

// read makes a configuration of arguments.
func read(t *testing.T, args ...string) (akari.Config, map[string]string, error) {
	t.Helper()
	all := newSettings()
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	all.register(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return all.config()
}

func TestEverySettingOfThePoolIsAFlag(t *testing.T) {
	// What cannot be said on a command line: code, and what there is a flag for.
	not := map[string]bool{"OnConnect": true, "ChangesSession": true, "Credentials": true, "Adjudicate": true, "Logger": true, "Trace": true}
	flags := map[string]bool{}
	for _, s := range newSettings() {
		flags[s.field.Name] = true
	}
	for i, typ := 0, reflect.TypeFor[akari.Config](); i < typ.NumField(); i++ {
		f := typ.Field(i)
		switch k := f.Type.Kind(); {
		case !f.IsExported():
		case not[f.Name]:
			if flags[f.Name] {
				t.Errorf("%s is a flag", f.Name)
			}
		case k == reflect.Func || k == reflect.Pointer || k == reflect.Interface:
			t.Errorf("%s is new and no flag; list it here if that is right", f.Name)
		case !flags[f.Name]:
			t.Errorf("%s is no flag: its type %v is not known to writable", f.Name, f.Type)
		}
	}
	for name := range settingHelp {
		if !flags[name] {
			t.Errorf("the help describes %s, which is no flag", name)
		}
	}
}

func TestNamesAreSpeltBothWays(t *testing.T) {
	for field, want := range map[string][2]string{
		"MaximumPoolSize":   {"maximum-pool-size", "maximumPoolSize"},
		"ConnectionInitSQL": {"connection-init-sql", "connectionInitSql"},
		"ReadOnly":          {"read-only", "readOnly"},
		"Schema":            {"schema", "schema"},
		"SQLMode":           {"sql-mode", "sqlMode"},
	} {
		if kebab, camel := spellings(field); kebab != want[0] || camel != want[1] {
			t.Errorf("%s: %s, %s, want %v", field, kebab, camel, want)
		}
	}
}

func TestSettingsAreRead(t *testing.T) {
	for _, c := range []struct {
		args []string
		want akari.Config
	}{
		{nil, akari.Config{}},
		{[]string{"-maximum-pool-size", "20"}, akari.Config{MaximumPoolSize: 20}},
		{[]string{"-maximumPoolSize=20", "-connectionTimeout", "2s"}, akari.Config{MaximumPoolSize: 20, ConnectionTimeout: 2 * time.Second}},
		{[]string{"-minimum-idle", "none", "-max-waiters", "0"}, akari.Config{MinimumIdle: akari.None}},
		{[]string{"-idle-timeout", "disabled", "-max-lifetime", "Disabled"}, akari.Config{IdleTimeout: akari.Disabled, MaxLifetime: akari.Disabled}},
		{[]string{"-initialization-fail-timeout", "try-once"}, akari.Config{InitializationFailTimeout: akari.TryOnce}},
		{[]string{"-initializationFailTimeout", "dont-try"}, akari.Config{InitializationFailTimeout: akari.DontTry}},
		{[]string{"-initializationFailTimeout", "3s"}, akari.Config{InitializationFailTimeout: 3 * time.Second}},
		{[]string{"-read-only", "-fail-if-suspended=false"}, akari.Config{ReadOnly: true}},
		{[]string{"-pool-name", "orders", "-connectionInitSql", "SET a = 1"}, akari.Config{PoolName: "orders", ConnectionInitSQL: "SET a = 1"}},
		{[]string{"-transaction-isolation", "read-committed"}, akari.Config{TransactionIsolation: sql.LevelReadCommitted}},
		{[]string{"-transactionIsolation", "TRANSACTION_REPEATABLE_READ"}, akari.Config{TransactionIsolation: sql.LevelRepeatableRead}},
		{[]string{"-session-reset", "always"}, akari.Config{SessionReset: akari.ResetAlways}},
		{[]string{"-dialect", "postgresql"}, akari.Config{Dialect: akari.DialectPostgreSQL}},
	} {
		got, given, err := read(t, c.args...)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, %v", c.args, got, err)
		}
		for name, text := range given {
			if strings.Contains(text, "SET a") {
				t.Errorf("%s is shown as %s", name, text)
			}
		}
	}
}

func TestBadSettingsAreAllReported(t *testing.T) {
	for _, c := range []struct{ arg, want string }{
		{"-maximum-pool-size=many", `akari: Config.MaximumPoolSize is "many": must be a whole number`},
		{"-minimum-idle=0", `akari: Config.MinimumIdle is "0": would stand for the default here; leave the flag out for that, or write none`},
		{"-minimum-idle=some", `akari: Config.MinimumIdle is "some": must be a whole number, or none`},
		{"-connection-timeout=2000", `akari: Config.ConnectionTimeout is "2000": must be a duration such as 250ms, 30s or 10m; a number alone has no unit: for milliseconds write 2000ms`},
		{"-max-lifetime=0", `akari: Config.MaxLifetime is "0": would stand for the default here; leave the flag out for that, or write disabled`},
		{"-max-lifetime=never", `akari: Config.MaxLifetime is "never": must be a duration such as 250ms, 30s or 10m, or disabled`},
		{"-initialization-fail-timeout=0", `akari: Config.InitializationFailTimeout is "0": would stand for the default here; leave the flag out for that, or write try-once or dont-try`},
		{"-validation-timeout=disabled", `akari: Config.ValidationTimeout is "disabled": must be a duration such as 250ms, 30s or 10m`},
		{"-read-only=perhaps", `akari: Config.ReadOnly is "perhaps": must be true or false`},
		{"-session-reset=sometimes", `akari: Config.SessionReset is "sometimes": must be dirty, always or off`},
		{"-transaction-isolation=chaos", `akari: Config.TransactionIsolation is "chaos": must be default, read-uncommitted, read-committed, repeatable-read or serializable`},
		{"-dialect=klingon", `akari: Config.Dialect is "klingon": must be auto, other, postgresql, mysql or sqlite`},
	} {
		_, _, err := read(t, c.arg)
		var bad *akari.ConfigError
		if !errors.As(err, &bad) || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.arg, err, c.want)
		}
	}
	_, _, err := read(t, "-maximum-pool-size=many", "-max-lifetime=0", "-read-only=perhaps")
	if n := strings.Count(fmt.Sprint(err), "akari: Config."); n != 3 {
		t.Errorf("%d of three problems are reported: %v", n, err)
	}
}
