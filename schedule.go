package akari

import (
	"container/heap"
	"sync"
	"time"
)

// schedule ends the lives of connections at their time and has them pinged now
// and then. It is one heap and one timer for all of them: a connection costs
// neither a timer nor a goroutine.
type schedule struct {
	now     func() int64
	retire  func(*entry) // a connection's life has ended
	ping    func(*entry) // a connection is due to be pinged; must not block
	keepFor func() time.Duration

	mu      sync.Mutex // guards what follows; nothing else is taken while it is held
	due     dueHeap
	timer   *time.Timer
	stopped bool
}

// duty is what comes next for a connection.
type duty struct {
	e    *entry
	at   int64 // on the pool's clock
	ping int64 // when it is to be pinged next; 0: never
	pos  int   // in the heap
}

func (d *duty) set() bool {
	d.at = d.e.expires
	if d.ping != 0 && (d.at == 0 || d.ping < d.at) {
		d.at = d.ping
	}
	return d.at != 0
}

// add plans for a connection that joins the pool.
func (s *schedule) add(e *entry) {
	d := &duty{e: e, ping: s.nextPing()}
	if !d.set() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	e.duty = d
	heap.Push(&s.due, d)
	if d.pos == 0 {
		s.setTimerLocked()
	}
}

// nextPing is the time of the next ping: KeepaliveTime less up to a fifth, at
// random (HikariCP 6.3).
func (s *schedule) nextPing() int64 {
	keep := s.keepFor()
	if keep <= 0 {
		return 0
	}
	return s.now() + int64(keep-jitter(keep, 5))
}

// remove forgets a connection that leaves the pool.
func (s *schedule) remove(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := e.duty; d != nil && d.pos >= 0 {
		heap.Remove(&s.due, d.pos)
	}
}

func (s *schedule) run() {
	var expired, pings []*entry
	s.mu.Lock()
	now := s.now()
	for !s.stopped && len(s.due) > 0 && s.due[0].at <= now {
		d := s.due[0]
		if d.e.expires != 0 && d.e.expires <= now {
			heap.Pop(&s.due)
			expired = append(expired, d.e)
			continue
		}
		pings = append(pings, d.e)
		d.ping = s.nextPing()
		if d.set() {
			heap.Fix(&s.due, 0)
		} else {
			heap.Pop(&s.due)
		}
	}
	s.setTimerLocked()
	s.mu.Unlock()
	for _, e := range expired {
		s.retire(e)
	}
	for _, e := range pings {
		s.ping(e)
	}
}

func (s *schedule) setTimerLocked() {
	if s.stopped || len(s.due) == 0 {
		return
	}
	in := max(time.Duration(s.due[0].at-s.now()), 0)
	if s.timer == nil {
		s.timer = time.AfterFunc(in, s.run)
	} else {
		s.timer.Reset(in)
	}
}

func (s *schedule) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// dueHeap is a min-heap by due time.
type dueHeap []*duty

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}
func (h *dueHeap) Push(x any) {
	d := x.(*duty)
	d.pos = len(*h)
	*h = append(*h, d)
}
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	d.pos = -1
	return d
}
