package main

import (
	"context"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/akaripool/akari"
)

// scale shows what many connections and many pools cost: while they are idle,
// when they are looked after, when their time is up, and callers who queue.
func scale(p plan) error {
	size, pools := 1000, 100
	if p.full {
		size, pools = 10000, 1000
	}
	if err := p.idle(size, pools); err != nil {
		return err
	}
	fmt.Fprintln(p.out)
	if err := p.passes(size); err != nil {
		return err
	}
	fmt.Fprintln(p.out)
	if err := p.growth(size); err != nil {
		return err
	}
	fmt.Fprintln(p.out)
	if !p.full {
		fmt.Fprintln(p.out, "Expiry is measured with -full only: no connection may live less than 30 s")
		return nil
	}
	return p.expiry(size)
}

// quiet is a configuration of so many connections, in which nothing is due while
// it is measured.
func quiet(size int) akari.Config {
	return akari.Config{
		MaximumPoolSize: size, SessionReset: akari.ResetOff, Logger: slog.New(slog.DiscardHandler),
		KeepaliveTime: akari.Disabled, MaxLifetime: akari.Disabled, IdleTimeout: akari.Disabled, HousekeepingPeriod: time.Hour,
	}
}

// ready makes a pool and waits until its minimum is idle.
func ready(cfg akari.Config, c driver.Connector) (*akari.Pool, error) {
	pool, err := akari.New(context.Background(), c, cfg)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		switch now := pool.Stats(); {
		case now.Idle >= now.MinimumIdle:
			return pool, nil
		case time.Now().After(end):
			_ = pool.Close()
			return nil, fmt.Errorf("after a minute %d of %d connections are open", now.Idle, now.MinimumIdle)
		}
	}
}

// hoard borrows so many connections and returns how to give them back, which
// says whether all could be had.
func hoard(p peer, n int) (back func() error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	var had sync.WaitGroup
	had.Add(n)
	over, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := together(n, func(int) error {
			held := false
			err := p.cycle(ctx, func() {
				held = true
				had.Done()
				<-over
			})
			if !held {
				had.Done()
			}
			return err
		})
		ended <- err
	}()
	had.Wait()
	return func() error {
		defer cancel()
		close(over)
		return <-ended
	}
}
