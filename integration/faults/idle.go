package faults

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The sizes of the pools whose idle connections come to harm; twice as many
// callers then come at once.
const idleSize, fewIdle = 50, 20

// doings are the three things that callers begin with.
var doings = []struct {
	name string
	do   func(context.Context, *site, pool) error
}{
	{"SELECT", func(ctx context.Context, s *site, p pool) error {
		var n int
		return p.get(ctx, &n, "SELECT COUNT(*) FROM ledger")
	}},
	{"INSERT", func(ctx context.Context, s *site, p pool) error { return s.ledger.write(ctx, p, s.peer) }},
	{"BEGIN", func(ctx context.Context, s *site, p pool) error { return s.ledger.writeTx(ctx, p, s.peer) }},
}

// afterHarm fills a pool, lets harm come to its idle connections, and then has
// many callers come at once; so for each of the things that callers begin with.
func afterHarm(ctx context.Context, s *site, f *Figures, size int, harm func(pool) error) error {
	p, err := s.open(ctx, s.away(), openOptions{size: size})
	if err != nil {
		return err
	}
	t := newTally()
	for _, d := range doings {
		if err := fill(ctx, p, size); err != nil {
			return err
		}
		if err := harm(p); err != nil {
			return fmt.Errorf("doing harm: %w", err)
		}
		before := s.dials()
		burst(ctx, t, 2*size, 10*time.Second, 12*time.Second, func(ctx context.Context, _ int) error {
			if err := d.do(ctx, s, p); err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			return nil
		})
		f.Dials += s.dials() - before
	}
	t.into(f)
	return nil
}

func sayBursts(f Figures) string {
	return fmt.Sprintf("%s; slowest %s; %s dials", sayNoErrors(f), sayTime(f.Max), thousands(f.Dials))
}

// timedOutByServer: the server closes connections that are idle for longer than
// it likes.
var timedOutByServer = Fault{
	ID:   "F3",
	Name: "Server closes idle connections (wait_timeout, idle_session_timeout)",
	Measured: "50 connections idle until the server has closed them all (after 2 s), then 100 callers at once, " +
		"for SELECT, INSERT and BEGIN each",
	Wanted: "0 errors",
	Peers:  onServers,
	try: func(ctx context.Context, s *site, f *Figures) error {
		s.laterDo(s.peer.pick("ALTER ROLE "+worker+" RESET idle_session_timeout", "SET GLOBAL wait_timeout = 28800"))
		err := s.do(ctx, s.peer.pick("ALTER ROLE "+worker+" SET idle_session_timeout = '2s'", "SET GLOBAL wait_timeout = 2"))
		if err != nil {
			return err
		}
		return afterHarm(ctx, s, f, idleSize, func(pool) error { return s.waitUntilClosed(ctx, 6*time.Second) })
	},
	tell: sayBursts,
}

// waitUntilClosed waits until the server has closed all connections of the pool.
func (s *site) waitUntilClosed(ctx context.Context, within time.Duration) error {
	left, err := s.gone(ctx, within)
	if err == nil && left > 0 {
		err = fmt.Errorf("the server has not closed %d connections", left)
	}
	return err
}

// hungUp: the server ends all connections, which have been idle for a shorter
// or longer time.
func hungUp(id string, size int, idle time.Duration) Fault {
	return Fault{
		ID:   id,
		Name: fmt.Sprintf("All idle connections ended by the server, used %v ago", idle),
		Measured: fmt.Sprintf("pg_terminate_backend or KILL CONNECTION of %d connections that had been idle for %v, then %d callers at once, "+
			"for SELECT, INSERT and BEGIN each", size, idle, 2*size),
		Wanted: "0 errors",
		Peers:  onServers,
		try: func(ctx context.Context, s *site, f *Figures) error {
			return afterHarm(ctx, s, f, size, func(pool) error {
				pass(ctx, idle)
				return errors.Join(s.hangUp(ctx), s.waitUntilClosed(ctx, 5*time.Second))
			})
		},
		tell: sayBursts,
	}
}

var (
	hungUpBusy = hungUp("F4", idleSize, 100*time.Millisecond)
	hungUpIdle = hungUp("F4b", fewIdle, 1500*time.Millisecond)
)

// resetIdle and closedIdle: the network ends all connections while they are
// idle.
var (
	resetIdle = Fault{
		ID:       "C19",
		Name:     "Idle connections reset by the network (RST)",
		Measured: "20 idle connections reset, then 40 callers at once, for SELECT, INSERT and BEGIN each",
		Wanted:   "0 errors",
		Peers:    onServers,
		try: func(ctx context.Context, s *site, f *Figures) error {
			return afterHarm(ctx, s, f, fewIdle, func(pool) error {
				s.net.ResetAll()
				return s.waitUntilClosed(ctx, 5*time.Second)
			})
		},
		tell: sayBursts,
	}
	closedIdle = Fault{
		ID:       "C22",
		Name:     "Idle connections half-closed (FIN)",
		Measured: "the far side of 20 idle connections closed in order, then 40 callers at once, for SELECT, INSERT and BEGIN each",
		Wanted:   "0 errors",
		Peers:    onServers,
		try: func(ctx context.Context, s *site, f *Figures) error {
			return afterHarm(ctx, s, f, fewIdle, func(pool) error {
				s.net.CloseAll()
				return s.waitUntilClosed(ctx, 5*time.Second)
			})
		},
		tell: sayBursts,
	}
)

// halfOpen: the network drops what idle connections send, and tells nobody.
var halfOpen = Fault{
	ID:   "F10",
	Name: "Idle connections half-open (the network drops them silently)",
	Measured: "50 connections idle for 1 s, from then on nothing passes on them while new ones work; " +
		"100 callers at once, each with 2 s of time",
	Wanted:  "0 errors",
	Peers:   onServers,
	unheard: true,
	try: func(ctx context.Context, s *site, f *Figures) error {
		p, err := s.openFull(ctx, idleSize)
		if err != nil {
			return err
		}
		pass(ctx, time.Second)
		s.net.Stall()
		before := s.dials()
		t := newTally()
		burst(ctx, t, 2*idleSize, 2*time.Second, 5*time.Second, func(ctx context.Context, _ int) error {
			return s.ledger.write(ctx, p, s.peer)
		})
		f.Dials = s.dials() - before
		s.net.ResetAll() // lets go those that never return
		t.into(f)
		return nil
	},
	tell: sayBursts,
}
