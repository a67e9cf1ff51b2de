package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// granted is how many connections the server lets the pool have.
const granted = 20

// userLimit and serverLimit: the pool may have more connections than the server
// grants.
var (
	userLimit = Fault{
		ID:       "F12",
		Name:     "The server grants 20 connections to the user, the pool may have 50",
		Measured: "CONNECTION LIMIT or MAX_USER_CONNECTIONS; 50 callers, two of whom write, for 2 s",
		Wanted:   "0 errors, few dials",
		Peers:    onServers,
		try: func(ctx context.Context, s *site, f *Figures) error {
			s.laterDo("ALTER " + s.peer.pick("ROLE "+worker+" CONNECTION LIMIT -1", "USER "+worker+" WITH MAX_USER_CONNECTIONS 0"))
			err := s.do(ctx, fmt.Sprintf("ALTER "+s.peer.pick("ROLE %s CONNECTION LIMIT %d", "USER %s WITH MAX_USER_CONNECTIONS %d"), worker, granted))
			if err != nil {
				return err
			}
			return tryLimit(ctx, s, f)
		},
		tell: sayLimit,
	}
	serverLimit = Fault{
		ID:       "C5",
		Name:     "The server grants 20 connections in all (max_connections), the pool may have 50",
		Measured: "as F12",
		Wanted:   "0 errors, few dials",
		Peers:    onServers,
		server: func(p Peer) localdb.Options {
			if p.postgres() {
				return localdb.Options{MaxConnections: granted + 3} // of which three are for superusers
			}
			return localdb.Options{MaxConnections: granted + 1} // the watcher holds two, one of them the extra one
		},
		try:  tryLimit,
		tell: sayLimit,
	}
)

func tryLimit(ctx context.Context, s *site, f *Figures) error {
	p, err := s.open(ctx, s.away(), openOptions{size: 50})
	if err != nil {
		return err
	}
	c := newCrowd(ctx, 50, 10*time.Second, time.Millisecond, s.twoWrite(p, func(ctx context.Context, _ int) error {
		return p.exec(ctx, s.nap(2*time.Millisecond))
	}))
	pass(ctx, 2*time.Second)
	if !c.stop(5 * time.Second) {
		c.stuck(1)
	}
	f.Dials = s.dials()
	c.into(f)
	return nil
}

// fewDials: fifty are tried at once, for fifty who wait; later there is one
// attempt in a quarter of a second at most.
const fewDials = 50 + 20

func sayLimit(f Figures) string {
	return fmt.Sprintf("%s; %s", sayNoErrors(f), bold(f.Dials > fewDials, thousands(f.Dials)+" dials"))
}
