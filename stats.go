package akari

import (
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is a snapshot of a pool. The numbers are read one after the other while
// the pool works: at rest they add up, under load they may be off by those that
// moved in between.
type Stats struct {
	PoolName string

	// Limits, as they are now.
	MaximumPoolSize int
	MinimumIdle     int
	MaxWaiters      int // 0: none

	// Now.
	Total     int // connections in the pool: active, idle, or taken aside for a check
	Active    int // lent
	Idle      int
	Waiting   int // callers that wait for a connection
	Opening   int // connections being opened
	Closing   int // connections on their way out that still have a place
	Suspended bool
	ShutDown  bool

	// Counters, since the pool was made.
	Acquired        int64         // connections lent
	AcquireWaited   int64         // callers that had to wait, also those without success
	WaitTime        time.Duration // what they have waited
	AcquireTimeouts int64         // callers whose time ran out
	AcquireCanceled int64         // callers whose context was cancelled
	AcquireRejected int64         // callers refused at once: too many waiters, pool suspended or closed
	PoolLocks       int64         // callers failed to break a pool-lock

	Released int64         // loans that have ended
	HoldTime time.Duration // how long they lasted, all together

	Opened     int64
	OpenTime   time.Duration // what opening took, successes only
	OpenFailed int64
	Closed     map[CloseReason]int64 // reasons that have occurred

	Validations        int64 // connections that had to answer before they were lent
	ValidationFailures int64
	Keepalives         int64
	Leaks              int64 // loans longer than LeakDetectionThreshold
	SessionResets      int64
	StatementHits      int64 // prepared statements found in the cache
	StatementMisses    int64

	// Of scopes of package txn.
	Transactions       TransactionStats
	TransactionRetries int64
	SuspendedScopes    int64                         // scopes that ran beside a transaction, without one
	TaskConnections    [maxTaskConnections + 1]int64 // tasks that have ended, by the most connections they held at once; the last: that many or more. Each attempt of a Retry counts

	LastOpenError error // of the last attempt to open a connection; nil if it succeeded
}

// TransactionStats counts transactions by how they ended.
type TransactionStats struct {
	Begun                int64
	Committed            int64
	Empty                int64 // committed without a statement: they had no connection
	RolledBack           int64 // as the program wanted
	UnexpectedRolledBack int64 // though the program wanted to commit
	TimedOut             int64 // when their time, or context, had ended
	Unknown              int64 // the outcome of the COMMIT was not learnt
}

// stats are the counters of scopes.
func (n *scopes) stats() TransactionStats {
	return TransactionStats{
		n.begun.Load(), n.committed.Load(), n.empty.Load(), n.rolledBack.Load(), n.lost.Load(), n.timedOut.Load(), n.unknown.Load(),
	}
}

// TotalClosed is the number of connections closed for any reason.
func (s Stats) TotalClosed() int64 {
	n := int64(0)
	for _, c := range s.Closed {
		n += c
	}
	return n
}

// counters are the pool's own, written by slow paths only. What happens with
// every loan is counted in the entry.
type counters struct {
	waited, waitNanos               atomic.Int64
	timeouts, canceled, rejected    atomic.Int64
	poolLocks                       atomic.Int64
	opened, openNanos, openFailed   atomic.Int64
	validations, validationFailures atomic.Int64
	keepalives, leaks, resets       atomic.Int64
	statementHits, statementMisses  atomic.Int64
}

// retired sums up what connections that have left the pool had counted.
type retired struct {
	mu   sync.Mutex // guards what follows; nothing else is taken while it is held
	by   [closeReasons]int64
	uses int64
	used int64
}

func (r *retired) add(e *entry, reason CloseReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by[reason]++
	r.uses += e.uses.Load()
	r.used += e.used.Load()
}

// counts are the numbers of HikariCP's stats line.
type counts struct{ total, active, idle, waiting int }

func (c counts) String() string {
	return fmt.Sprintf("(total=%d, active=%d, idle=%d, waiting=%d)", c.total, c.active, c.idle, c.waiting)
}

func (p *Pool) counts() counts {
	c := counts{total: p.bag.Total(), idle: p.bag.Idle(), waiting: p.bag.Waiting() + int(p.reserve.waiting.Load())}
	c.active = max(c.total-c.idle-p.bag.Reserved(), 0)
	return c
}

// Stats returns a snapshot. It takes a time proportional to the number of
// connections and holds nobody up.
func (p *Pool) Stats() Stats {
	live := p.live.Load()
	now := p.counts()
	_, opening, closing, _, lastErr := p.opener.counts()
	s := Stats{
		PoolName:        p.name,
		MaximumPoolSize: live.MaximumPoolSize,
		MinimumIdle:     live.minIdle(),
		MaxWaiters:      live.MaxWaiters,
		Total:           now.total,
		Active:          now.active,
		Idle:            now.idle,
		Waiting:         now.waiting + int(p.held.Load()),
		Opening:         opening,
		Closing:         closing,
		Suspended:       p.gate.now() == gateSuspended,
		ShutDown:        p.gate.now() == gateClosed,

		AcquireWaited:   p.stats.waited.Load(),
		WaitTime:        time.Duration(p.stats.waitNanos.Load()),
		AcquireTimeouts: p.stats.timeouts.Load(),
		AcquireCanceled: p.stats.canceled.Load(),
		AcquireRejected: p.stats.rejected.Load(),
		PoolLocks:       p.stats.poolLocks.Load(),

		Opened:     p.stats.opened.Load(),
		OpenTime:   time.Duration(p.stats.openNanos.Load()),
		OpenFailed: p.stats.openFailed.Load(),

		Validations:        p.stats.validations.Load(),
		ValidationFailures: p.stats.validationFailures.Load(),
		Keepalives:         p.stats.keepalives.Load(),
		Leaks:              p.stats.leaks.Load(),
		SessionResets:      p.stats.resets.Load(),
		StatementHits:      p.stats.statementHits.Load(),
		StatementMisses:    p.stats.statementMisses.Load(),
		LastOpenError:      lastErr,

		Transactions:       p.scopes.stats(),
		TransactionRetries: p.scopes.retried.Load(),
		SuspendedScopes:    p.scopes.suspended.Load(),
	}
	for i := range s.TaskConnections {
		s.TaskConnections[i] = p.scopes.tasks[i].Load()
	}
	s.Closed = map[CloseReason]int64{}
	p.retired.mu.Lock()
	for r, n := range p.retired.by {
		if n > 0 {
			s.Closed[CloseReason(r)] = n
		}
	}
	s.Released = p.retired.uses
	s.HoldTime = time.Duration(p.retired.used)
	p.retired.mu.Unlock()
	lent := int64(0)
	for _, it := range p.bag.All() {
		e := it.Value
		s.Released += e.uses.Load()
		s.HoldTime += time.Duration(e.used.Load())
		if _, yes := e.lentSince(); yes {
			lent++
		}
	}
	s.Acquired = s.Released + lent
	return s
}

// DBStats returns the pool's numbers in database/sql's form. Use it in place of
// DB().Stats(): that one counts the sessions of the facade, which own no
// connection and are never in short supply.
func (p *Pool) DBStats() sql.DBStats {
	s := p.Stats()
	return sql.DBStats{
		MaxOpenConnections: s.MaximumPoolSize,
		OpenConnections:    s.Total,
		InUse:              s.Total - s.Idle,
		Idle:               s.Idle,
		WaitCount:          s.AcquireWaited,
		WaitDuration:       s.WaitTime,
		MaxIdleClosed:      s.Closed[CloseSurplus],
		MaxIdleTimeClosed:  s.Closed[CloseIdleTimeout],
		MaxLifetimeClosed:  s.Closed[CloseMaxLifetime],
	}
}
