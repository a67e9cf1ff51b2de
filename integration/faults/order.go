package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// order: callers queue one after the other; are they served so?
var order = Fault{
	ID:   "F11",
	Name: "500 callers queue in a known order for one connection",
	Measured: "each caller joins when the one before it is seen in the queue (pgxpool does not tell: 1 ms later); " +
		"compared with the order in which they write their rows",
	Wanted: "everybody in turn",
	Peers:  append(append([]Peer(nil), onServers...), onSQLite...),
	try:    tryOrder,
	tell: func(f Figures) string {
		if f.Inversions == 0 {
			return "everybody in turn" + sayAnyErrors(f)
		}
		return fmt.Sprintf("**%.0f %% of pairs in the wrong order**, by up to %d places%s", 100*f.Inversions, f.Displacement, sayAnyErrors(f))
	},
}

func tryOrder(ctx context.Context, s *site, f *Figures) error {
	const callers = 500
	p, err := s.open(ctx, s.direct(), openOptions{size: 1})
	if err != nil {
		return err
	}
	first, err := p.hold(ctx)
	if err != nil {
		return err
	}
	queue, _ := p.queued()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // guards served
		order []int
		t     = newTally()
	)
	for i := range callers {
		wg.Go(func() {
			err := t.call(func() error {
				h, err := p.hold(ctx)
				if err != nil {
					return err
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				return errors.Join(s.ledger.write(ctx, h, s.peer), h.release())
			})
			_ = err // in the tally
		})
		if _, tells := p.queued(); !tells {
			pass(ctx, time.Millisecond)
		} else if !until(ctx, 5*time.Second, func() bool {
			n, _ := p.queued()
			return n >= queue+int64(i)+1
		}) {
			return fmt.Errorf("caller %d is not seen in the queue", i)
		}
	}
	if err := first.release(); err != nil {
		return err
	}
	wg.Wait()
	t.into(f)
	f.Inversions, f.Displacement = disorder(order)
	return nil
}

// disorder compares with the order 0, 1, 2, …: the part of all pairs that are
// the wrong way round, and the most places by which one is off.
func disorder(order []int) (inversions float64, displacement int) {
	wrong, pairs := 0, 0
	for at, who := range order {
		displacement = max(displacement, who-at, at-who)
		for _, later := range order[at+1:] {
			pairs++
			if later < who {
				wrong++
			}
		}
	}
	if pairs > 0 {
		inversions = float64(wrong) / float64(pairs)
	}
	return inversions, displacement
}

// muchLonger is how much longer than half of the callers the slowest may wait.
const muchLonger = 5

// queueing: many callers, few connections, for a while.
var queueing = Fault{
	ID:       "F11b",
	Name:     "200 callers on 4 connections",
	Measured: "each statement takes 1 ms at the server (a sleep; two callers write instead), for 2 s; time from the call to the answer",
	Wanted:   "no caller waits much longer than the others",
	Peers:    onServers,
	try: func(ctx context.Context, s *site, f *Figures) error {
		p, err := s.open(ctx, s.direct(), openOptions{size: 4})
		if err != nil {
			return err
		}
		if err := fill(ctx, p, 4); err != nil {
			return err
		}
		c := newCrowd(ctx, 200, 20*time.Second, 0, s.twoWrite(p, func(ctx context.Context, _ int) error {
			return p.exec(ctx, s.nap(time.Millisecond))
		}))
		pass(ctx, 2*time.Second)
		if !c.stop(10 * time.Second) {
			c.stuck(1)
		}
		c.into(f)
		return nil
	},
	tell: func(f Figures) string {
		return fmt.Sprintf("half %s, p99 %s, %s%s", sayTime(f.P50), sayTime(f.P99),
			bold(f.Max > muchLonger*f.P50, "slowest "+sayTime(f.Max)), sayAnyErrors(f))
	},
}
