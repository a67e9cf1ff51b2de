package faultproxy

import (
	"fmt"
	"net"
	"syscall"
)

// listenerIsDeaf reports whether the accept loop must not accept in this mode
// because the kernel itself turns connections away.
func listenerIsDeaf(mode Arrival) bool { return mode == Refuse || mode == Unanswered }

func unsupported(mode Arrival) error {
	panic(fmt.Sprintf("akari: bug: arrival mode %v is supported on Linux", mode))
}

// refuse makes the kernel answer connects with a RST while the port stays
// bound: Linux takes a listening socket that is shut down back to the state
// before listen, and listen may be called on it again. Without SO_REUSEADDR
// nobody else can listen on the port meanwhile.
func refuse(ln *net.TCPListener) error {
	return control(ln, "shutdown", func(fd int) error {
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 0); err != nil {
			return err
		}
		return syscall.Shutdown(fd, syscall.SHUT_RDWR)
	})
}

// shrinkQueue leaves one place in the queue of connections to be accepted. A
// SYN that finds the queue full is dropped.
func shrinkQueue(ln *net.TCPListener) error {
	return control(ln, "listen", func(fd int) error { return syscall.Listen(fd, 0) })
}

// openEars undoes refuse and shrinkQueue. With SO_REUSEADDR the connections
// still open on the port are no obstacle.
func openEars(ln *net.TCPListener) error {
	return control(ln, "listen", func(fd int) error {
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
			return err
		}
		return syscall.Listen(fd, syscall.SOMAXCONN)
	})
}

func control(ln *net.TCPListener, what string, do func(fd int) error) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return fmt.Errorf("faultproxy: %w", err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return fmt.Errorf("faultproxy: %w", err)
	}
	if failed != nil {
		return fmt.Errorf("faultproxy: %s: %w", what, failed)
	}
	return nil
}
