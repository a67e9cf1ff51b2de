package akaritest

import "context"

// SetLost says what the first call gets on a connection that the server has
// ended, from now on: driver.ErrBadConn, or an error as the network gives it.
// nil stands for driver.ErrBadConn. The default is that of the profile.
func (s *Server) SetLost(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = err
}

// Drop makes the server end one connection, as pg_terminate_backend and KILL
// do: its transaction is rolled back, its locks are free, its place under
// SetMaxConns too. The client learns of it by its next call that needs the
// server, a call that the server is working on included; see SetLost. From then
// on IsValid is false and every call fails with driver.ErrBadConn.
//
// Drop reports whether there was such a connection to end.
func (s *Server) Drop(id int) bool {
	s.mu.Lock()
	c := s.conns[id]
	s.mu.Unlock()
	return c != nil && c.end(lost)
}

// DropAll ends every connection, and returns how many there were.
func (s *Server) DropAll() int {
	n := 0
	for _, c := range s.openConns() {
		if c.end(lost) {
			n++
		}
	}
	return n
}

// Freeze stops the server as SIGSTOP does: calls that need it, and connects,
// wait until Thaw, until their context ends, or until the connection is
// dropped. A call whose context ends while it waits has no effect.
// Close, IsValid and closing rows and statements do not need the server, and
// neither does ResetSession.
func (s *Server) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen == nil {
		s.frozen = make(chan struct{})
		s.outage.Store(true)
	}
}

// Thaw ends Freeze: the calls that wait go on.
func (s *Server) Thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thawLocked()
}

func (s *Server) thawLocked() {
	if s.frozen != nil {
		close(s.frozen)
		s.frozen = nil
		s.outage.Store(false)
	}
}

// Shutdown kills the server: every connection is dropped, connects are refused
// with syscall.ECONNREFUSED until Restart. A frozen server can be killed, too.
// The ledger survives.
func (s *Server) Shutdown() {
	s.mu.Lock()
	s.down = true
	s.mu.Unlock()
	s.DropAll()
	s.Thaw()
}

// Restart ends Shutdown.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
}

// Heal ends whatever ails the server: it restarts and thaws it, and releases
// every injected fault. The limit of connections stays, and dropped connections
// stay dropped.
func (s *Server) Heal() {
	s.Restart()
	s.Thaw()
	if faults := s.faults.Load(); faults != nil {
		for _, i := range *faults {
			i.Release()
		}
	}
}

// thawed waits while the server is frozen: until Thaw, until the context ends,
// or until the connection is gone.
func (s *Server) thawed(ctx context.Context, gone <-chan struct{}) error {
	for s.outage.Load() {
		s.mu.Lock()
		frozen := s.frozen
		s.mu.Unlock()
		if frozen == nil {
			return nil
		}
		select {
		case <-frozen:
		case <-gone:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// openConns returns the connections that count as open.
func (s *Server) openConns() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		open = append(open, c)
	}
	return open
}
