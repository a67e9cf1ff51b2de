package akaritest

import (
	"slices"
	"sync"
)

// Recording is the list of calls that arrived, in order.
type Recording struct {
	server *Server

	mu    sync.Mutex
	calls []Call
}

// Record starts a recording of every call of every connection. It shows, for
// example, whether a wrapper makes the same calls as plain database/sql.
func (s *Server) Record() *Recording {
	r := &Recording{server: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	var recordings []*Recording
	if old := s.recordings.Load(); old != nil {
		recordings = append(recordings, *old...)
	}
	recordings = append(recordings, r)
	s.recordings.Store(&recordings)
	return r
}

// Stop ends the recording; what it has stays.
func (r *Recording) Stop() {
	s := r.server
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.recordings.Load()
	if old == nil {
		return
	}
	left := slices.DeleteFunc(slices.Clone(*old), func(other *Recording) bool { return other == r })
	if len(left) == 0 {
		s.recordings.Store(nil)
		return
	}
	s.recordings.Store(&left)
}

// Calls returns the calls so far.
func (r *Recording) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

func (r *Recording) add(call Call) {
	call = call.clone()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, call)
}
