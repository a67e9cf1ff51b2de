package akari

import (
	"context"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari/internal/scope"
)

// scopes is what a pool knows of the scopes of package txn on it: what they tell, in
// counters, log and trace.
type scopes struct {
	budget scope.Budget

	committed, empty, rolledBack, lost, timedOut, unknown atomic.Int64

	inside sync.Map // of goroutines to their inScopes; with Config.StrictContext

	begun, retried, suspended atomic.Int64
	tasks                     [maxTaskConnections + 1]atomic.Int64
}

// maxTaskConnections is how far Stats.TaskConnections tells numbers apart.
const maxTaskConnections = 4

// inScopes are the scopes in whose functions a goroutine is, the innermost last.
type inScopes struct {
	mu     sync.Mutex // guards what follows; nothing else is taken while it is held
	frames []*scope.Frame
}

// enterScope notes that the calling goroutine is in the function of a scope.
func (p *Pool) enterScope(f *scope.Frame) uintptr {
	c := callerID()
	if !p.cfg.StrictContext || c == unknownCaller {
		return unknownCaller
	}
	found, _ := p.scopes.inside.LoadOrStore(c, new(inScopes))
	in := found.(*inScopes)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.frames = append(in.frames, f)
	return c
}

// leaveScope notes that it is not any more. Another goroutine may say so.
func (p *Pool) leaveScope(f *scope.Frame, c uintptr) {
	found, ok := p.scopes.inside.Load(c)
	if !ok {
		return
	}
	in := found.(*inScopes)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.frames = slices.DeleteFunc(in.frames, func(x *scope.Frame) bool { return x == f })
	if len(in.frames) == 0 {
		p.scopes.inside.Delete(c)
	}
}

// strays returns an error for a caller whose goroutine is in the function of a scope,
// and whose context, which has the frame f or none, is not in that scope.
func (p *Pool) strays(ctx context.Context, f *scope.Frame) error {
	if !p.cfg.StrictContext || scope.Detached(ctx) {
		return nil
	}
	found, ok := p.scopes.inside.Load(callerID())
	if !ok {
		return nil
	}
	in := found.(*inScopes)
	in.mu.Lock()
	defer in.mu.Unlock()
	if n := len(in.frames); n == 0 || f.Within(in.frames[n-1]) {
		return nil
	}
	return fmt.Errorf("%w: pass on the one that the function was given, or take it out of the scope with txn.Detach", scope.ErrOutside)
}

// isolation is what a level means in this pool.
func (p *Pool) isolation(l driver.IsolationLevel) driver.IsolationLevel {
	if l == 0 {
		return driver.IsolationLevel(p.cfg.TransactionIsolation)
	}
	return l
}

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
		p.logScope("Creating new transaction with name [", &e)
		fire(p, p.cfg.Trace.TransactionBegun, func() TransactionEvent { return p.transactionEvent(e) })
	case scope.Joined:
		p.logScope("Participating in existing transaction with name [", &e)
	case scope.Suspended:
		n.suspended.Add(1)
		p.logScope("Suspending current transaction, creating scope with name [", &e)
	case scope.Retried:
		n.retried.Add(1)
		p.logScope("Trying once more the transaction with name [", &e)
	case scope.TaskDone:
		n.tasks[min(e.Connections, maxTaskConnections)].Add(1)
	case scope.Ended:
		n.outcome(e.Outcome).Add(1)
		p.logScope("Completed transaction with name [", &e)
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

// logScope says it as Spring does.
func (p *Pool) logScope(what string, e *scope.Event) {
	if !p.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	text := what + e.Name + "]: "
	attrs := []slog.Attr{slog.Int("attempt", e.Attempt)}
	switch e.Kind {
	case scope.Ended:
		text += e.Outcome.String()
		attrs = append(attrs, slog.Duration("took", e.Took), slog.Duration("held", e.Held))
	case scope.Retried:
		text += "attempt " + strconv.Itoa(e.Attempt)
	default:
		text += e.Propagation + ",ISOLATION_" + strings.ToUpper(strings.ReplaceAll(e.Isolation, " ", "_"))
		if e.ReadOnly {
			text += ",readOnly"
		}
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
