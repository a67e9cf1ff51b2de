package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/akaripool/akari"
)

// nested: everybody who has a connection wants one more.
var nested = Fault{
	ID:   "F6",
	Name: "10 callers each take a second connection from a pool of 10",
	Measured: "all 10 have their first connection when they ask for the second, without a deadline, and write on it; " +
		"after 4 s the trial is broken off",
	Wanted: "an error that explains it, in less than a second; the others are served",
	Peers:  onServers,
	try: func(ctx context.Context, s *site, f *Figures) error {
		const size = 10
		p, err := s.open(ctx, s.away(), openOptions{size: size})
		if err != nil {
			return err
		}
		ctx, breakOff := context.WithTimeout(ctx, 4*time.Second)
		defer breakOff()
		t := newTally()
		explained := newCounter()
		var wg sync.WaitGroup
		var all barrier
		all.wants(size)
		for range size {
			wg.Go(func() {
				h, err := p.hold(ctx)
				all.arrive()
				if err != nil {
					t.note(time.Now(), err)
					return
				}
				all.wait(ctx)
				err = t.call(func() error { return s.ledger.write(ctx, p, s.peer) })
				var away *akari.AcquireError
				if errors.As(err, &away) && errors.Is(err, akari.ErrPoolLock) && away.Detail != "" {
					explained.add()
				}
				_ = h.release()
			})
		}
		wg.Wait()
		t.into(f)
		f.Explained = explained.value()
		return nil
	},
	tell: func(f Figures) string {
		if f.Errors[classDeadline] == f.Calls {
			return "**hangs**, silently, until it is broken off"
		}
		return fmt.Sprintf("%s; %s, %s", bold(f.Max > time.Second, "over after "+sayTime(f.Max)), sayErrors(f),
			bold(f.Explained < f.Errors.Total(), thousands(f.Explained)+" explained"))
	},
}
