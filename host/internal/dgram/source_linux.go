package dgram

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// PutSource writes the option that names a datagram's source address (ip(7), ipv6(7)) to
// the begin of b, and gives its length: at most 40 bytes. addr is as in Name.Put; index is
// the interface that a datagram of IPv6 leaves by, or 0.
func PutSource(b []byte, v6 bool, addr *[16]byte, index uint32) int {
	size := unix.SizeofInet4Pktinfo
	if v6 {
		size = unix.SizeofInet6Pktinfo
	}
	space := unix.CmsgSpace(size)
	b = b[:space]
	c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	c.SetLen(unix.CmsgLen(size))
	data := unsafe.Pointer(&b[unix.CmsgLen(0)])
	if v6 {
		c.Level, c.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
		*(*unix.Inet6Pktinfo)(data) = unix.Inet6Pktinfo{Addr: *addr, Ifindex: index}
		return space
	}
	c.Level, c.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
	*(*unix.Inet4Pktinfo)(data) = unix.Inet4Pktinfo{Spec_dst: [4]byte(addr[12:])}
	return space
}
