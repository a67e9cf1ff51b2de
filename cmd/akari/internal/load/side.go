package load

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari"
)

// side is who lends connections to a load: the pool, or plain database/sql.
type side struct {
	name string
	db   *sql.DB
	pool *akari.Pool // nil: plain database/sql

	recorders *recorders
	waits     *waits // nil: nobody tells

	measured atomic.Int64 // nanoseconds, of all slices that have ended; written by the runner alone

	// Of all slices that have ended; the runner's own.
	waited    int64         // callers that had to wait for a connection
	waitTime  time.Duration // all together
	dropped   int64
	abandoned int // operations that did not end even when their context did
}

const (
	nameAkari = "akari"
	namePlain = "database/sql"
)

// openAkari makes the pool that the load goes through.
func openAkari(ctx context.Context, db *database, cfg akari.Config) (*side, error) {
	s := &side{name: nameAkari, waits: newWaits()}
	cfg.Trace = akari.Tee(cfg.Trace, &akari.Trace{
		Acquired: func(e akari.AcquiredEvent) { s.waits.note(e.Waited) },
		// Those sent away have waited too, the longest of all.
		AcquireFailed: func(e akari.AcquireFailedEvent) { s.waits.note(max(e.Err.Waited, 1)) },
	})
	var err error
	if s.pool, err = akari.Open(ctx, db.driver, db.dsn, cfg); err != nil {
		return nil, db.unreachable(err)
	}
	s.db = s.pool.DB()
	return s, nil
}

// openPlain makes what a program without the pool would use, with the same
// bounds.
func openPlain(db *database, cfg akari.Config) (*side, error) {
	plain, err := sql.Open(db.driver, db.dsn)
	if err != nil {
		return nil, db.unreachable(err)
	}
	plain.SetMaxOpenConns(poolSize(cfg))
	plain.SetMaxIdleConns(poolSize(cfg))
	return &side{name: namePlain, db: plain}, nil
}

// stats are the side's numbers in database/sql's form.
func (s *side) stats() sql.DBStats {
	if s.pool != nil {
		return s.pool.DBStats()
	}
	return s.db.Stats()
}

// line is the side's state in HikariCP's form.
func (s *side) line() string {
	if s.pool == nil {
		st := s.db.Stats()
		return fmt.Sprintf("%s - Pool stats (total=%d, active=%d, idle=%d)", s.name, st.OpenConnections, st.InUse, st.Idle)
	}
	st := s.pool.Stats()
	return fmt.Sprintf("%s - Pool stats (total=%d, active=%d, idle=%d, waiting=%d)", st.PoolName, st.Total, st.Active, st.Idle, st.Waiting)
}

func (s *side) close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("closing the connections of %s: %w", s.name, err)
	}
	return nil
}
