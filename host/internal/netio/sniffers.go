package netio

import (
	"cmp"
	"container/list"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

var aLongTimeAgo = time.Unix(1, 0)

// sniffers are the connections under judgement, oldest first. The zero value is ready.
type sniffers struct {
	mu      sync.Mutex
	order   list.List // of *sniffed
	limit   int       // maxSniffing, but in tests
	stopped bool
	wg      sync.WaitGroup // one for each goroutine that sniffs
}

// sniffed is a connection under judgement. Its goroutine alone reads and writes it.
type sniffed struct {
	tcp     *net.TCPConn
	since   time.Time
	evicted atomic.Bool // it had to make room
	place   *list.Element
}

// enter admits c; leave and done must follow. If there are too many, the oldest must
// go: one that shows nothing does not keep out those who come to speak.
func (s *sniffers) enter(c *net.TCPConn, timeout time.Duration) *sniffed {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	if s.order.Len() >= cmp.Or(s.limit, maxSniffing) {
		oldest := s.order.Front()
		old := oldest.Value.(*sniffed)
		old.evicted.Store(true)
		s.forget(old)
		old.tcp.SetDeadline(aLongTimeAgo)
	}
	in := &sniffed{tcp: c, since: time.Now()}
	in.place = s.order.PushBack(in)
	s.wg.Add(1)
	c.SetDeadline(in.since.Add(timeout))
	return in
}

// oldest gives who has been there longest, and since when; or nil, and now.
func (s *sniffers) oldest() (*sniffed, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.order.Front(); e != nil {
		in := e.Value.(*sniffed)
		return in, in.since
	}
	return nil, time.Now()
}

// extend gives another timeout to a connection that has got somewhere.
func (s *sniffers) extend(in *sniffed, timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.place != nil && !s.stopped {
		in.tcp.SetDeadline(time.Now().Add(timeout))
	}
}

// evict takes out one that must go; false if it has left already.
func (s *sniffers) evict(in *sniffed) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.place == nil {
		return false
	}
	in.evicted.Store(true)
	s.forget(in)
	return true
}

// leave ends the hold over a connection: stop has no power over it any more.
func (s *sniffers) leave(in *sniffed) {
	s.mu.Lock()
	s.forget(in)
	s.mu.Unlock()
}

func (s *sniffers) forget(in *sniffed) {
	if in.place != nil {
		s.order.Remove(in.place)
		in.place = nil
	}
}

func (s *sniffers) done() { s.wg.Done() }

// stop makes every judgement end at once and admits no more.
func (s *sniffers) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for e := s.order.Front(); e != nil; e = e.Next() {
		e.Value.(*sniffed).tcp.SetDeadline(aLongTimeAgo)
	}
}

func (s *sniffers) join() { s.wg.Wait() }
