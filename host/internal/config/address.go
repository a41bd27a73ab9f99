package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ports is one port or a range of them, both ends included.
type ports struct{ first, last uint16 }

func (p ports) String() string {
	if p.first == p.last {
		return fmt.Sprint(p.first)
	}
	return fmt.Sprintf("%d-%d", p.first, p.last)
}

// String writes "10.0.0.0/8:80" or "[2001:db8::]/32:20000-20999".
func (c Claim) String() string {
	at := c.Prefix.String()
	if c.Prefix.Addr().Is6() {
		at = fmt.Sprintf("[%s]/%d", c.Prefix.Addr(), c.Prefix.Bits())
	}
	return at + ":" + ports{c.First, c.Last}.String()
}

// place reads where a listener is: what can be bound becomes Addresses, the rest Claims.
func (l *loader) place(to *Listener, a at) {
	const form = "write address: \"0.0.0.0:8080\", or addresses: [IP or PREFIX, …] and port: PORT or ports: [PORT, \"FIRST-LAST\", …]"
	address, addresses, port, several := a.key("address"), a.key("addresses"), a.key("port"), a.key("ports")
	switch {
	case address.present() && (addresses.present() || port.present() || several.present()):
		address.fail("stands beside addresses, port or ports; %s", form)
	case address.present():
		if p := address.addrPort(); p.IsValid() && address.bindable(p.Addr()) {
			to.Addresses = []netip.AddrPort{p}
		}
	case port.present() && several.present():
		port.fail("stands beside ports; keep one of them")
	case addresses.present() && (port.present() || several.present()):
		l.cross(to, addresses, addresses.prefixes(), a.ports())
	case addresses.present():
		addresses.fail("stand without a port; add port: PORT, or ports: [PORT, \"FIRST-LAST\", …]")
	default:
		a.fail("has no address; %s", form)
	}
}

// cross joins each address with each port.
func (l *loader) cross(to *Listener, at at, prefixes []netip.Prefix, all []ports) {
	single, one := 0, 0
	for _, p := range prefixes {
		if p.IsSingleIP() {
			single++
		}
	}
	for _, p := range all {
		if p.first == p.last {
			one++
		}
	}
	sockets, claims := single*one, len(prefixes)*len(all)-single*one
	if sockets > maxSockets {
		at.fail("is %d sockets with the ports, more than %d; write a prefix or a range (\"20000-20999\"), which need steering and one socket in all", sockets, maxSockets)
		return
	}
	if claims > maxClaims {
		at.fail("is %d claims with the ports, more than %d; join prefixes or ranges", claims, maxClaims)
		return
	}
	for _, p := range prefixes {
		for _, n := range all {
			if p.IsSingleIP() && n.first == n.last {
				to.Addresses = append(to.Addresses, netip.AddrPortFrom(p.Addr(), n.first))
				continue
			}
			to.Claims = append(to.Claims, Claim{p, n.first, n.last})
		}
	}
}

// prefixes reads addresses: IPs, which are prefixes of their whole length, and prefixes. An address with a zone is a prefix of one.
func (a at) prefixes() (out []netip.Prefix) {
	for _, item := range a.some("address", maxClaims) {
		p, ok := item.prefix()
		if !ok {
			continue
		}
		if slices.Contains(out, p) {
			item.fail("%s stands twice; keep one", item.text())
			continue
		}
		out = append(out, p)
	}
	return out
}

func (a at) prefix() (p netip.Prefix, ok bool) {
	text := a.text()
	if !strings.Contains(text, "/") {
		addr := a.addr(text)
		if !addr.IsValid() || !a.bindable(addr) {
			return p, false
		}
		if addr.Zone() != "" {
			a.fail("%q has a zone, which only address: \"[%s]:PORT\" can have; write that", text, text)
			return p, false
		}
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || p.Addr().Is4In6():
		a.fail("%q is not a prefix; write one such as 10.0.0.0/8 or \"2001:db8::/32\"", text)
	case p != p.Masked():
		a.fail("%q has bits beyond its length; write %v for the network, or %v for the address", text, p.Masked(), p.Addr())
	case p.Addr().IsMulticast():
		a.fail("%q is multicast, which is never steered; write its groups under groups of a listener with protocol: udp", text)
	default:
		return p, true
	}
	return p, false
}

// bindable reports an address that nobody can bind or dial as it stands: a multicast group, or a link-local one without its interface.
func (a at) bindable(addr netip.Addr) bool {
	if addr.IsMulticast() {
		a.fail("%v is a multicast group; write it under groups of a listener with protocol: udp", addr)
		return false
	}
	if addr.Is6() && addr.IsLinkLocalUnicast() && addr.Zone() == "" {
		a.fail("%v is a link-local address, which each interface has of its own; write address: \"[%v%%eth0]:PORT\" with the interface's name", addr, addr)
		return false
	}
	return true
}

// ports reads port or ports of a listener.
func (a at) ports() (out []ports) {
	single := a.key("port")
	if single.present() {
		if strings.Contains(single.text(), "-") {
			single.fail("%q is a range; write ports: [%q]", single.text(), single.text())
			return nil
		}
		if n, ok := single.port(single.text()); ok {
			out = append(out, ports{n, n})
		}
		return out
	}
	for _, item := range a.key("ports").some("port", maxClaims) {
		p, ok := item.portRange()
		if !ok {
			continue
		}
		if i := slices.IndexFunc(out, func(o ports) bool { return p.first <= o.last && o.first <= p.last && p.last != 0 }); i >= 0 {
			item.fail("%v is in %v already; keep one of them", p, out[i])
			continue
		}
		out = append(out, p)
	}
	return out
}

func (a at) portRange() (p ports, ok bool) {
	first, last, isRange := strings.Cut(a.text(), "-")
	if p.first, ok = a.port(strings.TrimSpace(first)); !ok || !isRange {
		return ports{p.first, p.first}, ok
	}
	if p.last, ok = a.port(strings.TrimSpace(last)); !ok {
		return p, false
	}
	if p.first > p.last || p.first == 0 {
		a.fail("%q ends before it begins; write the lower port first, as in \"20000-20999\"", a.text())
		return p, false
	}
	return p, true
}

// some gives the items of a list that must hold one at least: empty must not come to mean all.
func (a at) some(what string, most int) []at {
	items := a.items()
	switch {
	case a.present() && len(items) == 0:
		a.fail("is empty, which is not the same as all; write at least one %s, or set enabled: false on the listener", what)
	case len(items) > most:
		a.fail("has %d entries, more than %d; join some", len(items), most)
		return nil
	}
	return items
}
