package proc

import (
	"sync"
	"time"
)

// Spent is the processor time of a plugin's processes, one after the other, whatever generation they are of. It never goes down. Its zero value is
// none; it is safe for concurrent use, and a nil one counts nothing.
type Spent struct {
	mu     sync.Mutex
	ended  time.Duration
	living map[*running]*spending
}

// spending is what one living process has taken.
type spending struct {
	clock clock
	seen  time.Duration
}

// CPU is the time of user and system of all processes that there were.
func (s *Spent) CPU() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.ended
	for _, x := range s.living {
		x.seen = max(x.seen, x.clock.now()) // 0 once it is gone
		all += x.seen
	}
	return all
}

// begin counts a process from now on.
func (s *Spent) begin(r *running) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.living == nil {
		s.living = map[*running]*spending{}
	}
	s.living[r] = &spending{clock: clockOf(r.pid)}
}

// end notes what a process that is reaped has taken in all, as wait4 tells it.
func (s *Spent) end(r *running) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	took := r.cmd.ProcessState.UserTime() + r.cmd.ProcessState.SystemTime()
	if x := s.living[r]; x != nil {
		took = max(took, x.seen)
	}
	s.ended += took
	delete(s.living, r)
}
