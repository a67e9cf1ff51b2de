// Package faultproxy is a TCP proxy that spoils the connections between a
// client and a server on purpose.
//
// A test puts a [Proxy] between the code it tests and a real server, lets the
// code connect to [Proxy.Addr], and then makes the network fail in a chosen
// way while the code runs. Every verb may be called at any time and from any
// goroutine.
//
//	p, err := faultproxy.New("127.0.0.1:5432")
//	if err != nil { … }
//	defer p.Close()
//	db := open("postgres://user:password@" + p.Addr() + "/db")
//
//	p.Stall()    // every open connection is half-open from now on
//	p.ResetAll() // every open connection is reset
//	p.SetArrivals(faultproxy.Silent) // new ones are accepted and never answered
//	p.Heal()     // the network is fine again
//
// # What can be done
//
//   - To new connections ([Proxy.SetArrivals]): refuse them, reset them, accept
//     them and stay silent, leave their SYN unanswered. [Proxy.SetConnectDelay]
//     makes them slow, [Proxy.SetTarget] leads them to another server.
//   - To open connections: [Proxy.Stall] and [Proxy.Unstall], [Proxy.ResetAll]
//     (RST), [Proxy.CloseAll] (FIN).
//   - To the bytes: [Proxy.SetLatency], [Proxy.SetBandwidth], [Proxy.SetTrickle].
//   - To replies: [Proxy.LoseReplies] lets requests reach the server, drops the
//     reply and ends the connection. The server has done the work and the
//     client cannot know: this is how to show that nothing is executed twice.
//
// [Proxy.Stats] counts what happened.
//
// # What is a request, what is a reply
//
// The proxy knows no protocol. A request is all that the client has sent since
// the server last answered; a reply begins with the first bytes the server
// sends after a request. That is right for protocols in which the two sides
// take turns, as those of PostgreSQL and MySQL do.
//
// # Limits
//
// A proxy ends both TCP connections itself, so the kernel acknowledges what a
// stalled connection is sent until its buffers are full. A client that only
// watches for acknowledgements (TCP keepalive, TCP_USER_TIMEOUT) will
// therefore think a stalled connection healthy.
package faultproxy
