package netio

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// connectTimeout bounds the lookup of a name, the connection and the TLS handshake
	// together (spec.md 6.17; chosen: a network that takes longer carries no live stream).
	connectTimeout = 10 * time.Second
	// maxAddresses bounds how many addresses of a name are tried (chosen).
	maxAddresses = 8
)

// DialOptions say where to connect to.
type DialOptions struct {
	Host    string // a name, or an address in figures
	Port    uint16
	TLS     *tls.Config // nil: no TLS. ServerName is set by Dial
	Allows  func(host string, to netip.AddrPort) bool
	Silence time.Duration // a Read that brings nothing for so long fails with os.ErrDeadlineExceeded; 0: it may
}

// DeniedError says that no address of a host may be connected to.
type DeniedError struct {
	Host string
	To   netip.AddrPort // one of its addresses
}

func (e *DeniedError) Error() string {
	if e.Host == e.To.Addr().String() {
		return fmt.Sprintf("connecting to %v is not granted", e.To)
	}
	return fmt.Sprintf("connecting to %v, an address of %s, is not granted", e.To, e.Host)
}

// Outgoing is a connection that this computer has opened. Read is for one goroutine at
// a time; the other methods are safe for concurrent use. Close, Reset or CloseAfterFlush
// ends it; Wait is for what it has started.
type Outgoing struct {
	conn    net.Conn
	tcp     *net.TCPConn
	silence atomic.Int64

	mu      sync.Mutex
	pending []byte // not yet with the flusher
	flight  int    // bytes that the flusher is writing
	busy    bool   // the flusher runs
	flusher sync.WaitGroup
	closing bool // once all is written
	closed  bool
	gone    chan struct{} // closed when the socket is
	written atomic.Uint64
}

// Dial looks a name up and connects to the first of its addresses that is allowed and
// answers. It takes no longer than 10 s, or than ctx lives.
func Dial(ctx context.Context, o DialOptions) (*Outgoing, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	all, err := resolve(ctx, o)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	var failed error
	for _, to := range all {
		// The address is dialled, not the name: it is the one that was judged.
		conn, err := d.DialContext(ctx, "tcp", to.String())
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		tcp := conn.(*net.TCPConn)
		if o.TLS != nil {
			if conn, err = secured(ctx, tcp, o); err != nil {
				return nil, err
			}
		}
		out := &Outgoing{conn: conn, tcp: tcp, gone: make(chan struct{})}
		out.SetSilence(o.Silence)
		return out, nil
	}
	return nil, failed
}

// resolve gives what may be connected to, IPv4 first, as most encoders have it.
func resolve(ctx context.Context, o DialOptions) ([]netip.AddrPort, error) {
	var found []netip.Addr
	if a, err := netip.ParseAddr(o.Host); err == nil {
		found = []netip.Addr{a}
	} else if found, err = net.DefaultResolver.LookupNetIP(ctx, "ip", o.Host); err != nil {
		return nil, err
	}
	var granted, later []netip.AddrPort
	for _, a := range found {
		to := netip.AddrPortFrom(a.Unmap(), o.Port)
		switch {
		case !o.Allows(o.Host, to):
		case to.Addr().Is4():
			granted = append(granted, to)
		default:
			later = append(later, to)
		}
	}
	granted = append(granted, later...)
	if len(granted) == 0 {
		denied := &DeniedError{Host: o.Host}
		if len(found) > 0 {
			denied.To = netip.AddrPortFrom(found[0].Unmap(), o.Port)
		}
		return nil, denied
	}
	return granted[:min(len(granted), maxAddresses)], nil
}

// ErrPeer is in the error of a peer that speaks another protocol than it was asked in.
var ErrPeer = errors.New("unexpected answer")

func secured(ctx context.Context, tcp *net.TCPConn, o DialOptions) (net.Conn, error) {
	c := o.TLS.Clone()
	c.ServerName = o.Host
	conn := tls.Client(tcp, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		tcp.Close()
		if isTimeout(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return nil, fmt.Errorf("TLS with %s: %w", net.JoinHostPort(o.Host, strconv.Itoa(int(o.Port))), os.ErrDeadlineExceeded)
		}
		return nil, fmt.Errorf("TLS with %s: %w: %w", net.JoinHostPort(o.Host, strconv.Itoa(int(o.Port))), ErrPeer, err)
	}
	return conn, nil
}

// SetSilence replaces how long a Read may bring nothing, from the next one on.
func (o *Outgoing) SetSilence(d time.Duration) { o.silence.Store(int64(d)) }

// Read gives what has come, or waits for it.
func (o *Outgoing) Read(b []byte) (int, error) {
	var until time.Time
	if d := time.Duration(o.silence.Load()); d > 0 {
		until = time.Now().Add(d)
	}
	if err := o.conn.SetReadDeadline(until); err != nil {
		return 0, err
	}
	return o.conn.Read(b)
}

// Local is this computer's side.
func (o *Outgoing) Local() netip.AddrPort { return addrPort(o.tcp.LocalAddr()) }

// Remote is the peer's side.
func (o *Outgoing) Remote() netip.AddrPort { return addrPort(o.tcp.RemoteAddr()) }

// BytesOut counts what was written.
func (o *Outgoing) BytesOut() uint64 { return o.written.Load() }

// TryWriteWithin sends b without blocking. Beyond most bytes that wait it fails with
// ErrWriteOverflow. b is the caller's again after the call.
func (o *Outgoing) TryWriteWithin(b []byte, most int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed || o.closing:
		return net.ErrClosed
	case o.flight+len(o.pending)+len(b) > most:
		return ErrWriteOverflow
	case len(b) == 0:
		return nil
	}
	o.pending = append(o.pending, b...)
	if !o.busy {
		o.busy = true
		o.flusher.Go(o.flush) // it ends when all is written, when the peer has not read for flushTimeout, or by Close
	}
	return nil
}

// flush owns what it has taken from pending.
func (o *Outgoing) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.pending) > 0 && !o.closed {
		b := o.pending
		o.pending, o.flight = nil, len(b)
		o.mu.Unlock()
		o.conn.SetWriteDeadline(time.Now().Add(flushTimeout))
		n, err := o.conn.Write(b)
		o.written.Add(uint64(n))
		o.mu.Lock()
		o.flight = 0
		if err != nil {
			o.shut()
		}
	}
	o.busy = false
	if o.closing {
		o.shut()
	}
}

// shut closes the socket. With mu.
func (o *Outgoing) shut() {
	if !o.closed {
		o.closed = true
		o.conn.Close()
		close(o.gone)
	}
}

// Wait returns once the connection has been ended, and what was still to be sent then has
// gone or cannot go: 10 s after CloseAfterFlush if the peer does not read.
func (o *Outgoing) Wait() {
	<-o.gone
	o.flusher.Wait()
}

// Close ends the connection at once.
func (o *Outgoing) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut()
}

// Reset ends it at once, with a TCP reset.
func (o *Outgoing) Reset() {
	o.tcp.SetLinger(0)
	o.Close()
}

// CloseAfterFlush ends the connection once all that was written has gone.
func (o *Outgoing) CloseAfterFlush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing = true; !o.busy {
		o.shut()
	}
}
