package main

import (
	"bufio"
	"context"
	"database/sql"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/akaripool/akari/examples/internal/exampletest"
)

// child, in the environment, makes the test binary the example itself, for the
// test that sends it a signal.
const child = "AKARI_EXAMPLE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		main()
		os.Exit(0)
	}
	exampletest.Main(m, localdb.Postgres, localdb.MariaDB)
}

func TestARequestUnderWayIsFinished(t *testing.T) {
	for _, driver := range exampletest.Drivers {
		t.Run(driver, func(t *testing.T) {
			d := exampletest.NewDatabase(t, driver)
			pool := d.Open(t, akari.Config{})
			p := start(t, pool, driver, 10*time.Second)
			order := post(t, p.addr)
			order.line("book")
			exampletest.Eventually(t, "the transaction holds a connection", func() bool { return pool.Stats().Active == 1 })

			p.stop()
			if line, _ := p.out.ReadString('\n'); line != "stopping\n" {
				t.Errorf("told to stop it printed %q", line)
			}
			exampletest.Eventually(t, "no new request is taken", func() bool { return refuses(p.addr) })
			if n := pool.Stats().Active; n != 1 {
				t.Errorf("%d connections in use while the request is under way", n)
			}
			order.line("pen")
			if status, text := order.end(); status != http.StatusOK || text != "2 orders stored\n" {
				t.Errorf("the request ended with %d %q", status, text)
			}
			out, err := p.wait()
			if err != nil {
				t.Error(err)
			}
			if out != "stopped, 0 connections left\n" {
				t.Errorf("at the end it printed %q", out)
			}
			if n := stored(t, d); n != 2 {
				t.Errorf("%d orders stored", n)
			}
		})
	}
}

func TestARequestThatOutlastsTheGraceIsCutOff(t *testing.T) {
	for _, driver := range exampletest.Drivers {
		t.Run(driver, func(t *testing.T) {
			d := exampletest.NewDatabase(t, driver)
			pool := d.Open(t, akari.Config{})
			p := start(t, pool, driver, 200*time.Millisecond)
			order := post(t, p.addr)
			order.line("book")
			exampletest.Eventually(t, "the transaction holds a connection", func() bool { return pool.Stats().Active == 1 })
			p.stop()
			if out, err := p.wait(); err == nil || strings.Contains(out, "stopped") {
				t.Errorf("it ended with %v and printed\n%s", err, out)
			}
			if status, text := order.end(); status == http.StatusOK {
				t.Errorf("the request ended with %d %q", status, text)
			}
			exampletest.Eventually(t, "nothing is stored", func() bool { return d.Connections(t) == 0 && stored(t, d) == 0 })
		})
	}
}

func TestSIGTERM(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-listen", "127.0.0.1:0")
	tmp := t.TempDir()
	cmd.Env = append(os.Environ(), child+"=1", "TMPDIR="+tmp)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // does nothing once it has ended
	lines := bufio.NewReader(stdout)
	order := post(t, listensOn(t, lines))
	order.line("book")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if line, _ := lines.ReadString('\n'); line != "stopping\n" {
		t.Errorf("on SIGTERM it printed %q", line)
	}
	order.line("pen")
	if status, text := order.end(); status != http.StatusOK || text != "2 orders stored\n" {
		t.Errorf("the request ended with %d %q", status, text)
	}
	if rest, _ := io.ReadAll(lines); string(rest) != "stopped, 0 connections left\n" {
		t.Errorf("at the end it printed %q", rest)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
}

// program is run, running.
type program struct {
	addr string
	stop context.CancelFunc
	out  *bufio.Reader
	done chan error
}

func start(t *testing.T, pool *akari.Pool, driver string, grace time.Duration) *program {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, w := io.Pipe()
	p := &program{stop: cancel, out: bufio.NewReader(out), done: make(chan error, 1)}
	go func() {
		defer listener.Close()
		p.done <- run(ctx, pool, driver, listener, grace, w)
		w.Close()
	}()
	p.addr = listensOn(t, p.out)
	return p
}

// listensOn reads the program's first line.
func listensOn(t *testing.T, out *bufio.Reader) (addr string) {
	t.Helper()
	line, _ := out.ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("its first line is %q", line)
	}
	return addr
}

func (p *program) wait() (rest string, err error) {
	text, _ := io.ReadAll(p.out)
	return string(text), <-p.done
}

// request is one whose body the test writes line by line.
type request struct {
	t      *testing.T
	body   *io.PipeWriter
	status chan int
	text   chan string
}

func post(t *testing.T, addr string) *request {
	body, w := io.Pipe()
	r := &request{t: t, body: w, status: make(chan int, 1), text: make(chan string, 1)}
	// The body is sent once the handler asks for it, so that a line that has been
	// written proves that the request is under way, and not in the listener's queue.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/orders", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("Expect", "100-continue")
	go func() {
		resp, err := client.Do(req)
		body.CloseWithError(io.ErrClosedPipe) // whoever still writes is told
		if err != nil {
			r.status <- 0
			r.text <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		r.status <- resp.StatusCode
		r.text <- string(text)
	}()
	return r
}

func (r *request) line(item string) {
	r.t.Helper()
	if _, err := io.WriteString(r.body, item+"\n"); err != nil {
		r.t.Fatal(err)
	}
}

func (r *request) end() (status int, text string) {
	r.body.Close()
	return <-r.status, <-r.text
}

func refuses(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return true
	}
	conn.Close()
	return false
}

// stored counts the orders, by a connection of its own.
func stored(t *testing.T, d *exampletest.Database) (n int) {
	t.Helper()
	db, err := sql.Open(d.Driver, d.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*) FROM example_orders").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
