package akari

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari/internal/scope"
)

// scopes is what a pool knows of the scopes of package txn on it: what they tell, in
// counters, log and trace.
type scopes struct {
	budget scope.Budget

	committed, empty, rolledBack, lost, timedOut, unknown atomic.Int64

	begun, retried, suspended atomic.Int64
	tasks                     [maxTaskConnections + 1]atomic.Int64
}

// maxTaskConnections is how far Stats.TaskConnections tells numbers apart.
const maxTaskConnections = 4

// TransactionEvent tells of a transaction of package txn.
type TransactionEvent struct {
	PoolName    string
	Name        string // of its scope
	Propagation string
	Isolation   string
	ReadOnly    bool
	Depth       int           // scopes of the pool that it is in, its own included
	Attempt     int           // 1 for the first
	Took        time.Duration // from the entry of the scope to its end
	Held        time.Duration // how long it had a connection

	// Outcome is "committed", "empty" (there was no statement), "rolled back",
	// "unexpectedly rolled back", "timed out" or "unknown"; "" when it begins.
	Outcome string
	Err     error // why there was no commit
}

// reportScope is told by package txn.
func (p *Pool) reportScope(e scope.Event) {
	n := &p.scopes
	switch e.Kind {
	case scope.Begun:
		n.begun.Add(1)
		p.logScope("Creating new transaction with name ["+e.Name+"]: "+describeScope(e), e)
		fire(p, p.cfg.Trace.TransactionBegun, func() TransactionEvent { return p.transactionEvent(e) })
	case scope.Joined:
		p.logScope("Participating in existing transaction with name ["+e.Name+"]: "+describeScope(e), e)
	case scope.Suspended:
		n.suspended.Add(1)
		p.logScope("Suspending current transaction, with name ["+e.Name+"]: "+describeScope(e), e)
	case scope.Retried:
		n.retried.Add(1)
		p.logScope("Transaction with name ["+e.Name+"] is tried again", e)
	case scope.TaskDone:
		n.tasks[min(e.Connections, maxTaskConnections)].Add(1)
	case scope.Ended:
		n.outcome(e.Outcome).Add(1)
		p.logScope("Transaction with name ["+e.Name+"] "+e.Outcome.String(), e)
		fire(p, p.cfg.Trace.TransactionEnded, func() TransactionEvent { return p.transactionEvent(e) })
	}
}

func (n *scopes) outcome(o scope.Outcome) *atomic.Int64 {
	switch o {
	case scope.Committed:
		return &n.committed
	case scope.Empty:
		return &n.empty
	case scope.RolledBack:
		return &n.rolledBack
	case scope.Lost:
		return &n.lost
	case scope.TimedOut:
		return &n.timedOut
	}
	return &n.unknown
}

// describeScope says it as Spring does.
func describeScope(e scope.Event) string {
	words := []string{e.Propagation, "ISOLATION_" + strings.ToUpper(strings.ReplaceAll(e.Isolation, " ", "_"))}
	if e.ReadOnly {
		words = append(words, "readOnly")
	}
	return strings.Join(words, ",")
}

func (p *Pool) logScope(text string, e scope.Event) {
	attrs := make([]slog.Attr, 0, 4)
	attrs = append(attrs, slog.Int("attempt", e.Attempt))
	if e.Kind == scope.Ended {
		attrs = append(attrs, slog.Duration("took", e.Took), slog.Duration("held", e.Held))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("error", p.secrets.mask(e.Err)))
	}
	p.log(slog.LevelDebug, text, attrs...)
}

func (p *Pool) transactionEvent(e scope.Event) TransactionEvent {
	t := TransactionEvent{
		PoolName: p.name, Name: e.Name, Propagation: e.Propagation, Isolation: e.Isolation, ReadOnly: e.ReadOnly,
		Depth: e.Depth, Attempt: e.Attempt, Took: e.Took, Held: e.Held, Err: e.Err,
	}
	if e.Kind == scope.Ended {
		t.Outcome = e.Outcome.String()
	}
	return t
}
