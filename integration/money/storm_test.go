package money

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/akaripool/akari/akaritest/faultproxy"
)

// storm makes one thing after another go wrong until the context ends.
type storm struct {
	bank *bank
	book *book
	planner
}

func (s *storm) blow(ctx context.Context) {
	for ctx.Err() == nil {
		s.gust(ctx)
		wait(ctx, s.upTo(150*time.Millisecond))
	}
}

// wait lets time pass, until the context ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *storm) gust(ctx context.Context) {
	net := s.bank.net
	what := pick(s.planner, []int{30, 15, 20, 10, 15, 2, 2}, "kill", "cancel", "lose a COMMIT", "lose a reply", "stall", "cut all", "refuse")
	s.book.count("storm: " + what)
	var err error
	switch what {
	case "kill":
		err = s.onSession(ctx, "SELECT pg_terminate_backend(%d)", "KILL %d")
	case "cancel":
		err = s.onSession(ctx, "SELECT pg_cancel_backend(%d)", "KILL QUERY %d")
	case "lose a COMMIT":
		net.LoseReplies(faultproxy.ReplyLoss{Match: isCommit, Count: 1, Reset: s.chance(50)})
	case "lose a reply":
		net.LoseReplies(faultproxy.ReplyLoss{Count: 1, Reset: s.chance(50)})
	case "stall":
		net.Stall()
		wait(ctx, s.upTo(50*time.Millisecond))
		net.Unstall()
	case "cut all":
		if s.chance(50) {
			net.ResetAll()
		} else {
			net.CloseAll()
		}
	case "refuse":
		err = net.SetArrivals(faultproxy.Refuse)
		wait(ctx, s.upTo(40*time.Millisecond))
		if open := net.SetArrivals(faultproxy.Forward); err == nil {
			err = open
		}
	}
	if err != nil && ctx.Err() == nil {
		s.book.fault("storm: %s: %v", what, err)
	}
}

func isCommit(request []byte) bool {
	return bytes.Contains(request, []byte("COMMIT")) || bytes.Contains(request, []byte("commit"))
}

// onSession does something to one of the pool's sessions. It may have ended already.
func (s *storm) onSession(ctx context.Context, postgres, mariadb string) error {
	query, verb := "SELECT id, 0, 0 FROM information_schema.processlist WHERE db = '"+s.bank.schema+"'", mariadb
	if s.bank.postgres() {
		query, verb = "SELECT pid, 0, 0 FROM pg_stat_activity WHERE application_name = '"+s.bank.schema+"'", postgres
	}
	var ids []int64
	if err := each(ctx, s.bank.apart, query, func(id, _, _ int64) { ids = append(ids, id) }); err != nil || len(ids) == 0 {
		return err
	}
	_, err := s.bank.apart.ExecContext(ctx, fmt.Sprintf(verb, ids[s.IntN(len(ids))]))
	if err != nil && !s.bank.postgres() {
		return nil // it has ended
	}
	return err
}

func newStorm(b *bank, k *book, seed uint64) *storm {
	return &storm{b, k, planner{rand.New(rand.NewPCG(seed, 1<<63))}}
}
