package faults

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari"
)

const rotated = "another-4-a-test"

// passwordChanged: the password is changed at the server while the pool runs,
// and then the connections are ended. akari asks Config.Credentials; the other
// pools have no such thing and keep what they were told.
var passwordChanged = Fault{
	ID:   "C15",
	Name: "Password changed under a running pool, connections ended",
	Measured: "10 callers write through a pool of 5; the new password is known to akari by Config.Credentials, " +
		"the other pools have nothing of the kind (one would build a new pool); watched for 2 s",
	Wanted: "errors for statements in flight only",
	Peers:  onServers,
	try: func(ctx context.Context, s *site, f *Figures) error {
		var current atomic.Pointer[akari.Credentials]
		current.Store(&akari.Credentials{Username: worker, Password: password})
		p, err := s.open(ctx, s.away(), openOptions{size: 5, akari: akari.Config{
			// Asked for each connection, so that it is never behind by more than
			// an attempt.
			Credentials: func(context.Context) (akari.Credentials, error) { return *current.Load(), nil },
		}})
		if err != nil {
			return err
		}
		return s.rotate(ctx, p, f, func() error {
			current.Store(&akari.Credentials{Username: worker, Password: rotated})
			return nil
		})
	},
	tell: sayRotated,
}

// passwordTold: as before, but the pool is told by SetCredentials, and late.
var passwordTold = Fault{
	ID:       "C15b",
	Name:     "The same, and the pool is told a second later (SetCredentials)",
	Measured: "as C15, each call with 10 s of time",
	Wanted:   "errors for statements in flight only; the server is not stormed meanwhile",
	Peers:    []Peer{AkariPgx, AkariPq, AkariMySQL},
	try: func(ctx context.Context, s *site, f *Figures) error {
		p, err := s.open(ctx, s.away(), openOptions{size: 5})
		if err != nil {
			return err
		}
		return s.rotate(ctx, p, f, func() error {
			pass(ctx, time.Second)
			return p.(*sqlPool).akari.SetCredentials(akari.Credentials{Username: worker, Password: rotated})
		})
	},
	tell: sayRotated,
}

func sayRotated(f Figures) string {
	if f.AllWell == never {
		return fmt.Sprintf("**no connection any more**: %s; %s dials", sayErrors(f), thousands(f.Dials))
	}
	return fmt.Sprintf("%s; all callers well after %s, %s",
		bold(f.Errors.Total() > 5, sayErrors(f)), sayTime(f.AllWell), bold(f.Dials > 100, thousands(f.Dials)+" dials"))
}

// rotate changes the password at the server, ends the connections and then
// tells the pool.
func (s *site) rotate(ctx context.Context, p pool, f *Figures, tell func() error) error {
	const workers = 10
	if err := fill(ctx, p, 5); err != nil {
		return err
	}
	seen := newWell(workers)
	c := newCrowd(ctx, workers, 10*time.Second, time.Millisecond, seen.noting(func(ctx context.Context, _ int) error {
		return s.ledger.write(ctx, p, s.peer)
	}))
	defer c.stop(time.Second)
	pass(ctx, 300*time.Millisecond)
	before := s.dials()
	change := s.peer.pick("ALTER ROLE %s PASSWORD '%s'", "ALTER USER %s IDENTIFIED BY '%s'")
	s.laterDo(fmt.Sprintf(change, worker, password))
	if err := s.do(ctx, fmt.Sprintf(change, worker, rotated)); err != nil {
		return err
	}
	if err := s.hangUp(ctx); err != nil {
		return err
	}
	if err := tell(); err != nil {
		return err
	}
	changed := time.Now()
	f.AllWell = seen.after(ctx, changed, 2*time.Second)
	f.Dials = s.dials() - before
	if !c.stop(12 * time.Second) {
		c.stuck(1)
	}
	c.into(f)
	return nil
}
