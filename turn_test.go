package akari

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestTurnIsOnesAtATime(t *testing.T) {
	var turn turn
	n := 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 1000 {
				ctx, cancel := context.WithCancel(context.Background())
				if i%3 == 0 {
					go cancel()
				}
				if turn.lock(ctx) == nil {
					n++
					turn.unlock()
				}
				cancel()
			}
		})
	}
	all.Wait()
	turn.seize()
	if n == 0 {
		t.Error("nobody had it")
	}
}

func TestTurnIsNotLostWithOneWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			var turn turn
			turn.seize()
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan struct{})
			go func() {
				if err := turn.lock(ctx); err == nil {
					turn.unlock()
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}()
			go func() {
				turn.seize()
				close(got)
			}()
			synctest.Wait()
			go cancel()
			turn.unlock()
			<-got
			turn.unlock()
			synctest.Wait()
		}
	})
}
