package akari

import (
	"net"
	"syscall"
)

// socketState is what can be seen of a socket without talking to the server.
type socketState uint8

const (
	socketQuiet   socketState = iota // nothing to read, as it should be between statements; or it cannot be seen
	socketTalking                    // the server has sent something unasked: a notice, or why it is about to hang up
	socketGone                       // the other side has closed it
)

// socket looks at the socket of an idle connection: whether the server has
// closed it costs no round trip to know.
type socket struct {
	raw   syscall.RawConn
	look  func(fd uintptr) // made once: a closure for each look would be an allocation
	state socketState      // result of look; used only by the one who has the connection
}

// newSocket returns nil when c cannot be looked at.
func newSocket(c net.Conn) *socket {
	sc, ok := c.(syscall.Conn)
	if !ok || !canPeek {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{raw: raw}
	s.look = func(fd uintptr) { s.state = peek(fd) }
	return s
}

// peek looks, without blocking.
func (s *socket) peek() socketState {
	if s == nil {
		return socketQuiet
	}
	s.state = socketQuiet
	// Control, not Read: it neither waits for a reader nor minds a deadline
	// that the driver has left behind.
	if err := s.raw.Control(s.look); err != nil {
		return socketGone // closed on our side
	}
	return s.state
}
