package main

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"

	"github.com/akaripool/akari"
	"github.com/jackc/puddle/v2"
)

// peer is a pool of resources that can be borrowed.
type peer interface {
	// cycle borrows a connection, keeps it while hold runs (nil for no time) and
	// gives it back.
	cycle(ctx context.Context, hold func()) error
	close()
}

// peers are the pools that are compared, akari first: open makes one of at most
// size connections that keeps the idle ones of warm. None validates what is in use
// all the time.
var peers = []struct {
	name string
	kind string // "pool", or a "building block" without time-outs, counts and checks
	open func(size, warm int, s *stub) (peer, error)
}{
	{"akari", "pool", openAkari},
	{"database/sql", "pool", openSQL},
	{"puddle", "pool", openPuddle},
	{"channel", "building block", openChannel},
	{"mutex+LIFO", "building block", openSlice},
}

type akariPeer struct{ p *akari.Pool }

// openAkari has everything on that is on by default: time-out, counters,
// timestamps, the look before lending.
func openAkari(size, warm int, s *stub) (peer, error) {
	cfg := akari.Config{MaximumPoolSize: size, MinimumIdle: warm, SessionReset: akari.ResetOff, Logger: slog.New(slog.DiscardHandler)}
	if warm == 0 { // a pool that is cold, as the others are at first
		cfg.MinimumIdle, cfg.InitializationFailTimeout = akari.None, akari.DontTry
	}
	p, err := akari.New(context.Background(), s, cfg)
	if err != nil {
		return nil, err
	}
	return akariPeer{p}, nil
}

func (a akariPeer) cycle(ctx context.Context, hold func()) error {
	c, err := a.p.Acquire(ctx)
	if err != nil {
		return err
	}
	if hold != nil {
		hold()
	}
	c.Release()
	return nil
}

func (a akariPeer) close() { _ = a.p.Close() }

type sqlPeer struct{ db *sql.DB }

func openSQL(size, _ int, s *stub) (peer, error) {
	db := sql.OpenDB(s)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return sqlPeer{db}, nil
}

func (s sqlPeer) cycle(ctx context.Context, hold func()) error {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	if hold != nil {
		hold()
	}
	return c.Close()
}

func (s sqlPeer) close() { _ = s.db.Close() }

type puddlePeer struct{ p *puddle.Pool[any] }

func openPuddle(size, _ int, s *stub) (peer, error) {
	p, err := puddle.NewPool(&puddle.Config[any]{
		Constructor: func(ctx context.Context) (any, error) { return s.Connect(ctx) },
		Destructor:  func(any) { s.open.Add(-1) },
		MaxSize:     int32(size),
	})
	if err != nil {
		return nil, err
	}
	return puddlePeer{p}, nil
}

func (p puddlePeer) cycle(ctx context.Context, hold func()) error {
	r, err := p.p.Acquire(ctx)
	if err != nil {
		return err
	}
	if hold != nil {
		hold()
	}
	r.Release()
	return nil
}

func (p puddlePeer) close() { p.p.Close() }

// channel is what many programs write themselves.
type channel chan any

func openChannel(size, _ int, s *stub) (peer, error) {
	c := make(channel, size)
	for range size {
		conn, err := s.Connect(context.Background())
		if err != nil {
			return nil, err
		}
		c <- conn
	}
	return c, nil
}

func (c channel) cycle(ctx context.Context, hold func()) error {
	select {
	case conn := <-c:
		if hold != nil {
			hold()
		}
		c <- conn
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (channel) close() {}

// slice is a stack under a mutex, and a line of those who wait, first come first
// served.
type slice struct {
	mu    sync.Mutex
	idle  []any
	queue []chan any
}

func openSlice(size, _ int, s *stub) (peer, error) {
	p := &slice{}
	for range size {
		conn, err := s.Connect(context.Background())
		if err != nil {
			return nil, err
		}
		p.idle = append(p.idle, conn)
	}
	return p, nil
}

func (s *slice) cycle(_ context.Context, hold func()) error {
	s.mu.Lock()
	var conn any
	if n := len(s.idle); n > 0 {
		conn, s.idle = s.idle[n-1], s.idle[:n-1]
		s.mu.Unlock()
	} else {
		mine := make(chan any, 1)
		s.queue = append(s.queue, mine)
		s.mu.Unlock()
		conn = <-mine
	}
	if hold != nil {
		hold()
	}
	s.mu.Lock()
	if len(s.queue) > 0 {
		next := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		next <- conn
		return nil
	}
	s.idle = append(s.idle, conn)
	s.mu.Unlock()
	return nil
}

func (*slice) close() {}
