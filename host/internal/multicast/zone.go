package multicast

import "net/netip"

func netipWithZone(a netip.AddrPort, zone string) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone(zone), a.Port())
}
