package netio

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/dgram"
)

// sender sends datagrams by a socket without allocating.
type sender struct {
	mu   sync.Mutex
	sock *udpSocket
	call func(fd uintptr) bool // try, made once

	header  unix.Msghdr
	vector  unix.Iovec
	name    dgram.Name
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
	s.name.Put(s.sock.v6, &id.remote, id.remotePort, id.scope)
	*h = unix.Msghdr{Name: s.name.Pointer(), Namelen: s.name.Len()}
	s.vector.Base = unsafe.SliceData(b)
	s.vector.SetLen(len(b))
	h.Iov = &s.vector
	h.SetIovlen(1)
	if local := netip.AddrFrom16(id.local).Unmap(); !local.IsMulticast() && local != broadcast {
		h.Control = &s.control[0]
		h.SetControllen(dgram.PutSource(s.control[:], s.sock.v6, &id.local, id.scope))
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
		case tries < maxReported && dgram.MaybeICMP(s.errno):
			tries++
			s.sock.readErrors(fd)
		case dgram.OnlyICMP(s.errno): // said of others
			s.errno = unix.EAGAIN
			return true
		default:
			return true
		}
	}
}
