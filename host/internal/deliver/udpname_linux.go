package deliver

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// udpName is a socket address of either family.
type udpName struct {
	raw    unix.RawSockaddrInet6
	length uint32
}

func (n *udpName) set(a netip.AddrPort) {
	addr := a.Addr()
	if addr.Is4() {
		four := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: networkOrder(a.Port()), Addr: addr.As4()}
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(&n.raw)) = four
		n.length = unix.SizeofSockaddrInet4
		return
	}
	n.raw = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: networkOrder(a.Port()), Addr: addr.As16()}
	n.length = unix.SizeofSockaddrInet6
	if zone := addr.Zone(); zone != "" {
		n.raw.Scope_id = uint32(zoneIndex(zone))
	}
}

func (n *udpName) get() netip.AddrPort {
	if n.raw.Family == unix.AF_INET6 {
		return netip.AddrPortFrom(netip.AddrFrom16(n.raw.Addr), networkOrder(n.raw.Port))
	}
	four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&n.raw))
	return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), networkOrder(four.Port))
}

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

func networkOrder(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}
