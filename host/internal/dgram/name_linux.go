package dgram

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NameBytes is the room that a Name has, enough for either family.
const NameBytes = unix.SizeofSockaddrInet6

// Name is a socket address of either family, as calls take and give it. The zero value is
// none, and a place for the kernel to write one to.
type Name struct {
	raw    unix.RawSockaddrInet6 // or the shorter one of IPv4
	length uint32
}

// Put writes an address, for a socket of IPv6 or of IPv4; one of IPv4 is mapped (RFC 4291
// 2.5.5.2) on either. scope is the number of the interface of a link-local one.
func (n *Name) Put(v6 bool, addr *[16]byte, port uint16, scope uint32) {
	if v6 {
		n.raw = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: networkOrder(port), Addr: *addr, Scope_id: scope}
		n.length = unix.SizeofSockaddrInet6
		return
	}
	four := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: networkOrder(port), Addr: [4]byte(addr[12:])}
	*(*unix.RawSockaddrInet4)(unsafe.Pointer(&n.raw)) = four
	n.length = unix.SizeofSockaddrInet4
}

// PutAddrPort writes an address for a socket of its own family. A zone is the name or the
// number of an interface; one that there is not is left out. Looking for it takes memory.
func (n *Name) PutAddrPort(a netip.AddrPort) {
	addr, scope := a.Addr(), uint32(0)
	if zone := addr.Zone(); zone != "" {
		scope = uint32(zoneIndex(zone))
	}
	sixteen := addr.As16()
	n.Put(!addr.Is4(), &sixteen, a.Port(), scope)
}

// Get reads the address, whoever has written it: one of IPv4 mapped, from a socket of
// either family.
func (n *Name) Get() (addr [16]byte, port uint16, scope uint32) {
	if n.raw.Family == unix.AF_INET6 {
		return n.raw.Addr, networkOrder(n.raw.Port), n.raw.Scope_id
	}
	four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&n.raw))
	addr[10], addr[11] = 0xFF, 0xFF
	copy(addr[12:], four.Addr[:])
	return addr, networkOrder(four.Port), 0
}

// AddrPort is Get, in its socket's family and without a zone, which would take memory.
func (n *Name) AddrPort() netip.AddrPort {
	sixteen, port, _ := n.Get()
	addr := netip.AddrFrom16(sixteen)
	if n.raw.Family != unix.AF_INET6 {
		addr = addr.Unmap()
	}
	return netip.AddrPortFrom(addr, port)
}

// Pointer is where a call finds the address, or writes it, of up to NameBytes. It is
// valid as long as n.
func (n *Name) Pointer() *byte { return (*byte)(unsafe.Pointer(&n.raw)) }

// Len is how many bytes were put.
func (n *Name) Len() uint32 { return n.length }

// Bytes is what Pointer points to, all NameBytes of it.
func (n *Name) Bytes() []byte { return (*[NameBytes]byte)(unsafe.Pointer(&n.raw))[:] }

// zoneIndex gives the number of an interface, by its name or its number.
func zoneIndex(zone string) int {
	if i, err := net.InterfaceByName(zone); err == nil {
		return i.Index
	}
	n := 0
	if _, err := fmt.Sscan(zone, &n); err != nil {
		return 0
	}
	return n
}

// networkOrder turns a number into a port of a socket address, or back.
func networkOrder(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}
