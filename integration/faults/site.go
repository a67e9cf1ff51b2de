package faults

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/akaripool/akari/akaritest/faultproxy"
)

// site is the place of one trial: a server, a proxy in front of it, an empty
// ledger.
type site struct {
	lab  *Lab
	peer Peer

	*node        // the server; nil for a peer that has a file, or needs none
	next   *node // the second one; nil if the fault has none
	own    bool
	net    *faultproxy.Proxy
	ledger *ledger
	file   string // for SQLite

	pools   map[pool]int // the open ones, and their sizes
	places  int          // the most of their sizes together
	watched func() (most, samples int)
	undoing []func(context.Context) error // see later
	closers []func() error                // of what stands between the pools and the server; run after the pools were closed
	before  count
}

// count is what the process has open.
type count struct{ goroutines, files int }

func countNow() count {
	files, _ := os.ReadDir("/proc/self/fd")
	return count{runtime.NumGoroutine(), len(files)}
}

// countSteady counts once nothing changes any more: what a trial before has
// left to end by itself must not hide what this one leaves.
func countSteady(ctx context.Context) count {
	now := countNow()
	until(ctx, time.Second, func() bool {
		before := now
		pass(ctx, 20*time.Millisecond)
		now = countNow()
		return now == before
	})
	return now
}

// site prepares a trial.
func (l *Lab) site(ctx context.Context, f Fault, p Peer) (*site, error) {
	s := &site{lab: l, peer: p, ledger: newLedger(), pools: map[pool]int{}}
	var err error
	switch {
	case f.serverless:
		s.before = countSteady(ctx)
	case p.onFile():
		s.file = filepath.Join(l.dir, fmt.Sprintf("trial-%d.db", time.Now().UnixNano()))
		err = s.inFile(func(db *sql.DB) error {
			_, err := db.ExecContext(ctx, ledgerTable)
			return err
		})
		s.before = countSteady(ctx)
	case f.server != nil:
		s.own = true
		s.node, err = startNode(ctx, p.kind(), f.server(p))
	default:
		s.node, err = l.common(ctx, p.kind())
	}
	if err == nil && f.second {
		s.next, err = l.node(ctx, place{kind: p.kind(), second: true})
	}
	if err == nil && s.node != nil {
		err = s.settle(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.shut())
	}
	if s.node != nil {
		s.watched = s.watch(ctx, cmp.Or(f.sampled, usually))
	}
	return s, nil
}

// settle brings a server into the state in which each trial finds it.
func (s *site) settle(ctx context.Context) error {
	if left, err := s.gone(ctx, 5*time.Second); err != nil || left > 0 {
		return fmt.Errorf("%d connections of another trial are still there: %w", left, err)
	}
	if err := s.do(ctx, dropLedger, ledgerTable, "CREATE TABLE IF NOT EXISTS other (id INT)"); err != nil {
		return err
	}
	if err := s.warm(ctx); err != nil {
		return err
	}
	if s.next != nil {
		if err := errors.Join(s.next.do(ctx, dropLedger, ledgerTable), s.next.warm(ctx)); err != nil {
			return err
		}
	}
	s.before = countSteady(ctx)
	var err error
	s.net, err = faultproxy.New(s.Addr())
	return err
}

// warm has the watcher's connections answer, so that they count before as they do
// after: pgx reads in the background when a write takes long.
func (n *node) warm(ctx context.Context) error {
	a, err := n.admin.Conn(ctx)
	if err != nil {
		return err
	}
	b, err := n.admin.Conn(ctx)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	return errors.Join(a.PingContext(ctx), b.PingContext(ctx), a.Close(), b.Close())
}

// away is the data source that leads through the proxy, as a user without
// special rights.
func (s *site) away() string { return s.dsn(s.net.Addr(), worker, password) }

// direct is the data source that leads to the server itself.
func (s *site) direct() string {
	if s.file != "" {
		return s.file
	}
	return s.dsn(s.Addr(), worker, password)
}

// open makes a pool that is closed at the end of the trial.
func (s *site) open(ctx context.Context, dsn string, o openOptions) (pool, error) {
	p, err := s.peer.open(ctx, dsn, o)
	if err == nil {
		s.pools[p] = o.size
		open := 0
		for _, size := range s.pools {
			open += size
		}
		s.places = max(s.places, open)
	}
	return p, err
}

// openFull makes a pool through the proxy and has it open all its connections.
func (s *site) openFull(ctx context.Context, size int) (pool, error) {
	p, err := s.open(ctx, s.away(), openOptions{size: size})
	if err != nil {
		return nil, err
	}
	return p, fill(ctx, p, size)
}

// fill makes a pool open all its connections, by holding them all at once.
func fill(ctx context.Context, p pool, size int) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var all barrier
	all.wants(size)
	errs := make([]error, size)
	for i := range size {
		wg.Go(func() {
			h, err := p.hold(ctx)
			all.arrive()
			if err == nil {
				all.wait(ctx)
				err = h.release()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("filling the pool: %w", err)
	}
	return nil
}

// later has something done at the end of the trial, however it ends: what was
// changed at a server is put back for the next one.
func (s *site) later(undo func(context.Context) error) { s.undoing = append(s.undoing, undo) }

// laterDo is later for statements.
func (s *site) laterDo(statements ...string) {
	s.later(func(ctx context.Context) error { return s.do(ctx, statements...) })
}

// undo does what later was told, the last first. The trial's time may be over.
func (s *site) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	var errs []error
	for _, u := range slices.Backward(s.undoing) {
		errs = append(errs, u(ctx))
	}
	s.undoing = nil
	return errors.Join(errs...)
}

// dials is the number of connections tried through the proxy so far.
func (s *site) dials() int64 {
	n := s.net.Stats()
	return n.Accepted + n.Refused
}

// writers is how many callers of a crowd write while the others do what the
// fault is about, so that the ledger has something to say after every fault.
const writers = 2

// twoWrite is a crowd's call of that kind.
func (s *site) twoWrite(p pool, others func(ctx context.Context, worker int) error) func(context.Context, int) error {
	return func(ctx context.Context, worker int) error {
		if worker < writers {
			return s.ledger.write(ctx, p, s.peer)
		}
		return others(ctx, worker)
	}
}

// audit compares the ledger with what the servers have, or the file.
func (s *site) audit(ctx context.Context, f *Figures) (err error) {
	switch {
	case s.file != "":
		return s.inFile(func(db *sql.DB) error {
			f.Ledger, err = s.ledger.audit(ctx, db)
			return err
		})
	case s.next != nil:
		f.Ledger, err = s.ledger.audit(ctx, s.admin, s.next.admin)
	case s.node != nil:
		f.Ledger, err = s.ledger.audit(ctx, s.admin)
	}
	return err
}

// closing is how long a pool may take to close, and what it had to be gone.
const closing = 4 * time.Second

// close ends a trial: the network is put right, the pools are closed, what
// remains is counted.
func (s *site) close(ctx context.Context, f *Figures) error {
	errs := []error{s.undo(ctx)}
	if s.net != nil {
		errs = append(errs, s.net.Heal())
	}
	for p := range s.pools {
		errs = append(errs, s.closePool(ctx, p, f))
	}
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	s.closers = nil
	if s.net != nil {
		left, err := s.gone(ctx, closing)
		f.Left.Backends = left
		errs = append(errs, err)
		if left > 0 {
			errs = append(errs, s.hangUp(ctx)) // the next trial is to find the server free
		}
		f.MaxAtServer, f.Samples = s.watched()
		f.Places = s.places
		errs = append(errs, s.net.Close())
		s.net = nil
	}
	errs = append(errs, s.audit(ctx, f)) // nothing is under way any more
	now := s.before
	if !until(ctx, closing, func() bool {
		for _, n := range []*node{s.node, s.next} {
			if n != nil {
				_ = n.warm(ctx)
			}
		}
		now = countNow()
		return now.goroutines <= s.before.goroutines && now.files <= s.before.files
	}) {
		f.Left.Goroutines = max(0, now.goroutines-s.before.goroutines)
		f.Left.Files = max(0, now.files-s.before.files)
		f.Left.Stacks = stacks()
	}
	return errors.Join(append(errs, s.shut())...)
}

// closePool closes a pool, which not every pool survives.
func (s *site) closePool(ctx context.Context, p pool, f *Figures) error {
	delete(s.pools, p)
	sp, _ := p.(*sqlPool)
	if s.peer.Pool == Akari {
		f.Numbers = append(f.Numbers, stillWrong(ctx, sp.akari, atRest)...)
	}
	done := make(chan error, 1)
	go func() { done <- p.close() }()
	t := time.NewTimer(closing)
	defer t.Stop()
	var err error
	select {
	case err = <-done:
	case <-t.C:
		f.Left.CloseHangs = true
		if s.net != nil {
			s.net.ResetAll()
		}
		return nil
	}
	if s.peer.Pool != Akari {
		return nil // others report connections here that were lost long ago
	}
	f.Numbers = append(f.Numbers, stillWrong(ctx, sp.akari, impossible)...)
	return err
}

// shut removes what is left of the site itself.
func (s *site) shut() error {
	var errs []error
	if s.net != nil {
		errs = append(errs, s.net.Close())
	}
	if s.own && s.node != nil {
		errs = append(errs, s.node.close())
	}
	if s.file != "" {
		for _, end := range []string{"", "-journal", "-wal", "-shm"} {
			if err := os.Remove(s.file + end); err != nil && !os.IsNotExist(err) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func stacks() string {
	buf := make([]byte, 16<<10)
	return string(buf[:runtime.Stack(buf, true)])
}

// inFile does something to the file of a peer that has one, past its pool.
func (s *site) inFile(do func(*sql.DB) error) error {
	db, err := sql.Open(s.peer.registered(), s.file)
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}
