package akari

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"
)

// Disabled is for durations in Config and Settings. It switches the mechanism
// off: no limit, never. HikariCP writes 0 there; in Go the zero value means the
// default.
const Disabled time.Duration = -1

// None is for numbers in Config and Settings. It means zero where the zero value
// means the default: MinimumIdle: akari.None keeps no idle connections,
// StatementCacheSize: akari.None caches no statements.
const None = -1

// Ways to start when the database may be down, for Config.InitializationFailTimeout.
const (
	// TryOnce tries to open one connection. If that cannot be had the pool
	// starts all the same; if it can be had but not be set up or validated, New
	// fails. HikariCP writes 0.
	TryOnce time.Duration = -2

	// DontTry starts at once and connects in the background. HikariCP writes a
	// negative number.
	DontTry time.Duration = -3
)

// SessionReset says when the pool cleans the session of a returned connection.
type SessionReset int

const (
	// ResetDirty cleans a connection after a borrower whose statements may have
	// changed its session: SET and set_config, temporary tables, advisory locks,
	// LISTEN, PREPARE, a transaction begun by text and not ended, procedure
	// calls. Everybody else returns without a round trip. The default.
	ResetDirty SessionReset = iota

	// ResetAlways cleans after every borrower, at the cost of one round trip or
	// some in the background. For databases whose own functions change the session.
	// Where the pool cannot clean, closing takes its place: after every borrower,
	// with SQLite (but for databases in memory, which are left as they are) and
	// with servers that the pool does not know.
	ResetAlways

	// ResetOff cleans nothing but transactions left open. What one borrower
	// sets, the next one sees.
	ResetOff
)

// String returns the constant's name.
func (r SessionReset) String() string {
	switch r {
	case ResetDirty:
		return "ResetDirty"
	case ResetAlways:
		return "ResetAlways"
	case ResetOff:
		return "ResetOff"
	}
	return fmt.Sprintf("SessionReset(%d)", int(r))
}

// String returns the constant's name.
func (v Verdict) String() string {
	switch v {
	case Continue:
		return "Continue"
	case MustEvict:
		return "MustEvict"
	case DoNotEvict:
		return "DoNotEvict"
	}
	return fmt.Sprintf("Verdict(%d)", int(v))
}

// Config is everything that can be said about a pool. The zero value of each
// field means its default. Names and defaults are HikariCP's; docs/configuration.md
// compares them one by one. Nothing is corrected silently: a value out of its
// bounds is an error of New.
type Config struct {
	// PoolName is shown in logs, errors and metrics.
	// Defaults to "AkariPool-1", "AkariPool-2" and so on.
	PoolName string

	// MaximumPoolSize bounds the connections to the server: idle, in use, being
	// opened and being closed. At least 1. Defaults to 10.
	MaximumPoolSize int

	// MinimumIdle is the number of idle connections the pool keeps ready, at most
	// MaximumPoolSize.
	// Defaults to MaximumPoolSize, a pool of fixed size, which answers bursts
	// best. None keeps none.
	MinimumIdle int

	// MaxConnecting bounds the connections being opened at the same time.
	// Defaults to MaximumPoolSize. HikariCP opens one at a time.
	MaxConnecting int

	// MaxWaiters bounds the callers that wait for a connection; the next one
	// fails at once with ErrTooManyWaiters. Defaults to no bound.
	MaxWaiters int

	// MaxConnectionsPerTask is how many connections a task may hold at once: an
	// outermost scope of package txn, and all that is nested in it. Of MaximumPoolSize
	// so many less one are kept for tasks that hold a connection and need another
	// one, so that they cannot lock the pool: of 10 connections 9 are for outermost
	// transactions. What is no transaction of package txn may use all. 1 keeps none, and refuses a second connection. None lifts the
	// limit and keeps none: then a lock is possible, and broken with ErrPoolLock.
	// A smaller MaximumPoolSize is the limit where there is one. Defaults to 2, as
	// RequiresNew within a transaction needs.
	MaxConnectionsPerTask int

	// StrictContext refuses a caller whose goroutine is in the function of a scope of
	// package txn, and whose context is not that scope's (nor of one within): what it
	// does would not be a part of the transaction, would not see it, and might wait
	// for it. A context made by txn.Detach is let through. Costs some 0.1 µs for each
	// scope. Where goroutines cannot be told apart (other processors than amd64, 386,
	// arm64 and arm) it does nothing.
	StrictContext bool

	// ConnectionTimeout is how long a caller waits for a connection, everything
	// included. A shorter deadline of its context takes precedence. At least
	// 250 ms, or Disabled. Defaults to 30 s.
	ConnectionTimeout time.Duration

	// ValidationTimeout is how long a check whether a connection is alive may
	// take, and the set-up of a new connection. At least 250 ms, and not longer
	// than ConnectionTimeout.
	// Defaults to 5 s, also with a shorter ConnectionTimeout: a caller's wait ends
	// in time, and the check goes on without it.
	ValidationTimeout time.Duration

	// AliveBypassWindow: a connection used less than this ago is handed out
	// without asking the server whether it is alive (its socket is still looked
	// at). After a connection was found dead this does not hold for those
	// last used before. Disabled asks always. Defaults to 500 ms.
	AliveBypassWindow time.Duration

	// IdleTimeout is how long a connection may be idle before it is closed,
	// as long as more than MinimumIdle are. It has no effect when MinimumIdle
	// is MaximumPoolSize. Checked every HousekeepingPeriod. At least 10 s and a
	// second less than MaxLifetime, or Disabled. Defaults to 10 min.
	IdleTimeout time.Duration

	// MaxLifetime is the age at which a connection is replaced, once it is not
	// in use. Each connection gets up to a quarter less, at random, so that a
	// pool filled at once does not expire at once. Set it some seconds below
	// any limit of the server or the network. At least 30 s, or Disabled.
	// Defaults to 30 min.
	MaxLifetime time.Duration

	// KeepaliveTime is how often an idle connection is pinged, less up to a
	// fifth, at random. At least 30 s and less than MaxLifetime, or Disabled.
	// Defaults to 2 min, which means never where MaxLifetime is shorter.
	KeepaliveTime time.Duration

	// LeakDetectionThreshold: a connection held longer than this is logged with
	// the stack of its borrower. The connection is not taken away. At least 2 s
	// and at most MaxLifetime. Defaults to off; when on, each borrow costs
	// about a microsecond for the stack.
	LeakDetectionThreshold time.Duration

	// InitializationFailTimeout is how long New tries to make the first
	// connection before it fails: at least one attempt is always made. Write
	// 30*time.Second to wait for a database that is about to start. TryOnce and
	// DontTry start without one. Not negative. Defaults to 1 ms.
	InitializationFailTimeout time.Duration

	// HousekeepingPeriod is how often idle connections above MinimumIdle are
	// looked at, the minimum is filled up and statistics are logged.
	// At least 100 ms. Defaults to 30 s.
	HousekeepingPeriod time.Duration

	// FailIfSuspended makes callers of a suspended pool fail at once with
	// ErrPoolSuspended instead of waiting.
	FailIfSuspended bool

	// ConnectionInitSQL is run on every new connection before it joins the
	// pool, and again after its session was reset. If it fails, opening the
	// connection has failed.
	ConnectionInitSQL string

	// OnConnect is called with the driver's connection after ConnectionInitSQL,
	// on the same occasions, for several connections at once. Session state
	// that the pool is to keep belongs here or there, not into a hook of the
	// driver: the pool could not restore all of it.
	OnConnect func(ctx context.Context, driverConn any) error

	// ConnectionTestQuery checks whether a connection is alive. Only for drivers
	// that cannot ping (that lack driver.Pinger): if it is set it replaces the
	// ping of those that can, which is cheaper.
	ConnectionTestQuery string

	// ReadOnly makes the transactions of new connections read-only by default. It,
	// TransactionIsolation and Schema are refused where the pool does not know
	// how to set them, see Dialect.
	ReadOnly bool

	// TransactionIsolation is the default isolation level of new connections:
	// LevelReadUncommitted, LevelReadCommitted, LevelRepeatableRead or
	// LevelSerializable. Defaults to the server's.
	TransactionIsolation sql.IsolationLevel

	// Schema is set on new connections: the search_path of PostgreSQL, one name
	// or several with commas between, or the current database of MySQL, one name.
	// A name is taken as it is, capitals too; one that has commas or spaces at its
	// ends goes into double quotes, as in PostgreSQL. $user stands for the user's
	// schema, with and without quotes:
	//
	//	orders
	//	$user, public
	//	"Orders, old", public
	//
	// Defaults to what the driver's settings say.
	Schema string

	// SessionReset says when a returned connection is cleaned. Defaults to
	// ResetDirty.
	SessionReset SessionReset

	// ChangesSession is asked about statements that ResetDirty would take for
	// harmless, once for each text: it reports whether the statement changes
	// the session, for instance because it calls a function of yours that does.
	// Called at any time from any goroutine.
	ChangesSession func(query string) bool

	// StatementCacheSize is the number of prepared statements kept per
	// connection for parametrised queries that the driver would otherwise
	// prepare each time. Defaults to 100 for go-sql-driver/mysql and lib/pq and
	// to None for other drivers; pgx keeps its own.
	StatementCacheSize int

	// Dialect is the server's kind of SQL. Defaults to what the driver is for,
	// also inside of most wrappers, such as otelsql's; set it where the log says
	// that the driver is not known. One that contradicts the driver is refused.
	Dialect Dialect

	// Credentials is asked for user name and password before each connection is
	// opened, so that they may change at any time. Only with Open.
	Credentials func(ctx context.Context) (Credentials, error)

	// Adjudicate is asked about every error of a statement before the pool's
	// own rules decide whether the connection is broken. HikariCP's
	// SQLExceptionOverride. Called at any time from any goroutine.
	Adjudicate func(error) Verdict

	// Logger gets the pool's log. Defaults to slog.Default().
	Logger *slog.Logger

	// Trace is told what happens. See Trace.
	Trace *Trace

	// unbounded lifts the lower bounds, for tests of the pool itself.
	unbounded bool
}

// Settings are those of Config that can be changed while the pool runs, as in
// HikariConfigMXBean, with the same meaning and bounds.
type Settings struct {
	MaximumPoolSize        int           // lowering it closes idle connections at once, others when they are returned
	MinimumIdle            int           // 0: as many as MaximumPoolSize, also when that changes
	MaxWaiters             int           // 0: no bound
	ConnectionTimeout      time.Duration // for callers from now on
	ValidationTimeout      time.Duration
	IdleTimeout            time.Duration
	MaxLifetime            time.Duration // for connections opened from now on
	KeepaliveTime          time.Duration // for connections opened from now on, and others after their next ping
	LeakDetectionThreshold time.Duration // for loans from now on; 0: off
	Schema                 string        // for connections opened from now on, and others once they are cleaned
}

// Defaults of Config.
const (
	defaultMaximumPoolSize    = 10
	defaultConnectionsPerTask = 2
	defaultConnectionTimeout  = 30 * time.Second
	defaultValidationTimeout  = 5 * time.Second
	defaultAliveBypassWindow  = 500 * time.Millisecond
	defaultIdleTimeout        = 10 * time.Minute
	defaultMaxLifetime        = 30 * time.Minute
	defaultKeepaliveTime      = 2 * time.Minute
	defaultInitFailTimeout    = time.Millisecond
	defaultHousekeepingPeriod = 30 * time.Second
)

// Bounds of Config.
const (
	minTimeout            = 250 * time.Millisecond // ConnectionTimeout, ValidationTimeout
	minIdleTimeout        = 10 * time.Second
	minMaxLifetime        = 30 * time.Second
	minKeepaliveTime      = 30 * time.Second
	minLeakThreshold      = 2 * time.Second
	minHousekeepingPeriod = 100 * time.Millisecond
)

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// withDefaults fills in what the zero values stand for. PoolName and what
// depends on the driver are filled in by New.
func (c Config) withDefaults() Config {
	c.MaximumPoolSize = orDefault(c.MaximumPoolSize, defaultMaximumPoolSize)
	c.MaxConnectionsPerTask = orDefault(c.MaxConnectionsPerTask, defaultConnectionsPerTask)
	c.ConnectionTimeout = orDefault(c.ConnectionTimeout, defaultConnectionTimeout)
	c.ValidationTimeout = orDefault(c.ValidationTimeout, defaultValidationTimeout)
	c.AliveBypassWindow = orDefault(c.AliveBypassWindow, defaultAliveBypassWindow)
	c.IdleTimeout = orDefault(c.IdleTimeout, defaultIdleTimeout)
	c.MaxLifetime = orDefault(c.MaxLifetime, defaultMaxLifetime)
	c.KeepaliveTime = orDefault(c.KeepaliveTime, defaultKeepaliveTime)
	c.InitializationFailTimeout = orDefault(c.InitializationFailTimeout, defaultInitFailTimeout)
	c.HousekeepingPeriod = orDefault(c.HousekeepingPeriod, defaultHousekeepingPeriod)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Trace == nil {
		c.Trace = &Trace{}
	}
	return c
}

// Validate reports every setting that New would refuse, each as a
// [*ConfigError] in one joined error, or nil. A setting that has its default is
// not held against another one: KeepaliveTime, left at 2 min, has no effect if
// MaxLifetime is 1 min, and is no error.
func (c Config) Validate() error {
	return c.validate(func(e *ConfigError) error { return e })
}

// validate returns the settings out of bounds, each in the form that as gives it.
func (c Config) validate(as func(*ConfigError) error) error {
	c = c.withDefaults()
	v := &validator{unbounded: c.unbounded, as: as}

	v.atLeast("MaximumPoolSize", c.MaximumPoolSize, 1)
	v.check("MinimumIdle", c.MinimumIdle, c.MinimumIdle >= None && (c.MinimumIdle <= c.MaximumPoolSize || c.MinimumIdle == 0),
		"must be 1 to MaximumPoolSize (%d), 0 for as many as that, or akari.None to keep no idle connections", c.MaximumPoolSize)
	v.check("MaxConnectionsPerTask", c.MaxConnectionsPerTask, c.MaxConnectionsPerTask >= None, "must be at least 1, 0 for 2, or akari.None for no limit")
	v.check("MaxConnecting", c.MaxConnecting, c.MaxConnecting >= 0, "must not be negative, and akari.None does not apply here; 0 allows as many as MaximumPoolSize")
	v.check("MaxWaiters", c.MaxWaiters, c.MaxWaiters >= 0, "must not be negative, and akari.None does not apply here; 0 sets no bound")
	v.duration("ConnectionTimeout", c.ConnectionTimeout, minTimeout, true)
	v.duration("ValidationTimeout", c.ValidationTimeout, minTimeout, false)
	v.duration("AliveBypassWindow", c.AliveBypassWindow, 0, true)
	v.duration("IdleTimeout", c.IdleTimeout, minIdleTimeout, true)
	v.duration("MaxLifetime", c.MaxLifetime, minMaxLifetime, true)
	v.duration("KeepaliveTime", c.KeepaliveTime, minKeepaliveTime, true)
	v.duration("HousekeepingPeriod", c.HousekeepingPeriod, minHousekeepingPeriod, false)
	if c.LeakDetectionThreshold != 0 {
		v.duration("LeakDetectionThreshold", c.LeakDetectionThreshold, minLeakThreshold, true)
	}

	if c.ConnectionTimeout > 0 {
		v.check("ValidationTimeout", c.ValidationTimeout, c.ValidationTimeout <= c.ConnectionTimeout || c.ValidationTimeout == defaultValidationTimeout,
			"must not be longer than ConnectionTimeout (%v): a caller waits for a validation within that time", c.ConnectionTimeout)
	}
	if c.MaxLifetime > 0 {
		v.check("KeepaliveTime", c.KeepaliveTime, c.KeepaliveTime < c.MaxLifetime || c.KeepaliveTime == defaultKeepaliveTime,
			"must be less than MaxLifetime (%v), else no connection lives to see it; akari.Disabled switches it off", c.MaxLifetime)
		v.check("LeakDetectionThreshold", c.LeakDetectionThreshold, c.LeakDetectionThreshold <= c.MaxLifetime,
			"must not be more than MaxLifetime (%v)", c.MaxLifetime)
		fixed := c.MinimumIdle == 0 || c.MinimumIdle == c.MaximumPoolSize
		v.check("IdleTimeout", c.IdleTimeout, fixed || later(c.IdleTimeout, time.Second) <= c.MaxLifetime && c.IdleTimeout < c.MaxLifetime || c.IdleTimeout == defaultIdleTimeout,
			"must be at least 1s less than MaxLifetime (%v), else it has no effect; akari.Disabled switches it off", c.MaxLifetime)
	}

	v.check("InitializationFailTimeout", c.InitializationFailTimeout, c.InitializationFailTimeout >= 0 || c.InitializationFailTimeout == TryOnce || c.InitializationFailTimeout == DontTry,
		"must not be negative, and akari.Disabled does not apply here; write 30*time.Second to wait for the database, akari.TryOnce or akari.DontTry to start without it")
	_, readable := schemaNames(c.Schema)
	v.check("Schema", fmt.Sprintf("%#q", c.Schema), readable || c.Schema == "",
		"must be one name, or several with commas between, each as it is or in double quotes")
	v.check("SessionReset", c.SessionReset, c.SessionReset >= ResetDirty && c.SessionReset <= ResetOff,
		"must be ResetDirty, ResetAlways or ResetOff")
	v.check("StatementCacheSize", c.StatementCacheSize, c.StatementCacheSize >= None,
		"must be 1 or more, 0 for the default, or akari.None to keep no statements")
	v.check("TransactionIsolation", c.TransactionIsolation, isolationName(c.TransactionIsolation) != "" || c.TransactionIsolation == sql.LevelDefault,
		"cannot be the default of a session; use LevelReadUncommitted, LevelReadCommitted, LevelRepeatableRead or LevelSerializable")
	v.check("Dialect", int(c.Dialect), c.Dialect >= DialectAuto && c.Dialect <= DialectSQLite,
		"must be one of the Dialect constants")
	return errors.Join(v.problems...)
}

// apply returns c with the live settings replaced.
func (c Config) apply(s Settings) Config {
	c.MaximumPoolSize = s.MaximumPoolSize
	c.MinimumIdle = s.MinimumIdle
	c.MaxWaiters = s.MaxWaiters
	c.ConnectionTimeout = s.ConnectionTimeout
	c.ValidationTimeout = s.ValidationTimeout
	c.IdleTimeout = s.IdleTimeout
	c.MaxLifetime = s.MaxLifetime
	c.KeepaliveTime = s.KeepaliveTime
	c.LeakDetectionThreshold = s.LeakDetectionThreshold
	c.Schema = s.Schema
	return c
}

// settings returns the live part of c.
func (c Config) settings() Settings {
	return Settings{
		MaximumPoolSize:        c.MaximumPoolSize,
		MinimumIdle:            c.MinimumIdle,
		MaxWaiters:             c.MaxWaiters,
		ConnectionTimeout:      c.ConnectionTimeout,
		ValidationTimeout:      c.ValidationTimeout,
		IdleTimeout:            c.IdleTimeout,
		MaxLifetime:            c.MaxLifetime,
		KeepaliveTime:          c.KeepaliveTime,
		LeakDetectionThreshold: c.LeakDetectionThreshold,
		Schema:                 c.Schema,
	}
}

// minIdle is the number MinimumIdle stands for.
func (s *Settings) minIdle() int {
	switch {
	case s.MinimumIdle == 0:
		return s.MaximumPoolSize
	case s.MinimumIdle < 0:
		return 0
	}
	return s.MinimumIdle
}

// schemaName is one name of Config.Schema, in double quotes or as it is, with
// what separates it from the next.
var schemaName = regexp.MustCompile(`^\s*(?:"((?:[^"\x00]|"")+)"|([^\s",\x00][^,\x00]*?))\s*(,|$)`)

// schemaNames are the names in Config.Schema; false if it cannot be read.
func schemaNames(list string) (names []string, ok bool) {
	for {
		m := schemaName.FindStringSubmatch(list)
		if m == nil {
			return nil, false
		}
		names = append(names, strings.ReplaceAll(m[1], `""`, `"`)+m[2])
		if m[3] == "" {
			return names, true
		}
		list = list[len(m[0]):]
	}
}

type validator struct {
	unbounded bool
	as        func(*ConfigError) error
	problems  []error
}

func (v *validator) check(field string, value any, ok bool, problem string, args ...any) {
	if !ok {
		v.problems = append(v.problems, v.as(&ConfigError{field, value, fmt.Sprintf(problem, args...)}))
	}
}

func (v *validator) atLeast(field string, value, least int) {
	v.check(field, value, value >= least, "must be at least %d", least)
}

func (v *validator) duration(field string, d, least time.Duration, mayDisable bool) {
	if v.unbounded {
		least = 0
	}
	if mayDisable && d == Disabled {
		return
	}
	off := ""
	switch {
	case mayDisable:
		off = "; akari.Disabled switches it off"
	case d == Disabled:
		off = "; akari.Disabled does not apply here"
	}
	v.check(field, d, d >= least && d >= 0, "must be at least %v%s", least, off)
}

// shown is a setting as texts have it: what is not meant as a number of
// nanoseconds has a name.
func shown(value any) any {
	switch value {
	case Disabled:
		return "Disabled"
	case TryOnce:
		return "TryOnce"
	case DontTry:
		return "DontTry"
	}
	return value
}

// shownCount is the same for numbers that may be None.
func shownCount(n int) any {
	if n == None {
		return "None"
	}
	return n
}

// String shows the configuration without what may be secret.
func (c Config) String() string {
	return fmt.Sprintf("akari.Config%v", c.LogValue())
}

// GoString is String: %#v shows no secrets either.
func (c Config) GoString() string { return c.String() }

// LogValue shows the configuration in a log, with ConnectionInitSQL masked.
func (c Config) LogValue() slog.Value {
	masked := ""
	if c.ConnectionInitSQL != "" {
		masked = "<masked>"
	}
	return slog.GroupValue(
		slog.String("PoolName", c.PoolName),
		slog.Int("MaximumPoolSize", c.MaximumPoolSize),
		slog.Any("MinimumIdle", shownCount(c.MinimumIdle)),
		slog.Int("MaxConnecting", c.MaxConnecting),
		slog.Int("MaxWaiters", c.MaxWaiters),
		slog.Any("ConnectionTimeout", shown(c.ConnectionTimeout)),
		slog.Any("ValidationTimeout", shown(c.ValidationTimeout)),
		slog.Any("AliveBypassWindow", shown(c.AliveBypassWindow)),
		slog.Any("IdleTimeout", shown(c.IdleTimeout)),
		slog.Any("MaxLifetime", shown(c.MaxLifetime)),
		slog.Any("KeepaliveTime", shown(c.KeepaliveTime)),
		slog.Any("LeakDetectionThreshold", shown(c.LeakDetectionThreshold)),
		slog.Any("InitializationFailTimeout", shown(c.InitializationFailTimeout)),
		slog.Any("HousekeepingPeriod", shown(c.HousekeepingPeriod)),
		slog.Bool("FailIfSuspended", c.FailIfSuspended),
		slog.String("ConnectionInitSQL", masked),
		slog.String("ConnectionTestQuery", c.ConnectionTestQuery),
		slog.Bool("ReadOnly", c.ReadOnly),
		slog.String("TransactionIsolation", c.TransactionIsolation.String()),
		slog.String("Schema", c.Schema),
		slog.String("SessionReset", c.SessionReset.String()),
		slog.Any("StatementCacheSize", shownCount(c.StatementCacheSize)),
		slog.String("Dialect", c.Dialect.String()),
	)
}
