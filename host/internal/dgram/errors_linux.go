package dgram

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MaybeICMP tells whether an error of a call may be what ICMP has said of a datagram that
// was sent before, perhaps to another peer: the socket itself is well, and once ReadErrors
// has emptied its queue the next call tells (ip(7), IP_RECVERR).
func MaybeICMP(errno unix.Errno) bool {
	switch errno {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENONET, unix.EPROTO, unix.EACCES, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EMSGSIZE:
		return true
	}
	return false
}

// OnlyICMP tells the errors that are never about what is sent, by a socket that is not
// connected.
func OnlyICMP(errno unix.Errno) bool { return errno == unix.ECONNREFUSED || errno == unix.EPROTO }

// ReadErrors empties a socket's error queue, in which the kernel keeps what ICMP says of
// datagrams that were sent, by whichever descriptor of the socket (ip(7), IP_RECVERR). Each
// error is one call, with the destination that it is about, which has no zone. It is as
// safe for several goroutines as each is: an error comes to one of them.
func ReadErrors(fd uintptr, each func(to netip.AddrPort, why unix.Errno)) {
	var name Name
	var payload [1]byte
	var control [512]byte
	var vector unix.Iovec
	for {
		vector.Base = &payload[0]
		vector.SetLen(len(payload))
		h := unix.Msghdr{Name: name.Pointer(), Namelen: NameBytes, Iov: &vector, Control: &control[0]}
		h.SetIovlen(1)
		h.SetControllen(len(control))
		_, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&h)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return
		}
		if why, ok := icmpError(control[:min(int(h.Controllen), len(control))]); ok {
			each(name.AddrPort(), why)
		}
	}
}

// icmpError finds what an ICMP message meant among the options of an error.
func icmpError(b []byte) (why unix.Errno, ok bool) {
	const originICMP, originICMP6, extendedBytes = 2, 3, 16 // linux/errqueue.h, struct sock_extended_err
	for len(b) >= unix.SizeofCmsghdr {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		length := int(c.Len)
		if length < unix.SizeofCmsghdr || length > len(b) {
			return 0, false
		}
		data := b[min(unix.CmsgLen(0), length):length]
		isError := c.Level == unix.IPPROTO_IP && c.Type == unix.IP_RECVERR || c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_RECVERR
		if isError && len(data) >= extendedBytes && (data[4] == originICMP || data[4] == originICMP6) {
			return unix.Errno(binary.NativeEndian.Uint32(data)), true
		}
		b = b[min(unix.CmsgSpace(length-unix.CmsgLen(0)), len(b)):]
	}
	return 0, false
}
