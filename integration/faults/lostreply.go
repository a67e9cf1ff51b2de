package faults

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari/akaritest/faultproxy"
)

// lostReply: the server has executed a statement, and its answer never arrives.
func lostReply(id, how string, reset bool) Fault {
	return Fault{
		ID:   id,
		Name: "The reply is lost after the statement ran (connection ends with " + how + ")",
		Measured: "8 callers write for 2 s: with parameters, without, and in transactions; 5 % of all replies of the server are swallowed by a proxy, " +
			"the connection is closed; a table without a unique key shows what was executed",
		Wanted:      "nothing executed twice; the error says that the outcome is unknown",
		Peers:       onServers,
		tellsLedger: true,
		unheard:     true, // by the server, for a moment, when the proxy ends a connection
		try: func(ctx context.Context, s *site, f *Figures) error {
			p, err := s.openFull(ctx, 8)
			if err != nil {
				return err
			}
			s.net.LoseReplies(faultproxy.ReplyLoss{Probability: 0.05, Reset: reset})
			single := newTally()
			var turn atomic.Int64
			c := newCrowd(ctx, 8, 10*time.Second, 0, func(ctx context.Context, w int) error {
				switch turn.Add(1) % 3 {
				case 0:
					return s.ledger.writeTx(ctx, p, s.peer)
				case 1:
					return single.call(func() error { return s.ledger.writeLiteral(ctx, p) })
				}
				return single.call(func() error { return s.ledger.write(ctx, p, s.peer) })
			})
			pass(ctx, 2*time.Second)
			if !c.stop(12 * time.Second) {
				c.stuck(1)
			}
			s.net.KeepReplies()
			single.into(f)
			f.Calls = c.calls
			return nil
		},
		tell: func(f Figures) string {
			text := fmt.Sprintf("%s statements, 0 executed twice", thousands(f.Calls))
			if f.Ledger.Doubled > 0 {
				text = fmt.Sprintf("%s statements, **%s executed twice, %s of them reported as plain success**",
					thousands(f.Calls), thousands(f.Ledger.Doubled), thousands(f.Ledger.Silent))
			}
			a := f.Ledger
			a.Doubled = 0
			return text + "; errors of single statements: " + f.Errors.String() + sayLedger(a)
		},
	}
}

var (
	lostByFIN = lostReply("F16", "FIN", false)
	lostByRST = lostReply("F16b", "RST", true)
)
