//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package akari

import "syscall"

const canPeek = true

func peek(fd uintptr) socketState {
	var b [1]byte
	for {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN || err == syscall.EWOULDBLOCK:
			return socketQuiet
		case err != nil || n == 0:
			return socketGone
		default:
			return socketTalking
		}
	}
}
