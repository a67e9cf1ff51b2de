package akari_test

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

var quiet = slog.New(slog.DiscardHandler)

func TestValidateRefusesWhatHikariCPWouldRepair(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		cfg    akari.Config
		fields string // named in the error, "" if it is fine
	}{
		{akari.Config{}, ""},
		{akari.Config{MaximumPoolSize: -1}, "MaximumPoolSize"},
		{akari.Config{MaximumPoolSize: 1}, ""},
		{akari.Config{MaximumPoolSize: 5, MinimumIdle: 5}, ""},
		{akari.Config{MaximumPoolSize: 5, MinimumIdle: 6}, "MinimumIdle"},
		{akari.Config{MinimumIdle: akari.None}, ""},
		{akari.Config{MinimumIdle: -2}, "MinimumIdle"},
		{akari.Config{MaxConnecting: -1}, "MaxConnecting"},
		{akari.Config{MaxWaiters: -1}, "MaxWaiters"},
		{akari.Config{ConnectionTimeout: 249 * ms}, "ConnectionTimeout"},
		{akari.Config{ConnectionTimeout: 250 * ms}, ""},
		{akari.Config{ConnectionTimeout: akari.Disabled}, ""},
		{akari.Config{ConnectionTimeout: -2}, "ConnectionTimeout"},
		{akari.Config{ValidationTimeout: 249 * ms}, "ValidationTimeout"},
		{akari.Config{ValidationTimeout: 250 * ms}, ""},
		{akari.Config{ValidationTimeout: akari.Disabled}, "ValidationTimeout"},
		{akari.Config{ValidationTimeout: 3 * time.Second, ConnectionTimeout: 2 * time.Second}, "ValidationTimeout"},
		{akari.Config{ConnectionTimeout: 2 * time.Second}, ""}, // the default validation time-out is longer: the caller's wait ends before
		{akari.Config{IdleTimeout: 10*time.Second - 1}, "IdleTimeout"},
		{akari.Config{IdleTimeout: 10 * time.Second}, ""},
		{akari.Config{IdleTimeout: akari.Disabled}, ""},
		{akari.Config{IdleTimeout: time.Minute, MaxLifetime: time.Minute, MinimumIdle: 1}, "IdleTimeout"},
		{akari.Config{IdleTimeout: time.Minute, MaxLifetime: time.Minute}, ""}, // a fixed pool has no use for it
		{akari.Config{MaxLifetime: 30*time.Second - 1}, "MaxLifetime"},
		{akari.Config{MaxLifetime: 30 * time.Second}, ""},
		{akari.Config{MaxLifetime: akari.Disabled}, ""},
		{akari.Config{KeepaliveTime: 30*time.Second - 1}, "KeepaliveTime"},
		{akari.Config{KeepaliveTime: 30 * time.Second}, ""},
		{akari.Config{KeepaliveTime: time.Hour, MaxLifetime: time.Hour}, "KeepaliveTime"},
		{akari.Config{KeepaliveTime: time.Hour, MaxLifetime: akari.Disabled}, ""},
		{akari.Config{LeakDetectionThreshold: 2*time.Second - 1}, "LeakDetectionThreshold"},
		{akari.Config{LeakDetectionThreshold: 2 * time.Second}, ""},
		{akari.Config{LeakDetectionThreshold: time.Hour, MaxLifetime: 30 * time.Minute}, "LeakDetectionThreshold"},
		{akari.Config{HousekeepingPeriod: ms}, "HousekeepingPeriod"},
		{akari.Config{InitializationFailTimeout: akari.Disabled}, "InitializationFailTimeout"},
		{akari.Config{InitializationFailTimeout: -4}, "InitializationFailTimeout"},
		{akari.Config{InitializationFailTimeout: akari.DontTry}, ""},
		{akari.Config{SessionReset: 3}, "SessionReset"},
		{akari.Config{StatementCacheSize: -2}, "StatementCacheSize"},
		{akari.Config{TransactionIsolation: sql.LevelSnapshot}, "TransactionIsolation"},
		{akari.Config{TransactionIsolation: sql.LevelSerializable}, ""},
		{akari.Config{TransactionIsolation: 99}, "TransactionIsolation"},
		{akari.Config{Dialect: 99}, "Dialect"},
		{akari.Config{MaximumPoolSize: -1, MaxLifetime: ms, SessionReset: -1, ConnectionTimeout: ms}, "MaximumPoolSize MaxLifetime SessionReset ConnectionTimeout"},
	} {
		err := c.cfg.Validate()
		if c.fields == "" {
			if err != nil {
				t.Errorf("refused: %v", err)
			}
			continue
		}
		if err == nil {
			t.Errorf("accepted: a bad %s", c.fields)
			continue
		}
		for _, field := range strings.Fields(c.fields) {
			if !strings.Contains(err.Error(), "akari: Config."+field+" is ") {
				t.Errorf("%s is not named in: %v", field, err)
			}
		}
		var ce *akari.ConfigError
		if !errors.As(err, &ce) || ce.Problem == "" {
			t.Errorf("no ConfigError in %v", err)
		}
	}
}

func TestNewRefusesABadConfigWithoutConnecting(t *testing.T) {
	server := akaritest.NewServer(akaritest.Full)
	if _, err := akari.New(t.Context(), server.Connector(), akari.Config{MaximumPoolSize: -1}); err == nil {
		t.Fatal("accepted")
	}
	if _, err := akari.New(t.Context(), nil, akari.Config{}); err == nil {
		t.Fatal("accepted a nil connector")
	}
	if n := server.Calls(akaritest.OpConnect); n != 0 {
		t.Errorf("%d connects", n)
	}
	if _, err := akari.Open(t.Context(), "no such driver", "x", akari.Config{}); err == nil || !strings.Contains(err.Error(), "no such driver") {
		t.Errorf("got %v", err)
	}
}

// TestEveryLiveSettingIsAConfigFieldOfTheSameName keeps the two structs in step.
func TestEveryLiveSettingIsAConfigFieldOfTheSameName(t *testing.T) {
	cfg := reflect.TypeFor[akari.Config]()
	for f := range reflect.TypeFor[akari.Settings]().Fields() {
		c, ok := cfg.FieldByName(f.Name)
		if !ok || c.Type != f.Type {
			t.Errorf("Settings.%s has no twin in Config", f.Name)
		}
	}
}

func TestConfigShowsNoSecrets(t *testing.T) {
	cfg := akari.Config{PoolName: "orders", ConnectionInitSQL: "SET app.key = 's3cr3t'"}
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("config", "config", cfg)
	fmt.Fprintf(&b, "%v %+v %#v %s", cfg, cfg, cfg, cfg)
	cred := akari.Credentials{Username: "app", Password: "s3cr3t"}
	slog.New(slog.NewTextHandler(&b, nil)).Info("credentials", "credentials", cred)
	fmt.Fprintf(&b, "%v %+v %#v", cred, cred, cred)
	if strings.Contains(b.String(), "s3cr3t") || !strings.Contains(b.String(), "orders") {
		t.Errorf("printed: %s", b.String())
	}
}

// TestPasswordsInParametersAreMasked has the eight forms of HikariCP's tests: no
// password is shown, and the user name still is.
func TestPasswordsInParametersAreMasked(t *testing.T) {
	d, name := registerDSNDriver(t)
	d.fail = func(dsn string) error {
		_, parameters, _ := strings.Cut(dsn, "?")
		return fmt.Errorf("cannot connect to %s: cannot use %s", dsn, parameters)
	}
	for _, parameters := range []string{
		"user=USER&password=SECRET",
		"user=USER&truststorePassword=SECRET",
		"a=b&password=SECRET&user=USER",
		"a=b&sslpassword=SECRET&user=USER",
		"truststorePassword=SECRET1;user=USER&password=SECRET2#extra",
		"a=b&sslpassword=SECRET&password=SECRET&user=USER",
		"sslpassword=SECRET&password=SECRET&trustPassword=SECRET&user=USER",
		"password=SECRET#user=USER;extra",
	} {
		var book logBook
		_, err := akari.Open(t.Context(), name, "postgresql://host/d_dlq?"+parameters, akari.Config{Logger: slog.New(&book)})
		for _, shown := range []string{fmt.Sprint(err), book.String()} {
			if strings.Contains(shown, "SECRET") || !strings.Contains(shown, "user=USER") {
				t.Errorf("%s: shown is %s", parameters, shown)
			}
		}
	}
}

// hikariSettings are the names of what can be said about a HikariCP 7 pool.
const hikariSettings = `
	connectionTimeout validationTimeout idleTimeout maxLifetime keepaliveTime minimumIdle maximumPoolSize
	leakDetectionThreshold initializationFailTimeout autoCommit readOnly isolateInternalQueries
	allowPoolSuspension registerMbeans transactionIsolation catalog schema connectionInitSql
	connectionTestQuery dataSource dataSourceClassName jdbcUrl driverClassName dataSourceJNDI
	dataSourceProperties username password credentials credentialsProvider credentialsProviderClassName
	exceptionOverride exceptionOverrideClassName metricsTrackerFactory metricRegistry healthCheckRegistry
	healthCheckProperties poolName threadFactory scheduledExecutor
	housekeeping.periodMs aliveBypassWindowMs lifeTimeVarianceFactor timeoutMs.floor minimumLoginTimeoutSecs
	blockUntilFilled throwIfSuspended enableRequestBoundaries useWeakReferences
	legacy.supportUserPassDataSourceOverride hikaricp.configurationFile hikaricp.jmx.register2.0`

// TestDocumentHasEverySetting: each field of Config, live ones with their default,
// and each of HikariCP's names stand in a row of a table.
func TestDocumentHasEverySetting(t *testing.T) {
	text, err := os.ReadFile("docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("`([^`]+)`")
	rows := map[string][]string{} // by what stands in them as code
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(line, -1) {
			word := strings.TrimPrefix(m[1], "com.zaxxer.hikari.")
			rows[word] = append(rows[word], line)
		}
	}
	for _, word := range strings.Fields(hikariSettings) {
		if rows[word] == nil {
			t.Errorf("HikariCP's %s is missing", word)
		}
	}
	within(t, func(t *testing.T) {
		defaults := reflect.ValueOf(newBench(t, akaritest.Full, akari.Config{}).Settings())
		for f := range reflect.TypeFor[akari.Config]().Fields() {
			if !f.IsExported() {
				continue
			}
			if rows[f.Name] == nil {
				t.Errorf("%s is missing", f.Name)
			}
			v := defaults.FieldByName(f.Name)
			if !v.IsValid() || v.IsZero() {
				continue // cannot be asked for, or is no number
			}
			want, found := written(v), false
			for cell := range strings.SplitSeq(strings.Join(rows[f.Name], ""), "|") {
				found = found || strings.HasPrefix(strings.Trim(cell, " `*"), want)
			}
			if !found {
				t.Errorf("%s: its default, %s, has no cell", f.Name, want)
			}
		}
	})
}

// written is a number or a duration as documents have it: 10, 30 s, 2 min.
func written(v reflect.Value) string {
	d, ok := v.Interface().(time.Duration)
	switch {
	case !ok:
		return fmt.Sprint(v)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return fmt.Sprintf("%d ms", d/time.Millisecond)
}
