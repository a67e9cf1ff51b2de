package akaritest

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"time"
)

// Connector returns a connector to the server, for sql.OpenDB or for a pool. It
// implements io.Closer; the server counts the calls of Close and does nothing
// else with them.
func (s *Server) Connector() driver.Connector { return connector{s} }

// Driver returns a driver whose connections go to the server whatever the name
// says, for sql.Register. It implements driver.DriverContext if the profile
// says so.
func (s *Server) Driver() driver.Driver {
	if s.profile.DriverContext {
		return contextDriver{plainDriver{s}}
	}
	return plainDriver{s}
}

type connector struct{ server *Server }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) { return c.server.connect(ctx) }
func (c connector) Driver() driver.Driver                            { return c.server.Driver() }

var _ io.Closer = connector{}

func (c connector) Close() error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.closes++
	return nil
}

type plainDriver struct{ server *Server }

func (d plainDriver) Open(string) (driver.Conn, error) {
	return d.server.connect(context.Background())
}

type contextDriver struct{ plainDriver }

func (d contextDriver) OpenConnector(string) (driver.Connector, error) {
	return d.server.Connector(), nil
}

// connect opens a connection. From accept on it counts as open; a connection
// that the caller will not get is closed here, as a driver would.
func (s *Server) connect(ctx context.Context) (_ driver.Conn, err error) {
	s.dialing(+1)
	defer s.dialing(-1)

	call := Call{Op: OpConnect}
	s.arrived(&call)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.before(ctx, nil, &call); err != nil {
		return nil, unlessNil(err)
	}
	if err := s.thawed(ctx, nil); err != nil {
		return nil, err
	}
	c, err := s.accept()
	if err != nil {
		return nil, err
	}
	given := false
	defer func() {
		if !given {
			c.end(closed)
			c.forget()
		}
	}()
	if err := s.after(ctx, c, &call); err != nil {
		if errors.Is(err, errNothing) {
			return nil, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		given = true
		return c.wrapped(), err
	}
	given = true
	return c.wrapped(), nil
}

// dialing counts Connect calls under way.
func (s *Server) dialing(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connecting += n
	s.maxDialing = max(s.maxDialing, s.connecting)
}

// accept makes a connection, if the server is up and has room.
func (s *Server) accept() (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errRefused
	}
	if s.maxConns > 0 && s.sessions >= s.maxConns {
		return nil, s.fail(tooManyConnections, "too many connections: the server allows %d", s.maxConns)
	}
	s.lastID++
	c := &conn{server: s, id: s.lastID, opened: time.Now(), gone: make(chan struct{})}
	s.conns[c.id] = c
	s.sessions++
	s.maxOpen = max(s.maxOpen, len(s.conns))
	return c, nil
}

// SetMaxConns limits the sessions of the server. Further connects fail with
// SQLSTATE 53300 (MySQL: 1040). 0, the default, is no limit; sessions that are
// open already stay.
func (s *Server) SetMaxConns(n int) {
	if n < 0 {
		panic("akaritest: SetMaxConns: a number of connections cannot be negative; 0 is no limit")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.maxConns = n
}
