package akari_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// ins is what became of one INSERT.
type ins struct {
	n     int
	err   error
	scope *sc
}

type sc struct {
	outer *sc // nil: a root
	err   error
	done  bool
}

type run struct {
	b       *bench
	swallow bool
	mu      sync.Mutex
	ins     []*ins
	scopes  []*sc
}

func (r *run) insert(ctx context.Context, s *sc, n int) error {
	i := &ins{n: n, scope: s, err: errors.New("did not return")}
	r.mu.Lock()
	r.ins = append(r.ins, i)
	r.mu.Unlock()
	_, i.err = r.b.DB().ExecContext(ctx, fmt.Sprintf("INSERT %d", n))
	return r.pass(i.err)
}

func (r *run) pass(err error) error {
	if r.swallow {
		return nil
	}
	return err
}

func (r *run) do(ctx context.Context, outer *sc, f func(ctx context.Context, s *sc) error, opts ...txn.Option) error {
	s := &sc{outer: outer, err: errors.New("did not return")}
	r.mu.Lock()
	r.scopes = append(r.scopes, s)
	r.mu.Unlock()
	s.err = txn.Do(ctx, r.b.Pool, func(ctx context.Context) error { return f(ctx, s) }, opts...)
	s.done = true
	return r.pass(s.err)
}

func (r *run) work(ctx context.Context) error {
	db := r.b.DB()
	return r.do(ctx, nil, func(ctx context.Context, s *sc) error {
		if err := r.insert(ctx, s, 1); err != nil {
			return err
		}
		if err := r.do(ctx, s, func(ctx context.Context, s *sc) error {
			if err := r.insert(ctx, s, 2); err != nil {
				return err
			}
			rows, err := db.QueryContext(ctx, "ROWS 3")
			if err != nil {
				return r.pass(err)
			}
			defer rows.Close()
			for rows.Next() {
			}
			if err := rows.Err(); err != nil {
				return r.pass(err)
			}
			rows.Close()
			return r.insert(ctx, s, 3)
		}, txn.Nested); err != nil {
			return err
		}
		if err := r.do(ctx, nil, func(ctx context.Context, s *sc) error {
			if err := r.insert(ctx, s, 10); err != nil {
				return err
			}
			return r.insert(ctx, s, 11)
		}, txn.RequiresNew); err != nil {
			return err
		}
		// a transaction of database/sql
		in := &sc{outer: s, err: errors.New("did not return")}
		tx, err := db.BeginTx(ctx, nil)
		if err == nil {
			i := &ins{n: 4, scope: in, err: errors.New("did not return")}
			r.mu.Lock()
			r.ins = append(r.ins, i)
			r.scopes = append(r.scopes, in)
			r.mu.Unlock()
			func() {
				defer tx.Rollback()
				_, i.err = tx.ExecContext(ctx, "INSERT ?", 4)
				if i.err == nil || r.swallow {
					in.err = tx.Commit()
					in.done = true
				}
			}()
		}
		if err != nil && !r.swallow {
			return err
		}
		if in.err != nil && !r.swallow {
			return in.err
		}
		st, err := db.PrepareContext(ctx, "INSERT ?")
		if err != nil {
			return r.pass(err)
		}
		defer st.Close()
		for n := 5; n <= 6; n++ {
			i := &ins{n: n, scope: s, err: errors.New("did not return")}
			r.mu.Lock()
			r.ins = append(r.ins, i)
			r.mu.Unlock()
			if _, i.err = st.ExecContext(ctx, n); i.err != nil && !r.swallow {
				return i.err
			}
		}
		return nil
	})
}

func (r *run) check(t *testing.T, present map[int]bool, after bool, op akaritest.Op) {
	fail := t.Errorf
	root := func(s *sc) *sc {
		for s.outer != nil {
			s = s.outer
		}
		return s
	}
	unknown := func(s *sc) bool {
		return errors.Is(s.err, txn.ErrCommitUnknown) || !s.done && (op&akaritest.OpCommit != 0 && after || op == akaritest.OpIsValid) // its goroutine was ended after the COMMIT
	}
	musts := map[*sc][]*ins{}
	for _, i := range r.ins {
		rt := root(i.scope)
		inner := false
		for s := i.scope; s.outer != nil; s = s.outer {
			inner = inner || s.err != nil
		}
		switch {
		case inner:
			if present[i.n] {
				fail("%d: its scope has failed (%v), it is committed", i.n, i.scope.err)
			}
		case rt.err == nil && i.err == nil:
			if !present[i.n] {
				fail("%d: is lost", i.n)
			}
		case rt.err != nil && !unknown(rt):
			if present[i.n] {
				fail("%d: is committed, the transaction was not: %v", i.n, rt.err)
			}
		}
		if i.err == nil && !inner {
			musts[rt] = append(musts[rt], i)
		}
	}
	for _, is := range musts {
		for _, i := range is {
			if present[i.n] != present[is[0].n] {
				fail("half a transaction: %d is %v, %d is %v", i.n, present[i.n], is[0].n, present[is[0].n])
			}
		}
	}
}

// TestFaultsAtEveryCallOfATransaction has each call of the driver go wrong in each way, in
// a transaction with all that there is: no statement may run outside of it, or twice, no
// half of it may stay, and callers must be told what is true.
func TestFaultsAtEveryCallOfATransaction(t *testing.T) {
	boom := errors.New("boom")
	faults := []akaritest.Fault{
		{Err: boom}, {Err: boom, After: true},
		{Err: driver.ErrBadConn}, {Err: driver.ErrBadConn, After: true},
		{Err: driver.ErrBadConn, Break: true}, {Err: driver.ErrBadConn, Break: true, After: true},
		{Err: io.ErrUnexpectedEOF, Break: true}, {Err: io.ErrUnexpectedEOF, Break: true, After: true},
		{Panic: "p"}, {Panic: "p", After: true}, {Goexit: true}, {Goexit: true, After: true},
		{Hang: true}, {Hang: true, After: true}, {Hang: true, IgnoreContext: true}, {Delay: 20 * time.Second},
		{Err: &akaritest.MySQLError{Number: 1213, Message: "deadlock"}},
	}
	ops := []akaritest.Op{akaritest.OpConnect, akaritest.OpPing, akaritest.OpPrepare, akaritest.OpExec, akaritest.OpQuery, akaritest.OpBegin, akaritest.OpCommit, akaritest.OpRollback, akaritest.OpNext, akaritest.OpRowsClose, akaritest.OpStmtClose, akaritest.OpCheck, akaritest.OpReset, akaritest.OpIsValid, akaritest.OpClose}
	profiles := []akaritest.Profile{akaritest.MySQLLike}
	for _, pr := range profiles {
		for _, op := range ops {
			for fi, f := range faults {
				if (fi == 14 || fi == 15 || fi == 12 || fi == 13) && op&(akaritest.OpNext|akaritest.OpPrepare|akaritest.OpRowsClose|akaritest.OpStmtClose|akaritest.OpCheck|akaritest.OpReset|akaritest.OpIsValid|akaritest.OpClose) != 0 {
					continue
				}
				if fi == 16 && pr.Name != "MySQLLike" {
					continue
				}
				for _, swallow := range []bool{false, true} {
					for skip := range 3 {
						f.Skip, f.Times = skip, 1
						name := fmt.Sprintf("%s/%v/%d/swallow=%v/skip=%d", pr.Name, op, fi, swallow, skip)
						t.Run(name, func(t *testing.T) {
							within(t, func(t *testing.T) {
								cfg := small()
								cfg.ConnectionTimeout = 5 * time.Second
								cfg.SessionReset = akari.ResetOff
								switch pr.Name {
								case "PgxLike", "PqLike":
									cfg.Dialect = akari.DialectPostgreSQL
								case "MySQLLike":
									cfg.Dialect = akari.DialectMySQL
								case "SQLiteLike":
									cfg.Dialect = akari.DialectSQLite
								}
								b := newBench(t, pr, cfg)
								b.exec("NOP")
								time.Sleep(time.Hour)
								inj := b.server.Inject(op, f)
								r := &run{b: b, swallow: swallow}
								done := make(chan struct{})
								go func() {
									defer close(done)
									recovered(func() {
										ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
										defer cancel()
										_ = r.work(ctx)
									})
								}()
								time.Sleep(time.Minute)
								inj.Release()
								select {
								case <-done:
								case <-time.After(time.Hour):
									t.Error("stalled")
									<-done
								}
								time.Sleep(time.Hour)
								b.server.Heal()
								b.rest()
								present := map[int]bool{}
								for n := 1; n <= 11; n++ {
									if b.server.Has(int64(n)) {
										present[n] = true
									}
									if c := b.server.Inserts(int64(n)); c > 1 {
										t.Errorf("%d was executed %d times", n, c)
									}
								}
								r.check(t, present, f.After, op)
							})
						})
					}
				}
			}
		}
	}
}
