package netio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxReplySockets bounds the addresses and ports that steering brought and that
// a listener holds a socket for; the one longest unused makes room: chosen.
const maxReplySockets = 256

// replyIdle is after how long a reply socket is closed that nobody used: until
// then no other server can bind its address and port. Chosen, below the time for
// which a restarting server tries.
const replyIdle = 3 * time.Second

// replies send from addresses and ports that no socket of the listener is bound
// to: by a raw socket, which needs CAP_NET_RAW and holds no port; or by one bound
// for that alone, for a while.
type replies struct {
	mu     sync.Mutex // not held while a datagram is sent
	from   map[netip.AddrPort]*replySocket
	uses   uint64
	now    int64         // on the listener's clock, as of the last tick
	raw    [2]*rawSender // of IPv4 and IPv6
	denied [2]error      // why there is no raw one, and will be none
	closed bool
}

// replySocket is one address and port. Its socket is nil where it could not be
// bound.
type replySocket struct {
	socket *udpSocket
	cause  error // why not
	used   uint64
	last   int64 // replies.now when it was used, or could not be bound
}

func (r *replies) send(id *flowID, b []byte) error {
	raw, cause := r.rawSender(!netip.AddrFrom16(id.local).Is4In6())
	if cause == nil {
		cause = raw.send(id, b)
		if !errors.Is(cause, unix.EMSGSIZE) || len(b) > maxPayload {
			return cause
		}
		// Longer than the way's packets: only a bound socket makes fragments (raw(7)).
	}
	if errors.Is(cause, net.ErrClosed) {
		return cause
	}
	local := netip.AddrPortFrom(netip.AddrFrom16(id.local).Unmap(), id.localPort)
	if local.Addr().IsLinkLocalUnicast() && local.Addr().Is6() && id.scope != 0 {
		local = netip.AddrPortFrom(local.Addr().WithZone(zone(id.scope)), id.localPort)
	}
	socket, err := r.bound(local)
	if err != nil {
		return errors.Join(err, cause)
	}
	return socket.sender.send(id, b)
}

// bound gives the socket of an address and port.
func (r *replies) bound(local netip.AddrPort) (*udpSocket, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, net.ErrClosed
	}
	s := r.from[local]
	if s == nil {
		s = r.open(local)
		s.last = r.now
	}
	r.uses++
	s.used = r.uses
	if s.socket == nil {
		return nil, s.cause
	}
	s.last = r.now
	return s.socket, nil
}

// tick gives back the ports that nobody has used for a while, and tries those
// anew that could not be had.
func (r *replies) tick(now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = now
	for a, s := range r.from {
		if now-s.last >= int64(replyIdle) {
			delete(r.from, a)
			s.close()
		}
	}
}

// open binds a socket to local, which never receives.
func (r *replies) open(local netip.AddrPort) *replySocket {
	if r.from == nil {
		r.from = make(map[netip.AddrPort]*replySocket)
	}
	if len(r.from) >= maxReplySockets {
		r.evict()
	}
	s := &replySocket{}
	r.from[local] = s
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		if local.Addr().Is6() {
			setInt(c, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1) //nolint:errcheck // then bind tells
		}
		return deafen(c)
	}}
	conn, err := lc.ListenPacket(context.Background(), udpNetwork(local.Addr()), local.String())
	if err != nil {
		s.cause = err
		return s
	}
	socket := &udpSocket{conn: conn.(*net.UDPConn), local: local, v6: !local.Addr().Is4()}
	socket.raw, _ = socket.conn.SyscallConn() // fails only for a nil connection
	socket.sender.init(socket)
	s.socket = socket
	return s
}

func (r *replies) evict() {
	var oldest netip.AddrPort
	var least *replySocket
	for a, s := range r.from {
		if least == nil || s.used < least.used {
			oldest, least = a, s
		}
	}
	delete(r.from, oldest)
	least.close()
}

func (s *replySocket) close() {
	if s.socket != nil {
		s.socket.conn.Close()
	}
}

func (r *replies) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, s := range r.from {
		s.close()
	}
	for _, s := range r.raw {
		if s != nil {
			s.close()
		}
	}
	r.from = nil
}

// deafen makes the kernel drop whatever would reach a socket.
func deafen(c syscall.RawConn) (err error) {
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	prog := unix.SockFprog{Len: 1, Filter: &drop[0]}
	control := c.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog)
	})
	return errors.Join(control, err)
}
