package localdb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a private database server or pooler. The exported fields are set
// when it has been started and must not be changed. Its methods may be called
// from any goroutine.
type Server struct {
	Kind     Kind
	Host     string // always "127.0.0.1"
	Port     int    // the same for the server's life
	User     string // may do everything, like the superuser
	Password string
	Database string

	engine  engine
	options Options
	program string // path of the server's program
	account *account
	folder  string // holds everything; see folder.go
	log     *tail
	keeper  *keeper

	close sync.Once
	// closeErr is written within close.
	closeErr error

	mu sync.Mutex
	// Guarded by mu.
	current *run // the last started process; nil before the first
	closed  bool
}

// engine is what differs between the kinds of server.
type engine struct {
	kind Kind
	// initialise fills the data folder, once; may be nil.
	initialise func(ctx context.Context, s *Server) error
	// configure writes the configuration, which names the port. It is called
	// before initialise, for the first start, and again if the port was taken.
	configure func(s *Server) error
	// prepare is called before each start; may be nil.
	prepare func(s *Server)
	// args are the arguments of the server's program.
	args func(s *Server) []string
	// ready reports whether the process r of s serves its clients.
	ready func(s *Server, r *run) bool
	// stop asks for a shutdown that does not wait for clients, quit for the
	// quickest end that leaves no process for init to collect.
	stop, quit syscall.Signal
}

// names of what a new server has.
const (
	host     = "127.0.0.1"
	userName = "akari"
	database = "akari"
)

// ErrClosed is returned by the methods of a closed server.
var ErrClosed = errors.New("localdb: the server is closed")

// start brings up a new server.
func start(ctx context.Context, e engine, o Options) (_ *Server, err error) {
	if err := supported(); err != nil {
		return nil, err
	}
	if err := o.check(e.kind); err != nil {
		return nil, err
	}
	program, err := Find(e.kind)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Kind: e.kind, Host: host, User: userName, Database: database, Password: rand.Text(),
		engine: e, options: o, program: program, log: newTail(o.Log),
	}
	if s.account, err = unprivileged(e.kind); err != nil {
		return nil, err
	}
	parent := o.Dir
	if parent == "" {
		parent = os.TempDir()
	}
	sweepStale(ctx, parent)
	if s.folder, err = makeFolder(parent, s.account); err != nil {
		return nil, err
	}
	if s.keeper, err = startKeeper(s.folder); err != nil {
		os.RemoveAll(s.folder)
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	// Once without a port, so that wrong settings are found before the slow part.
	if err := e.configure(s); err != nil {
		return nil, err
	}
	if e.initialise != nil {
		if err := e.initialise(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := s.startOnFreePort(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// startOnFreePort tries another port if somebody else was quicker to take the
// one that was free.
func (s *Server) startOnFreePort(ctx context.Context) error {
	var err error
	for range 5 {
		if s.Port, err = freePort(); err != nil {
			return err
		}
		if err = s.engine.configure(s); err != nil {
			return err
		}
		mark := s.log.mark()
		err = s.Start(ctx)
		if err == nil || !strings.Contains(strings.ToLower(s.log.since(mark)), "address already in use") {
			return err
		}
	}
	return err
}

// Addr returns "127.0.0.1:port".
func (s *Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// String names the server, without its password.
func (s *Server) String() string { return fmt.Sprintf("%v at %s", s.Kind, s.Addr()) }

// GoString is String: the fields hold a password.
func (s *Server) GoString() string { return s.String() }

// Start starts a server that was stopped or killed, with the same data on the
// same port, and returns when it serves its clients. If ctx ends before, the
// server is killed again. Without a deadline in ctx it waits for a minute.
func (s *Server) Start(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Minute)
		defer cancel()
	}
	r, err := s.spawn()
	if err != nil {
		return err
	}
	if err := s.awaitReady(ctx, r); err != nil {
		return errors.Join(err, s.Kill())
	}
	return nil
}

// spawn starts the server's process.
func (s *Server) spawn() (*run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if s.current.running() || len(s.Pids()) > 0 {
		return nil, fmt.Errorf("localdb: %v is running already", s)
	}
	if s.engine.prepare != nil {
		s.engine.prepare(s)
	}
	r, err := s.run()
	if err != nil {
		return nil, err
	}
	s.current = r
	return r, nil
}

func (s *Server) awaitReady(ctx context.Context, r *run) error {
	for !s.engine.ready(s, r) {
		select {
		case <-r.done:
			return fmt.Errorf("localdb: %v ended while it was starting: %v%s", s, r.outcome(), s.log.quote())
		default:
		}
		if !pause(ctx, 5*time.Millisecond) {
			return fmt.Errorf("localdb: %v did not become ready: %w%s", s, ctx.Err(), s.log.quote())
		}
	}
	if r.running() && !slices.Contains(s.Pids(), r.cmd.Process.Pid) {
		// Nobody could find its processes, to kill them for one.
		return fmt.Errorf("localdb: %s is not itself the program that serves; set %s to the folder that holds that",
			s.program, places[s.Kind].variable)
	}
	return nil
}

// Stop shuts the server down without waiting for its clients, and returns when
// it has ended. A paused server is resumed first. A stopped one is left alone.
// If ctx ends before, the server goes on shutting down; Kill ends it at once.
func (s *Server) Stop(ctx context.Context) error {
	r, err := s.running()
	if err != nil || r == nil {
		return err
	}
	s.signalAll(sigContinue)
	r.cmd.Process.Signal(s.engine.stop) // fails only if it has ended already
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("localdb: %v has not stopped: %w%s", s, ctx.Err(), s.log.quote())
	}
}

// running returns the process that runs, or nil if none does.
func (s *Server) running() (*run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrClosed
	case s.current.running():
		return s.current, nil
	}
	return nil, nil
}

// Kill ends every process of the server with SIGKILL, as a crash does, and
// returns when they are gone. It works on a paused server too.
func (s *Server) Kill() error {
	s.mu.Lock()
	r := s.current
	s.mu.Unlock()
	return s.kill(r)
}

func (s *Server) kill(r *run) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		s.signalAll(sigKill)
		if r.running() {
			r.cmd.Process.Kill() // in case it is not yet or not at all like a server
		}
		if len(s.Pids()) == 0 && !r.running() {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("localdb: %v: processes %v are still there after a kill", s, s.Pids())
		}
		pause(context.Background(), 2*time.Millisecond)
	}
}

// Pause stops every process of the server with SIGSTOP: connections stay open,
// the kernel goes on accepting new ones, and nothing answers.
func (s *Server) Pause() error { return s.whileRunning("pause", sigStop) }

// Resume lets a paused server go on.
func (s *Server) Resume() error { return s.whileRunning("resume", sigContinue) }

func (s *Server) whileRunning(verb string, sig syscall.Signal) error {
	r, err := s.running()
	if err != nil {
		return err
	}
	if r == nil {
		return fmt.Errorf("localdb: %s: %v is not running", verb, s)
	}
	s.signalAll(sig)
	return nil
}

// signalAll signals every process of the server, those too that are forked
// meanwhile.
func (s *Server) signalAll(sig syscall.Signal) {
	signalled := make(map[int]bool)
	for {
		fresh := false
		for _, pid := range s.Pids() {
			if !signalled[pid] {
				signalPid(pid, sig)
				signalled[pid], fresh = true, true
			}
		}
		if !fresh {
			return
		}
	}
}

// Pids returns the processes of the server, in no particular order: with
// PostgreSQL one for each connection among them.
func (s *Server) Pids() []int { return serverPids(s.dataFolder()) }

// Close ends the server, whatever state it is in, and removes its folder. It
// returns when no process and no file of it is left. A second call returns what
// the first did.
func (s *Server) Close() error {
	s.close.Do(func() {
		s.mu.Lock()
		s.closed = true
		r := s.current
		s.mu.Unlock()
		if r.running() {
			s.signalAll(sigContinue)
			r.cmd.Process.Signal(s.engine.quit) // fails only if it has ended already
			r.wait(2 * time.Second)
		}
		err := s.kill(r)
		s.closeErr = errors.Join(err, s.keeper.finish(s.folder))
	})
	return s.closeErr
}

func (s *Server) dataFolder() string { return filepath.Join(s.folder, "data") }

// writeFile writes a file beside the data folder that only the server, and
// nobody else, may read.
func (s *Server) writeFile(name, text string) error {
	path := filepath.Join(s.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("localdb: %w", err)
	}
	if err := s.account.own(path); err != nil {
		return fmt.Errorf("localdb: %w", err)
	}
	return nil
}

// pause waits for d. It reports false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
