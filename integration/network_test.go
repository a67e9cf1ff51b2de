package integration

import (
	"bytes"
	"testing"

	"github.com/akaripool/akari/akaritest/faultproxy"
)

// overNetwork is the same database behind a network that a test can spoil.
func overNetwork(t testing.TB, d database) (database, *faultproxy.Proxy) {
	t.Helper()
	srv := mariadb
	if d.postgres() {
		srv = postgres
	}
	net, err := faultproxy.New(srv.Get(t).Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { net.Close() })
	if d.postgres() {
		d.dsn = srv.Get(t).URLAt(net.Addr())
	} else {
		d.dsn = srv.Get(t).MySQLDSNAt(net.Addr())
	}
	return d, net
}

// loseReplyTo lets the next request that has the text reach the server, and
// loses its reply, and the connection.
func loseReplyTo(net *faultproxy.Proxy, text string) {
	net.LoseReplies(faultproxy.ReplyLoss{
		Match: func(request []byte) bool { return bytes.Contains(request, []byte(text)) },
		Count: 1,
	})
}
