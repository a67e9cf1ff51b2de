package akari

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari/internal/bag"
)

// Pool is a pool of connections to one database. All its methods may be called
// at any time from any goroutine.
type Pool struct {
	cfg    Config // private copy with defaults filled in; never changes
	name   string
	source source
	birth  time.Time // the pool's clock counts from here

	live atomic.Pointer[Settings] // replaced as a whole by Apply

	bag          *bag.Bag[*entry]
	gate         gate
	opener       *opener
	keeper       housekeeper
	schedule     schedule
	leaks        leakWatch
	locks        lockWatch
	effects      effects
	hooks        atomic.Uint32 // hooksUnknown, noHooks or someHooks
	tableChanges atomic.Int64  // how often borrowers have changed tables, see settleTables
	noCache      atomic.Bool   // the server has no room for statements: none are kept

	rollsBackOnTimeout atomic.Pointer[bool] // whether MySQL's lock time-out undoes a transaction; nil: not asked yet

	suspicion suspicion
	readOnly  readOnlyWatch
	mysql     mysqlSession
	reserve   reserve
	scopes    scopes
	endings   endings

	db     *sql.DB // the facade; nothing but DB() and its tests use it
	facade *connector

	caps     atomic.Pointer[caps] // of the latest connection; nil before the first
	ids      atomic.Uint64        // connections made
	held     atomic.Int32         // callers that wait for the pool to be resumed
	checked  atomic.Bool          // a connection has been pinged once
	oversize atomic.Bool          // more connections than the maximum, which was lowered: close what is returned
	said     notices
	outage   outage

	stats   counters
	retired retired

	background  background    // goroutines that Close waits for
	drained     chan struct{} // closed when the pool is closed and has no connection left
	drainedOnce sync.Once
	closed      atomic.Bool // Close or Shutdown has returned, or is about to
	finished    sync.Once   // the end of closing was logged
	secrets     *secrets
}

// poolNumber counts the pools without a name.
var poolNumber atomic.Int64

// New makes a pool whose connections come from connector. It returns once a
// first connection has been made and set up, or fails, as
// Config.InitializationFailTimeout says; ctx bounds that as well. The pool
// lives until Close or Shutdown, whatever happens to ctx.
func New(ctx context.Context, c driver.Connector, cfg Config) (*Pool, error) {
	if c == nil {
		return nil, errors.New("akari: New needs a driver.Connector")
	}
	if cfg.Credentials != nil {
		return nil, &ConfigError{"Credentials", "set", "works with Open only: a driver.Connector has its own"}
	}
	return newPool(ctx, connectorSource{c}, cfg, &secrets{})
}

// Open makes a pool for a driver that was registered with database/sql, and its
// data source name, as sql.Open takes them. See New for when it returns.
func Open(ctx context.Context, driverName, dsn string, cfg Config) (*Pool, error) {
	hidden := secretsOf(dsn)
	src, err := newDSNSource(driverName, dsn, cfg.Credentials, hidden)
	if err != nil {
		return nil, err
	}
	return newPool(ctx, src, cfg, hidden)
}

func newPool(ctx context.Context, src source, cfg Config, hidden *secrets) (*Pool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Pool{cfg: cfg.withDefaults(), source: src, birth: time.Now(), secrets: hidden, drained: make(chan struct{})}
	p.name = p.cfg.PoolName
	if p.name == "" {
		p.name = fmt.Sprintf("AkariPool-%d", poolNumber.Add(1))
	}
	live := p.cfg.settings()
	p.live.Store(&live)
	p.said.invalid.every, p.said.broken.every = time.Second, time.Second
	p.suspicion.since.Store(-1)
	p.leaks.p = p
	p.locks.p = p
	p.endings.now = p.now
	p.reserve.limits = func() (int, int) {
		return p.live.Load().MaximumPoolSize, max(p.cfg.MaxConnectionsPerTask, 0)
	}
	p.bag = bag.New[*entry](p.cfg.MaximumPoolSize, bag.Hooks{Now: p.now, Joined: func() { p.opener.ask() }, Long: p.locks.long, LongWait: longWait})
	p.opener = newOpener(openerEnv{
		settings:      p.live.Load,
		maxConnecting: func() int { return orDefault(p.cfg.MaxConnecting, p.live.Load().MaximumPoolSize) },
		need:          func() (int, int) { return p.bag.Idle(), p.bag.Waiting() },
		hold:          p.holdTime,
		connect:       p.connect,
		opened:        func(e *entry, took time.Duration) { p.opened(e, took, slog.LevelDebug) },
		admit:         func(e *entry) { p.bag.Add(&e.item, p.now()) },
		admitted:      p.afterReturn,
		discard:       p.closeDriver,
		failed:        p.openFailed,
		classify:      classifyOpen,
		timeout:       p.connectTimeout,
		paused:        func() bool { return p.gate.now() == gateSuspended },
		spawn:         p.spawn,
	})
	p.keeper = housekeeper{period: p.cfg.HousekeepingPeriod, env: housekeeperEnv{
		clock:    func() (time.Duration, time.Time) { return time.Duration(p.now()), time.Now().Round(0) },
		settings: p.live.Load,
		idle:     p.idle,
		now:      p.now,
		doom:     p.doom,
		evictAll: func() int { return p.evict(CloseEvicted) },
		suspect:  p.suspect,
		fill:     p.opener.fill,
		log:      p.log,
		stats:    p.logStats,
		advise:   p.adviseOnFacade,
	}}
	p.schedule = schedule{
		now:     p.now,
		retire:  func(e *entry) { p.doom(e, CloseMaxLifetime) },
		ping:    p.keepAlive,
		keepFor: func() time.Duration { return p.live.Load().KeepaliveTime },
	}
	p.facade = &connector{p: p}

	p.log(slog.LevelInfo, "Starting...")
	if err := p.firstConnection(ctx); err != nil {
		p.log(slog.LevelError, "Exception during pool initialization.", slog.Any("error", err))
		_ = p.Close()
		return nil, &InitError{p.name, err}
	}
	p.db = sql.OpenDB(p.facade)
	p.db.SetMaxOpenConns(0)
	p.db.SetMaxIdleConns(1 << 30) // a session is a few words: keep as many as were ever needed at once
	p.keeper.start()
	p.opener.fill()
	p.log(slog.LevelInfo, "Start completed.")
	return p, nil
}

// firstConnection makes sure that there is a database, as far as
// InitializationFailTimeout asks for it.
func (p *Pool) firstConnection(ctx context.Context) error {
	patience := p.cfg.InitializationFailTimeout
	if patience == DontTry {
		return nil
	}
	start := time.Now()
	for {
		began := time.Now()
		e, err := p.connectAside(ctx)
		p.opener.note(err)
		if err == nil {
			p.opener.adopt(time.Since(began))
			p.opened(e, time.Since(began), slog.LevelInfo) // as HikariCP's fail-fast check
			p.bag.Add(&e.item, p.now())
			p.afterReturn(e)
			if p.live.Load().minIdle() == 0 {
				p.doom(e, CloseSurplus) // it has shown that there is a database; nobody wants it yet
			}
			return nil
		}
		p.stats.openFailed.Add(1)
		if patience > 0 {
			p.sayCannotOpen(err, true)
		}
		var setup *setupError
		switch {
		case errors.As(err, &setup):
			return err // the database is there and refuses what it is asked: that will not change
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), err)
		case patience == TryOnce:
			return nil
		case time.Since(start) >= patience:
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(min(time.Second, max(patience-time.Since(start), time.Millisecond))):
		}
	}
}

// connectAside makes one attempt within the time for one, also if its driver does
// not mind the context. A connection that comes too late is closed.
func (p *Pool) connectAside(ctx context.Context) (*entry, error) {
	limit := p.connectTimeout()
	attempt, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type outcome struct {
		e   *entry
		err error
	}
	came := make(chan outcome) // taken by one of two: the caller, or whoever closes what is late
	gone := make(chan struct{})
	go func() { // Close does not wait for it
		o := outcome{nil, errPanicked}
		defer func() { // also if the driver ends the goroutine
			select {
			case came <- o:
			case <-gone:
				if o.e != nil {
					p.closeDriver(o.e)
				}
			}
		}()
		o.e, o.err = p.connect(attempt)
	}()
	late := time.NewTimer(later(limit, deafGrace))
	defer late.Stop()
	ended := ctx.Done()
	for {
		select {
		case o := <-came:
			return o.e, o.err
		case <-ended:
			ended = nil // and a moment for a driver that minds it
			late.Reset(deafGrace)
		case <-late.C:
			close(gone)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("akari: the driver has not connected within %v", limit)
		}
	}
}

// opened tells of a new connection.
func (p *Pool) opened(e *entry, took time.Duration, level slog.Level) {
	p.stats.opened.Add(1)
	p.stats.openNanos.Add(int64(took))
	p.sayOpenAgain()
	p.log(level, "Added connection "+e.name, slog.Uint64("conn", e.id))
	fire(p, p.cfg.Trace.Opened, func() OpenedEvent { return OpenedEvent{p.name, e.info(), took} })
	p.schedule.add(e)
}

// now is the pool's clock: nanoseconds since it was made, monotonic.
func (p *Pool) now() int64 { return int64(time.Since(p.birth)) }

// DB returns the pool as a *sql.DB: always the same one. Closing it closes the
// pool.
//
// Its own settings (SetMaxOpenConns, SetMaxIdleConns, SetConnMaxLifetime) are to
// be left alone: Config has them all. They concern the sessions of the facade, not
// connections. With SetMaxOpenConns callers would wait in database/sql, for ever,
// where the pool does not see them; the log warns of it. Stats concern sessions
// too; see DBStats.
func (p *Pool) DB() *sql.DB { return p.db }

// adviseOnFacade warns of a bound that keeps callers away from the pool.
func (p *Pool) adviseOnFacade() {
	if n := p.db.Stats().MaxOpenConnections; n > 0 {
		p.said.facade.Do(func() {
			p.log(slog.LevelWarn, fmt.Sprintf("SetMaxOpenConns(%d) was called on the pool's DB: callers beyond that wait in database/sql, without time-out; "+
				"leave it out, Config.MaximumPoolSize is the bound", n))
		})
	}
}

// String names the pool, without what its driver keeps.
func (p *Pool) String() string { return "akari.Pool(" + p.name + ")" }

// GoString is String.
func (p *Pool) GoString() string { return p.String() }

// Name returns the pool's name.
func (p *Pool) Name() string { return p.name }

// acquire lends a connection to the caller, who holds it as firmly as g says.
func (p *Pool) acquire(ctx context.Context, g grip) (*entry, error) {
	return p.acquireWithin(&budget{ctx: ctx, now: p.now()}, g)
}

// acquireWithin is acquire for a caller who may have waited elsewhere already.
func (p *Pool) acquireWithin(b *budget, g grip) (*entry, error) {
	if p.gate.now() != gateOpen {
		if err := p.passGate(b); err != nil {
			return nil, err
		}
	}
	for {
		it := p.bag.TryBorrow(b.now)
		if it == nil {
			var err error
			if it, err = p.wait(b); err != nil {
				return nil, p.sentAway(b, err)
			}
		}
		e := it.Value
		switch err := p.fit(b.ctx, e, b); err {
		case nil:
			p.lend(e, b, g)
			return e, nil
		case errUnfit:
			if err := b.ctx.Err(); err != nil {
				return nil, p.sentAway(b, err)
			}
			b.look(p)
		default:
			return nil, p.sentAway(b, err)
		}
	}
}

// lend starts a loan.
func (p *Pool) lend(e *entry, b *budget, g grip) {
	if e.uses.Load() == 0 {
		p.opener.proved()
	}
	e.held(g) // before it is lent, or the detector of pool-lock would take the last user for this one
	e.item.Lend(b.now)
	if threshold := p.live.Load().LeakDetectionThreshold; threshold > 0 {
		p.leaks.lent(e, b.now, threshold)
	}
	if b.waited {
		p.stats.waited.Add(1)
		p.stats.waitNanos.Add(int64(b.since()))
	}
	if f := p.cfg.Trace.Acquired; f != nil {
		fire(p, f, func() AcquiredEvent { return AcquiredEvent{p.name, e.info(), b.since()} })
	}
}

// wait queues for a connection.
func (p *Pool) wait(b *budget) (*bag.Item[*entry], error) {
	b.start(p)
	b.waited = true
	left, ok := b.left()
	if !ok {
		return nil, bag.ErrTimeout
	}
	it, err := p.bag.Wait(b.ctx, b.now, left, p.live.Load().MaxWaiters, callerID())
	b.look(p)
	if it != nil && err != nil { // served too late
		p.putBack(it.Value)
	}
	return it, err
}

// passGate holds a caller while the pool is suspended.
func (p *Pool) passGate(b *budget) error {
	b.start(p)
	if p.gate.now() == gateSuspended && p.cfg.FailIfSuspended {
		return p.sentAway(b, ErrPoolSuspended)
	}
	b.waited = p.gate.now() == gateSuspended
	p.held.Add(1)
	err := p.gate.wait(b.ctx, max(b.timeout, 0))
	p.held.Add(-1)
	b.look(p)
	if err != nil {
		return p.sentAway(b, err)
	}
	return nil
}

// sentAway makes the error of a caller who gets no connection.
func (p *Pool) sentAway(b *budget, why error) error {
	b.look(p) // the driver may have taken its time
	err := &AcquireError{PoolName: p.name, Reason: why, Waited: b.since()}
	var locked *errLocked
	switch {
	case errors.As(why, &locked):
		err.Reason, err.Detail = ErrPoolLock, locked.detail
	case why == bag.ErrTimeout || why == ErrAcquireTimeout:
		err.Reason = ErrAcquireTimeout
	case why == bag.ErrClosed:
		err.Reason = ErrPoolClosed
	case why == bag.ErrFull:
		err.Reason = ErrTooManyWaiters
		b.waited = false
	}
	if b.waited {
		p.stats.waited.Add(1)
	}
	switch {
	case err.Timeout():
		p.stats.timeouts.Add(1)
	case err.Reason == context.Canceled:
		p.stats.canceled.Add(1)
	case err.Reason != ErrPoolLock:
		p.stats.rejected.Add(1)
	}
	p.stats.waitNanos.Add(int64(err.Waited))
	c := p.counts()
	err.Total, err.Active, err.Idle, err.Waiting = c.total, c.active, c.idle, c.waiting
	err.Cause = p.opener.cause()
	if err.Timeout() {
		if err.Detail = b.detail; b.detail == "" {
			err.Detail = p.ownLoans()
		}
		if p.gate.now() == gateSuspended {
			err.Cause = ErrPoolSuspended
		}
		p.logStats("Timeout failure ")
	}
	fire(p, p.cfg.Trace.AcquireFailed, func() AcquireFailedEvent { return AcquireFailedEvent{p.name, err} })
	return err
}

// manyConnections is in how many a caller's own are not looked for: when thousands
// of callers wait in vain it is not the time to have each look at thousands.
const manyConnections = 1000

// ownLoans says which connections a caller that waited in vain may have itself.
func (p *Pool) ownLoans() string {
	c := callerID()
	if c == unknownCaller || p.bag.Total() > manyConnections {
		return ""
	}
	var own []string
	for _, it := range p.bag.All() {
		e := it.Value
		user, _ := e.heldBy()
		if _, lent := e.lentSince(); lent && user == c {
			own = append(own, e.name)
		}
	}
	if own == nil {
		return ""
	}
	return "the caller's own goroutine was the last to use " + strings.Join(own, ", ") +
		": connections must be given back, and rows closed, before another one is asked for"
}

// budget is a caller's time. It starts when the caller first has to wait.
type budget struct {
	ctx     context.Context
	now     int64 // when the clock was looked at last: not long ago, unless ResetSession was slow
	began   int64 // when the budget started, if it has
	started bool
	waited  bool
	timeout time.Duration // none if it is 0 or less
	refused int           // connections on which ResetSession has failed
	detail  string        // what else there is to say if it runs out
}

// look looks at the clock, after something that may have taken long.
func (b *budget) look(p *Pool) { b.now = p.now() }

func (b *budget) start(p *Pool) {
	if !b.started {
		b.started, b.began = true, b.now
		b.timeout = p.live.Load().ConnectionTimeout
	}
}

// since is how long ago the budget started.
func (b *budget) since() time.Duration {
	if !b.started {
		return 0
	}
	return time.Duration(b.now - b.began)
}

// left is the rest of the pool's own time-out, 0 for none; false when it has
// passed.
func (b *budget) left() (time.Duration, bool) {
	if b.timeout <= 0 {
		return 0, true
	}
	left := b.timeout - b.since()
	return left, left > 0
}

// patience is how long the caller waits for one connection to answer: a part of
// the time it has left, so that there is enough for another.
func (b *budget) patience(p *Pool) time.Duration {
	d := min(slowAnswer, p.live.Load().ValidationTimeout)
	if left, ok := b.left(); ok && left > 0 {
		d = min(d, left/4)
	}
	if end, ok := b.ctx.Deadline(); ok {
		d = min(d, time.Until(end)/4)
	}
	return max(d, time.Millisecond)
}

// holdTime estimates how long callers keep a connection at present: the mean of
// what the current loans have lasted so far and what loans usually last.
func (p *Pool) holdTime() time.Duration {
	now := p.now()
	var running, n, past, uses int64
	for _, it := range p.bag.All() {
		e := it.Value
		if began, lent := e.lentSince(); lent {
			running += now - began
			n++
		}
		past += e.used.Load()
		uses += e.uses.Load()
	}
	var hold int64
	if uses > 0 {
		hold = past / uses
	}
	if n > 0 {
		hold = max(hold, running/n)
	}
	return time.Duration(hold)
}

func (p *Pool) idle() []*entry {
	var es []*entry
	for _, it := range p.bag.All() {
		if it.State() == bag.Idle {
			es = append(es, it.Value)
		}
	}
	return es
}

// openFailed tells of a failure to open a connection.
func (p *Pool) openFailed(f openFailure) {
	p.stats.openFailed.Add(1)
	p.sayCannotOpen(f.err, f.empty)
	p.log(slog.LevelDebug, fmt.Sprintf("Connection add failed, sleeping with backoff: %dms", f.retryIn.Milliseconds()),
		slog.Any("error", f.err), slog.Int("failures", f.failures))
	fire(p, p.cfg.Trace.OpenFailed, func() OpenFailedEvent {
		return OpenFailedEvent{p.name, f.err, f.took, f.failures, f.retryIn}
	})
}

// keepAlive pings an idle connection.
func (p *Pool) keepAlive(e *entry) {
	if !p.bag.Reserve(&e.item) {
		return // in use: that keeps it alive as well
	}
	p.stats.keepalives.Add(1)
	p.examine(e, keeping)
}
