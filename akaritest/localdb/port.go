package localdb

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// freePort returns a port of the loopback address that nobody listens on now.
//
// It avoids the range from which the kernel takes the ports of outgoing
// connections. Clients that hammer a server that is down could otherwise be
// given its port for their own end, and the server could not start again.
func freePort() (int, error) {
	low, high := fixedPorts(os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"))
	for range 50 {
		port := low + rand.N(high-low+1)
		if portIsFree(port) {
			return port, nil
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("localdb: no free port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

func portIsFree(port int) bool {
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	ln.Close()
	return true
}

// fixedPorts returns the larger of the two ranges beside the one given, as
// Linux writes it: two numbers.
func fixedPorts(local []byte, err error) (low, high int) {
	const first, last = 10000, 65535
	var from, to int
	if n, _ := fmt.Sscan(string(local), &from, &to); err != nil || n != 2 || from > to {
		return first, 32767
	}
	if from-first >= last-to {
		low, high = first, from-1
	} else {
		low, high = to+1, last
	}
	if low > high {
		return first, last // the kernel takes them all: there is nothing to avoid
	}
	return low, high
}
