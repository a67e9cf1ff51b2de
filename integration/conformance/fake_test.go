package conformance

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
)

// fakeValues are arguments that show which of the driver's methods converted
// them.
var fakeValues = []Value{
	is("Probe", akaritest.Probe{}),
	is("Option", akaritest.Option{}),
	is("pointer to Probe", &akaritest.Probe{}),
	is("named Probe", sql.Named("name", akaritest.Probe{})),
	is("named Option", sql.Named("name", akaritest.Option{})),
}

// fakeBare is the fake driver under database/sql alone.
func fakeBare(server *akaritest.Server, conns int) *Target {
	open := func() *sql.DB {
		db := sql.OpenDB(server.Connector())
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db
	}
	target := fakeTarget(server, open(), conns)
	target.Raw = (*sql.Conn).Raw
	target.Reopen = func() (*sql.DB, error) { return open(), nil }
	return target
}

// fakePooled is the fake driver under the pool.
func fakePooled(t testing.TB, server *akaritest.Server, v variant) (target *Target, done func()) {
	if v.cfg.SessionReset == akari.ResetDirty {
		v.cfg.SessionReset = akari.ResetOff // the fake's statements are in no dialect
	}
	open := func() (*akari.Pool, error) {
		var pool atomic.Pointer[akari.Pool]
		p, err := akari.New(t.Context(), server.Connector(), v.config(func(id uint64) {
			if p := pool.Load(); p != nil {
				p.EvictConn(id)
			}
		}))
		pool.Store(p)
		return p, err
	}
	p, err := open()
	if err != nil {
		t.Fatal(err)
	}
	target = fakeTarget(server, p.DB(), v.size)
	target.Restless = v.restless
	target.Raw = akari.Raw
	target.Reopen = func() (*sql.DB, error) {
		p, err := open()
		if err != nil {
			return nil, err
		}
		return p.DB(), nil
	}
	return target, func() {
		p.Close()
		if s := p.Stats(); s.Total != 0 || s.Acquired != s.Released || s.Opened != s.TotalClosed() {
			t.Errorf("after Close: %+v", s)
		}
	}
}

func fakeTarget(server *akaritest.Server, db *sql.DB, conns int) *Target {
	target := &Target{
		Driver: "fake", DB: db, Dialect: Fake, Conns: conns, Values: fakeValues, Settle: synctest.Wait,
		Kill: func() error { server.DropAll(); return nil },
		Transactions: func() string {
			var open []string
			for _, c := range server.Conns() {
				if c.InTx {
					open = append(open, fmt.Sprintf("%+v", c.Tx))
				}
			}
			return fmt.Sprint(open)
		},
	}
	if endsWithContext(server.Profile()) {
		target.Features |= Sleeps
	}
	return target
}

// endsWithContext reports whether all statements of a driver can be ended by
// their context. In a bubble those that cannot would never end: somebody waits
// for a lock of database/sql then, and so time does not pass.
func endsWithContext(p akaritest.Profile) bool {
	conn := akaritest.ExecerContext | akaritest.QueryerContext
	stmt := akaritest.StmtExecContext | akaritest.StmtQueryContext
	return p.Conn&conn == conn && p.Stmt&stmt == stmt
}

// examineFake compares the cases, bare and through a pool, on a fake driver.
// Everything happens in a bubble.
func examineFake(t *testing.T, profile akaritest.Profile, v variant, cases []Case) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		bareServer, pooledServer := akaritest.NewServer(profile), akaritest.NewServer(profile)
		akaritest.Verify(t, bareServer)
		akaritest.Verify(t, pooledServer)
		bare := fakeBare(bareServer, v.size)
		pooled, done := fakePooled(t, pooledServer, v)
		for i, c := range cases {
			if !bare.Takes(c) || !pooled.Takes(c) {
				continue
			}
			want, err := bare.Do(c, i)
			if err != nil {
				t.Errorf("bare: %v", err)
				continue
			}
			got, err := pooled.Do(c, i)
			if err != nil {
				t.Errorf("pooled: %v", err)
				continue
			}
			if diff := Compare("fake", c, want, got, met); diff != "" {
				t.Error(diff)
			}
		}
		bare.DB.Close()
		done()
	})
}

// TestProfiles runs all cases on the fake driver in the likeness of real ones.
func TestProfiles(t *testing.T) {
	for _, profile := range akaritest.Profiles() {
		for _, v := range variants {
			t.Run(profile.Name+"/"+v.name, func(t *testing.T) {
				examineFake(t, profile, v, Cases())
			})
		}
	}
}

var _ = slices.Concat[[]int]
var _ driver.Conn
