package netio

import (
	"net"
	"sync"
	"time"
)

var aLongTimeAgo = time.Unix(1, 0)

// sniffers are the connections under judgement. The zero value is ready.
type sniffers struct {
	mu      sync.Mutex
	conns   map[*net.TCPConn]struct{}
	stopped bool
	wg      sync.WaitGroup // one for each goroutine that sniffs
}

// enter admits c and sets its deadline; leave and done must follow.
func (s *sniffers) enter(c *net.TCPConn, timeout time.Duration) (why Outcome, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return OutcomeClosing, false
	case len(s.conns) >= maxSniffing:
		return OutcomeBusy, false
	}
	if s.conns == nil {
		s.conns = make(map[*net.TCPConn]struct{})
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	c.SetReadDeadline(time.Now().Add(timeout))
	return 0, true
}

// leave ends the hold over c: stop has no power over it any more.
func (s *sniffers) leave(c *net.TCPConn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

func (s *sniffers) done() { s.wg.Done() }

// stop makes every judgement end at once and admits no more.
func (s *sniffers) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for c := range s.conns {
		c.SetReadDeadline(aLongTimeAgo)
	}
}

func (s *sniffers) join() { s.wg.Wait() }
