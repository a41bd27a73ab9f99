package netio

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// MaxPendingBytes is the most output that a Conn holds for a socket that is full
// (the ABI's limit of pending writes per connection).
const MaxPendingBytes = 16 << 10

// flushTimeout is how long a full socket may take to accept what is pending
// before the connection is given up: chosen.
const flushTimeout = 10 * time.Second

// ErrWriteOverflow is the error of a TryWrite that would have put more on hold
// than it may.
var ErrWriteOverflow = errors.New("write overflow")

type connState uint8

const (
	stateOpen connState = iota
	stateClosing
	stateClosed
	stateDetached
)

// output is the writing side, and the state of the connection.
type output struct {
	mu       sync.Mutex
	state    connState
	failed   bool   // a write failed; the socket is closed
	pending  []byte // accepted, not yet with the flusher
	inFlight int    // bytes the flusher is writing
	flushing bool
	flusher  sync.WaitGroup // the flusher's goroutine, if any
	bytes    atomic.Uint64
}

func (o *output) current() connState {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state
}

// detach goes from open to detached and ends what blocks on the socket, where something
// may: a read, or the flusher.
func (o *output) detach(sock socket, isRead bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state != stateOpen {
		return false
	}
	o.state = stateDetached
	if isRead || o.flushing {
		sock.SetDeadline(aLongTimeAgo)
	}
	return true
}

// TryWrite sends b without blocking: what the socket does not take at once is
// copied and follows later, up to MaxPendingBytes. Beyond that, and when the
// socket fails, the Conn is closed. b is the caller's again after the call.
func (c *Conn) TryWrite(b []byte) error { return c.TryWriteWithin(b, MaxPendingBytes) }

// TryWriteWithin is TryWrite with a limit of its own, in bytes.
func (c *Conn) TryWriteWithin(b []byte, most int) error {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state != stateOpen {
		return net.ErrClosed
	}
	if o.inFlight == 0 && len(o.pending) == 0 {
		n, err := c.writeNow(b)
		if err != nil {
			c.fail()
			return fmt.Errorf("write: %w", err)
		}
		if b = b[n:]; len(b) == 0 {
			return nil
		}
	}
	if o.inFlight+len(o.pending)+len(b) > most {
		c.l.counts.writeOverflows.Add(1)
		c.fail()
		return ErrWriteOverflow
	}
	c.enqueue(b)
	return nil
}

// What clients wait for before they send a request's body.
const (
	goOn     = "HTTP/1.1 100 Continue\r\n\r\n" // RFC 9110 15.2.1
	goSource = "HTTP/1.0 200 OK\r\n\r\n"       // as icecast says it
)

// Continue tells a client that waits for it to send the request's body: once,
// and nothing to one that does not wait. Where Exchange.AnswersFirst, that was
// the answer.
func (c *Conn) Continue() error {
	c.out.mu.Lock()
	awaited := c.awaited
	c.awaited = ""
	c.out.mu.Unlock()
	if awaited == "" {
		return nil
	}
	return c.TryWrite([]byte(awaited))
}

// writeNow gives the socket what it takes at once.
func (c *Conn) writeNow(b []byte) (sent int, err error) {
	rawErr := c.raw.Write(func(fd uintptr) bool {
		for sent < len(b) {
			var n int
			n, err = unix.Write(int(fd), b[sent:])
			if n > 0 {
				sent += n
			}
			if err != nil && !errors.Is(err, unix.EINTR) {
				return true
			}
		}
		return true
	})
	c.out.bytes.Add(uint64(sent))
	if errors.Is(err, unix.EAGAIN) {
		err = nil
	}
	return sent, errors.Join(err, rawErr)
}

// enqueue copies b to what is pending and sees that a flusher runs; the caller
// holds out.mu.
func (c *Conn) enqueue(b []byte) {
	o := &c.out
	o.pending = append(o.pending, b...)
	if !o.flushing {
		o.flushing = true
		o.flusher.Go(c.flush)
	}
}

// fail closes the socket at once; the caller holds out.mu.
func (c *Conn) fail() {
	c.out.state, c.out.failed, c.out.pending = stateClosed, true, nil
	c.sock.Close()
}

// flush owns the bytes it has taken from pending; it ends when there are no
// more, or the state forbids.
func (c *Conn) flush() {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	defer func() { o.flushing = false }()
	for len(o.pending) > 0 && (o.state == stateOpen || o.state == stateClosing) {
		buf := o.pending
		o.pending, o.inFlight = nil, len(buf)
		c.sock.SetWriteDeadline(time.Now().Add(flushTimeout))
		o.mu.Unlock()
		n, err := c.sock.Write(buf)
		o.bytes.Add(uint64(n))
		o.mu.Lock()
		o.inFlight = 0
		switch {
		case o.state == stateDetached:
			o.pending = append(buf[n:], o.pending...)
			o.failed = err != nil && !isTimeout(err)
			return
		case err != nil:
			c.fail()
			return
		}
		c.sock.SetWriteDeadline(time.Time{})
	}
}

func isTimeout(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) { // usual, and errors.As is slow
		return true
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
