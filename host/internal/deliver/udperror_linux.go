package deliver

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// isICMP tells errors that may be what ICMP said of an earlier datagram.
func isICMP(errno unix.Errno) bool {
	switch errno {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENONET, unix.EPROTO, unix.EACCES, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EMSGSIZE:
		return true
	}
	return false
}

// isOnlyICMP tells errors that are never about what is sent: no socket of the pool is
// connected.
func isOnlyICMP(errno unix.Errno) bool { return errno == unix.ECONNREFUSED || errno == unix.EPROTO }

// happened reads what ICMP said.
func (u *udpWorker) happened(slot uint32) {
	if s := u.table.find(slot &^ udpSlots); s != nil {
		u.readErrors(s)
	}
}

// readErrors reads a socket's error queue: the destinations that it names have failed. A
// group is never one of them: whoever answers is one of many.
func (u *udpWorker) readErrors(s *udpSocket) {
	var name udpName
	var payload [1]byte
	var control [512]byte
	var vector unix.Iovec
	for {
		vector.Base = &payload[0]
		vector.SetLen(len(payload))
		h := unix.Msghdr{Name: (*byte)(unsafe.Pointer(&name.raw)), Namelen: unix.SizeofSockaddrInet6, Iov: &vector, Control: &control[0]}
		h.SetIovlen(1)
		h.SetControllen(len(control))
		_, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&h)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return
		}
		why, ok := icmpError(control[:min(int(h.Controllen), len(control))])
		if !ok || why == unix.EMSGSIZE {
			continue // the kernel has learned the way's size, and the next send tells
		}
		to := name.get()
		if to.Addr().IsMulticast() {
			continue
		}
		u.unreachable(s, to, why)
	}
}

// unreachable fails the viewers at a destination.
func (u *udpWorker) unreachable(s *udpSocket, to netip.AddrPort, why unix.Errno) {
	u.table.mu.Lock()
	sockets := u.table.alike(s)
	u.table.mu.Unlock()
	for _, s := range sockets {
		for _, v := range s.viewers {
			if v.udp.to.Port() == to.Port() && v.udp.to.Addr().WithZone("") == to.Addr() {
				u.drop(v, DropUnreachable, 1)
				u.fail(v, why, false)
			}
		}
	}
}

// icmpError finds what an ICMP message meant (ip(7), struct sock_extended_err).
func icmpError(b []byte) (unix.Errno, bool) {
	const originICMP, originICMP6 = 2, 3
	for len(b) >= unix.SizeofCmsghdr {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		length := int(c.Len)
		if length < unix.SizeofCmsghdr || length > len(b) {
			return 0, false
		}
		data := b[min(unix.CmsgLen(0), length):length]
		isError := c.Level == unix.IPPROTO_IP && c.Type == unix.IP_RECVERR || c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_RECVERR
		if isError && len(data) >= 16 && (data[4] == originICMP || data[4] == originICMP6) {
			return unix.Errno(binary.NativeEndian.Uint32(data)), true
		}
		b = b[min(unix.CmsgSpace(length-unix.CmsgLen(0)), len(b)):]
	}
	return 0, false
}
