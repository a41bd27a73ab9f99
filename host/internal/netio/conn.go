package netio

import (
	"bufio"
	"crypto/tls"
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

// Conn is a connection outside of net/http: of a raw protocol, or hijacked from an
// Exchange. With TLS, and of an HTTP/2 stream, it is one end of a socket pair whose
// other end is relayed to the peer. Reading is for one goroutine at a time; all other methods
// are safe for concurrent use. Who received it ends it by exactly one of Close,
// CloseAfterFlush, Reject and Detach; later ones have no effect.
type Conn struct {
	sock          socket
	raw           syscall.RawConn
	l             *Listener // name, counters, closers
	local, remote netip.AddrPort
	awaited       string // what the client waits for before it sends a body
	secure        bool   // TLS

	in  input
	out output
}

// input is the reading side.
type input struct {
	mu    sync.Mutex // held over a Read, so that Detach can wait for its end
	sock  socket
	left  []byte        // read from the socket before this Conn was made
	body  io.Reader     // a hijacked request's body; nil: everything is input
	ahead *bufio.Reader // between body and socket, may hold input read ahead
	probe *probe        // reads the socket; nil before Gather
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
	var n int
	var err error
	if in.probe != nil {
		n, err = in.probe.read(b)
	} else {
		n, err = in.sock.Read(b)
	}
	in.bytes.Add(uint64(n))
	return n, err
}

// newConn takes c over; left is owned by the Conn.
func (l *Listener) newConn(sock *net.TCPConn, left []byte) *Conn {
	return l.connOn(sock, sock, left)
}

// newConnAt is newConn for a connection with known addresses, of which nothing was read
// ahead.
func (l *Listener) newConnAt(sock *net.TCPConn, local, remote netip.AddrPort) *Conn {
	c := &Conn{sock: sock, l: l, local: local, remote: remote}
	c.in.sock = sock
	c.raw, _ = sock.SyscallConn() // fails only for a nil connection
	return c
}

// newSecure takes over a TLS connection, on which a relay speaks from now on.
func (l *Listener) newSecure(peer *tls.Conn, tcp *net.TCPConn, left []byte) (*Conn, error) {
	sock, err := relayTLS(peer, tcp)
	if err != nil {
		peer.Close()
		return nil, err
	}
	c := l.connOn(sock, tcp, left)
	c.secure = true
	return c, nil
}

// connOn makes a Conn of a socket, for the peer of another that may be behind it.
func (l *Listener) connOn(sock socket, peer net.Conn, left []byte) *Conn {
	c := &Conn{
		sock:   sock,
		l:      l,
		local:  addrPort(peer.LocalAddr()),
		remote: addrPort(peer.RemoteAddr()),
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

// TLS tells whether the peer speaks TLS.
func (c *Conn) TLS() bool { return c.secure }

// BytesIn counts what Read has taken, with an HTTP body's framing.
func (c *Conn) BytesIn() uint64 { return c.in.bytes.Load() }

// BytesOut counts what the socket, or the relay, has taken from TryWrite and Reject.
func (c *Conn) BytesOut() uint64 { return c.out.bytes.Load() }

// Read blocks for input: first what was read before the Conn was made, then
// the socket's. On a hijacked request with a body it gives the body's bytes,
// without chunk framing: io.EOF is its proper end, io.ErrUnexpectedEOF the
// peer's close before that; a body to close can only end with io.EOF. Once the
// Conn is closed or detached by this side, the error is net.ErrClosed.
func (c *Conn) Read(b []byte) (int, error) { return c.read(b, false) }

func (c *Conn) read(b []byte, now bool) (int, error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.out.current() != stateOpen {
		return 0, net.ErrClosed
	}
	if p := c.in.probe; p != nil {
		p.set(now)
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
// the bound. A Read that it ends fails with os.ErrDeadlineExceeded; another one goes
// on where it stopped.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.state != stateOpen {
		return net.ErrClosed
	}
	return c.sock.SetReadDeadline(t)
}

// Detach takes the socket out of Go's hands: fd is a non-blocking stream socket and the
// caller's to close. leftover is raw input that was read from the peer and not
// from the Conn (of a chunked body, from anywhere in its framing); unsent is output that TryWrite accepted and the socket did not
// yet take, which must go out before anything else. Both are the caller's. A
// blocked Read ends with net.ErrClosed. After an error the Conn is closed.
func (c *Conn) Detach() (fd int, leftover, unsent []byte, err error) {
	isRead := !c.in.mu.TryLock()
	if !isRead {
		defer c.in.mu.Unlock()
	}
	if !c.out.detach(c.sock, isRead) {
		return -1, nil, nil, fmt.Errorf("detach: %w", net.ErrClosed)
	}
	c.out.flusher.Wait()
	if isRead {
		c.in.mu.Lock()
		defer c.in.mu.Unlock()
	}
	if c.out.failed {
		err = net.ErrClosed
	} else {
		fd, err = duplicate(c.raw)
	}
	if r, ok := c.sock.(*relayed); ok && err == nil {
		r.hangUp = nil // its relay goes on with the duplicate
	}
	c.in.plain()
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
