package akaritest

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Server is one fake database server. Its connectors and its driver open
// connections to it, any number of them; it keeps count of what they do and
// makes the calls fail that a test wants to fail.
//
// All methods may be called at any time and from any goroutine.
type Server struct {
	profile Profile // read only

	quiet  atomic.Bool
	calls  [numOps]atomic.Int64 // calls that arrived, by Op.index
	outage atomic.Bool          // frozen is not nil; written under mu

	// Open now: a connection adds and subtracts its own.
	stmts, rows atomic.Int64

	// Replaced as a whole under mu, nil while empty; what they point to does
	// not change.
	faults      atomic.Pointer[[]*Injection]
	recordings  atomic.Pointer[[]*Recording]
	definitions atomic.Pointer[map[string]string]

	// mu guards the following. It may be taken while a conn.mu is held, never
	// the other way round. Nothing waits and no user code runs under it.
	mu       sync.Mutex
	down     bool
	frozen   chan struct{} // closed by Thaw; nil if not frozen
	maxConns int           // 0: no limit
	lost     error

	conns      map[int]*conn // open: accepted, and Close has not returned
	lastID     int
	maxOpen    int
	connecting int // Connect calls under way
	maxDialing int
	sessions   int // connections that the server has not ended
	closes     int // Connector.Close calls

	prepared, begun, committed, rolledBack int
	openTxs                                int
	statements                             int
	executions                             map[string]int // by text
	ledger                                 ledger
	locks                                  map[string]*conn // by name, to the holder

	violations []Violation
	violated   int // violations ever, kept or not
}

// NewServer returns a running server that plays the given profile. It panics
// if the profile asks for a combination of connection interfaces that is not
// compiled in; the message says what to do.
//
// Create the server inside the bubble when testing with testing/synctest.
func NewServer(p Profile) *Server {
	if p.WrapConn == nil {
		if _, ok := (&conn{}).with(p.Conn); !ok {
			panic(fmt.Sprintf("akaritest: no connection type with the interfaces %v is compiled in: "+
				"take one of ConnMatrix, or set Profile.WrapConn", p.Conn))
		}
	}
	if extra := p.Stmt &^ AllStmt; extra != 0 {
		panic(fmt.Sprintf("akaritest: Profile.Stmt has unknown bits %#x", uint(extra)))
	}
	if extra := p.Rows &^ AllRows; extra != 0 {
		panic(fmt.Sprintf("akaritest: Profile.Rows has unknown bits %#x", uint(extra)))
	}
	return &Server{
		profile:    p,
		lost:       p.Lost,
		conns:      make(map[int]*conn),
		executions: make(map[string]int),
		ledger:     newLedger(),
		locks:      make(map[string]*conn),
	}
}

// Profile returns the profile the server was made with.
func (s *Server) Profile() Profile { return s.profile }

// Quiet stops the counting of calls and statements, for benchmarks in which
// many connections would meet at the counters. What is open is still counted,
// faults still happen and violations are still recorded.
func (s *Server) Quiet() { s.quiet.Store(true) }

// arrived counts and records a call.
func (s *Server) arrived(call *Call) {
	if !s.quiet.Load() {
		s.calls[call.Op.index()].Add(1)
	}
	if recordings := s.recordings.Load(); recordings != nil {
		for _, r := range *recordings {
			r.add(*call)
		}
	}
}

// Define makes text a statement of the server that does what program does,
// for code whose statements are not of the fake's language:
//
//	server.Define("SELECT version()", "GET version")
//
// It is looked up by its exact text, before the language is. Arguments go to
// the program. An empty program does nothing.
func (s *Server) Define(text, program string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	definitions := make(map[string]string)
	if old := s.definitions.Load(); old != nil {
		for t, p := range *old {
			definitions[t] = p
		}
	}
	definitions[text] = program
	s.definitions.Store(&definitions)
}

// program returns what a statement text means in the fake's language.
func (s *Server) program(text string) string {
	if definitions := s.definitions.Load(); definitions != nil {
		if program, ok := (*definitions)[text]; ok {
			return program
		}
	}
	return text
}
