package akari

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"
)

// source opens driver connections.
type source interface {
	connect(ctx context.Context) (driver.Conn, error)
	driver() driver.Driver

	// mayHaveHooks reports whether connections of the named driver may come
	// with session state set by hooks that only the driver knows.
	mayHaveHooks(driverName string) bool

	// adapt changes how connections are opened, for a pooler in between, and
	// reports whether it could.
	adapt(driverName string) bool
}

// setupError is a failure after the connection itself was had: the database is
// there, but what was to be set up was refused.
type setupError struct {
	step string
	err  error
}

func (e *setupError) Error() string { return e.step + ": " + e.err.Error() }
func (e *setupError) Unwrap() error { return e.err }

// connect opens a connection and makes it ready for the pool. It returns when
// the driver does; ctx bounds it as far as the driver minds.
func (p *Pool) connect(ctx context.Context) (*entry, error) {
	e, err := p.connectOnce(ctx)
	if errors.Is(err, errReconnect) {
		e, err = p.connectOnce(ctx)
	}
	return e, p.secrets.mask(err)
}

func (p *Pool) connectOnce(ctx context.Context) (_ *entry, err error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	ready := false
	defer func() { // also if the driver panics, or ends the goroutine
		if !ready {
			closeQuietly(conn)
		}
	}()
	defer recoverTo(&err, "set-up of a connection")
	e := p.newEntry(conn)
	if err := p.acquaint(&e.caps.profile); err != nil {
		return nil, err
	}
	setup, cancel := context.WithTimeout(ctx, p.live.Load().ValidationTimeout)
	defer cancel()
	if err := p.setUp(setup, e); err != nil {
		return nil, err
	}
	ready = true
	now := p.now()
	e.lastSeen.Store(now)
	e.lastReset = now
	return e, nil
}

// dial calls the driver and takes it at less than its word: it may panic, or
// return a connection along with an error, or neither.
func (p *Pool) dial(ctx context.Context) (conn driver.Conn, err error) {
	defer recoverTo(&err, "Connect")
	conn, err = p.source.connect(ctx)
	switch {
	case err != nil && conn != nil:
		closeQuietly(conn)
		return nil, err
	case err != nil:
		return nil, err
	case conn == nil:
		return nil, errors.New("akari: the driver returned no connection and no error")
	}
	return conn, nil
}

func (p *Pool) newEntry(conn driver.Conn) *entry {
	e := &entry{
		id:      p.ids.Add(1),
		conn:    conn,
		caps:    capsOf(conn),
		created: p.now(),
	}
	e.resetter, _ = conn.(driver.SessionResetter)
	e.validator, _ = conn.(driver.Validator)
	e.item.Value = e
	if d := &e.caps.profile; p.cfg.Dialect != DialectAuto && (d.unknown || d.dialect == DialectOther) {
		d.dialect = p.cfg.Dialect
	}
	if probe := e.caps.profile.probe; probe != nil {
		e.probes = probe(conn)
	}
	if s := e.probes.socket; s != nil && !e.caps.profile.resetPeeks {
		e.sock = newSocket(s)
	}
	e.name = nameOf(e.caps.profile, e.id, e.probes.backendID)
	e.expires = expiry(e.created, p.live.Load().MaxLifetime)
	e.stmts.limit = p.statementLimit(&e.caps.profile)
	p.caps.Store(e.caps)
	return e
}

// acquaint checks what is wanted of a server against what is known of it: a
// setting that cannot be carried out must not be passed over.
func (p *Pool) acquaint(d *profile) error {
	switch want := p.cfg.Dialect; {
	case want != DialectAuto && want != d.dialect:
		return &setupError{"recognising the driver", &ConfigError{"Dialect", want, "the driver is " + d.name + ", which is for " + d.dialect.String() + "; leave Dialect out"}}
	case d.dialect == DialectSQLite:
		if schema := p.live.Load().Schema; schema != "" {
			return &setupError{"recognising the driver", &ConfigError{"Schema", schema, "SQLite has no schemas to choose from; leave Schema out"}}
		}
		return nil
	case d.dialect != DialectOther:
		return nil
	}
	for _, s := range []struct {
		field string
		value any
		set   bool
	}{
		{"ReadOnly", p.cfg.ReadOnly, p.cfg.ReadOnly},
		{"TransactionIsolation", p.cfg.TransactionIsolation, p.cfg.TransactionIsolation != sql.LevelDefault},
		{"Schema", p.live.Load().Schema, p.live.Load().Schema != ""},
	} {
		if s.set {
			return &setupError{"recognising the driver", &ConfigError{s.field, s.value,
				"the pool does not know the server behind the driver " + d.name + ", and how to set this there; set Config.Dialect, or use ConnectionInitSQL"}}
		}
	}
	if d.unknown && p.cfg.Dialect == DialectAuto && p.cfg.SessionReset == ResetDirty {
		p.said.unknown.Do(func() {
			p.log(slog.LevelWarn, "The driver "+d.name+" is not known, nor the server behind it: connections are closed when a session may have been changed. Set Config.Dialect or, if the driver cleans sessions itself, SessionReset")
		})
	}
	return nil
}

// expiry is when a connection's life ends: up to a quarter before MaxLifetime,
// at random (HikariCP 6.1), so that a pool filled at once does not expire at
// once. 0 if it never does.
func expiry(created int64, maxLifetime time.Duration) int64 {
	if maxLifetime <= 0 {
		return 0
	}
	return created + int64(maxLifetime-jitter(maxLifetime, 4))
}

// jitter returns a random part of d, less than a fraction of it.
func jitter(d time.Duration, fraction int) time.Duration {
	if d < time.Duration(fraction) {
		return 0
	}
	return time.Duration(rand.Int64N(int64(d) / int64(fraction)))
}

// setUp brings the session into the state in which the pool lends it. It runs
// on a new connection and, but for what the server keeps, after a session was
// reset.
func (p *Pool) setUp(ctx context.Context, e *entry) error {
	if err := p.inspect(ctx, e); err != nil {
		return &setupError{"inspecting a new connection", err}
	}
	if err := p.sessionDefaults(ctx, e); err != nil {
		return err
	}
	if !p.checked.Load() {
		// The first connection shows whether connections can be checked at all.
		if err := p.ping(ctx, e); err != nil {
			return &setupError{"validating a new connection", err}
		}
		p.checked.Store(true)
	}
	return nil
}

// inspect learns what the pool must know of a new session, before anything is
// changed in it.
func (p *Pool) inspect(ctx context.Context, e *entry) error {
	switch e.caps.profile.dialect {
	case DialectPostgreSQL:
		return inspectPostgres(ctx, p, e)
	case DialectMySQL:
		return inspectMySQL(ctx, p, e)
	case DialectSQLite:
		return inspectSQLite(ctx, p, e)
	}
	return nil
}

// sessionDefaults runs what the configuration wants of every session.
func (p *Pool) sessionDefaults(ctx context.Context, e *entry) error {
	for _, s := range e.caps.profile.dialect.defaults(&p.cfg, p.live.Load()) {
		if err := execText(ctx, e.conn, s); err != nil {
			return &setupError{"setting session defaults", err}
		}
	}
	if q := p.cfg.ConnectionInitSQL; q != "" {
		if err := execText(ctx, e.conn, q); err != nil {
			return &setupError{"running ConnectionInitSQL", err}
		}
	}
	if f := p.cfg.OnConnect; f != nil {
		if err := f(ctx, e.conn); err != nil {
			return &setupError{"OnConnect", err}
		}
	}
	return nil
}

// connectTimeout bounds one attempt to connect. As in HikariCP (its login
// time-out) it is a little longer than a caller waits, so that the caller's
// wait ends first and the attempt can still succeed for the next.
func (p *Pool) connectTimeout() time.Duration {
	d := p.live.Load().ConnectionTimeout
	if d <= 0 {
		d = defaultConnectionTimeout
	}
	return max(later(d, 500*time.Millisecond), time.Second)
}

// later adds durations without overflow.
func later(d, more time.Duration) time.Duration {
	if d > math.MaxInt64-more {
		return math.MaxInt64
	}
	return d + more
}

// recoverTo turns a panic of the driver into an error.
func recoverTo(err *error, where string) {
	if r := recover(); r != nil {
		*err = driverPanic(where, r)
	}
}

func driverPanic(where string, value any) error {
	return fmt.Errorf("akari: the driver panicked in %s: %v", where, value)
}

func closeQuietly(c driver.Conn) {
	defer func() { _ = recover() }()
	_ = c.Close()
}
