package netio

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// relayStall is how long a peer behind a relay may take nothing: chosen, above the
	// delivery pool's minute, so that its rules come first.
	relayStall = 90 * time.Second
	// The buffer of one direction grows from the first to the second as it is filled:
	// chosen, and the payload of a TLS record (RFC 8446 5.1).
	leastRelayBytes = 2 << 10
	mostRelayBytes  = 16 << 10
	// tlsSendBytes is the send buffer of a TLS connection behind a relay, which the kernel
	// doubles: chosen, so that a slow viewer is soon noticed at the pair.
	tlsSendBytes = 128 << 10
)

// tlsRelay carries bytes between a TLS connection and the near end of a pair. It ends
// with either, and belongs to the Conn or whoever holds the far end, not to the listener.
type tlsRelay struct {
	near   *net.UnixConn
	peer   *tls.Conn
	tcp    *net.TCPConn
	closed atomic.Bool  // the far end, by the Conn
	loops  atomic.Int32 // under way
}

// relayTLS gives a Conn's end of a pair behind which peer is.
func relayTLS(peer *tls.Conn, tcp *net.TCPConn) (socket, error) {
	near, far, err := openPair()
	if err != nil {
		return nil, err
	}
	_ = tcp.SetWriteBuffer(tlsSendBytes)
	_ = peer.SetDeadline(time.Time{})
	r := &tlsRelay{near: near, peer: peer, tcp: tcp}
	r.loops.Store(2)
	go r.loop(r.down)
	go r.loop(r.up)
	return &relayed{UnixConn: far, hangUp: r.hangUp}, nil
}

// loop runs one direction; the last one out closes both sides.
func (r *tlsRelay) loop(carry func() error) {
	if carry() != nil {
		r.cut()
	}
	if r.loops.Add(-1) == 0 {
		r.cut()
	}
}

func (r *tlsRelay) cut() {
	r.near.Close()
	r.tcp.Close()
}

// hangUp: the Conn has closed its end. What the pair holds goes out within flushTimeout.
func (r *tlsRelay) hangUp(reset bool) {
	if reset {
		r.tcp.SetLinger(0)
		r.cut()
		return
	}
	r.closed.Store(true)
	r.tcp.SetWriteDeadline(time.Now().Add(flushTimeout))
}

// down carries to the peer until the far end is closed for writing, or for good, which
// is the same to see. The peer may send on for as long as a closing Conn waits for it.
func (r *tlsRelay) down() error {
	var buf growing
	for {
		n, err := r.near.Read(buf.room())
		if n > 0 {
			limit := relayStall
			if r.closed.Load() {
				limit = flushTimeout
			}
			r.tcp.SetWriteDeadline(time.Now().Add(limit))
			if _, werr := r.peer.Write(buf.take(n)); werr != nil {
				return werr
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) { // reset: closed with input unread
				return err
			}
			break
		}
	}
	r.tcp.SetWriteDeadline(time.Now().Add(flushTimeout))
	if err := r.peer.CloseWrite(); err != nil {
		return err
	}
	r.tcp.CloseWrite()
	return r.tcp.SetReadDeadline(time.Now().Add(2 * lingerTime))
}

// up carries from the peer until its end. That may come without TLS' own word of it:
// whether something is missing shows in the protocol within.
func (r *tlsRelay) up() error {
	var buf growing
	for {
		n, err := r.peer.Read(buf.room())
		if n > 0 {
			if _, werr := r.near.Write(buf.take(n)); werr != nil {
				return werr
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return r.near.CloseWrite()
		default:
			return err
		}
	}
}

// growing is a buffer that doubles when it is filled. The zero value is ready.
type growing struct{ b []byte }

func (g *growing) room() []byte {
	if g.b == nil {
		g.b = make([]byte, leastRelayBytes)
	}
	return g.b
}

// take gives the first n bytes of what room gave.
func (g *growing) take(n int) []byte {
	b := g.b[:n]
	if n == len(g.b) && n < mostRelayBytes {
		g.b = make([]byte, 2*n)
	}
	return b
}
