package akari_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// dsnDriver is a driver that notes the data source names it is given.
type dsnDriver struct {
	server *akaritest.Server

	mu   sync.Mutex
	dsns []string
	fail func(dsn string) error
}

func (d *dsnDriver) Open(dsn string) (driver.Conn, error) {
	d.mu.Lock()
	d.dsns = append(d.dsns, dsn)
	fail := d.fail
	d.mu.Unlock()
	if fail != nil {
		if err := fail(dsn); err != nil {
			return nil, err
		}
	}
	return d.server.Connector().Connect(context.Background())
}

// dsnContextDriver is one that makes connectors.
type dsnContextDriver struct{ *dsnDriver }

func (d dsnContextDriver) OpenConnector(dsn string) (driver.Connector, error) {
	return dsnConnector{d, dsn}, nil
}

type dsnConnector struct {
	d   dsnContextDriver
	dsn string
}

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.d.Open(c.dsn) }
func (c dsnConnector) Driver() driver.Driver                        { return c.d }

func (d *dsnDriver) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.dsns)
}

func (d *dsnDriver) last() string {
	all := d.all()
	return all[len(all)-1]
}

func registerDSNDriver(t *testing.T) (*dsnDriver, string) {
	t.Helper()
	d := &dsnDriver{server: akaritest.NewServer(akaritest.Full)}
	return d, d.register(false)
}

// register returns the name that the driver is registered by.
func (d *dsnDriver) register(connectors bool) string {
	name := fmt.Sprintf("akaritest credentials %d", registrations.Add(1))
	if connectors {
		sql.Register(name, dsnContextDriver{d})
	} else {
		sql.Register(name, d)
	}
	return name
}

func TestCredentialsAreAskedForAtEachConnect(t *testing.T) {
	d, name := registerDSNDriver(t)
	for _, c := range []struct{ dsn, want string }{
		{"postgres://old:pw@db:5432/app?sslmode=disable", "postgres://us%2Fer:p%40ss%2Fw%3A1@db:5432/app?sslmode=disable"},
		{"host=db dbname=app", `host=db dbname=app user='us/er' password='p@ss/w:1'`},
		{"old:pw@tcp(db:3306)/app?parseTime=true", "us/er:p@ss/w:1@tcp(db:3306)/app?parseTime=true"},
		{"tcp(db:3306)/app", "us/er:p@ss/w:1@tcp(db:3306)/app"},
		{"@unix(/run/mysqld.sock)/app", "us/er:p@ss/w:1@unix(/run/mysqld.sock)/app"},
	} {
		asked := 0
		p, err := akari.Open(t.Context(), name, c.dsn, akari.Config{
			MaximumPoolSize: 1, Logger: quiet,
			Credentials: func(context.Context) (akari.Credentials, error) {
				asked++
				return akari.Credentials{Username: "us/er", Password: "p@ss/w:1"}, nil
			},
		})
		if err != nil {
			t.Errorf("%s: %v", c.dsn, err)
			continue
		}
		if d.last() != c.want || asked != 1 {
			t.Errorf("asked %d times, connected with %s, want %s", asked, d.last(), c.want)
		}
		p.Close()
	}
	if _, err := akari.Open(t.Context(), name, "app.db", akari.Config{
		Logger: quiet,
		Credentials: func(context.Context) (akari.Credentials, error) {
			return akari.Credentials{Username: "u", Password: "p"}, nil
		},
	}); err == nil || !strings.Contains(err.Error(), "use New") {
		t.Errorf("a data source name without a place for credentials: %v", err)
	}
	if _, err := akari.New(t.Context(), d.server.Connector(), akari.Config{
		Credentials: func(context.Context) (akari.Credentials, error) { return akari.Credentials{}, nil },
	}); err == nil || !strings.Contains(err.Error(), "Config.Credentials") {
		t.Errorf("New with Credentials: %v", err)
	}
}

func TestCredentialsAreAskedForOnceForEachOfSeveralConnections(t *testing.T) {
	for _, connectors := range []bool{false, true} {
		within(t, func(t *testing.T) {
			d := &dsnDriver{server: akaritest.NewServer(akaritest.Full)}
			akaritest.Verify(t, d.server)
			var asked atomic.Int64
			p, err := akari.Open(t.Context(), d.register(connectors), "postgres://db/app", akari.Config{
				MaximumPoolSize: 3, Logger: quiet,
				Credentials: func(context.Context) (akari.Credentials, error) {
					return akari.Credentials{Username: "app", Password: fmt.Sprint("token", asked.Add(1))}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			for round := 1; round <= 3; round++ {
				settle(time.Second)
				used := d.all()
				slices.Sort(used)
				if n := int(asked.Load()); n != 3*round || len(used) != n || len(slices.Compact(used)) != n {
					t.Errorf("asked %d times, want %d, and connected with %v", n, 3*round, used)
				}
				p.Evict()
			}
		})
	}
}

func TestCredentialsProviderThatFailsIsAFailureToOpen(t *testing.T) {
	_, name := registerDSNDriver(t)
	vault := errors.New("vault is sealed")
	_, err := akari.Open(t.Context(), name, "u:p@tcp(db)/app", akari.Config{
		Logger:      quiet,
		Credentials: func(context.Context) (akari.Credentials, error) { return akari.Credentials{}, vault },
	})
	if !errors.Is(err, vault) {
		t.Fatalf("got %v", err)
	}
}

func TestCredentialsAreRotated(t *testing.T) {
	d, name := registerDSNDriver(t)
	book := &logBook{}
	p, err := akari.Open(t.Context(), name, "app:one@tcp(db:3306)/app", akari.Config{PoolName: "test", MaximumPoolSize: 1, Logger: slog.New(book)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.SetCredentials(akari.Credentials{Username: "app", Password: "two"}); err != nil {
		t.Fatal(err)
	}
	if book.count("INFO test - Credentials changed for new connections.") != 1 || book.count("two") != 0 {
		t.Errorf("the log says\n%v", book)
	}
	if d.last() != "app:one@tcp(db:3306)/app" {
		t.Error("a connection was opened for nothing")
	}
	p.Evict()
	c, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Release()
	if d.last() != "app:two@tcp(db:3306)/app" {
		t.Errorf("connected with %s", d.last())
	}
	if err := p.SetCredentials(akari.Credentials{Username: "a:b", Password: "x"}); err == nil {
		t.Error("accepted a user name that cannot be written")
	}
}

// TestPasswordsAreShownNowhere has the driver put its data source name into
// every error and looks for it in everything that comes out of the pool.
func TestPasswordsAreShownNowhere(t *testing.T) {
	d, name := registerDSNDriver(t)
	const secret = "s3cr3t-p@ss"
	for _, dsn := range []string{
		"postgres://app:s3cr3t-p%40ss@db:5432/app",
		"postgres://app@db:5432/app?password=s3cr3t-p%40ss&sslpassword=s3cr3t-p%40ss",
		"postgres://app:s3cr3t-p@ss@db:port/app", // does not parse
		"host=db user=app password=s3cr3t-p@ss dbname=app",
		"host=db user=app password = 's3cr3t-p@ss' dbname=app",
		"app:s3cr3t-p@ss@tcp(db:3306)/app",
		"app:s3cr3t-p@ss@/app",
	} {
		book := &logBook{}
		var out strings.Builder
		var outMu sync.Mutex
		show := func(v any) {
			outMu.Lock()
			defer outMu.Unlock()
			fmt.Fprintf(&out, "%v %+v %#v\n", v, v, v)
		}
		d.fail = func(dsn string) error { return fmt.Errorf("cannot connect to %q with password %s", dsn, secret) }
		_, err := akari.Open(t.Context(), name, dsn, akari.Config{Logger: slog.New(book)})
		show(err)
		show(errors.Unwrap(err))
		p, err := akari.Open(t.Context(), name, dsn, akari.Config{
			Logger: slog.New(book), InitializationFailTimeout: akari.DontTry, ConnectionTimeout: 250e6,
			Trace: &akari.Trace{
				OpenFailed:    func(e akari.OpenFailedEvent) { show(e) },
				AcquireFailed: func(e akari.AcquireFailedEvent) { show(e.Err) },
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.DB().Exec("GET x")
		show(err)
		for e := err; e != nil; e = errors.Unwrap(e) {
			show(e)
		}
		show(p.Stats())
		p.Close()
		outMu.Lock()
		all := out.String() + book.String()
		outMu.Unlock()
		if strings.Contains(all, "s3cr3t") {
			t.Errorf("%s is shown:\n%s", dsn, all)
		}
		if !strings.Contains(all, "cannot connect to") {
			t.Errorf("the rest of the error is lost:\n%s", all)
		}
	}
}
