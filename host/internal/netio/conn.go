package netio

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is a TCP connection outside of net/http: of a raw protocol, or hijacked
// from an Exchange. Reading is for one goroutine at a time; all other methods
// are safe for concurrent use. Who received it ends it by exactly one of Close,
// CloseAfterFlush, Reject and Detach; later ones have no effect.
type Conn struct {
	sock          *net.TCPConn
	raw           syscall.RawConn
	l             *Listener // name, counters, closers
	local, remote netip.AddrPort
	expected      bool // the client waits for 100 Continue

	in  input
	out output
}

// input is the reading side.
type input struct {
	mu    sync.Mutex // held over a Read, so that Detach can wait for its end
	sock  *net.TCPConn
	left  []byte        // read from the socket before this Conn was made
	body  io.Reader     // a hijacked request's body; nil: everything is input
	ahead *bufio.Reader // between body and socket, may hold input read ahead
	bytes atomic.Uint64
}

// Read takes what was left over, then reads the socket.
func (in *input) Read(b []byte) (int, error) {
	if len(in.left) > 0 {
		n := copy(b, in.left)
		if in.left = in.left[n:]; len(in.left) == 0 {
			in.left = nil
		}
		in.bytes.Add(uint64(n))
		return n, nil
	}
	n, err := in.sock.Read(b)
	in.bytes.Add(uint64(n))
	return n, err
}

// newConn takes c over; left is owned by the Conn.
func (l *Listener) newConn(sock *net.TCPConn, left []byte) *Conn {
	c := &Conn{
		sock:   sock,
		l:      l,
		local:  addrPort(sock.LocalAddr()),
		remote: addrPort(sock.RemoteAddr()),
	}
	if len(left) > 0 {
		c.in.left = left
	}
	c.in.sock = sock
	c.raw, _ = sock.SyscallConn() // fails only for a nil connection
	return c
}

// readBody makes Read give the body of the request c was hijacked from.
func (c *Conn) readBody(kind BodyKind, length int64) {
	c.in.body, c.in.ahead = bodyReader(kind, length, &c.in)
}

// Listener is the name of the listener that accepted the connection.
func (c *Conn) Listener() string { return c.l.options.Name }

// Local is the address that the peer dialled.
func (c *Conn) Local() netip.AddrPort { return c.local }

// Remote is the peer's address.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// BytesIn counts what Read has taken, with an HTTP body's framing.
func (c *Conn) BytesIn() uint64 { return c.in.bytes.Load() }

// BytesOut counts what the socket has taken from TryWrite and Reject.
func (c *Conn) BytesOut() uint64 { return c.out.bytes.Load() }

// Read blocks for input: first what was read before the Conn was made, then
// the socket's. On a hijacked request with a body it gives the body's bytes,
// without chunk framing: io.EOF is its proper end, io.ErrUnexpectedEOF the
// peer's close before that; a body to close can only end with io.EOF. Once the
// Conn is closed or detached by this side, the error is net.ErrClosed.
func (c *Conn) Read(b []byte) (int, error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.out.current() != stateOpen {
		return 0, net.ErrClosed
	}
	from := io.Reader(&c.in)
	if c.in.body != nil {
		from = c.in.body
	}
	n, err := from.Read(b)
	if err != nil && c.out.current() != stateOpen {
		err = net.ErrClosed
	}
	return n, err
}

// SetReadDeadline bounds a blocked Read and those to come; the zero time lifts
// the bound. A Read that it ends fails with os.ErrDeadlineExceeded; a chunked
// body cannot be read any further then.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.state != stateOpen {
		return net.ErrClosed
	}
	return c.sock.SetReadDeadline(t)
}

// Detach takes the socket out of Go's hands: fd is non-blocking and the
// caller's to close. leftover is raw input that was read from the peer and not
// from the Conn (of a chunked body, from anywhere in its framing); unsent is output that TryWrite accepted and the socket did not
// yet take, which must go out before anything else. Both are the caller's. A
// blocked Read ends with net.ErrClosed. After an error the Conn is closed.
func (c *Conn) Detach() (fd int, leftover, unsent []byte, err error) {
	if !c.out.leave(stateDetached, c.sock) {
		return -1, nil, nil, fmt.Errorf("detach: %w", net.ErrClosed)
	}
	c.out.flusher.Wait()
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.out.failed {
		err = net.ErrClosed
	} else {
		fd, err = duplicate(c.raw)
	}
	c.sock.Close()
	if err != nil {
		return -1, nil, nil, fmt.Errorf("detach: %w", err)
	}
	if a := c.in.ahead; a != nil {
		b, _ := a.Peek(a.Buffered())
		leftover = append(leftover, b...)
	}
	leftover = append(leftover, c.in.left...)
	unsent = c.out.pending
	c.in.left, c.in.body, c.in.ahead, c.out.pending = nil, nil, nil, nil
	return fd, leftover, unsent, nil
}

// duplicate makes a second descriptor of the same socket; Go's poller keeps to
// the first.
func duplicate(raw syscall.RawConn) (fd int, err error) {
	controlErr := raw.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if controlErr != nil {
		return -1, controlErr
	}
	return fd, err
}
