//go:build !linux

package faultproxy

import (
	"errors"
	"fmt"
	"net"
	"runtime"
)

// listenerIsDeaf reports false: outside Linux every mode accepts, and Refuse
// resets what was accepted.
func listenerIsDeaf(Arrival) bool { return false }

func unsupported(mode Arrival) error {
	return fmt.Errorf("faultproxy: arrival mode %v on %s: %w", mode, runtime.GOOS, errors.ErrUnsupported)
}

func refuse(*net.TCPListener) error { panic("akari: bug: refuse called outside Linux") }

func shrinkQueue(*net.TCPListener) error { panic("akari: bug: shrinkQueue called outside Linux") }

func openEars(*net.TCPListener) error { panic("akari: bug: openEars called outside Linux") }
