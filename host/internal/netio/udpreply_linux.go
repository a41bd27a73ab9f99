package netio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxReplySockets bounds the addresses and ports that steering brought and that
// a listener holds a socket for; the one longest unused makes room: chosen.
const maxReplySockets = 256

// replies send from addresses and ports that no socket of the listener is bound
// to: by a socket bound for that alone; or, where another server holds the
// port, by a raw one, which needs CAP_NET_RAW.
type replies struct {
	mu     sync.Mutex
	from   map[netip.AddrPort]*replySocket
	uses   uint64
	raw    [2]*rawSender // of IPv4 and IPv6
	closed bool
}

// replySocket is one address and port. Its socket is nil where it could not be
// bound.
type replySocket struct {
	socket *udpSocket
	cause  error // why not
	used   uint64
}

func (r *replies) send(id *flowID, b []byte) error {
	local := netip.AddrPortFrom(netip.AddrFrom16(id.local).Unmap(), id.localPort)
	if local.Addr().IsLinkLocalUnicast() && local.Addr().Is6() && id.scope != 0 {
		local = netip.AddrPortFrom(local.Addr().WithZone(zone(id.scope)), id.localPort)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return net.ErrClosed
	}
	s := r.from[local]
	if s == nil {
		s = r.open(local)
	}
	r.uses++
	s.used = r.uses
	if s.socket != nil {
		return s.socket.sender.send(id, b)
	}
	raw, err := r.rawSender(!local.Addr().Is4())
	if err != nil {
		return errors.Join(s.cause, err)
	}
	return raw.send(id, b)
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
