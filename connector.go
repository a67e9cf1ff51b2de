package akari

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// connector is the pool as database/sql sees it: an endless source of sessions.
type connector struct{ p *Pool }

var _ driver.Connector = (*connector)(nil)

// Connect makes a session. It cannot fail: whether a connection is to be had
// the session's first operation tells.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	return &session{p: c.p, use: c.p.useOf(ctx)}, nil
}

// Driver returns the driver of the pool's connections, for those who recognise
// a database by it.
func (c *connector) Driver() driver.Driver { return c.p.source.driver() }

// Close is called by sql.DB.Close, and that by the pool when it closes itself.
func (c *connector) Close() error {
	if c.p.gate.now() == gateClosed {
		return nil
	}
	return c.p.Close()
}

// connectorSource opens connections by a connector of the user's.
type connectorSource struct{ c driver.Connector }

func (s connectorSource) connect(ctx context.Context) (driver.Conn, error) { return s.c.Connect(ctx) }
func (s connectorSource) driver() driver.Driver                            { return s.c.Driver() }

// mayHaveHooks: lib/pq's connectors have none of their own.
func (s connectorSource) mayHaveHooks(driverName string) bool { return driverName != "pq" }

func (s connectorSource) adapt(string) bool { return false }

// dsnSource opens connections by a registered driver and a data source name.
type dsnSource struct {
	drv         driver.Driver
	credentials func(context.Context) (Credentials, error) // nil: those in the DSN
	hidden      *secrets
	pooler      atomic.Bool // a pooler stands in between: see adapt

	mu        sync.Mutex // guards what follows; nothing else is taken while it is held
	dsn       string
	rotated   *Credentials // set by Pool.SetCredentials
	connector driver.Connector
	made      string // the DSN that connector was made for
}

func newDSNSource(driverName, dsn string, credentials func(context.Context) (Credentials, error), hidden *secrets) (*dsnSource, error) {
	// The driver is found the way database/sql finds it. Its complaint about
	// the DSN may show the password.
	db, err := sql.Open(driverName, dsn)
	if err != nil {
		return nil, fmt.Errorf("akari: Open: %w", hidden.mask(err))
	}
	defer func() { _ = db.Close() }()
	return &dsnSource{drv: db.Driver(), dsn: dsn, credentials: credentials, hidden: hidden}, nil
}

func (s *dsnSource) driver() driver.Driver { return s.drv }

func (s *dsnSource) connect(ctx context.Context) (driver.Conn, error) {
	dsn, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	opener, ok := s.drv.(driver.DriverContext)
	if !ok {
		return s.drv.Open(s.bounded(ctx, dsn))
	}
	s.mu.Lock()
	c := s.connector
	if s.made != dsn {
		c = nil
	}
	s.mu.Unlock()
	if c == nil {
		if c, err = opener.OpenConnector(dsn); err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.connector, s.made = c, dsn
		s.mu.Unlock()
	}
	return c.Connect(ctx)
}

// bounded tells lib/pq how long connecting may take: Open has no context, and
// where the server accepts a connection and then says nothing it would not
// return, and keep its place and descriptor, for as long as that lasts. Whole
// seconds are what the option takes. A user's own bound stays.
func (s *dsnSource) bounded(ctx context.Context, dsn string) string {
	const option = "connect_timeout"
	end, ok := ctx.Deadline()
	if !ok || profileOf(s.drv).name != "pq" || strings.Contains(dsn, option) || os.Getenv("PGCONNECT_TIMEOUT") != "" {
		return dsn
	}
	seconds := max(1, (time.Until(end)+time.Second-1)/time.Second) // 0 is without bound
	return withOption(dsn, option, strconv.FormatInt(int64(seconds), 10))
}

// current is the DSN to use now.
func (s *dsnSource) current(ctx context.Context) (string, error) {
	s.mu.Lock()
	dsn, cred := s.dsn, s.rotated
	s.mu.Unlock()
	if s.credentials != nil {
		c, err := s.credentials(ctx)
		if err != nil {
			return "", fmt.Errorf("akari: Credentials: %w", err)
		}
		cred = &c
	}
	if cred != nil {
		s.hidden.add(cred.Password)
		var err error
		if dsn, err = withCredentials(dsn, *cred); err != nil {
			return "", err
		}
	}
	if s.pooler.Load() {
		dsn = withOption(dsn, "binary_parameters", "yes")
	}
	return dsn, nil
}

func (s *dsnSource) mayHaveHooks(string) bool { return false }

// adapt has lib/pq send statements whole.
func (s *dsnSource) adapt(driverName string) bool {
	return driverName == "pq" && s.pooler.CompareAndSwap(false, true)
}

// rotate sets the credentials for connections opened from now on.
func (s *dsnSource) rotate(c Credentials) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.credentials != nil {
		return errors.New("akari: SetCredentials: Config.Credentials is asked for every connection, there is nothing to set")
	}
	if _, err := withCredentials(s.dsn, c); err != nil {
		return err
	}
	s.hidden.add(c.Password)
	s.rotated = &c
	return nil
}
