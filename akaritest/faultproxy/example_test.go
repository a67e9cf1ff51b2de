package faultproxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/akaripool/akari/akaritest/faultproxy"
)

// A client in front of a server that answers every line with "ok".
func Example() {
	p, err := faultproxy.New(okServer())
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	client, err := net.Dial("tcp", p.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	answers := bufio.NewReader(client)
	ask := func(request string) {
		fmt.Fprintln(client, request)
		client.SetReadDeadline(time.Now().Add(time.Second))
		answer, err := answers.ReadString('\n')
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			fmt.Println(request, "→ no answer")
		case err == io.EOF:
			fmt.Println(request, "→ connection closed")
		default:
			fmt.Print(request, " → ", answer)
		}
	}

	ask("INSERT")

	// The network drops what is sent on open connections, silently.
	p.Stall()
	ask("INSERT")
	p.Unstall()
	client.SetReadDeadline(time.Now().Add(time.Second))
	late, _ := answers.ReadString('\n')
	fmt.Print("late: ", late)

	// The server commits, and the client does not hear of it.
	p.LoseReplies(faultproxy.ReplyLoss{
		Match: func(request []byte) bool { return bytes.Contains(request, []byte("COMMIT")) },
		Count: 1,
	})
	ask("COMMIT")
	fmt.Println(p.Stats().RepliesLost, "reply lost")

	// Output:
	// INSERT → ok
	// INSERT → no answer
	// late: ok
	// COMMIT → connection closed
	// 1 reply lost
}

func okServer() string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		defer ln.Close()
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for in := bufio.NewScanner(c); in.Scan(); {
			fmt.Fprintln(c, "ok")
		}
	}()
	return ln.Addr().String()
}
