package netio

import (
	"context"
	"io"
	"sync"
	"time"
)

// lingerTime is how long a closing connection waits for the peer to read the
// last answer and close, while its input is discarded: closing with input
// unread would reset it and could destroy that answer (RFC 9112 9.6): chosen.
const lingerTime = 250 * time.Millisecond

// Close closes the connection at once; pending output is lost. Idempotent.
func (c *Conn) Close() {
	o := &c.out
	o.mu.Lock()
	if o.state == stateOpen || o.state == stateClosing {
		c.fail()
	}
	o.mu.Unlock()
	o.flusher.Wait()
}

// CloseAfterFlush takes no more output, and closes once what is pending has
// been sent and the peer has closed, or lingerTime after. It does not block;
// the listener joins what it started.
func (c *Conn) CloseAfterFlush() { c.closeWith(nil) }

// closeWith sends b after what is pending, then closes as CloseAfterFlush.
func (c *Conn) closeWith(b []byte) {
	c.finish(b, func() {
		c.linger()
		c.Close()
	})
}

// Reject sends b, waits up to lingerTime for the peer to close, and resets the
// connection: an encoder that does not read answers notices only that (wire
// digest 0.11). It does not block; the listener joins what it started.
func (c *Conn) Reject(b []byte) {
	c.finish(b, func() {
		if !c.linger() {
			_ = c.sock.SetLinger(0)
		}
		c.Close()
	})
}

// finish leaves the open state, sends b whatever its size, then runs end on a
// goroutine of the listener's.
func (c *Conn) finish(b []byte, end func()) {
	o := &c.out
	o.mu.Lock()
	if o.state != stateOpen {
		o.mu.Unlock()
		return
	}
	o.state = stateClosing
	if len(b) > 0 {
		c.enqueue(b)
	}
	o.mu.Unlock()
	if !c.l.closers.start(c, func() { o.flusher.Wait(); end() }) {
		c.Close()
	}
}

// linger ends the sending side and discards input until the peer closes, which
// it reports, or lingerTime has passed.
func (c *Conn) linger() (peerClosed bool) {
	_ = c.sock.CloseWrite()
	c.sock.SetReadDeadline(time.Now().Add(lingerTime))
	_, err := io.Copy(io.Discard, c.sock)
	return err == nil
}

// closers are connections on their way out, which no handler owns any more.
// The zero value is ready.
type closers struct {
	mu     sync.Mutex
	conns  map[*Conn]struct{}
	closed bool
	idle   chan struct{} // closed when conns becomes empty; nil if nobody waits
	wg     sync.WaitGroup
}

// start runs f on its own goroutine, which belongs to the listener; false once
// that has closed.
func (s *closers) start(c *Conn, f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[*Conn]struct{})
	}
	s.conns[c] = struct{}{}
	s.wg.Go(func() {
		defer s.leave(c)
		f()
	})
	return true
}

func (s *closers) leave(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// wait returns when there was a moment without closing connections, or ctx has
// ended.
func (s *closers) wait(ctx context.Context) error {
	s.mu.Lock()
	if len(s.conns) == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close cuts all of them and joins their goroutines.
func (s *closers) close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.sock.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
