package netio

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sender sends datagrams by a socket without allocating.
type sender struct {
	mu   sync.Mutex
	sock *udpSocket
	call func(fd uintptr) bool // try, made once

	header  unix.Msghdr
	vector  unix.Iovec
	name    unix.RawSockaddrInet6 // or the shorter one of IPv4
	control [controlBytes]byte
	errno   unix.Errno
}

// controlBytes hold a source address of either family, and on reading all
// options that are asked for (cmsg(3)).
const controlBytes = 128

func (s *sender) init(sock *udpSocket) {
	s.sock = sock
	s.call = s.try
}

// send sends b to id's peer, from id's local address unless that is none that
// can be sent from.
func (s *sender) send(id *flowID, b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.header
	*h = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&s.name)), Namelen: putName(&s.name, s.sock.v6, &id.remote, id.remotePort, id.scope)}
	s.vector.Base = unsafe.SliceData(b)
	s.vector.SetLen(len(b))
	h.Iov = &s.vector
	h.SetIovlen(1)
	if local := netip.AddrFrom16(id.local).Unmap(); !local.IsMulticast() && local != broadcast {
		h.Control = &s.control[0]
		h.SetControllen(s.putSource(id))
	}
	err := s.sock.raw.Write(s.call)
	s.vector.Base = nil
	switch {
	case errors.Is(err, net.ErrClosed):
		return net.ErrClosed
	case err != nil:
		return err
	case s.errno != 0:
		return s.errno
	}
	return nil
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// try is one call, whatever comes of it: sending never waits. What ICMP has said of a
// datagram before, to another peer perhaps, is not its outcome.
func (s *sender) try(fd uintptr) bool {
	for tries := 0; ; {
		_, _, s.errno = unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&s.header)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case s.errno == unix.EINTR:
		case tries < maxReported && reported(s.errno):
			tries++
			s.sock.readErrors(fd)
		case s.errno == unix.ECONNREFUSED || s.errno == unix.EPROTO: // the socket is not connected: of others
			s.errno = unix.EAGAIN
			return true
		default:
			return true
		}
	}
}

// putSource writes the option that names the source address (ip(7), ipv6(7)).
func (s *sender) putSource(id *flowID) int {
	c := (*unix.Cmsghdr)(unsafe.Pointer(&s.control[0]))
	data := unsafe.Pointer(&s.control[unix.CmsgLen(0)])
	if s.sock.v6 {
		c.Level, c.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
		c.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
		*(*unix.Inet6Pktinfo)(data) = unix.Inet6Pktinfo{Addr: id.local, Ifindex: id.scope}
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	c.Level, c.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
	c.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	*(*unix.Inet4Pktinfo)(data) = unix.Inet4Pktinfo{Spec_dst: [4]byte(id.local[12:])}
	return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
}

// putName writes a socket address and gives its length.
func putName(name *unix.RawSockaddrInet6, v6 bool, addr *[16]byte, port uint16, scope uint32) uint32 {
	if v6 {
		*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap16(port), Addr: *addr, Scope_id: scope}
		return unix.SizeofSockaddrInet6
	}
	*(*unix.RawSockaddrInet4)(unsafe.Pointer(name)) = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swap16(port), Addr: [4]byte(addr[12:])}
	return unix.SizeofSockaddrInet4
}

// getName reads a socket address of either family.
func getName(name *unix.RawSockaddrInet6) (addr [16]byte, port uint16, scope uint32) {
	if name.Family == unix.AF_INET6 {
		return name.Addr, swap16(name.Port), name.Scope_id
	}
	four := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
	addr[10], addr[11] = 0xFF, 0xFF // RFC 4291 2.5.5.2
	copy(addr[12:], four.Addr[:])
	return addr, swap16(four.Port), 0
}

// swap16 turns a port in a socket address, which is in network order, into a
// number or back.
func swap16(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}
